import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { run } from "../lib/run";
import { log } from "../lib/log";
import { completeOldState } from "./oldState";
import { shortName } from "./stackName";

interface Resource {
  urn: string;
  type: string;
  id?: string;
  outputs?: Record<string, unknown>;
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
 * @param name the stack's name, with its organization where the backend has some
 * @param env the environment of the Pulumi CLI, with DOCKER_HOST
 * @returns the flags by which the update probes what was repaired, as it sees no change there
 */
export async function repair(name: string, env: NodeJS.ProcessEnv): Promise<string[]> {
  const stack = shortName(name);
  // Backends that are services do this themselves, or tell how.
  const [, folder] = /^file:\/\/(.+)$/.exec(env["PULUMI_BACKEND_URL"] ?? "") ?? [];
  if (folder && (await locks(folder, stack, env)) === "alive") return []; // Pulumi tells who is at it.
  const state = JSON.parse(await run("pulumi", ["stack", "export", "--stack", name], { env })) as State;
  if (folder) await removeUnfinished(state, stack, env);
  const completed = completeOldState(state);
  if (completed > 0) {
    log(`the state of ${completed} resources lacks what the Docker provider expects: it is added, once`);
    await importState(state, name, env);
  }

  let flags: string[] = [];
  const repaired = (line: string) => {
    log(line);
    flags = ["--replace", "**probe-command"];
  };
  const mine = async (filter: string) => {
    const filters = ["--filter", `label=llm-metrics.environment=${stack}`, "--filter", filter];
    return (await run("docker", ["ps", "--format", "{{.Names}}", ...filters], { env }))
      .split("\n")
      .filter(Boolean);
  };
  for (const container of await mine("status=paused")) {
    await run("docker", ["unpause", container], { env });
    repaired(`the container ${container} was paused, and goes on`);
  }
  for (const container of await mine("name=-prometheus$"))
    await setCorruptDataAside(container, env, repaired);
  await reconnect(state, env, repaired);
  for (const container of await mine("status=restarting")) {
    const end = await run("sh", ["-c", `docker logs --tail 5 ${container} 2>&1`], { env });
    log(`the container ${container} ends each time it is started; the end of its log:\n${end.trim()}`);
  }
  return flags;
}

/**
 * Puts each container back on the networks that it was made for, by the same names there; a refresh does not see that it is
 * off them. What is gone, a refresh sees.
 */
async function reconnect(
  { deployment }: State,
  env: NodeJS.ProcessEnv,
  repaired: (line: string) => void,
): Promise<void> {
  const resources = deployment?.resources ?? [];
  const made = (kind: string) => resources.filter(({ type, id }) => KINDS[type] === kind && id);
  const existing = async (list: string[]) =>
    new Set((await run("docker", [...list, "--quiet", "--no-trunc"], { env })).split("\n"));
  const containers = await existing(["ps", "--all"]);
  const ids = made("container").flatMap(({ id = "" }) => (containers.has(id) ? id : []));
  if (ids.length === 0) return;
  const inspected = JSON.parse(await run("docker", ["container", "inspect", ...ids], { env })) as {
    Id: string;
    NetworkSettings: { Networks: Record<string, { Aliases: string[] | null }> };
  }[];
  const networks = await existing(["network", "ls"]);
  for (const { Id, NetworkSettings } of inspected) {
    const inputs = made("container").find(({ id }) => id === Id)?.inputs;
    for (const { name, aliases = [] } of inputs?.networksAdvanced ?? []) {
      const endpoint = NetworkSettings.Networks[name];
      if (endpoint && aliases.every((alias) => endpoint.Aliases?.includes(alias))) continue;
      const network = made("network").find((one) => one.inputs?.name === name)?.id ?? "";
      if (!networks.has(network)) continue;
      const names = aliases.flatMap((alias) => ["--alias", alias]);
      const container = inputs?.name ?? Id;
      try {
        if (endpoint) await run("docker", ["network", "disconnect", network, Id], { env });
        await run("docker", ["network", "connect", ...names, network, Id], { env });
        repaired(`the container ${container} was not on its network ${name}, and is again`);
      } catch (error) {
        // As with one that ends each time it is started, at the wrong moment.
        log(
          `the container ${container} is not on its network ${name}, nor can be: ${(error as Error).message}`,
        );
      }
    }
  }
}

/** What of its samples a Prometheus cannot read, it does not start with. In a folder with a name of its own it lets them alone. */
async function setCorruptDataAside(
  container: string,
  env: NodeJS.ProcessEnv,
  repaired: (line: string) => void,
): Promise<void> {
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
  repaired(
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
    log(`the last update was interrupted: its process ${lock.pid} is gone, so its lock is removed`);
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
    log(`the last update was interrupted while it made the ${kind} ${name}: it is removed and made again`);
    await run("docker", [kind, "rm", ...(kind === "container" ? ["--force"] : []), id], { env });
  }
  delete state.deployment?.pending_operations;
  await importState(state, stack, env);
}

/** Replaces the state of a stack. */
async function importState(state: State, stack: string, env: NodeJS.ProcessEnv): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "state-"));
  try {
    const file = path.join(folder, "state.json");
    await writeFile(file, JSON.stringify(state), { mode: 0o600 });
    await run("pulumi", ["stack", "import", "--stack", stack, "--file", file], { env });
  } finally {
    await rm(folder, { recursive: true });
  }
}
