import { readdir, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { docker } from "../../host/docker";
import { log } from "../../lib/log";
import { run } from "../../lib/run";
import { importState, type State } from "../state";
import { KINDS } from "./containers";

/**
 * Removes the locks of processes that are gone from this machine: a state in files is locked by a file that names a process.
 *
 * @param folder the one with the state
 * @returns whether another process holds a lock
 */
export async function removeStaleLocks(
  folder: string,
  stack: string,
  env: NodeJS.ProcessEnv,
): Promise<"locked" | "free"> {
  const locks = path.join(folder, ".pulumi", "locks");
  const files = (await readdir(locks, { recursive: true }).catch(() => [])).filter(
    (file) => path.basename(path.dirname(file)) === stack && file.endsWith(".json"),
  );
  for (const file of files) {
    const lock = JSON.parse(await readFile(path.join(locks, file), "utf8")) as {
      pid: number;
      hostname: string;
    };
    if (lock.hostname !== os.hostname() || isAlive(lock.pid)) return "locked";
    log(`the last update was interrupted: its process ${lock.pid} is gone, so its lock is removed`);
    await removeTruncated(path.join(folder, ".pulumi", "stacks", "llm-metrics", `${stack}.json.attrs`));
    await run("pulumi", ["cancel", "--yes", "--stack", stack], { env });
  }
  return "free";
}

/**
 * Pulumi stores type and checksum of a state beside it, truncated when it is killed meanwhile. Pulumi cannot read the state
 * with a truncated file, but can without one. Source: gocloud.dev/blob/fileblob, attrs.go.
 */
async function removeTruncated(attributes: string): Promise<void> {
  try {
    JSON.parse(await readFile(attributes, "utf8"));
  } catch {
    await rm(attributes, { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

/**
 * Removes what an update created but did not record before it was killed: the next update would find the name in use.
 */
export async function removeUnfinished(state: State, stack: string, env: NodeJS.ProcessEnv): Promise<void> {
  const { resources = [], pending_operations: pending = [] } = state.deployment ?? {};
  if (pending.length === 0) return;
  const known = new Set(resources.map(({ id }) => id));
  for (const { resource, type } of pending) {
    const [kind, name] = [KINDS[resource.type], resource.inputs?.name];
    if (type !== "creating" || !kind || !name) continue;
    const idField = kind === "volume" ? "{{.Name}}" : "{{.Id}}";
    const id = await docker([kind, "inspect", "--format", idField, name], { env }).then(
      (out) => out.trim(),
      () => undefined,
    );
    if (!id || known.has(id)) continue;
    log(
      `the last update was interrupted while it created the ${kind} ${name}: it is removed and created again`,
    );
    await docker([kind, "rm", ...(kind === "container" ? ["--force"] : []), id], { env });
  }
  delete state.deployment?.pending_operations;
  await importState(stack, state, env);
}
