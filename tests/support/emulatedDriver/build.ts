import { chmod } from "node:fs/promises";
import path from "node:path";
import { build } from "esbuild";

/**
 * Builds the emulated `nvidia-smi`, one executable file.
 *
 * @param folder the folder for the file
 * @param hostFile the file from which it reads the emulated host
 * @param node path of the Node that runs it. Default: the path in Node's images.
 * @returns the file's path
 */
export async function buildNvidiaSmi(
  folder: string,
  hostFile: string,
  node = "/usr/local/bin/node",
): Promise<string> {
  const outfile = path.join(folder, "nvidia-smi");
  await build({
    entryPoints: [path.resolve("tests/support/emulatedDriver/nvidiaSmi.ts")],
    outfile,
    bundle: true,
    platform: "node",
    target: "node20",
    banner: { js: `#!${node}` },
    define: { HOST_FILE: JSON.stringify(hostFile) },
    logLevel: "error",
  });
  await chmod(outfile, 0o755);
  return outfile;
}
