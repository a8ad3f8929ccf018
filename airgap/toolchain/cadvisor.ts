import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import path from "node:path";
import { cacheFolder } from "../cache";
import { exists, requireGo, run } from "./goCommands";

/** The version of the cAdvisor library that the command in airgap/cadvisor serves. */
export const CADVISOR_VERSION = "0.60.5";

const SOURCES = path.join(__dirname, "..", "cadvisor");

/**
 * Builds the command of airgap/cadvisor.
 *
 * @returns the folder with `cadvisor`
 */
export async function buildCadvisor(progress: (line: string) => void): Promise<string> {
  const hash = createHash("sha256");
  for (const file of (await readdir(SOURCES)).sort()) hash.update(await readFile(path.join(SOURCES, file)));
  const folder = path.join(cacheFolder(), `cadvisor-v${CADVISOR_VERSION}-${hash.digest("hex").slice(0, 12)}`);
  if (await exists(folder)) return folder;
  await requireGo();
  progress(`building cAdvisor ${CADVISOR_VERSION} from its Go library; this takes minutes, once`);

  const making = `${folder}.${process.pid}`;
  await mkdir(making, { recursive: true });
  const version = `-ldflags=-X github.com/google/cadvisor/lib/version.Version=v${CADVISOR_VERSION}`;
  await run("go", ["build", "-trimpath", "-mod=readonly", version, "-o", making + path.sep, "."], {
    cwd: SOURCES,
    env: { ...process.env, CGO_ENABLED: "0" },
  });
  await rename(making, folder).catch(() => rm(making, { recursive: true }));
  return folder;
}
