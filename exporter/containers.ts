import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import {
  ALERTS_LABEL,
  LLM_PATH_LABEL,
  LLM_PORT_LABEL,
  LLM_SCRAPE_LABEL,
  LLM_SERVER_LABEL,
} from "../lib/names";
import { llmServer } from "../prometheus/llmServers";
import { gpuAllocation, type GpuAllocation, type Runtimes } from "./allocation";
import { cgroupPath, containersOf, idsOf, type CgroupContainer } from "./cgroup";
import type { ContainerInspection, ContainerSummary, DockerApi, DockerInfo } from "./dockerApi";
import { humanDuration, isHealth, parseStatus, secondsOf } from "./status";

/** An IPv4 address in a network, and the length of the network's prefix. Both are empty in the network `host`. */
export interface Address {
  address: string;
  prefix: number;
}

/** A container that Docker lists. */
export interface Container {
  id: string;
  /** Its labels in cAdvisor's metrics, without `id`. */
  labels: {
    name: string;
    image: string;
    llm_server: string;
    compose_project: string;
    compose_service: string;
    /** "none" where the container label `llm-metrics.alerts` has that value; otherwise empty, which Prometheus stores as no label. */
    alerts: string;
  };
  /** What its labels say about the metrics of its LLM server; "" for what no label says. */
  llmMetrics: { port: string; path: string; scrape: string };
  /** Its addresses, by network; the network `host` stands for the host's own, where a container has none. */
  addresses: Record<string, Address>;
  /** The GPUs that it may use. */
  allocation: GpuAllocation | undefined;
  /** The path of its cgroup: the label `id`. */
  cgroup: string;
  state: ContainerState;
}

/** What Docker reports of a container's life. */
export interface ContainerState {
  /** One of Docker's words: running, paused, restarting, exited, dead, created or removing. */
  name: string;
  /** Whether it has processes. */
  running: boolean;
  /** Restarts by the restart policy. */
  restarts: number;
  /** Of its last run; undefined while it runs. */
  exitCode: number | undefined;
  oomKilled: boolean;
  /** starting, healthy or unhealthy; undefined without a health check, and while it does not run. */
  health: string | undefined;
}

/** The containers of a scrape. */
export interface ListedContainers {
  containers: Container[];
  /** Ids of containers whose inspection failed. */
  unknown: ReadonlySet<string>;
  /** Of these, those that run and were inspected before, as they were then. */
  stale: Container[];
  /** Containers that stopped in the last day and are left out, because others stopped later. */
  omitted: number;
  /** A message for each container whose inspection failed. */
  failures: string[];
}

/** A container as it was inspected. Times are in milliseconds since 1970. */
interface Inspected extends Container {
  /** When it started, or where it does not run, when it ended; undefined in states without such a time. */
  since: number | undefined;
  /** A time after which nothing is known of it. */
  seenAt: number;
  /** When it is inspected again, though nothing seems to have changed. */
  until: number;
}

/** Docker can hang on one container while it answers for the others (moby 18848). */
const INSPECT_TIMEOUT_SECONDS = 2;
/** Inspections at a time. */
const CONCURRENT_INSPECTIONS = 8;
/** Docker sets OOMKilled of a container while it runs, which its list does not show. */
const INSPECTION_LIFETIME_SECONDS = 300;
/** The runtimes change only when the daemon restarts. */
const INFO_LIFETIME_SECONDS = 300;

/** The most stopped containers that are reported. */
export const MAX_STOPPED = 100;
const DAY_SECONDS = 86_400;

/** The containers of a Docker host, and the processes in them. */
export class Containers {
  private known: ReadonlyMap<string, Inspected> = new Map();
  private info: { value: Promise<DockerInfo>; until: number } | undefined;

  /** @param proc path of the host's procfs, or of the exporter's own */
  constructor(
    private readonly docker: DockerApi,
    private readonly proc = "/proc",
  ) {}

