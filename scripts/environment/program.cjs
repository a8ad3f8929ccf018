// Loaded first by each Node process of an update (NODE_OPTIONS, see ../pulumi.ts). In the one that runs this project's program it
// leaves out what takes most of its time and nothing here needs: the TypeScript compiler, as the program was bundled (bundles.ts);
// what Pulumi's SDK serializes functions with; its Automation API; and source maps, by which the SDK translates a stack for each
// promise.
const { existsSync, readFileSync, realpathSync } = require("node:fs");
const Module = require("node:module");
const path = require("node:path");

const { LLM_METRICS_BUNDLES: bundles, PULUMI_NODEJS_TYPESCRIPT } = process.env;
/** Where Pulumi's language host says that the program is. */
const program = path.join(process.argv[process.argv.indexOf("--pwd") + 1], "index.ts");
const ours = existsSync(program) && realpathSync(program) === path.join(__dirname, "../../index.ts");

if (PULUMI_NODEJS_TYPESCRIPT === "true" && ours && bundles) {
  const bundle = path.join(bundles, "program.cjs");
  process.env.PULUMI_NODEJS_TYPESCRIPT = "false";
  require.extensions[".ts"] = (module) => module._compile(readFileSync(bundle, "utf8"), bundle);

  const load = Module._load;
  /** A package that is loaded when something of it is asked for. */
  const later = (...args) => new Proxy({}, { get: (_, key) => key === "__esModule" || load(...args)[key] });
  const INSTEAD = {
    typescript: later,
    "./automation": later,
    "./closure/codePaths": () => ({}),
    "../../runtime/closure/v8Hooks": () => ({ isInitializedAsync: () => Promise.resolve() }),
    "source-map-support/register": () => ({}),
  };
  Module._load = (request, ...rest) => (INSTEAD[request] ?? load)(request, ...rest);
}
