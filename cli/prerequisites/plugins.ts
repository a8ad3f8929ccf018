import path from "node:path";
import { buildPlugins, pluginsFolder } from "../../airgap/plugins/build";
import { run } from "../../lib/run";
import { exists } from "../../lib/cache";
import { dependencies } from "../../package.json";
import { pluginUrl, reachable } from "./download";
import { pulumiHome } from "./pulumiCli";
import { log } from "../../lib/log";

const PLUGINS = { docker: dependencies["@pulumi/docker"], command: dependencies["@pulumi/command"] };

/**
 * Decides who provides `docker` and `command`: the official plugins where they are installed or can be, else those of airgap/.
 *
 * @param cli the folder of the Pulumi CLI, which installs the official ones
 * @returns the folder of the airgap plugins for the PATH, or undefined when the official ones are used
 */
export async function airgapPlugins(cli: string): Promise<string | undefined> {
  const installed = Object.entries(PLUGINS).map(([name, version]) =>
    path.join(pulumiHome(), "plugins", `resource-${name}-v${version}`),
  );
  if ((await Promise.all(installed.map(exists))).every(Boolean)) {
    log("plugins: the official docker and command, installed");
    return undefined;
  }
  if (!(await exists(await pluginsFolder())) && (await reachable(pluginUrl("docker", PLUGINS.docker)))) {
    log("plugins: downloading the official docker and command");
    for (const [name, version] of Object.entries(PLUGINS))
      await run(path.join(cli, "pulumi"), ["plugin", "install", "resource", name, version]);
    return undefined;
  }
  log("plugins: docker and command of airgap/, because the official ones could not be downloaded here");
  return buildPlugins();
}
