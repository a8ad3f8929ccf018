import { createHash } from "node:crypto";
import path from "node:path";
import { buildSync } from "esbuild";

/** Node's options for the exporter: little lives long, what does not is collected early, and memory counts more than speed. */
export const NODE_OPTIONS = ["--max-semi-space-size=1", "--max-old-space-size=64", "--lite-mode"];

/** From the project's folder, where Pulumi runs the program and its commands: a bundle of the program is elsewhere. */
const FOLDER = path.resolve("exporter");
const ABSENT = path.join(FOLDER, "absent.ts");

/** The exporter as one file for Node 20 and newer; `file` is its name, which changes with its text. */
export function exporterBundle(): { file: string; code: string } {
  const { outputFiles } = buildSync({
    entryPoints: [path.join(FOLDER, "main.ts")],
    write: false,
    bundle: true,
    minify: true,
    platform: "node",
    target: "node20",
    alias: { "@grpc/grpc-js": ABSENT, "@grpc/proto-loader": ABSENT, protobufjs: ABSENT, ssh2: ABSENT },
    logLevel: "error",
  });
  const code = outputFiles[0]?.text ?? "";
  return { file: `exporter-${createHash("sha256").update(code).digest("hex").slice(0, 12)}.cjs`, code };
}
