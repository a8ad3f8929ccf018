import { createHash } from "node:crypto";
import path from "node:path";
import { buildSync } from "esbuild";

/** Node's options for the exporter: a small heap, since few objects live longer than a scrape, and less memory for code. */
export const NODE_OPTIONS = ["--max-semi-space-size=1", "--max-old-space-size=64", "--lite-mode"];

/**
 * Bundles the exporter into one file, which needs nothing but Node 20 or newer. The program and its commands run in the
 * project's folder, so paths start there: this module itself may be part of a bundle elsewhere.
 *
 * @returns the bundle, and a file name with its hash
 */
export function exporterBundle(): { file: string; code: string } {
  const { outputFiles } = buildSync({
    entryPoints: [path.resolve("exporter/main.ts")],
    write: false,
    bundle: true,
    minify: true,
    platform: "node",
    target: "node20",
    logLevel: "error",
  });
  const code = outputFiles[0]?.text ?? "";
  const hash = createHash("sha256").update(code).digest("hex").slice(0, 12);
  return { file: `exporter-${hash}.cjs`, code };
}
