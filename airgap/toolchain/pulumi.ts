import { copyFile, mkdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { cacheFolder } from "../cache";
import { buildGoCommands, exists } from "./goCommands";

/** The version of the Pulumi CLI. */
export const PULUMI_VERSION = "3.259.0";

/**
 * Builds the Pulumi CLI and its language host for Node.
 *
 * @returns the folder with `pulumi` and `pulumi-language-nodejs`
 */
export async function buildPulumi(progress: (line: string) => void): Promise<string> {
  const cli = await buildGoCommands(
    {
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
    },
    progress,
  );
  // Today's language host is a module that the Go module proxy does not serve. This is the newest one that is part of the SDK's module.
  const language = await buildGoCommands(
    {
      name: "pulumi-language-nodejs",
      module: {
        path: "github.com/pulumi/pulumi/sdk/v3",
        version: "v3.68.0",
        sum: "h1:JWn3DGJhzoWL8bNbUdyLSSPeKS2F9mv14/EL9QeVT3w=",
      },
      packages: ["./nodejs/cmd/pulumi-language-nodejs"],
    },
    progress,
  );

  // The CLI looks for its language host beside itself.
  const folder = path.join(cacheFolder(), `pulumi-v${PULUMI_VERSION}`);
  if (await exists(folder)) return folder;
  const making = `${folder}.${process.pid}`;
  await mkdir(making, { recursive: true });
  await copyFile(path.join(cli, "pulumi"), path.join(making, "pulumi"));
  await copyFile(path.join(language, "pulumi-language-nodejs"), path.join(making, "pulumi-language-nodejs"));
  await rename(making, folder).catch(() => rm(making, { recursive: true }));
  return folder;
}
