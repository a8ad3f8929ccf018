import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { buildAlertmanager } from "../../airgap/toolchain/alertmanager";
import { run } from "../../lib/run";

const BUILD_MILLISECONDS = 1_800_000;

let amtool: string;
let folder: string;
beforeAll(async () => {
  amtool = path.join(await buildAlertmanager(), "amtool");
  folder = await mkdtemp(path.join(os.tmpdir(), "amtool-"));
}, BUILD_MILLISECONDS);
afterAll(() => rm(folder, { recursive: true }));

/** Runs amtool, of the release that is deployed, in a folder with a configuration, `alertmanager.yml`. */
export async function runAmtool(config: string, ...args: string[]): Promise<string> {
  await writeFile(path.join(folder, "alertmanager.yml"), config);
  return run(amtool, args, { cwd: folder });
}
