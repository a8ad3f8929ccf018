import { readFile } from "node:fs/promises";
import { run, succeeds } from "./run";
import { log } from "./log";

/**
 * Installs packages of Debian or Ubuntu whose content is missing.
 *
 * @param packages by name, the shell command that succeeds where the package's content is installed, also from another source
 * @param remedy what to do on other systems, or without root
 * @param options options of `apt-get install`
 * @throws Error with the remedy where it may not install
 */
export async function installPackages(
  packages: Record<string, string>,
  remedy: string,
  options: string[] = [],
): Promise<void> {
  const missing: string[] = [];
  for (const [name, check] of Object.entries(packages))
    if (!(await succeeds("sh", ["-c", check]))) missing.push(name);
  if (missing.length === 0) return;

  const release = await readFile("/etc/os-release", "utf8").catch(() => "");
  if (process.getuid?.() !== 0 || !/^ID(_LIKE)?=.*(debian|ubuntu)/m.test(release)) throw new Error(remedy);
  log(`packages: installing ${missing.join(", ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  await run("apt-get", ["update", "-q"], { env });
  await run("apt-get", ["install", "-q", "-y", ...options, ...missing], { env });
}
