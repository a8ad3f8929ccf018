import { buildGoCommands } from "./goCommands";

/** The version of node_exporter. */
export const NODE_EXPORTER_VERSION = "1.12.1";

/**
 * Builds node_exporter.
 *
 * @returns the folder with `node_exporter`
 */
export const buildNodeExporter = (): Promise<string> =>
  buildGoCommands({
    name: "node-exporter",
    module: {
      path: "github.com/prometheus/node_exporter",
      version: `v${NODE_EXPORTER_VERSION}`,
      sum: "h1:LzcZ6SqJRH2EULBz3Paa1t1uzQaaoo9domuz8FQDkiY=",
    },
    packages: ["."],
    tags: ["netgo", "osusergo"],
    ldflags: `-X github.com/prometheus/common/version.Version=${NODE_EXPORTER_VERSION}`,
  });
