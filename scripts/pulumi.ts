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

/** The environment in which the Pulumi CLI finds its language host, its plugins and its state. */
export async function pulumiEnvironment(): Promise<NodeJS.ProcessEnv> {
  const [cli, plugins, state] = await Promise.all([pulumiCli(), airgapPlugins(), backend(process.cwd())]);
  return {
    ...process.env,
    ...state,
    PATH: [plugins, cli, process.env["PATH"]].filter(Boolean).join(path.delimiter),
    PULUMI_SKIP_UPDATE_CHECK: "true",
    ...(plugins && { PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true" }),
  };
}

/** Runs the Pulumi CLI in the terminal, and resolves to its exit status. */
export function pulumi(
  args: string[],
  env: NodeJS.ProcessEnv,
  stdio: "inherit" | "ignore" = "inherit",
): Promise<number> {
  return new Promise((resolve, reject) => {
    spawn("pulumi", args, { env, stdio })
      .on("error", reject)
      .on("close", (status) => {
        resolve(status ?? 1);
      });
  });
}

/**
 * Runs a Pulumi command on a stack, which is made where there is none, with a Docker daemon and the images at hand.
 *
 * @param command the command and the flags that come before the user's
 * @param args the user's arguments
 */
export async function onStack(command: string[], args: string[]): Promise<number> {
  const stack = stackOf(args);
  const [env] = await Promise.all([pulumiEnvironment(), dockerDaemon().then(() => stackImages(stack))]);
  if ((await pulumi(["stack", "--stack", stack], env, "ignore")) !== 0) {
    const made = await pulumi(["stack", "init", "--no-select", stack], env);
    if (made !== 0) return made;
  }
  const named =
    stackOf(args) === DEFAULT_STACK && !args.some((arg) => /^(--stack|-s)/.test(arg))
      ? ["--stack", stack]
      : [];
  return pulumi([...command, ...named, ...args], env);
}
