import { createInterface } from "node:readline/promises";
import { docker } from "../host/docker";
import { log } from "../lib/log";
import { ENVIRONMENT_LABEL } from "../lib/names";
import { run } from "../lib/run";
import { hasLocalState } from "./prerequisites/backend";
import { dockerDaemon } from "./prerequisites/docker";
import { knownStacks, noSuchStack, operate, pulumi, pulumiEnvironment } from "./pulumiCommand";
import { exportState, type Resource } from "./state";
import { stackArguments, type StackArguments } from "./stackArguments";
import { namedDaemon, stackConfig } from "./stackConfig";

const DOWN = ["destroy", "--yes", "--skip-preview", "--suppress-outputs", "--suppress-progress"];

/**
 * `npm run down [-- FLAGS]`: removes what a stack deployed, and then the empty stack from the project's own state. Its settings
 * stay. What would stop the removal half way is found before anything is removed.
 */
export default async (args: string[]): Promise<number> => {
  const chosen = stackArguments("down", args);
  const pulumiEnv = await pulumiEnvironment();
  if (args.includes("--help")) return pulumi(["destroy", "--help"], pulumiEnv);
  const known = await knownStacks(pulumiEnv);
  if (!known.has(chosen.stack)) {
    log(`${noSuchStack(chosen.stack, known)}, so there is nothing to remove`);
    return 0;
  }
  const env = { ...pulumiEnv, DOCKER_HOST: await dockerDaemon(await namedDaemon(chosen.stack)) };
  await requireNoOtherContainers(chosen.stack, env.DOCKER_HOST);
  const { resources = [] } = (await exportState(chosen.name, env)).deployment ?? {};
  const samples = resources.find(({ urn }) => urn.endsWith("-prometheus-data"));
  if (samples) await requireConsent(samples, chosen, env);

  const status = await operate([...DOWN, ...chosen.args], env);
  if (status !== 0 || !hasLocalState(env)) return status;
  if ((await knownStacks(env)).get(chosen.stack)?.resourceCount !== 0) return status;
  return pulumi(["stack", "rm", "--yes", "--preserve-config", chosen.name], env);
};

/** Removes the protection of the samples if the setting `protectData` no longer requires it, and prompts for confirmation. */
async function requireConsent(
  samples: Resource,
  { name, stack, args }: StackArguments,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  if (samples.protect) {
    if (args.includes("--exclude-protected")) return;
    const { "llm-metrics:protectData": protectData } = await stackConfig(stack);
    if (String(protectData) === "true")
      throw new Error(
        `the samples of the stack ${stack} are protected, so nothing was removed. To keep them:\n` +
          `  npm run down -- --exclude-protected --stack ${name}\n` +
          "To remove them too:\n" +
          `  npm run pulumi -- config set protectData false --stack ${name}\n` +
          `  npm run down -- --stack ${name}`,
      );
  }
  if (!args.includes("--yes") && !args.includes("-y")) await confirm(stack, name);
  if (samples.protect)
    await run("pulumi", ["state", "unprotect", samples.urn, "--yes", "--stack", name], { env });
}

async function confirm(stack: string, name: string): Promise<void> {
  const command = `npm run down -- --yes --stack ${name}`;
  if (!process.stdin.isTTY)
    throw new Error(
      `this removes the samples of the stack ${stack}, so it has to be confirmed, and nothing was removed: ${command}`,
    );
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(
    `This removes the stack ${stack} with its samples. To confirm, type its name: `,
  );
  terminal.close();
  if (answer.trim() !== stack)
    throw new Error(`that is not the name ${stack}, so nothing was removed; without a question: ${command}`);
}

/** Docker removes no network that a running container is connected to. */
async function requireNoOtherContainers(stack: string, address: string): Promise<void> {
  const ofStack = `label=${ENVIRONMENT_LABEL}=${stack}`;
  const lines = async (...args: string[]) => (await docker(args, { address })).split("\n").filter(Boolean);
  const own = new Set(await lines("ps", "--filter", ofStack, "--format", "{{.Names}}"));
  const commands: string[] = [];
  for (const network of await lines("network", "ls", "--filter", ofStack, "--format", "{{.Name}}"))
    for (const container of await lines("ps", "--filter", `network=${network}`, "--format", "{{.Names}}"))
      if (!own.has(container)) commands.push(`  docker network disconnect ${network} ${container}`);
  if (commands.length > 0)
    throw new Error(
      `containers that are not of the stack ${stack} are connected to its networks, so nothing was removed. Disconnect them first:\n` +
        commands.join("\n"),
    );
}
