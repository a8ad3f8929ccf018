import type { State } from "../state";

/**
 * What the Docker provider writes into every state, though it is empty, and earlier versions of this project's own plugin for
 * hosts that cannot download did not write. Without them, the provider would replace the resources.
 */
const MISSING: Record<string, Record<string, unknown>> = {
  "docker:index/network:Network": { options: {} },
  "docker:index/container:Container": { envs: [] },
};

/**
 * Adds to a state what the Docker provider expects in it.
 *
 * @returns how many resources were completed
 */
export function completeOldState({ deployment }: State): number {
  let completed = 0;
  for (const { type, outputs } of deployment?.resources ?? []) {
    const missing = Object.entries(MISSING[type] ?? {}).filter(([key]) => outputs?.[key] === undefined);
    if (!outputs || missing.length === 0) continue;
    Object.assign(outputs, Object.fromEntries(missing));
    completed++;
  }
  return completed;
}
