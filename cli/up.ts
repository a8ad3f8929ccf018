import { log } from "../lib/log";
import { run } from "../lib/run";
import { dockerDaemon } from "./prerequisites/docker";
import { stackImages } from "./prerequisites/images";
import { ensureStack, operate, POLICY_PACK, pulumi, pulumiEnvironment } from "./pulumiCommand";
import { repair } from "./repair";
import { stackArguments } from "./stackArguments";
import { namedDaemon } from "./stackConfig";

const UP = ["up", "--yes", "--skip-preview", "--refresh", "--suppress-outputs", "--suppress-progress"];

/**
 * `npm run up [-- FLAGS]`: deploys a stack, and repairs drift. Settings and host are checked before
 * anything is changed, so no preview comes first.
 */
export default async (args: string[]): Promise<number> => {
  const chosen = stackArguments("up", args);
  if (args.includes("--help")) return pulumi(["up", "--help"], await pulumiEnvironment());
  const host = async () => {
    const address = await dockerDaemon(await namedDaemon(chosen.stack), { start: true });
    await stackImages(chosen.stack, address);
    return address;
  };
  const [pulumiEnv, DOCKER_HOST] = await Promise.all([pulumiEnvironment(), host()]);
  const env = { ...pulumiEnv, DOCKER_HOST };
  await ensureStack(chosen, env);
  const flags = await repair(chosen.name, env);
  const status = await operate([...UP, "--policy-pack", POLICY_PACK, ...flags, ...chosen.args], env);
  if (status === 0) await logAddresses(chosen.name, env);
  return status;
};

/** Ends with what to open, where that is on another machine too. */
async function logAddresses(name: string, env: NodeJS.ProcessEnv): Promise<void> {
  const text = await run("pulumi", ["stack", "output", "--json", "--stack", name], { env });
  const { prometheusUrl, cadvisorUrl, grafanaUrl } = JSON.parse(text) as {
    prometheusUrl?: string;
    cadvisorUrl?: string;
    grafanaUrl?: string;
  };
  if (!prometheusUrl || !cadvisorUrl) return; // As with --target.
  const grafana = grafanaUrl ? `, ${grafanaUrl} for Grafana` : "";
  log(`open ${prometheusUrl} for containers, GPUs and alerts, ${cadvisorUrl} for cAdvisor${grafana}`);
}
