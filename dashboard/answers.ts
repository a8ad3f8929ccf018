import {
  CONTAINER_GPU_QUERIES,
  CONTAINER_QUERIES,
  DESCRIPTIONS,
  GPU_QUERIES,
  HOST_QUERIES,
  LAST_ANSWER,
  LLM_QUERIES,
  SAMPLE_AGE,
  type Query,
} from "../prometheus/queries";
import type { Grid, Labels, PrometheusAlert, PrometheusTarget, Range, Sample } from "./api";
import { groupBy } from "./group";
import { combined, FIELD, Values, valuesNow, seriesOf, type Series } from "./tagged";

/** The hour that the sparklines of the first screen show. */
const SPARKLINE = { seconds: 3600, step: 300 };

/** The points in time of the sparklines. */
export const sparklineGrid = (now: number): Grid => ({
  start: now - SPARKLINE.seconds,
  end: now,
  step: SPARKLINE.step,
});

const prefixed = (prefix: string, queries: Readonly<Record<string, { expr: () => string }>>) =>
  Object.fromEntries(Object.entries(queries).map(([field, { expr }]) => [`${prefix}${field}`, expr()]));

/** Sums over the LLM servers of a host. */
const ofAllServers = (queries: Readonly<Record<string, Query>>) =>
  Object.fromEntries(
    Object.entries(queries).map(([field, { expr }]) => [`host.${field}`, expr({ by: "host" })]),
  );

const { cpu, memory, cpuLimit, throttled, memoryLimit, memoryLimitUsed } = CONTAINER_QUERIES;
const { health, restarts, oomKills, exitCode, oomKilled } = CONTAINER_QUERIES;

/** The queries of one refresh of the first screen. */
export const OVERVIEW = {
  /** Series with all their labels. */
  descriptions: combined(DESCRIPTIONS),
  /** Values without a sparkline. */
  now: combined({
    ...prefixed("", { cpuLimit, throttled, memoryLimit, memoryLimitUsed }),
    ...prefixed("", { health, restarts, oomKills, exitCode, oomKilled }),
    ...prefixed("gpu.", {
      memoryTotal: GPU_QUERIES.memoryTotal,
      hostMemory: GPU_QUERIES.hostMemory,
      powerLimit: GPU_QUERIES.powerLimit,
    }),
    ...prefixed("containerGpu.", {
      memoryTotal: CONTAINER_GPU_QUERIES.memoryTotal,
      idle: CONTAINER_GPU_QUERIES.idle,
    }),
    ...prefixed("llm.", { prompts: LLM_QUERIES.prompts, answered: LAST_ANSWER }),
    ...prefixed("host.", {
      cores: HOST_QUERIES.cores,
      memoryTotal: HOST_QUERIES.memoryTotal,
      gpusMeasured: HOST_QUERIES.gpusMeasured,
    }),
    age: SAMPLE_AGE,
  }),
  /** Values with a sparkline, whose last point is the value now. */
  containers: combined(prefixed("", { cpu, memory })),
  others: combined({
    ...prefixed("gpu.", {
      use: GPU_QUERIES.use,
      memory: GPU_QUERIES.memory,
      power: GPU_QUERIES.power,
      temperature: GPU_QUERIES.temperature,
    }),
    ...prefixed("containerGpu.", { memory: CONTAINER_GPU_QUERIES.memory, use: CONTAINER_GPU_QUERIES.use }),
    ...prefixed("llm.", {
      generated: LLM_QUERIES.generated,
      running: LLM_QUERIES.running,
      waiting: LLM_QUERIES.waiting,
      firstToken: LLM_QUERIES.firstTokenP95,
      kvCache: LLM_QUERIES.kvCache,
    }),
    ...prefixed("host.", {
      gpusBusy: HOST_QUERIES.gpusBusy,
      containersCpu: HOST_QUERIES.containersCpu,
      containersMemory: HOST_QUERIES.containersMemory,
      cpu: HOST_QUERIES.cpu,
      memory: HOST_QUERIES.memory,
      disks: HOST_QUERIES.disks,
    }),
    ...ofAllServers({
      generated: LLM_QUERIES.generated,
      prompts: LLM_QUERIES.prompts,
      running: LLM_QUERIES.running,
      waiting: LLM_QUERIES.waiting,
    }),
  }),
} as const;

/** The answers to {@link OVERVIEW}. */
export interface Answers {
  grid: Grid;
  descriptions: readonly Sample[];
  now: readonly Sample[];
  containers: readonly Range[];
  others: readonly Range[];
  alerts: readonly PrometheusAlert[];
  /** Only where a target is down. */
  targets: readonly PrometheusTarget[];
}

/** A series that describes something. */
export interface Description {
  labels: Labels;
  value: number;
}

/** The series of {@link DESCRIPTIONS}. */
export type Described = Record<keyof typeof DESCRIPTIONS, Description[]>;

export function describedBy(samples: readonly Sample[]): Described {
  const byField = groupBy(samples, ({ metric }) => metric[FIELD]);
  const of = (field: string): Description[] =>
    (byField.get(field) ?? []).map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
  return Object.fromEntries(Object.keys(DESCRIPTIONS).map((field) => [field, of(field)])) as Described;
}

/** Values by what they are about. */
interface By<T> {
  container: Values<T>;
  gpu: Values<T>;
  containerGpu: Values<T>;
  host: Values<T>;
  disk: Values<T>;
  target: Values<T>;
}

/** The values of one refresh. */
export interface AllValues {
  now: By<number>;
  series: By<Series>;
}

const LABELS: Record<keyof By<unknown>, string[]> = {
  container: ["id"],
  gpu: ["gpu_uuid"],
  containerGpu: ["id", "gpu_uuid"],
  host: ["host"],
  disk: ["host", "mountpoint"],
  target: ["job", "instance"],
};

const by = <T>(make: (labels: string[]) => Values<T>): By<T> => ({
  container: make(LABELS.container),
  gpu: make(LABELS.gpu),
  containerGpu: make(LABELS.containerGpu),
  host: make(LABELS.host),
  disk: make(LABELS.disk),
  target: make(LABELS.target),
});

export function valuesOf({ now, containers, others, grid }: Answers): AllValues {
  const ranges = [...containers, ...others];
  return {
    now: by((labels) => valuesNow(now, labels)),
    series: by((labels) => seriesOf(ranges, grid, labels)),
  };
}
