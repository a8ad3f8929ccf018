import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { cacheFolder } from "../cache";

/**
 * A folder of the cache that is made once. It appears when it is complete; who wants it meanwhile waits for it.
 *
 * @param name names what it is made of, so that another content has another name
 * @param progress is told when another process is already making it
 * @param make fills the folder that it is given
 * @returns the folder
 * @throws what `make` throws; nothing is left behind then
 */
export async function cached(
  name: string,
  progress: (line: string) => void,
  make: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = path.join(cacheFolder(), name);
  if (await exists(folder)) return folder;
  await mkdir(cacheFolder(), { recursive: true });
  const release = await lock(`${folder}.lock`, () => {
    progress(`${name}: another process is making it; waiting`);
  });
  const making = `${folder}.${process.pid}`;
  try {
    if (await exists(folder)) return folder;
    await mkdir(making);
    await make(making);
    await rename(making, folder);
    return folder;
  } finally {
    await rm(making, { recursive: true, force: true });
    release();
  }
}

/**
 * Takes a lock that the kernel frees when this process ends, however it ends. Where there is no flock command, nothing is locked,
 * and the worst is that the same thing is made twice.
 */
async function lock(file: string, waiting: () => void): Promise<() => void> {
  const holder = spawn("flock", [file, "sh", "-c", "echo locked; cat"], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  const timer = setTimeout(waiting, 2000);
  await Promise.race([once(holder.stdout, "data"), once(holder, "close")]).catch(() => undefined);
  clearTimeout(timer);
  return () => holder.stdin.end();
}

export const exists = (file: string): Promise<boolean> =>
  stat(file).then(
    () => true,
    () => false,
  );
