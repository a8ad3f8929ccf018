import { readdirSync, readFileSync } from "node:fs";

/** Collects the command lines of all processes of this machine while `work` runs, every 50 ms. */
export async function commandLinesDuring(work: () => Promise<unknown>): Promise<string> {
  const found = new Set<string>();
  const watch = setInterval(() => {
    for (const pid of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry)))
      try {
        found.add(readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " "));
      } catch {
        // It ended.
      }
  }, 50);
  try {
    await work();
  } finally {
    clearInterval(watch);
  }
  return [...found].join("\n");
}
