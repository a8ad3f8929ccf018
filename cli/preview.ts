import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { exists } from "../lib/cache";
import { log } from "../lib/log";
import { run } from "../lib/run";
import { backendIn, hasLocalState } from "./prerequisites/backend";
import { dockerDaemon } from "./prerequisites/docker";
import { knownStacks, noSuchStack, operate, POLICY_PACK, pulumi, pulumiEnvironment } from "./pulumiCommand";
import { keepSettingsFiles } from "./settingsFiles";
import { stackArguments } from "./stackArguments";
import { namedDaemon } from "./stackConfig";

/**
 * `npm run preview [-- FLAGS]`: shows what `npm run up` would change, and changes nothing: it makes no stack, and starts no
 * Docker daemon.
 */
export default async (args: string[]): Promise<number> => {
  const chosen = stackArguments("preview", args);
  const pulumiEnv = await pulumiEnvironment();
  if (args.includes("--help")) return pulumi(["preview", "--help"], pulumiEnv);
  const known = await knownStacks(pulumiEnv);
  const isNew = !known.has(chosen.stack);
  if (isNew && !(hasLocalState(pulumiEnv) && (await exists(`Pulumi.${chosen.stack}.yaml`))))
    throw new Error(
      `${noSuchStack(chosen.stack, known)}: \`npm run up -- --stack ${chosen.name}\` creates and deploys it`,
    );
  const DOCKER_HOST = await dockerDaemon(await namedDaemon(chosen.stack));
  const preview = (env: NodeJS.ProcessEnv) =>
    operate(["preview", "--policy-pack", POLICY_PACK, ...chosen.args], { ...env, DOCKER_HOST });
  if (!isNew) return preview(pulumiEnv);

  log(`stack ${chosen.stack}: not created yet; this is what \`npm run up\` would create`);
  const folder = await mkdtemp(path.join(os.tmpdir(), "llm-metrics-preview-"));
  try {
    const env = { ...pulumiEnv, PULUMI_BACKEND_URL: backendIn(folder) };
    await keepSettingsFiles(() => run("pulumi", ["stack", "init", "--no-select", chosen.name], { env }));
    return await preview(env);
  } finally {
    await rm(folder, { recursive: true });
  }
};
