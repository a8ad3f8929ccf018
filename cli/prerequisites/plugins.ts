import { copyFile, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { buildProviders } from "../../airgap";
import { exists } from "../../lib/cache";
import { log } from "../../lib/log";
import { run } from "../../lib/run";
import { dependencies } from "../../package.json";
import { pluginUrl, reachable } from "./download";
import { pulumiHome } from "./pulumiCli";

const PLUGINS = { docker: dependencies["@pulumi/docker"], command: dependencies["@pulumi/command"] };

/** In the folder of a plugin that was built here: what it was built from. Official plugins have no such file. */
const MARKER = "built-by-llm-metrics";

/**
 * Installs the plugins `docker` and `command` where the Pulumi CLI looks for them: the official ones, or those of airgap/ where
 * the official ones cannot be downloaded. An official plugin that is there stays.
 *
 * @param cli the folder of the Pulumi CLI, which downloads the official ones
 */
export async function installPlugins(cli: string): Promise<void> {
  const origins: string[] = [];
  for (const [name, version] of Object.entries(PLUGINS))
    origins.push(`${name} ${version} (${await installPlugin(name, version, cli)})`);
  log(`plugins: ${origins.join(", ")}`);
}

/** Installs a plugin, unless it is there, and returns where it is from. */
async function installPlugin(name: string, version: string, cli: string): Promise<string> {
  const folder = path.join(pulumiHome(), "plugins", `resource-${name}-v${version}`);
  // The CLI notes beside the folder that a download has not ended.
  const isInstalled = (await exists(folder)) && !(await exists(`${folder}.partial`));
  const isBuilt = await exists(path.join(folder, MARKER));
  if (isInstalled && !isBuilt) return "official";
  if (!isInstalled && (await reachable(pluginUrl(name, version)))) {
    log(`plugins: downloading the official ${name} ${version}`);
    await run(path.join(cli, "pulumi"), ["plugin", "install", "resource", name, version]);
    return "official";
  }
  await installBuilt(path.join(await buildProviders(), `pulumi-resource-${name}`), folder);
  return "built by airgap/";
}

/**
 * Installs a plugin that was built here, unless it is there. Several processes may do so at once, while others run the plugin:
 * each file appears complete.
 */
async function installBuilt(program: string, folder: string): Promise<void> {
  const source = path.basename(path.dirname(program));
  const marker = path.join(folder, MARKER);
  if ((await readFile(marker, "utf8").catch(() => "")) === source) return;
  await mkdir(path.dirname(folder), { recursive: true });
  const partial = await mkdtemp(path.join(path.dirname(folder), ".llm-metrics-"));
  try {
    const files = [path.basename(program), MARKER];
    await copyFile(program, path.join(partial, path.basename(program)));
    await writeFile(path.join(partial, MARKER), source);
    if (!(await exists(marker))) await rm(`${folder}.partial`, { force: true });
    try {
      await rename(partial, folder);
    } catch (error) {
      if (!(await exists(marker))) throw error;
      for (const file of files) await rename(path.join(partial, file), path.join(folder, file));
    }
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}
