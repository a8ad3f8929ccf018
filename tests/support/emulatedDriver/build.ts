import { chmod } from "node:fs/promises";
import path from "node:path";
import { build } from "esbuild";

/**
 * Makes the emulated `nvidia-smi` as one executable file.
 *
 * @param folder where to
 * @param hostFile where it reads the host that it answers for
 * @param node the Node that runs it; by default where Node's images have it
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
