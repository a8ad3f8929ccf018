import type { Alert } from "./alerts";
import { groupBy } from "./group";
import type { AllValues, Described } from "./answers";
import type { Labels } from "./api";
import type { ServerReport } from "./llmServers";
import { last, type Series } from "./tagged";
import { isMeasured, reasonFor } from "./unavailable";

/** A GPU as a container uses it. */
export interface GpuUse {
  gpu: string;
  uuid: string;
  model: string;
  /** How it was allocated; "none" where the container uses it without. */
  allocation: string;
  memory?: Series | undefined;
  memoryTotal?: number | undefined;
  use?: Series | undefined;
}

/** How a container is that does not run. */
export interface Stopped {
  /** As Docker has it: exited, restarting, dead and so on. */
  state: string;
  exitCode?: number | undefined;
  oomKilled: boolean;
}

/** A container. */
export interface Container {
  id: string;
  name: string;
  image: string;
  /** The LLM server that it runs; "" for none. */
  llmServer: string;
  project: string;
  service: string;
  /** Only where it does not run; undefined while it runs. */
  stopped?: Stopped | undefined;
  /** Unix seconds; undefined where it does not run. */
  started?: number | undefined;
  cpu?: Series | undefined;
  /** In cores. */
  cpuLimit?: number | undefined;
  /** Fraction of the periods of its CPU limit in which it waited. */
  throttled?: number | undefined;
  memory?: Series | undefined;
  memoryLimit?: number | undefined;
  /** Fraction of the limit, without page cache. */
  memoryLimitUsed?: number | undefined;
  /** cAdvisor alone cannot tell the first two apart. */
  health: "unhealthy" | "unhealthy or starting" | "starting" | "healthy" | "no health check";
  /** In the last day. */
  restarts: number;
  oomKills: number;
  gpus: GpuUse[];
  /** What its LLM server reports; only where it runs one. */
  server?: ServerReport | undefined;
  /** Devices that it requests and the host does not have. */
  unmatchedGpus: number;
  alerts: Alert[];
  labels: Labels;
}

/**
 * The containers that run, and those that Docker has and that do not run.
 *
 * @param serverOf what the LLM server in a container reports
 */
export function containersOf(
  described: Described,
  values: AllValues,
  alerts: readonly Alert[],
  serverOf: (labels: Labels, started: number) => ServerReport,
): Container[] {
  const gpus = groupBy(described.containerGpus, ({ labels }) => labels["id"]);
  const ofContainer = groupBy(alerts, ({ container }) => container?.name);
  const unmatched = new Map(described.unmatched.map(({ labels, value }) => [labels["id"], value]));
  const statuses = new Map(described.health.map(({ labels }) => [labels["id"], labels["status"]]));
  const unavailable = described.unavailable.map((one) => one.labels);
  // Without accounting, the kernel reports 0 for each container.
  const isAccounted = reasonFor("container_memory_working_set_bytes", unavailable) === undefined;
  const hasMemory = (memory?: Series) => (memory && (isAccounted || isMeasured(memory)) ? memory : undefined);
  const running = new Set(described.containers.map(({ labels }) => labels["id"]));
  const notRunning = described.notRunning.filter(({ labels }) => !running.has(labels["id"]));
  return [...described.containers, ...notRunning].map(({ labels, value }) => {
    const now = (field: string) => values.now.container.get(field, labels);
    const series = (field: string) => values.series.container.get(field, labels);
    const { id = "", name = "", image = "", llm_server: llmServer = "" } = labels;
    const isRunning = !labels["state"];
    return {
      id,
      name,
      image,
      llmServer,
      project: labels["compose_project"] ?? "",
      service: labels["compose_service"] ?? "",
      stopped: labels["state"]
        ? {
            state: labels["state"],
            exitCode: now("exitCode"),
            oomKilled: now("oomKilled") === 1,
          }
        : undefined,
      started: isRunning ? value : undefined,
      cpu: series("cpu"),
      cpuLimit: now("cpuLimit"),
      throttled: now("throttled"),
      memory: hasMemory(series("memory")),
      memoryLimit: now("memoryLimit"),
      memoryLimitUsed: now("memoryLimitUsed"),
      health: healthOf(statuses.get(id), now("health")),
      restarts: now("restarts") ?? 0,
      oomKills: now("oomKills") ?? 0,
      gpus: (gpus.get(id) ?? []).map((gpu) => gpuUse(gpu.labels, values)).sort(byGpu),
      server: llmServer && isRunning ? serverOf(labels, value) : undefined,
      unmatchedGpus: unmatched.get(id) ?? 0,
      alerts: ofContainer.get(name) ?? [],
      labels,
    };
  });
}

/** The order of GPUs: by their number. */
export const byGpu = (a: { gpu: string }, b: { gpu: string }): number =>
  a.gpu.localeCompare(b.gpu, undefined, { numeric: true });

