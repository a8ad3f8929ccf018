import { copyFile, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { cached, cacheFolder } from "../../lib/cache";
import { buildGoCommands, type GoCommands, hashOf } from "./goCommands";

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

/** Today's language host is a module that the Go module proxy does not serve. This is the newest one in the SDK's module. */
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
 * Starts the language host. It knows the option `typescript: false` of Pulumi.yaml only as a flag, which today's CLI does not
 * pass: the CLI sends options in messages that this version does not read. The CLI starts it in the project's folder.
 */
const WRAPPER = `#!/bin/sh
if grep -Eqs '^ *typescript: *false' Pulumi.yaml; then set -- -typescript=false "$@"; fi
exec "$0-3.68.0" "$@"
`;

const FOLDER = `pulumi-v${PULUMI_VERSION}-${hashOf(WRAPPER)}`;

/** Where {@link buildPulumi} puts the CLI. */
export const builtPulumi = (): string => path.join(cacheFolder(), FOLDER);

/**
 * Builds the Pulumi CLI and its language host for Node.
 *
 * @returns the folder with `pulumi` and `pulumi-language-nodejs`, which the CLI looks for beside itself
 */
export const buildPulumi = (): Promise<string> =>
  cached(FOLDER, async (folder) => {
    for (const part of [CLI, LANGUAGE_HOST]) {
      const program = path.basename(part.packages[0] ?? "");
      await copyFile(path.join(await buildGoCommands(part), program), path.join(folder, program));
    }
    const host = path.join(folder, "pulumi-language-nodejs");
    await rename(host, `${host}-3.68.0`);
    await writeFile(host, WRAPPER, { mode: 0o755 });
  });
