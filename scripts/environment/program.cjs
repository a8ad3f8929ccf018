// Loaded first by each Node process of an update (NODE_OPTIONS, see ../pulumi.ts). In the one that runs the Pulumi program it leaves
// out what takes most of its time and nothing here needs: the TypeScript compiler, in whose place tsx strips types as in the probes;
// what Pulumi's SDK serializes functions with; and source maps, by which the SDK would translate a stack for each promise.
// NODE_OPTIONS=--enable-source-maps brings those back, to look for an error of the program.
const Module = require("node:module");

if (process.env.PULUMI_NODEJS_TYPESCRIPT === "true") {
  process.env.PULUMI_NODEJS_TYPESCRIPT = "false";
  require("tsx/cjs");
  process.setSourceMapsEnabled(process.env.NODE_OPTIONS.includes("--enable-source-maps"));

  const load = Module._load;
  /** A package that is loaded when something of it is asked for. */
  const later = (...args) => new Proxy({}, { get: (_, key) => key === "__esModule" || load(...args)[key] });
  const INSTEAD = {
    typescript: later,
    "@npmcli/arborist": later,
    "../../runtime/closure/v8Hooks": () => ({ isInitializedAsync: () => Promise.resolve() }),
    "source-map-support/register": () => ({}),
  };
  Module._load = (request, ...rest) => (INSTEAD[request] ?? load)(request, ...rest);
}
