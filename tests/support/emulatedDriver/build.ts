import { readFile } from "node:fs/promises";
import path from "node:path";
import { goModuleFolder, hashOf, type GoModule } from "../../../airgap/toolchain/goCommands";
import { installPackages } from "../../../lib/packages";
import { cached } from "../../../lib/cache";
import { run } from "../../../lib/run";

/** NVIDIA's module for Go, which has nvml.h. */
const GO_NVML: GoModule = {
  path: "github.com/NVIDIA/go-nvml",
  version: "v0.13.4-1",
  sum: "h1:2E7RdOLBxHGSXq8sUw+c5Y0aWmFT7Cj+ZdjYulgUH18=",
};

/**
 * Compiles C with NVIDIA's nvml.h into the cache, unless it is there.
 *
 * @param name of the result
 * @returns the file
 */
export async function compileWithNvml(name: string, source: string, flags: string[]): Promise<string> {
  const folder = await cached(
    `${name}-${hashOf(JSON.stringify([GO_NVML, flags]), source)}`,
    async (making) => {
      await installPackages(
        { gcc: "command -v gcc", "libc6-dev": "[ -e /usr/include/stdio.h ]" },
        "the tests of the exporter need a C compiler and the headers of the C library: install gcc and libc6-dev",
      );
      const headers = path.join(await goModuleFolder(GO_NVML), "gen", "nvml");
      const warnings = ["-Wall", "-Werror", "-Wno-deprecated-declarations"];
      const output = ["-o", path.join(making, name)];
      await run("gcc", [...warnings, ...flags, `-I${headers}`, ...output, "-x", "c", "-"], { input: source });
    },
  );
  return path.join(folder, name);
}

/**
 * Builds the emulated NVIDIA library, which reads the {@link description} of the host from the file in the environment
 * variable EMULATED_HOST.
 *
 * @returns the file
 */
export async function buildNvml(): Promise<string> {
  const source = await readFile(path.resolve("tests/support/emulatedDriver/nvml.c"), "utf8");
  return compileWithNvml("libnvidia-ml.so.1", source, ["-shared", "-fPIC", "-O1"]);
}
