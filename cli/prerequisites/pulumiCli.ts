import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { cacheFolder, exists } from "../../lib/cache";
import { log } from "../../lib/log";
import { run } from "../../lib/run";
import { buildPulumi, builtPulumi, PULUMI_VERSION } from "../../airgap";
import { cliUrl, download, reachable } from "./download";

/**
 * Finds the Pulumi CLI: on the PATH, where its installer puts it, in the cache, as the official download, or built.
 *
 * @returns the folder with `pulumi` and `pulumi-language-nodejs`
 */
export async function pulumiCli(): Promise<string> {
  const downloaded = path.join(cacheFolder(), `pulumi-official-v${PULUMI_VERSION}`);
  const places = [
    ...(process.env["PATH"] ?? "").split(path.delimiter),
    path.join(pulumiHome(), "bin"),
    downloaded,
    builtPulumi(),
  ];
  for (const folder of places)
    if (
      (await exists(path.join(folder, "pulumi"))) &&
      (await exists(path.join(folder, "pulumi-language-nodejs")))
    ) {
      log(`pulumi: found ${path.join(folder, "pulumi")}`);
      return folder;
    }

  const url = cliUrl(PULUMI_VERSION);
  if (await reachable(url)) {
    log(`pulumi: downloading ${url}`);
    await install(url, downloaded);
    return downloaded;
  }
  log(`pulumi: the download host does not answer; airgap/ builds ${PULUMI_VERSION}`);
  return buildPulumi();
}

/** Where Pulumi keeps its plugins and its login. */
export const pulumiHome = (): string => process.env["PULUMI_HOME"] || path.join(os.homedir(), ".pulumi");

async function install(url: string, folder: string): Promise<void> {
  const making = `${folder}.${process.pid}`;
  await mkdir(making, { recursive: true });
  try {
    const response = await download(url);
    if (!response.ok) throw new Error(`${url} answered ${response.status}`);
    const archive = path.join(making, "pulumi.tar.gz");
    await writeFile(archive, await response.buffer());
    await run("tar", ["-xzf", archive, "-C", making]);
    await rename(path.join(making, "pulumi"), folder);
  } finally {
    await rm(making, { recursive: true, force: true });
  }
}
