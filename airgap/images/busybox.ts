import path from "node:path";
import { cached } from "../../lib/cache";
import { run } from "../../lib/run";

/**
 * Debian's statically linked busybox, from its package.
 *
 * @returns the file
 * @throws Error when there is no apt, or the package cannot be had
 */
export async function staticBusybox(): Promise<string> {
  const folder = await cached("busybox-static", async (making) => {
    const download = () => run("apt-get", ["download", "-q", "busybox-static"], { cwd: making });
    await download().catch(async () => {
      await run("apt-get", ["update", "-q"]);
      await download();
    });
    await run("sh", ["-ec", "dpkg-deb -x *.deb . && rm *.deb && [ -e bin/busybox ] || mv usr/bin bin"], {
      cwd: making,
    });
  }).catch((error: unknown) => {
    throw new Error(`a statically linked busybox is needed to make images: ${(error as Error).message}`, {
      cause: error,
    });
  });
  return path.join(folder, "bin", "busybox");
}
