import { spawn } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";
import { cacheFolder } from "../lib/cache";
import { log } from "../lib/log";
import { run } from "../lib/run";
import { backend } from "./prerequisites/backend";
import { installPlugins } from "./prerequisites/plugins";
import { pulumiCli } from "./prerequisites/pulumiCli";
import { reduceOutput } from "./output";
import { keepSettingsFiles } from "./settingsFiles";
import { DEFAULT_STACK, shortName, type StackArguments } from "./stackArguments";

/** The folder of the policy pack, for `--policy-pack`. */
export const POLICY_PACK = path.resolve("policy");

/**
 * The environment in which the Pulumi CLI finds its language host, its plugins and its state.
 *
 * @param project the project's folder
 */
export async function pulumiEnvironment(project = process.cwd()): Promise<NodeJS.ProcessEnv> {
  const cli = await pulumiCli();
  const [state] = await Promise.all([backend(project), installPlugins(cli)]);
  return {
    ...process.env,
    ...state,
    ...withoutProxyOnLoopback(),
    PATH: [cli, POLICY_PACK, process.env["PATH"]].filter(Boolean).join(path.delimiter),
    PULUMI_SKIP_UPDATE_CHECK: "true",
    // Other programs, too, have their types checked elsewhere; checking them at each run would double its time.
    PULUMI_NODEJS_TRANSPILE_ONLY: "true",
    PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER: "true", // See keepSettingsFiles.
    // From version 22 on, Node keeps what it compiled.
    NODE_COMPILE_CACHE: path.join(cacheFolder(), "node"),
  };
}

/** Pulumi's processes talk to each other on loopback, and would do so through a proxy. */
function withoutProxyOnLoopback(): NodeJS.ProcessEnv {
  const own = process.env["NO_PROXY"] ?? process.env["no_proxy"];
  const exceptions = [own, "127.0.0.1", "localhost", "::1"].filter(Boolean).join(",");
  return { NO_PROXY: exceptions, no_proxy: exceptions };
}

/** Runs the Pulumi CLI in the terminal. */
export const pulumi = (args: string[], env: NodeJS.ProcessEnv): Promise<number> =>
  keepSettingsFiles(() => show(args, env, false));

/** Runs an operation on a stack; what is not a terminal gets fewer lines. */
export const operate = (args: string[], env: NodeJS.ProcessEnv): Promise<number> =>
  keepSettingsFiles(() => show(args, env, !process.stdout.isTTY));

function show(args: string[], env: NodeJS.ProcessEnv, reduced: boolean): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn("pulumi", args, { env, stdio: ["inherit", reduced ? "pipe" : "inherit", "pipe"] });
    const output = reduceOutput((line) => process.stdout.write(`${line}\n`));
    if (child.stdout) createInterface(child.stdout).on("line", output.write);
    let errors = "";
    child.stderr
      ?.on("data", (chunk: Buffer) => (errors += chunk.toString()))
      .pipe(process.stderr, { end: false });
    // Ctrl-C reaches Pulumi too, which ends in its own time.
    const wait = () => undefined;
    const stop = () => child.kill();
    process.on("SIGINT", wait).on("SIGTERM", stop);
    child.on("error", reject).on("close", (status) => {
      process.off("SIGINT", wait).off("SIGTERM", stop);
      output.end(status === 0);
      if (/incorrect passphrase|passphrase must be set/.test(errors)) log(PASSPHRASE);
      resolve(status ?? 1);
    });
  });
}

const PASSPHRASE =
  "The stack's secrets are encrypted with a passphrase: set PULUMI_CONFIG_PASSPHRASE, or PULUMI_CONFIG_PASSPHRASE_FILE, to the " +
  "one that the stack was created with. It is empty where `npm run up` created the stack with neither.";

/** A stack as the backend lists it. */
export interface KnownStack {
  name: string;
  current: boolean;
  resourceCount?: number;
}

/** The stacks of this project that the backend has, by their short names. */
export async function knownStacks(env: NodeJS.ProcessEnv): Promise<Map<string, KnownStack>> {
  const stacks = JSON.parse(await run("pulumi", ["stack", "ls", "--json"], { env })) as KnownStack[];
  return new Map(stacks.map((stack) => [shortName(stack.name), stack]));
}

/** The error message about a stack that does not exist. */
export function noSuchStack(stack: string, known: Map<string, KnownStack>): string {
  const others = known.size > 0 ? `there are ${[...known.keys()].join(", ")}` : "there are none yet";
  return `there is no stack ${stack} (${others})`;
}

/** Makes a stack where there is none. The default stack is selected, unless another one is, so that `pulumi` needs no `--stack`. */
export async function ensureStack({ name, stack }: StackArguments, env: NodeJS.ProcessEnv): Promise<void> {
  const known = await knownStacks(env);
  const select = stack === DEFAULT_STACK && ![...known.values()].some(({ current }) => current);
  const command = known.has(stack) ? "select" : "init";
  if (command === "select" && !select) return;
  const flags = command === "init" && !select ? ["--no-select"] : [];
  await keepSettingsFiles(() => run("pulumi", ["stack", command, name, ...flags], { env }));
  if (command === "init") log(`stack ${name}: created`);
}
