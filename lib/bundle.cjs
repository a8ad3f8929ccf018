// Programs of this project start as one bundled JavaScript file, which takes a third of the time of their TypeScript sources.
// The Pulumi program (program.cjs), the deploy steps (commands/start.cjs) and the policy pack are loaded by this module alone,
// so `pulumi up` and `npm run up` run the same code.
const path = require("node:path");
const { kept } = require("./kept.cjs");

const PROJECT = path.join(__dirname, "..");

/**
 * The SDK and the packages of its connection have to be the instances that Pulumi's language host has loaded. esbuild and playwright-core
 * start programs from their own folders.
 */
const EXTERNAL = ["@pulumi/pulumi", "@grpc/grpc-js", "google-protobuf", "esbuild", "playwright-core"];

/**
 * Loads a TypeScript file of the project.
 *
 * @param {string} entry such as "index.ts"
 * @returns its exports
 */
exports.load = (entry) => {
  const name = `${entry.replaceAll("/", "-").replace(/\.ts$/, "")}.cjs`;
  const options = { entryPoints: [entry], platform: "node", target: "node20", external: EXTERNAL };
  return require(kept(PROJECT, name, () => ({ options, sources: ["lib/bundle.cjs"] })));
};
