// Loaded first by each Node process of an update (NODE_OPTIONS, see ../pulumi.ts). In the one that runs the Pulumi program it leaves
// out what takes most of its time and nothing here needs: the TypeScript compiler, as the program was bundled (bundles.ts), and other
// ones are run by tsx; what Pulumi's SDK serializes functions with; and source maps, by which it translates a stack for each promise.
const { readFileSync, realpathSync } = require("node:fs");
const Module = require("node:module");
const path = require("node:path");

if (process.env.PULUMI_NODEJS_TYPESCRIPT === "true") {
  process.env.PULUMI_NODEJS_TYPESCRIPT = "false";
  const { LLM_METRICS_PROGRAM: bundle } = process.env;

  require.extensions[".ts"] = (module, file) => {
    if (realpathSync(file) === path.join(__dirname, "../../index.ts"))
      return module._compile(readFileSync(bundle, "utf8"), bundle);
    require("tsx/cjs");
    return require.extensions[".ts"](module, file);
  };

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
