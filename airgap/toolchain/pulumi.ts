import { copyFile, readdir } from "node:fs/promises";
import path from "node:path";
import { cached } from "../../lib/cache";
import { buildGoCommands, type GoCommands } from "./goCommands";

/** The version of the Pulumi CLI. */
export const PULUMI_VERSION = "3.259.0";

const CLI: GoCommands = {
  name: "pulumi-cli",
  module: {
    path: "github.com/pulumi/pulumi/pkg/v3",
    version: `v${PULUMI_VERSION}`,
    sum: "h1:Zf4wiLmgdhTAyq5dtTVnNY26BjtGrJ85ZQYut2qG6xM=",
  },
  siblings: {
    sdk: {
      path: "github.com/pulumi/pulumi/sdk/v3",
      version: `v${PULUMI_VERSION}`,
      sum: "h1:mJP9tXF9oxcfwidBgteXkUUchIz2L59SbGS5byZBo1w=",
    },
  },
  packages: ["./cmd/pulumi"],
  ldflags: `-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${PULUMI_VERSION}`,
};

/**
 * Today's language host is a module that the Go module proxy does not serve. This is the newest one that is part of the SDK's module.
 * It does not know the `runtime.options` of Pulumi.yaml, which today's CLI no longer passes as flags.
 */
const LANGUAGE_HOST: GoCommands = {
  name: "pulumi-language-nodejs",
  module: {
    path: "github.com/pulumi/pulumi/sdk/v3",
    version: "v3.68.0",
    sum: "h1:JWn3DGJhzoWL8bNbUdyLSSPeKS2F9mv14/EL9QeVT3w=",
  },
  packages: ["./nodejs/cmd/pulumi-language-nodejs"],
};

/**
 * Builds the Pulumi CLI and its language host for Node.
 *
 * @returns the folder with `pulumi` and `pulumi-language-nodejs`
 */
export async function buildPulumi(): Promise<string> {
  // The CLI looks for its language host beside itself.
  return cached(`pulumi-v${PULUMI_VERSION}`, async (folder) => {
    for (const part of [CLI, LANGUAGE_HOST]) {
      const built = await buildGoCommands(part);
      for (const file of await readdir(built))
        await copyFile(path.join(built, file), path.join(folder, file));
    }
  });
}
