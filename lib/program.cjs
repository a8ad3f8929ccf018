// The Pulumi program: `main` of package.json, by which Pulumi's language host finds it.

// Pulumi's SDK records the stack of each promise and of each resource, and source-map-support, which it installs, translates them: half
// a second in a preview. Errors of this program are messages without a stack. With DEBUG set, stacks are recorded and translated.
if (!process.env.DEBUG) {
  Error.stackTraceLimit = 0;
  Error.prepareStackTrace = undefined;
}
module.exports = require("./bundle.cjs").load("index.ts");
