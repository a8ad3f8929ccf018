import os from "node:os";
import path from "node:path";

/** The folder for what is built or downloaded once: `llm-metrics` in XDG_CACHE_HOME, by default ~/.cache. */
export function cacheFolder(): string {
  return path.join(process.env["XDG_CACHE_HOME"] ?? path.join(os.homedir(), ".cache"), "llm-metrics");
}
