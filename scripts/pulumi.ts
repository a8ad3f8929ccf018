import { spawn } from "node:child_process";
import path from "node:path";
import { backend } from "./environment/backend";
import { dockerDaemon } from "./environment/docker";
import { stackImages } from "./environment/images";
import { airgapPlugins } from "./environment/plugins";
import { pulumiCli } from "./environment/pulumiCli";

/** The stack that commands are about unless `--stack NAME` says another. */
const DEFAULT_STACK = "dev";

/** The stack that the arguments of a Pulumi command name. */
export function stackOf(args: string[]): string {
  const at = args.findIndex((arg) => arg === "--stack" || arg === "-s");
  const joined = args.find((arg) => arg.startsWith("--stack="))?.slice("--stack=".length);
  return joined ?? (at >= 0 ? args[at + 1] : undefined) ?? DEFAULT_STACK;
}

/**
 * The environment in which the Pulumi CLI finds its language host, its plugins and its state.
 *
 * @param project the project's folder
 */
export async function pulumiEnvironment(project = process.cwd()): Promise<NodeJS.ProcessEnv> {
  const [cli, plugins, state] = await Promise.all([pulumiCli(), airgapPlugins(), backend(project)]);
  return {
    ...process.env,
    ...state,
    PATH: [plugins, cli, process.env["PATH"]].filter(Boolean).join(path.delimiter),
    PULUMI_SKIP_UPDATE_CHECK: "true",
    ...(plugins && { PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true" }),
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

/**
 * Runs a Pulumi command on a stack, which is made where there is none, with a Docker daemon at hand.
 *
 * @param command the command and the flags that come before the user's
 * @param args the user's arguments
 * @param images whether the stack's images are needed
 */
export async function onStack(command: string[], args: string[], { images = false } = {}): Promise<number> {
  const stack = stackOf(args);
  const host = async () => {
    await dockerDaemon();
    if (images) await stackImages(stack);
  };
  const [env] = await Promise.all([pulumiEnvironment(), host()]);
  const named = args.some((arg) => /^(--stack|-s)(=|$)/.test(arg)) ? args : ["--stack", stack, ...args];

  const known = await pulumi(["stack", "ls", "--json"], env, "capture");
  if (
    !(JSON.parse(known.stdout || "[]") as { name: string }[]).some(
      ({ name }) => name.split("/").pop() === stack,
    )
  ) {
    const made = await pulumi(["stack", "init", "--no-select", stack], env);
    if (made.status !== 0) return made.status;
  }
  return (await pulumi([...command, ...named], env)).status;
}
