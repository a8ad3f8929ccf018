// The Pulumi program: `main` of package.json, by which Pulumi's language host finds it.

// Pulumi's SDK records the stack of each promise and translates it by source maps, half a second in a preview. Errors of this
// program are messages without a stack. With DEBUG set, stacks are recorded.
if (!process.env.DEBUG) Error.stackTraceLimit = 0;

// Nobody reads the output of a program whose engine was killed. Pulumi's SDK reports that as an error, to the same output, and so on
// without end, in more and more memory.
for (const output of [process.stdout, process.stderr]) output.on("error", () => process.exit(1));

module.exports = require("./bundle.cjs").load("index.ts");
