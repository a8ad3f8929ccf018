import { buildSources } from "./goCommands";

/** The version of the cAdvisor library that the command in airgap/cadvisor serves. */
const VERSION = "v0.60.5";

/**
 * Builds the command of airgap/cadvisor.
 *
 * @returns the folder with `cadvisor`
 */
export const buildCadvisor = (): Promise<string> =>
  buildSources("airgap/cadvisor", {
    name: `cadvisor-${VERSION}`,
    packages: ["."],
    ldflags: `-X github.com/google/cadvisor/lib/version.Version=${VERSION}`,
  });
