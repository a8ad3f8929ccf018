import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { run } from "../airgap/toolchain/goCommands";
import { say } from "./environment/say";

interface Resource {
  urn: string;
  type: string;
  id?: string;
  inputs?: { name?: string };
}
interface State {
  deployment?: {
    resources?: Resource[];
    pending_operations?: { resource: Resource; type: string }[];
  } | null;
}

/** How Docker's command line names what a resource type is. Volumes are adopted by their name, whoever made them. */
const KINDS: Record<string, string> = {
  "docker:index/container:Container": "container",
  "docker:index/network:Network": "network",
};

/**
 * Repairs what Pulumi cannot: what an update that was killed left behind, and containers that somebody paused. Everything
 * else, the update does.
 *
 * @param stack the stack's short name
 * @param env the environment of the Pulumi CLI, with DOCKER_HOST
 */
export async function repair(stack: string, env: NodeJS.ProcessEnv): Promise<void> {
  // Backends that are services do this themselves, or tell how.
  const [, state] = /^file:\/\/(.+)$/.exec(env["PULUMI_BACKEND_URL"] ?? "") ?? [];
  if (state) {
    if ((await locks(state, stack, env)) === "alive") return; // Pulumi tells who is at it.
    await removeUnfinished(stack, env);
  }
  const mine = ["--filter", `label=llm-metrics.environment=${stack}`];
  const paused = await run("docker", ["ps", "--quiet", "--filter", "status=paused", ...mine], { env });
  for (const id of paused.split("\n").filter(Boolean)) {
    const name = await run("docker", ["inspect", "--format", "{{.Name}}", id], { env });
    await run("docker", ["unpause", id], { env });
    say(`the container ${name.trim().slice(1)} was paused, and goes on`);
  }
}

/** A state in files is locked by a file that names a process. The locks of processes that are gone from this machine are removed. */
async function locks(state: string, stack: string, env: NodeJS.ProcessEnv): Promise<"alive" | "none"> {
  const folder = path.join(state, ".pulumi", "locks");
  const files = (await readdir(folder, { recursive: true }).catch(() => [])).filter(
    (file) => path.basename(path.dirname(file)) === stack && file.endsWith(".json"),
  );
  for (const file of files) {
    const lock = JSON.parse(await readFile(path.join(folder, file), "utf8")) as {
      pid: number;
      hostname: string;
    };
    if (lock.hostname !== os.hostname() || isAlive(lock.pid)) return "alive";
    say(`the last update was interrupted: its process ${lock.pid} is gone, so its lock is removed`);
    await run("pulumi", ["cancel", "--yes", "--stack", stack], { env });
  }
  return "none";
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

/** An update that was killed while something was being made left it in Docker, unknown to the state: the next would find its name taken. */
async function removeUnfinished(stack: string, env: NodeJS.ProcessEnv): Promise<void> {
  const exported = await run("pulumi", ["stack", "export", "--stack", stack], { env });
  const state = JSON.parse(exported) as State;
  const { resources = [], pending_operations: pending = [] } = state.deployment ?? {};
  if (pending.length === 0) return;
  const known = new Set(resources.map(({ id }) => id));
  for (const { resource, type } of pending) {
    const [kind, name] = [KINDS[resource.type], resource.inputs?.name];
    if (type !== "creating" || !kind || !name) continue;
    const id = await run("docker", [kind, "inspect", "--format", "{{.Id}}", name], { env }).then(
      (out) => out.trim(),
      () => undefined,
    );
    if (!id || known.has(id)) continue;
    say(`the last update was interrupted while it made the ${kind} ${name}: it is removed and made again`);
    await run("docker", [kind, "rm", ...(kind === "container" ? ["--force"] : []), id], { env });
  }
  delete state.deployment?.pending_operations;
  const folder = await mkdtemp(path.join(os.tmpdir(), "state-"));
  try {
    const file = path.join(folder, "state.json");
    await writeFile(file, JSON.stringify(state), { mode: 0o600 });
    await run("pulumi", ["stack", "import", "--stack", stack, "--file", file], { env });
  } finally {
    await rm(folder, { recursive: true });
  }
}
