import { spawn } from "node:child_process";
import path from "node:path";
import { cacheFolder } from "../lib/cache";
import { backend } from "./prerequisites/backend";
import { dockerDaemon } from "./prerequisites/docker";
import { stackImages } from "./prerequisites/images";
import { installPlugins } from "./prerequisites/plugins";
import { pulumiCli } from "./prerequisites/pulumiCli";
import { repair } from "./repair";
import { namedDaemon } from "./stackConfig";
import { namedStack, shortName, withStack } from "./stackName";

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
    PATH: [cli, POLICY_PACK, process.env["PATH"]].filter(Boolean).join(path.delimiter),
    PULUMI_SKIP_UPDATE_CHECK: "true",
    // Other programs, too, have their types checked elsewhere; checking them at each run would double its time.
    PULUMI_NODEJS_TRANSPILE_ONLY: "true",
    // From version 22 on, Node keeps what it compiled.
    NODE_COMPILE_CACHE: path.join(cacheFolder(), "node"),
  };
}

/** Runs the Pulumi CLI, in the terminal unless its standard output is to be captured. */
export function pulumi(
  args: string[],
  env: NodeJS.ProcessEnv,
  output: "show" | "capture" = "show",
): Promise<{ status: number; stdout: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn("pulumi", args, {
      env,
      stdio: ["inherit", output === "show" ? "inherit" : "pipe", "inherit"],
    });
    let stdout = "";
    child.stdout?.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.on("error", reject).on("close", (status) => {
      resolve({ status: status ?? 1, stdout });
    });
  });
}

/** The stacks that the backend has of this project: their resources by their short names. */
export async function knownStacks(env: NodeJS.ProcessEnv): Promise<Map<string, number>> {
  const { stdout } = await pulumi(["stack", "ls", "--json"], env, "capture");
  const stacks = JSON.parse(stdout || "[]") as { name: string; resourceCount?: number }[];
  return new Map(stacks.map(({ name, resourceCount = 0 }) => [shortName(name), resourceCount]));
}

/**
 * Runs a Pulumi command on a stack, which is made where there is none, with a Docker daemon at hand.
 *
 * @param command the command and the flags that come before the user's
 * @param args the user's arguments
 * @param deploys whether it deploys: then the stack's images are made available, and what Pulumi cannot repair is repaired
 */
export async function onStack(command: string[], args: string[], { deploys = false } = {}): Promise<number> {
  const chosen = withStack(args);
  const name = namedStack(chosen.args) ?? chosen.stack;
  const host = async () => {
    const address = await dockerDaemon(await namedDaemon(chosen.stack));
    if (deploys) await stackImages(chosen.stack, address);
    return address;
  };
  const [env, address] = await Promise.all([pulumiEnvironment(), host()]);
  if (!(await knownStacks(env)).has(chosen.stack)) {
    const made = await pulumi(["stack", "init", "--no-select", name], env);
    if (made.status !== 0) return made.status;
  }
  const onHost = { ...env, DOCKER_HOST: address };
  const flags = deploys ? await repair(name, onHost) : [];
  return (await pulumi([...command, ...flags, ...chosen.args], onHost)).status;
}
