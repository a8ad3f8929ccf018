// `node probes/start.cjs NAME` runs a program of this folder: from its bundle, where the project's scripts made one
// (scripts/environment/bundles.ts), which takes half the time, else from its source.
const { readFileSync } = require("node:fs");
const path = require("node:path");

const name = process.argv[2];
const { LLM_METRICS_BUNDLES: bundles } = process.env;
if (bundles) {
  process.noDeprecation = true; // Node does not warn of what is in node_modules either, of which bundles are made.
  const bundle = path.join(bundles, `${name}.cjs`);
  module._compile(readFileSync(bundle, "utf8"), bundle);
} else {
  require("tsx/cjs");
  require(`./${name}.ts`);
}
