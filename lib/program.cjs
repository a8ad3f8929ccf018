// The Pulumi program: `main` of package.json, by which Pulumi's language host finds it.

// Pulumi's SDK records the stack of each promise and translates it by source maps, half a second in a preview. Errors of this
// program are messages without a stack. With DEBUG set, stacks are recorded.
if (!process.env.DEBUG) Error.stackTraceLimit = 0;
module.exports = require("./bundle.cjs").load("index.ts");
