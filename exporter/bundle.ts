import { createHash } from "node:crypto";
import path from "node:path";
import { buildSync } from "esbuild";

/** The exporter as one file for Node 20 and newer; `file` is its name, which changes with its text. */
export function exporterBundle(): { file: string; code: string } {
  const { outputFiles } = buildSync({
    entryPoints: [path.join(__dirname, "main.ts")],
    write: false,
    bundle: true,
    minify: true,
    platform: "node",
    target: "node20",
    // Optional parts of ssh2, which dockerode brings and nothing here uses.
    external: ["cpu-features", "*.node"],
    logLevel: "error",
  });
  const code = outputFiles[0]?.text ?? "";
  return { file: `exporter-${createHash("sha256").update(code).digest("hex").slice(0, 12)}.cjs`, code };
}
