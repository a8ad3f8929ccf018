// The Pulumi program: `main` of package.json, by which Pulumi's language host finds it.

// Pulumi's SDK records the stack of each promise and of each resource, and source-map-support, which it installs, translates them: half
// a second in a preview. Errors of this program are messages without a stack. With DEBUG set, stacks are recorded and translated.
if (!process.env.DEBUG) {
  Error.stackTraceLimit = 0;
  Error.prepareStackTrace = undefined;
}

// No process reads the output of a program whose engine was killed. Pulumi's SDK reports that as an error, to the same output, and so on
// without end, in more and more memory.
for (const output of [process.stdout, process.stderr]) output.on("error", () => process.exit(1));

module.exports = require("./bundle.cjs").load("index.ts");
