import { createHash } from "node:crypto";
import { chmod, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { build } from "esbuild";
import { cacheFolder } from "../../lib/cache";
import { exists } from "../../lib/cache";

const PROJECT = process.cwd();
const SOURCES = path.join(PROJECT, "airgap/plugins");
const PLUGINS = ["docker", "command"] as const;
/** How a daemon on another machine is reached, here as in the probes. */
const SSH = ["host/docker.ts", "lib/run.ts"].map((file) => path.join(PROJECT, file));

/** The folder where {@link buildPlugins} puts the plugins that are made of the present sources. */
export async function pluginsFolder(): Promise<string> {
  return path.join(cacheFolder(), `plugins-${await sourceHash(SOURCES, ...SSH)}`);
}

/**
 * Bundles both plugins, unless the cache has them.
 *
 * @returns the folder with `pulumi-resource-docker` and `pulumi-resource-command`, for the PATH of the Pulumi CLI
 */
export async function buildPlugins(): Promise<string> {
  const folder = await pluginsFolder();
  if (await exists(folder)) return folder;

  const making = `${folder}.${process.pid}`;
  await mkdir(making, { recursive: true });
  for (const name of PLUGINS) {
    await build({
      entryPoints: [path.join(SOURCES, name, "index.ts")],
      outfile: path.join(making, `${name}.cjs`),
      bundle: true,
      minify: true,
      platform: "node",
      target: "node20",
      // Optional parts of docker-modem and ssh2 that are compiled on the machine; nothing here uses them.
      external: ["cpu-features", "*.node"],
      logLevel: "error",
    });
    const executable = path.join(making, `pulumi-resource-${name}`);
    await writeFile(executable, `#!/bin/sh\nexec node "$(dirname "$0")/${name}.cjs" "$@"\n`);
    await chmod(executable, 0o755);
  }
  await rename(making, folder).catch(() => rm(making, { recursive: true })); // Somebody else was faster.
  return folder;
}

/** Identifies what a bundle is made of: TypeScript files, alone or in folders, the locked packages and the compiler's options. */
export async function sourceHash(...sources: string[]): Promise<string> {
  const hash = createHash("sha256");
  const options = ["package-lock.json", "tsconfig.json"].map((file) => path.join(PROJECT, file));
  for (const source of [...sources, ...options])
    for (const file of await filesOf(source)) {
      hash.update(path.relative(PROJECT, file));
      hash.update(await readFile(file));
    }
  return hash.digest("hex").slice(0, 16);
}

async function filesOf(source: string): Promise<string[]> {
  if (!(await stat(source)).isDirectory()) return [source];
  const inside = await readdir(source, { recursive: true });
  return inside
    .filter((file) => file.endsWith(".ts"))
    .sort()
    .map((file) => path.join(source, file));
}
