import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { run } from "../airgap/toolchain/goCommands";
import { say } from "./environment/say";

interface Resource {
  urn: string;
  type: string;
  id?: string;
  inputs?: { name?: string; networksAdvanced?: { name: string; aliases?: string[] }[] };
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
 * How Prometheus names data that it cannot read. The first two keep it from starting, the third from compacting. Source:
 * prometheus/tsdb, db.go and chunks/head_chunks.go.
 */
const CORRUPT =
  /corrupted block (\w{26}):|opening storage failed: \/prometheus\/(chunks_head\/\d+):|Failed to read meta.json .* dir=\/prometheus\/(\w{26}) /g;

/**
 * Repairs what Pulumi cannot: what an update that was killed left behind, containers that somebody paused or took off their
 * network, and samples that are corrupt. Everything else, the update does.
 *
 * @param stack the stack's short name
 * @param env the environment of the Pulumi CLI, with DOCKER_HOST
 */
export async function repair(stack: string, env: NodeJS.ProcessEnv): Promise<void> {
  // Backends that are services do this themselves, or tell how.
  const [, folder] = /^file:\/\/(.+)$/.exec(env["PULUMI_BACKEND_URL"] ?? "") ?? [];
  if (folder && (await locks(folder, stack, env)) === "alive") return; // Pulumi tells who is at it.
  const state = JSON.parse(await run("pulumi", ["stack", "export", "--stack", stack], { env })) as State;
  if (folder) await removeUnfinished(state, stack, env);
  const mine = async (filter: string) => {
    const filters = ["--filter", `label=llm-metrics.environment=${stack}`, "--filter", filter];
    return (await run("docker", ["ps", "--format", "{{.Names}}", ...filters], { env }))
      .split("\n")
      .filter(Boolean);
  };
  for (const container of await mine("status=paused")) {
    await run("docker", ["unpause", container], { env });
    say(`the container ${container} was paused, and goes on`);
  }
  await reconnect(state, env);
  for (const container of await mine("name=-prometheus$")) await setCorruptDataAside(container, env);
  for (const container of await mine("status=restarting")) {
    const end = await run("sh", ["-c", `docker logs --tail 5 ${container} 2>&1`], { env });
    say(`the container ${container} ends each time it is started; the end of its log:\n${end.trim()}`);
  }
}

/** Puts each container back on the networks that it was made for, by the same names there; a refresh does not see that it is off them. */
async function reconnect({ deployment }: State, env: NodeJS.ProcessEnv): Promise<void> {
  const resources = deployment?.resources ?? [];
  const existing = (kind: string) => resources.filter(({ type, id }) => KINDS[type] === kind && id);
  const inspect = (kind: string, format: string, id = "") =>
    run("docker", [kind, "inspect", "--format", format, id], { env }).catch(() => undefined); // What is gone, the update makes again.
  for (const { id: container = "", inputs } of existing("container")) {
    const present = await inspect("container", "{{json .NetworkSettings.Networks}}", container);
    if (!present) continue;
    const endpoints = Object.values(
      JSON.parse(present) as Record<string, { NetworkID: string; Aliases: string[] | null }>,
    );
    for (const { name, aliases = [] } of inputs?.networksAdvanced ?? []) {
      const network = existing("network").find((one) => one.inputs?.name === name)?.id ?? "";
      const endpoint = endpoints.find(({ NetworkID }) => NetworkID === network);
      if (endpoint && aliases.every((alias) => endpoint.Aliases?.includes(alias))) continue;
      if (!(await inspect("network", "{{.Id}}", network))) continue;
      if (endpoint) await run("docker", ["network", "disconnect", network, container], { env });
      const names = aliases.flatMap((alias) => ["--alias", alias]);
      await run("docker", ["network", "connect", ...names, network, container], { env });
      say(`the container ${inputs?.name ?? container} was not on its network ${name}, and is again`);
    }
  }
}

/** What of its samples a Prometheus cannot read, it does not start with. In a folder with a name of its own it lets them alone. */
async function setCorruptDataAside(container: string, env: NodeJS.ProcessEnv): Promise<void> {
  const log = await run("sh", ["-c", `docker logs --since 2m ${container} 2>&1`], { env });
  const named = new Set([...log.matchAll(CORRUPT)].flatMap((match) => match.slice(1).filter(Boolean)));
  if (named.size === 0) return;
  const image = await run("docker", ["inspect", "--format", "{{.Config.Image}}", container], { env });
  const move =
    'cd /prometheus; mkdir -p set-aside; for part in "$@"; do [ ! -e "$part" ] || { mv "$part" set-aside/; echo "$part"; }; done';
  const inVolume = ["run", "--rm", "--network=none", `--volumes-from=${container}`, "--entrypoint=sh"];
  const moved = await run("docker", [...inVolume, image.trim(), "-ec", move, "sh", ...named], { env });
  if (!moved.trim()) return;
  await run("docker", ["restart", container], { env });
  say(
    `${container} could not read ${moved.trim().split("\n").join(", ")} of its samples: set aside in /prometheus/set-aside, the others are kept`,
  );
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
    await removeCutOff(path.join(state, ".pulumi", "stacks", "llm-metrics", `${stack}.json.attrs`));
    await run("pulumi", ["cancel", "--yes", "--stack", stack], { env });
  }
  return "none";
}

/**
 * What Pulumi notes beside a state, its type and checksum, is cut off when it is killed while it writes that. It could not
 * read the state then; without the notes it can. Source: gocloud.dev/blob/fileblob, attrs.go.
 */
async function removeCutOff(notes: string): Promise<void> {
  try {
    JSON.parse(await readFile(notes, "utf8"));
  } catch {
    await rm(notes, { force: true });
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
async function removeUnfinished(state: State, stack: string, env: NodeJS.ProcessEnv): Promise<void> {
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
