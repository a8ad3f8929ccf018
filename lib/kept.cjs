// What esbuild makes of the project's sources is kept in a folder of node_modules, and made again when one of them has changed.
const { createHash } = require("node:crypto");
const { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } = require("node:fs");
const path = require("node:path");

const FOLDER = "node_modules/.cache/llm-metrics";

/**
 * What is made, and of what.
 *
 * @typedef {object} Build
 * @property {import("esbuild").BuildOptions} options of esbuild
 * @property {string[]} [sources] files that decide the result besides those that esbuild bundles
 * @property {(files: import("esbuild").OutputFile[]) => string} [text] what is kept of esbuild's files; by default, the text of the only one
 */

/**
 * Returns a file that esbuild makes. Of the files in node_modules, the lockfile stands for all.
 *
 * @param {string} project the project's folder, where all paths start
 * @param {string} name of the file
 * @param {() => Build} build
 * @returns {string} the path of the file
 */
exports.kept = (project, name, build) => {
  const file = path.join(project, FOLDER, name);
  if (!isCurrent(project, file)) make(project, file, build());
  return file;
};

const hashOf = (project, source) =>
  createHash("sha256")
    .update(readFileSync(path.join(project, source)))
    .digest("base64");

/** The file with the hashes of the sources of a kept file. */
const hashesOf = (file) => `${file}.sources`;

function isCurrent(project, file) {
  try {
    const sources = JSON.parse(readFileSync(hashesOf(file), "utf8"));
    return Object.entries(sources).every(([source, hash]) => hashOf(project, source) === hash);
  } catch {
    return false;
  }
}

function make(project, file, { options, sources = [], text = ([only]) => only.text }) {
  const start = Date.now();
  rmSync(hashesOf(file), { force: true });
  const { metafile, outputFiles } = require("esbuild").buildSync({
    absWorkingDir: project,
    bundle: true,
    write: false,
    metafile: true,
    logLevel: "error",
    ...options,
  });
  const bundled = Object.keys(metafile.inputs).filter((source) => !/^(node_modules\/|<define:)/.test(source));
  const all = [...bundled, ...sources, "package-lock.json", "tsconfig.json", "lib/kept.cjs"];
  mkdirSync(path.dirname(file), { recursive: true });
  replace(file, text(outputFiles));
  // A source that has changed since the start may differ from the one that was bundled.
  if (all.some((source) => statSync(path.join(project, source)).mtimeMs >= start)) return;
  const hashes = Object.fromEntries(all.map((source) => [source, hashOf(project, source)]));
  replace(hashesOf(file), JSON.stringify(hashes));
}

/** Writes a file at once, since several processes may make the same one. */
function replace(file, text) {
  const partial = `${file}.${process.pid}`;
  writeFileSync(partial, text);
  renameSync(partial, file);
}