  /**
   * Returns the containers that run, and those that stopped in the last day. Only those that can have changed since the last call
   * are inspected.
   */
  async list(timeoutSeconds: number): Promise<ListedContainers> {
    const timeout = AbortSignal.timeout(timeoutSeconds * 1000);
    const from = Date.now();
    const { reported, omitted } = newest(await this.docker.containers(timeout), from);
    const listed = { from, until: Date.now() };

    const known = new Map<string, Inspected>();
    const changed: ContainerSummary[] = [];
    for (const summary of reported) {
      const unchanged = this.unchanged(summary, listed);
      if (unchanged) known.set(summary.Id, unchanged);
      else changed.push(summary);
    }
    const failures: string[] = [];
    const unknown = new Set<string>();
    const stale: Inspected[] = [];
    const fail = (summary: ContainerSummary) => {
      unknown.add(summary.Id);
      const last = this.known.get(summary.Id);
      if (last && !isStopped(summary)) stale.push({ ...last, addresses: addressesOf(summary), until: 0 });
    };
    let late = 0;
    await forEach(changed, CONCURRENT_INSPECTIONS, async (summary) => {
      if (timeout.aborted) {
        late++;
        fail(summary);
        return;
      }
      try {
        const container = await this.inspect(summary, timeout);
        if (container) known.set(summary.Id, container);
      } catch (error) {
        failures.push((error as Error).message);
        fail(summary);
      }
    });
    if (late > 0) failures.push(`${late} containers were not inspected before the timeout`);
    this.known = new Map([...known, ...stale.map((container) => [container.id, container] as const)]);
    return {
      containers: reported.flatMap(({ Id: id }) => known.get(id) ?? []),
      unknown,
      stale,
      omitted,
      failures,
    };
  }

  /**
   * Returns the ids of the containers around a process, the outermost first.
   *
   * @returns undefined for a process that has ended
   */
  idsAround(pid: number): string[] | undefined {
    try {
      // The kernel answers from memory, in less time than a thread takes to wait for it.
      return idsOf(readFileSync(`${this.proc}/${pid}/cgroup`, "utf8"));
    } catch (error) {
      if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
      throw error;
    }
  }

  /** @returns the known container, with its current health, where nothing else can have changed since it was last seen */
  private unchanged(summary: ContainerSummary, listed: Period): Inspected | undefined {
    const known = this.known.get(summary.Id);
    if (!known || listed.from > known.until || !isUnchanged(known, summary, listed)) return undefined;
    const health = known.state.name === "running" ? parseStatus(summary.Status).health : known.state.health;
    // A running container can join networks and leave them.
    return {
      ...known,
      addresses: addressesOf(summary),
      state: { ...known.state, health },
      seenAt: listed.from,
    };
  }

  /** @returns undefined for a container that no longer exists */
  private async inspect(summary: ContainerSummary, timeout: AbortSignal): Promise<Inspected | undefined> {
    const { Id: id } = summary;
    const seenAt = Date.now();
    const signal = AbortSignal.any([timeout, AbortSignal.timeout(INSPECT_TIMEOUT_SECONDS * 1000)]);
    const inspection = await this.docker.inspect(id, signal);
    if (!inspection) return undefined;
    const info = await this.currentInfo();
    const state = stateOf(inspection);
    return {
      id,
      labels: labelsOf(inspection),
      llmMetrics: llmMetricsOf(inspection),
      addresses: addressesOf(summary),
      allocation: gpuAllocation(inspection, runtimesOf(info)),
      cgroup: await this.cgroupPathOf(inspection, info),
      state,
      since: changedAt(inspection),
      seenAt,
      // Spread, so that not every container is inspected again in the same scrape.
      until: state.running
        ? seenAt + INSPECTION_LIFETIME_SECONDS * 1000 * (0.5 + Math.random() / 2)
        : Infinity,
    };
  }

  /** Of a container without a process, or whose process is not in the exporter's pid namespace, it follows from its configuration. */
  private async cgroupPathOf(
    { Id: id, State: { Pid: pid }, HostConfig: { CgroupParent: parent = "" } }: ContainerInspection,
    { CgroupDriver: driver = "" }: DockerInfo,
  ): Promise<string> {
    const path = (await this.containersOf(pid)).find((container) => container.id === id)?.path;
    // The exporter's own container is the innermost one that it is in.
    const own = path === undefined ? (await this.containersOf("self")).at(-1) : undefined;
    return path ?? cgroupPath({ id, parent, driver, own });
  }

  private containersOf = async (pid: number | "self"): Promise<CgroupContainer[]> =>
    containersOf(await readFile(`${this.proc}/${pid}/cgroup`, "utf8").catch(() => ""));

  /** All inspections of a scrape share one request, and its timeout. */
  private async currentInfo(): Promise<DockerInfo> {
    if (!this.info || this.info.until < Date.now())
      this.info = {
        value: this.docker.info(AbortSignal.timeout(INSPECT_TIMEOUT_SECONDS * 1000)),
        until: Date.now() + INFO_LIFETIME_SECONDS * 1000,
      };
    try {
      return await this.info.value;
    } catch (error) {
      this.info = undefined;
      throw error;
    }
  }
}

/**
 * Returns the container of a process, among those listed, by the ids of the containers around it, the outermost first. The innermost
 * counts: `--cgroup-parent` puts one container of Docker below another. Containers that Docker does not list, such as those that kind
 * runs in a container, count as the container around them.
 *
 * @returns "host" for a process outside of Docker's containers, which can be in one of another container manager; undefined for one
 * in a container whose inspection failed
 */
