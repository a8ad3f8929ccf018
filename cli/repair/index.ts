import { log } from "../../lib/log";
import { folderOf } from "../prerequisites/backend";
import { shortName } from "../stackArguments";
import { exportState, importState } from "../state";
import { logRestartingContainers, reconnectContainers, unpauseContainers } from "./containers";
import { completeOldState } from "./oldState";
import { quarantineCorruptSamples } from "./samples";
import { removeStaleLocks, removeUnfinished } from "./updates";

/**
 * Repairs what Pulumi cannot: what an update that was killed left behind, containers that were paused or disconnected from
 * their network, and samples that are corrupt. Everything else, the update repairs.
 *
 * @param name the stack's name, with its organization where the backend has some
 * @param env the environment of the Pulumi CLI, with DOCKER_HOST
 * @returns the flags by which the update checks what was repaired, because it sees no change there
 */
export async function repair(name: string, env: NodeJS.ProcessEnv): Promise<string[]> {
  const stack = shortName(name);
  // Backends that are services do this themselves, or report how.
  const folder = folderOf(env["PULUMI_BACKEND_URL"]);
  if (folder && (await removeStaleLocks(folder, stack, env)) === "locked") return []; // Pulumi reports who holds the lock.
  const state = await exportState(name, env);
  if (folder) await removeUnfinished(state, stack, env);
  const completed = completeOldState(state);
  if (completed > 0) {
    log(`the state of ${completed} resources lacks what the Docker provider expects: it is added, once`);
    await importState(name, state, env);
  }

  const repaired = [
    ...(await unpauseContainers(stack, env)),
    ...(await quarantineCorruptSamples(stack, env)),
    ...(await reconnectContainers(state, env)),
  ];
  for (const line of repaired) log(line);
  await logRestartingContainers(stack, env);
  return repaired.length > 0 ? ["--replace", "**probe-command"] : [];
}