const gpuUse = (labels: Labels, { now, series }: AllValues): GpuUse => ({
  gpu: labels["gpu"] ?? "",
  uuid: labels["gpu_uuid"] ?? "",
  model: labels["gpu_model"] ?? "",
  allocation: labels["allocation"] ?? "",
  memory: series.containerGpu.get("containerGpu.memory", labels),
  memoryTotal: now.containerGpu.get("containerGpu.memoryTotal", labels),
  use: series.containerGpu.get("containerGpu.use", labels),
});

/**
 * The health of a container.
 *
 * @param status as the exporter has it from Docker
 * @param state as cAdvisor has it
 */
function healthOf(status: string | undefined, state: number | undefined): Container["health"] {
  if (status === "unhealthy" || status === "starting" || status === "healthy") return status;
  if (state === undefined) return "no health check";
  return state === 1 ? "healthy" : "unhealthy or starting";
}

/** Whether a health check fails. */
export const isUnhealthy = ({ health }: Container): boolean => health.startsWith("unhealthy");

/** States in which Docker is after a fault. One that is created or removed has none. */
const FAILED_STATES = ["restarting", "dead"];
/** Success, and the signals INT, KILL and TERM: `docker stop` sends the last two. */
const ENDED_ON_REQUEST = [0, 130, 137, 143];

/** Whether a container ended by a fault: not by its own will, nor by that of a person. */
export const isFailed = ({ stopped }: Pick<Container, "stopped">): boolean =>
  stopped !== undefined &&
  (FAILED_STATES.includes(stopped.state) ||
    stopped.oomKilled ||
    !ENDED_ON_REQUEST.includes(stopped.exitCode ?? 0));

/** Such as `exited (137), out of memory`. */
export function stateText({ state, exitCode, oomKilled }: Stopped): string {
  const code = exitCode === undefined ? "" : ` (${exitCode})`;
  return `${state}${code}${oomKilled ? ", out of memory" : ""}`;
}

/** The sum of what is known; undefined where nothing is. */
export function sum(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : known.reduce((total, value) => total + value, 0);
}

/** Series added point by point, or averaged. */
export function combine(all: readonly (Series | undefined)[], how: "sum" | "average"): Series | undefined {
  const known = all.filter((series) => series !== undefined);
  const [first] = known;
  if (!first) return undefined;
  return {
    values: first.values.map((_, at) => {
      const values = known.map((series) => series.values[at]).filter((value) => value !== undefined);
      const total = sum(values);
      return total !== undefined && how === "average" ? total / values.length : total;
    }),
  };
}

/** The columns by which containers are sorted. */
export type SortKey = "importance" | "name" | "cpu" | "memory" | "limit" | "uptime";

/** What needs attention comes first, then what uses most of the host. */
function importance(container: Container): number {
  const { alerts, memoryLimitUsed = 0, throttled = 0, oomKills } = container;
  const worst = Math.max(
    0,
    ...alerts.map(({ severity }) => ({ critical: 300, warning: 200, info: 0 })[severity]),
  );
  const unhealthy = isUnhealthy(container) ? 150 : 0;
  const failed = isFailed(container) ? 120 : 0;
  const killed = oomKills > 0 ? 100 : 0;
  const short = 20 * Math.max(0, memoryLimitUsed - 0.8) + 10 * throttled;
  const cores = last(container.cpu) ?? 0;
  const gibibytes = (last(container.memory) ?? 0) / 1024 ** 3;
  return worst + unhealthy + failed + killed + short + cores / (1 + cores) + gibibytes / (8 + gibibytes);
}

const SORT_VALUES: Record<Exclude<SortKey, "name">, (container: Container) => number | undefined> = {
  importance,
  cpu: ({ cpu }) => last(cpu),
  memory: ({ memory }) => last(memory),
  limit: ({ memoryLimitUsed }) => memoryLimitUsed,
  uptime: ({ started }) => started && -started,
};

export type Direction = "ascending" | "descending";

/** Containers in an order; those without a value come last in either direction. */
export function sorted(containers: readonly Container[], key: SortKey, direction: Direction): Container[] {
  const sign = direction === "ascending" ? 1 : -1;
  const byName = (a: Container, b: Container) => a.name.localeCompare(b.name, undefined, { numeric: true });
  if (key === "name") return [...containers].sort((a, b) => sign * byName(a, b));
  const values = new Map(containers.map((container) => [container, SORT_VALUES[key](container)]));
  return [...containers].sort((a, b) => {
    const [left, right] = [values.get(a), values.get(b)];
    if (left === undefined || right === undefined)
      return Number(left === undefined) - Number(right === undefined) || byName(a, b);
    return sign * (left - right) || byName(a, b);
  });
}

/** Whether a container has every word of a search in its name, image, project or service. */
export function matches({ name, image, project, service, llmServer }: Container, search: string): boolean {
  const text = [name, image, project, service, llmServer].join("\n").toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/** Containers by Compose project, in the order in which they come; those without a project last. */
export function byProject(containers: readonly Container[]): [project: string, containers: Container[]][] {
  const groups = [...groupBy(containers, ({ project }) => project)];
  return [...groups.filter(([project]) => project), ...groups.filter(([project]) => !project)];
}
