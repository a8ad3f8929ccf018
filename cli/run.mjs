// The entry of every npm script, from a bare clone on: installs the node modules where they are missing or not those of
// package-lock.json, then runs the command. Plain JavaScript, because before that there is nothing else.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const [name, ...args] = process.argv.slice(2);
const oldest = 20;

if (Number(process.versions.node.split(".")[0]) < oldest) {
  console.error(`Node ${process.versions.node} is too old: install Node ${oldest} or newer.`);
  process.exit(1);
}
process.chdir(root);

const stamp = "node_modules/.installed-lockfile";
const locked = createHash("sha256").update(readFileSync("package-lock.json")).digest("hex");
if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== locked) {
  console.error("node modules: installing those of package-lock.json");
  const ci = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const { status } = spawnSync("npm", ci, { stdio: "inherit" });
  if (status !== 0) {
    console.error("error: npm ci failed, for the reason above; run the command again when that is resolved");
    process.exit(1);
  }
  writeFileSync(stamp, locked);
}

/** The programs behind `npm run NAME`. */
const COMMANDS = {
  up: "cli/up.ts",
  preview: "cli/preview.ts",
  down: "cli/down.ts",
  pulumi: "cli/pulumi.ts",
  test: "tests/run.ts",
  bench: "benchmarks/run.ts",
  mutate: "tests/rules/mutate.ts",
  dashboards: "grafana/write.ts",
  "verify:gpu": "benchmarks/verifyGpu.ts",
};

process.exitCode = 1; // Until the command is done: what ends early has failed.
const require = createRequire(import.meta.url);
require("../lib/bundle.cjs")
  .load(COMMANDS[name])
  .default(args)
  .then(
    (status) => {
      process.exitCode = status;
    },
    (error) => {
      console.error(`error: ${error.message}`);
      process.exitCode = 1;
    },
  );
