import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, rename, rm, stat } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { log } from "./log";

/** The folder for what is built or downloaded once: `llm-metrics` in XDG_CACHE_HOME, by default ~/.cache. */
export function cacheFolder(): string {
  return path.join(process.env["XDG_CACHE_HOME"] || path.join(os.homedir(), ".cache"), "llm-metrics");
}

/**
 * Returns a folder of the cache, and makes it first where it is missing. The folder appears when it is complete; a second
 * process that needs it waits for the first.
 *
 * @param name names the content, so that other content has another name
 * @param make fills the folder that it is given
 * @throws what `make` throws; then nothing is left behind
 */
export async function cached(name: string, make: (folder: string) => Promise<void>): Promise<string> {
  const folder = path.join(cacheFolder(), name);
  if (await exists(folder)) return folder;
  await mkdir(cacheFolder(), { recursive: true });
  const release = await lock(`${folder}.lock`, () => {
    log(`${name}: waiting for another process that builds it`);
  });
  const partial = `${folder}.${process.pid}`;
  try {
    if (await exists(folder)) return folder;
    await mkdir(partial);
    await make(partial);
    await rename(partial, folder);
    return folder;
  } finally {
    await rm(partial, { recursive: true, force: true });
    release();
  }
}

/**
 * Takes a lock that the kernel releases when this process exits. Where there is no flock command, nothing is locked; at worst
 * the same folder is made twice.
 */
async function lock(file: string, onWait: () => void): Promise<() => void> {
  const holder = spawn("flock", [file, "sh", "-c", "echo locked; cat"], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  const timer = setTimeout(onWait, 2000);
  await Promise.race([once(holder.stdout, "data"), once(holder, "close")]).catch(() => undefined);
  clearTimeout(timer);
  return () => holder.stdin.end();
}

/** Whether a file or folder exists. */
export const exists = (file: string): Promise<boolean> =>
  stat(file).then(
    () => true,
    () => false,
  );
