import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { kept } from "../lib/kept.cjs";

/**
 * Node's options for the exporter: a small heap, since few objects live longer than a scrape, and no optimizing compiler, which takes
 * more time and memory than it saves in so few scrapes.
 */
export const NODE_OPTIONS = ["--max-semi-space-size=1", "--max-old-space-size=64", "--no-opt"];

/** The exporter's program: a folder, named after the hash of its content. */
export interface ExporterBundle {
  folder: string;
  /** Content by path in the folder. */
  files: Record<string, Buffer>;
}

/** The file in the folder that Node runs. */
export const PROGRAM = "exporter.cjs";

/** The native part of koffi, where its code looks for it. The host can have another architecture than the machine that deploys. */
const NATIVE_FILES = ["x64", "arm64"].map((arch) => `build/koffi/linux_${arch}/koffi.node`);

/** The folder of {@link exporterBundle}. */
export const exporterFolder = (): string => program().folder;

/** Bundles the exporter into one file, which needs nothing but the native files beside it and Node 20 or newer. */
export function exporterBundle(): ExporterBundle {
  const { folder, text } = program();
  return { folder, files: { [PROGRAM]: Buffer.from(text), ...nativeFiles() } };
}

/** The bundled file, and the folder with the native files. */
interface Program {
  folder: string;
  text: string;
}

/** The program and its commands run in the project's folder, so paths start there: this module itself may be part of a bundle elsewhere. */
function program(): Program {
  const file = kept(process.cwd(), "exporter.json", () => ({
    options: {
      entryPoints: ["exporter/main.ts"],
      minify: true,
      platform: "node",
      target: "node20",
      external: ["*.node"],
    },
    sources: ["exporter/bundle.ts"],
    text: ([bundled]) => JSON.stringify(withFolder(bundled?.text ?? "")),
  }));
  return JSON.parse(readFileSync(file, "utf8")) as Program;
}

function withFolder(text: string): Program {
  const hash = createHash("sha256").update(text);
  for (const content of Object.values(nativeFiles())) hash.update(content);
  return { folder: `exporter-${hash.digest("hex").slice(0, 12)}`, text };
}

const nativeFiles = (): Record<string, Buffer> =>
  Object.fromEntries(
    NATIVE_FILES.map((file) => [file, readFileSync(path.resolve("node_modules/koffi", file))]),
  );
