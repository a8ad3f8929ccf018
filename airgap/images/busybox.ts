import { mkdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { cacheFolder } from "../cache";
import { exists, run } from "../toolchain/goCommands";

/**
 * Debian's statically linked busybox, from its package.
 *
 * @returns the file
 * @throws Error when there is no apt, or the package cannot be had
 */
export async function staticBusybox(): Promise<string> {
  const folder = path.join(cacheFolder(), "busybox-static");
  const file = path.join(folder, "bin", "busybox");
  if (await exists(file)) return file;
  const making = `${folder}.${process.pid}`;
  await mkdir(making, { recursive: true });
  try {
    const download = () => run("apt-get", ["download", "-q", "busybox-static"], { cwd: making });
    await download().catch(async () => {
      await run("apt-get", ["update", "-q"]);
      await download();
    });
    await run("sh", ["-ec", "dpkg-deb -x *.deb . && rm *.deb && [ -e bin/busybox ] || mv usr/bin bin"], {
      cwd: making,
    });
    await rename(making, folder).catch(() => undefined);
  } catch (error) {
    throw new Error(`a statically linked busybox is needed to make images: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    await rm(making, { recursive: true, force: true });
  }
  return file;
}