export function ownerOf(
  ids: string[],
  { containers, unknown }: Pick<ListedContainers, "containers" | "unknown">,
): Container | "host" | undefined {
  for (const id of [...ids].reverse()) {
    const owner = containers.find((container) => container.id === id);
    if (owner) return owner;
    if (unknown.has(id)) return undefined;
  }
  return "host";
}

/** Times in milliseconds since 1970. */
interface Period {
  from: number;
  until: number;
}

/**
 * Whether a container, as Docker listed it in a period, has neither started nor ended since it was last seen. Docker lists no times
 * but an age in words, which gets longer and never shorter: had the container changed, its age could be at most the time since it
 * was last seen. So it has not where its age is the known one, and that time has other words.
 */
function isUnchanged(known: Inspected, { State, Names, Status }: ContainerSummary, listed: Period): boolean {
  if (known.state.name !== State || !Names.includes(`/${known.labels.name}`)) return false;
  const { age } = parseStatus(Status);
  if (known.since === undefined) return age === "";
  const seconds = (from: number, until: number) => (until - from) / 1000;
  const ages = [listed.from, listed.until].map((time) => humanDuration(seconds(known.since ?? 0, time)));
  const sinceSeen = seconds(known.seenAt, listed.until);
  return (
    ages.includes(age) && seconds(known.since, listed.from) > sinceSeen && humanDuration(sinceSeen) !== age
  );
}

/** Containers that stopped. Those that Docker creates or removes count as such. */
const isStopped = ({ State }: ContainerSummary) => !["running", "paused", "restarting"].includes(State);

/** Chooses the containers that are reported. */
function newest(
  summaries: ContainerSummary[],
  now: number,
): { reported: ContainerSummary[]; omitted: number } {
  const age = ({ Status, Created }: ContainerSummary) =>
    secondsOf(parseStatus(Status).age) ?? now / 1000 - Created;
  const stopped = summaries
    .filter((summary) => isStopped(summary) && age(summary) <= DAY_SECONDS)
    .sort((a, b) => age(a) - age(b));
  return {
    reported: [...summaries.filter((summary) => !isStopped(summary)), ...stopped.slice(0, MAX_STOPPED)],
    omitted: Math.max(0, stopped.length - MAX_STOPPED),
  };
}

/** Does the work for all items, for some of them at a time. */
async function forEach<T>(items: T[], concurrent: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const worker = async () => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: concurrent }, worker));
}

function stateOf({ State, RestartCount: restarts }: ContainerInspection): ContainerState {
  const { Status: name, Pid, ExitCode, OOMKilled: oomKilled, Health } = State;
  const running = Pid > 0;
  // Of a container that has never run, 0 means nothing.
  const hasExited = !running && (name !== "created" || ExitCode !== 0);
  return {
    name,
    running,
    restarts,
    exitCode: hasExited ? ExitCode : undefined,
    oomKilled,
    health: running && isHealth(Health?.Status) ? Health?.Status : undefined,
  };
}

/** When the container started, or where it does not run, when it ended. */
function changedAt({ State: { Status, StartedAt, FinishedAt } }: ContainerInspection): number | undefined {
  if (["running", "paused"].includes(Status)) return Date.parse(StartedAt);
  if (["exited", "restarting"].includes(Status)) return Date.parse(FinishedAt);
  return undefined;
}

function labelsOf({ Name, Config: { Image: image, Labels } }: ContainerInspection): Container["labels"] {
  const label = (name: string) => Labels?.[name] ?? "";
  return {
    name: Name.replace(/^\//, ""),
    image,
    llm_server: llmServer(image, label(LLM_SERVER_LABEL)),
    compose_project: label("com.docker.compose.project"),
    compose_service: label("com.docker.compose.service"),
    alerts: label(ALERTS_LABEL) === "none" ? "none" : "",
  };
}

const llmMetricsOf = ({ Config: { Labels } }: ContainerInspection): Container["llmMetrics"] => ({
  port: Labels?.[LLM_PORT_LABEL] ?? "",
  path: Labels?.[LLM_PATH_LABEL] ?? "",
  scrape: Labels?.[LLM_SCRAPE_LABEL] ?? "",
});

const addressesOf = ({ NetworkSettings }: ContainerSummary): Container["addresses"] =>
  Object.fromEntries(
    Object.entries(NetworkSettings?.Networks ?? {}).map(([network, endpoint]) => [
      network,
      { address: endpoint?.IPAddress ?? "", prefix: endpoint?.IPPrefixLen ?? 0 },
    ]),
  );

const runtimesOf = ({ DefaultRuntime = "", Runtimes }: DockerInfo): Runtimes => ({
  default: DefaultRuntime,
  paths: Object.fromEntries(Object.entries(Runtimes ?? {}).map(([name, { path = "" }]) => [name, path])),
});
