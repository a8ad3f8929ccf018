import { dockerDaemon } from "./prerequisites/docker";
import { hasLocalState } from "./prerequisites/backend";
import { log } from "../lib/log";
import { knownStacks, pulumi, pulumiEnvironment } from "./pulumiCommand";
import { namedDaemon } from "./stackConfig";
import { namedStack, withStack } from "./stackName";

/**
 * `npm run down [-- ARGS]`: removes what a stack deployed, and then the empty stack from the project's own state. Its
 * configuration stays; so does a protected volume, which stops it. A stack that does not exist is not made.
 */
export default async (args: string[]): Promise<number> => {
  const chosen = withStack(args);
  const env = await pulumiEnvironment();
  const known = await knownStacks(env);
  if (!known.has(chosen.stack)) {
    const others = known.size > 0 ? ` (there are ${[...known.keys()].join(", ")})` : "";
    log(`stack ${chosen.stack}: there is none, so there is nothing to remove${others}`);
    return 0;
  }
  const host = { ...env, DOCKER_HOST: await dockerDaemon(await namedDaemon(chosen.stack)) };
  // With a preview, which is what refuses to remove protected samples before anything else is removed.
  const { status } = await pulumi(["destroy", "--yes", ...chosen.args], host);
  if (status !== 0 || !hasLocalState(env) || (await knownStacks(env)).get(chosen.stack) !== 0) return status;
  return (
    await pulumi(["stack", "rm", "--yes", "--preserve-config", namedStack(chosen.args) ?? chosen.stack], env)
  ).status;
};
