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
 * Repairs what Pulumi cannot: the lock of an update whose process is gone, what that update made without getting to note
 * it, and containers that somebody paused. Everything else, the update does.
 *
 * @param stack the stack's short name
 * @param env the environment of the Pulumi CLI, with DOCKER_HOST
 */
export async function repair(stack: string, env: NodeJS.ProcessEnv): Promise<void> {
  await removeDeadLock(stack, env);
  await removeUnfinished(stack, env);
  const mine = ["--filter", `label=llm-metrics.environment=${stack}`];
  const paused = await run("docker", ["ps", "--quiet", "--filter", "status=paused", ...mine], { env });
  for (const id of paused.split("\n").filter(Boolean)) {
    say(`container ${(await run("docker", ["unpause", id], { env })).trim()} was paused, and goes on`);
  }
}

/** A state in files is locked by a file that names the process; only one that is gone from this machine counts. */
async function removeDeadLock(stack: string, env: NodeJS.ProcessEnv): Promise<void> {
  const [, root] = /^file:\/\/(.+)$/.exec(env["PULUMI_BACKEND_URL"] ?? "") ?? [];
  if (!root) return;
  const folder = path.join(root, ".pulumi", "locks");
  const files = (await readdir(folder, { recursive: true }).catch(() => [])).filter(
    (file) => path.basename(path.dirname(file)) === stack && file.endsWith(".json"),
  );
  for (const file of files) {
    const { pid, hostname } = JSON.parse(await readFile(path.join(folder, file), "utf8")) as {
      pid: number;
      hostname: string;
    };
    if (hostname !== os.hostname() || isAlive(pid)) continue;
    say(`the last update was interrupted: its process ${pid} is gone, so its lock is removed`);
    await run("pulumi", ["cancel", "--yes", "--stack", stack], { env });
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
