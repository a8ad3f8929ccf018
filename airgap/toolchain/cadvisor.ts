import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { cached } from "../../lib/cache";
import { goBuild, hashOf, requireGo } from "./goCommands";
import { log } from "../../lib/log";

/** The version of the cAdvisor library that the command in airgap/cadvisor serves. */
export const CADVISOR_VERSION = "0.60.5";

const SOURCES = path.resolve("airgap/cadvisor");

/**
 * Builds the command of airgap/cadvisor.
 *
 * @returns the folder with `cadvisor`
 */
export async function buildCadvisor(): Promise<string> {
  const sources = (await readdir(SOURCES)).filter((file) => /^go\.|\.go$/.test(file)).sort();
  const contents = await Promise.all(sources.map((file) => readFile(path.join(SOURCES, file))));
  return cached(`cadvisor-v${CADVISOR_VERSION}-${hashOf(...contents)}`, async (folder) => {
    await requireGo();
    log(`building cAdvisor ${CADVISOR_VERSION} from its Go library; this takes minutes, once`);
    await goBuild(SOURCES, folder, {
      packages: ["."],
      ldflags: `-X github.com/google/cadvisor/lib/version.Version=v${CADVISOR_VERSION}`,
    });
  });
}
