import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { buildAlertmanager } from "../../airgap/toolchain/alertmanager";
import type { AlertmanagerConfiguration } from "../../alertmanager/config";
import { ALERTMANAGER_FOLDER } from "../../lib/names";
import { run } from "../../lib/run";

const BUILD_MILLISECONDS = 1_800_000;

let programs: string;
let folder: string;
beforeAll(async () => {
  programs = await buildAlertmanager();
  folder = await mkdtemp(path.join(os.tmpdir(), "amtool-"));
}, BUILD_MILLISECONDS);
afterAll(() => rm(folder, { recursive: true }));

/** Runs amtool, of the release that is deployed, in a folder with a configuration, `alertmanager.yml`. */
export async function runAmtool(config: string, ...args: string[]): Promise<string> {
  await writeFile(path.join(folder, "alertmanager.yml"), config);
  return run(path.join(programs, "amtool"), args, { cwd: folder });
}

/**
 * Starts Alertmanager, of the release that is deployed, on a port of loopback, with its configuration in that folder.
 *
 * @param rewrite changes the addresses in the files of secrets
 * @returns what stops it
 */
export async function startAlertmanager(
  { files, secretFiles }: AlertmanagerConfiguration,
  port: number,
  rewrite: (secret: string) => string,
): Promise<() => Promise<unknown>> {
  await mkdir(path.join(folder, "secrets"), { recursive: true });
  for (const [name, content] of Object.entries(secretFiles))
    await writeFile(path.join(folder, name), rewrite(content));
  const config = files["alertmanager.yml"]?.replaceAll(ALERTMANAGER_FOLDER, folder) ?? "";
  await writeFile(path.join(folder, "alertmanager.yml"), config);
  const flags = ["--config.file=alertmanager.yml", "--storage.path=data", "--cluster.listen-address="];
  const server = spawn(
    path.join(programs, "alertmanager"),
    [...flags, `--web.listen-address=127.0.0.1:${port}`],
    { cwd: folder, stdio: "ignore" },
  );
  return async () => {
    server.kill();
    await once(server, "close");
  };
}
