import { log } from "../../lib/log";
import { importState, type State } from "../state";

/**
 * Empty outputs that the Docker provider writes into every state. The plugin that earlier versions of this project had for
 * hosts without downloads did not write them, and the provider would replace such resources.
 */
const MISSING: Record<string, Record<string, unknown>> = {
  "docker:index/network:Network": { options: {} },
  "docker:index/container:Container": { envs: [] },
};

/** Completes the state of a stack that was deployed with that plugin, once. */
export async function completeOldState(name: string, state: State, env: NodeJS.ProcessEnv): Promise<void> {
  const completed = completeResources(state);
  if (completed === 0) return;
  log(
    `the state of ${completed} resources lacks outputs that the Docker provider expects: they are added, once`,
  );
  await importState(name, state, env);
}

/**
 * Adds the missing outputs to the resources of a state.
 *
 * @returns the number of completed resources
 */
export function completeResources({ deployment }: State): number {
  let completed = 0;
  for (const { type, outputs } of deployment?.resources ?? []) {
    const missing = Object.entries(MISSING[type] ?? {}).filter(([key]) => outputs?.[key] === undefined);
    if (!outputs || missing.length === 0) continue;
    Object.assign(outputs, Object.fromEntries(missing));
    completed++;
  }
  return completed;
}
