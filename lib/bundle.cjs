// Programs of this project start as one bundled JavaScript file, which takes a third of the time of their TypeScript sources.
// The Pulumi program (program.cjs), the deploy steps (commands/start.cjs) and the policy pack are loaded by this module alone,
// so `pulumi up` and `npm run up` run the same code.
const path = require("node:path");
const { kept } = require("./kept.cjs");

const PROJECT = path.join(__dirname, "..");

/** esbuild has a binary beside it, playwright-core programs. */
const EXTERNAL = ["esbuild", "playwright-core"];

/**
 * The program runs in a process of Pulumi's language host, which has loaded the SDK. The policy pack has a process of its own, and its
 * bundle has the SDK without what turns functions into text, half a second of its start: the packages that only this needs are left out.
 */
const WITHOUT_SDK = { external: [...EXTERNAL, "@pulumi/pulumi"] };
const WITH_SDK = {
  external: EXTERNAL,
  alias: { typescript: "./lib/empty.cjs", "@npmcli/arborist": "./lib/empty.cjs" },
};

/**
 * Loads a TypeScript file of the project.
 *
 * @param {string} entry such as "index.ts"
 * @returns its exports
 */
exports.load = (entry) => {
  const name = `${entry.replaceAll("/", "-").replace(/\.ts$/, "")}.cjs`;
  return require(
    kept(PROJECT, name, () => ({
      options: {
        entryPoints: [entry],
        platform: "node",
        target: "node20",
        ...(entry === "policy/index.ts" ? WITH_SDK : WITHOUT_SDK),
      },
    })),
  );
};
