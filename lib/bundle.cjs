// Programs of this project start as one bundled JavaScript file, which takes a third of the time of their TypeScript sources.
// The Pulumi program (program.cjs), the deploy steps (commands/start.cjs) and the policy pack are loaded by this module alone,
// so `pulumi up` and `npm run up` run the same code. A bundle is made again when one of its sources has changed.
const { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } = require("node:fs");
const path = require("node:path");

const PROJECT = path.join(__dirname, "..");
const FOLDER = path.join(PROJECT, "node_modules", ".cache", "llm-metrics");

/**
 * Loads a TypeScript file of the project.
 *
 * @param {string} entry such as "index.ts"
 * @returns its exports
 */
exports.load = (entry) => {
  const bundle = path.join(FOLDER, `${entry.replaceAll("/", "-").replace(/\.ts$/, "")}.cjs`);
  if (!isCurrent(bundle)) build(entry, bundle);
  return require(bundle);
};

/** Identifies the state of a source file. */
const stamp = (file) => {
  const { mtimeMs, size } = statSync(path.join(PROJECT, file));
  return `${mtimeMs} ${size}`;
};

function isCurrent(bundle) {
  try {
    const sources = JSON.parse(readFileSync(`${bundle}.json`, "utf8"));
    return Object.entries(sources).every(([file, was]) => stamp(file) === was);
  } catch {
    return false;
  }
}

function build(entry, bundle) {
  const { metafile, outputFiles } = require("esbuild").buildSync({
    absWorkingDir: PROJECT,
    entryPoints: [entry],
    outfile: bundle,
    bundle: true,
    write: false,
    metafile: true,
    platform: "node",
    target: "node20",
    // The SDK is the instance that Pulumi's language host has loaded; esbuild has a binary beside it, playwright-core programs.
    external: ["@pulumi/pulumi", "esbuild", "playwright-core"],
    logLevel: "error",
  });
  const sources = [
    ...Object.keys(metafile.inputs).filter((file) => !file.startsWith("node_modules/")),
    "package-lock.json",
  ];
  mkdirSync(FOLDER, { recursive: true });
  replace(`${bundle}.json`, JSON.stringify(Object.fromEntries(sources.map((file) => [file, stamp(file)]))));
  replace(bundle, outputFiles[0].text);
}

/** Writes a file at once, since several processes may make the same bundle. */
function replace(file, text) {
  const partial = `${file}.${process.pid}`;
  writeFileSync(partial, text);
  renameSync(partial, file);
}
