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
  type Scope,
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

/** Some queries of a table as PromQL, by their names with a prefix. */
const some = <Name extends string>(
  prefix: string,
  queries: Readonly<Record<Name, Query>>,
  names: readonly Name[],
  scope?: Scope,
): Record<string, string> =>
  Object.fromEntries(names.map((name) => [`${prefix}${name}`, queries[name].expr(scope)]));

/** The queries of one refresh of the first screen. */
export const OVERVIEW = {
  /** Series with all their labels. */
  descriptions: combined(DESCRIPTIONS),
  /** Values without a sparkline. */
  now: combined({
    ...some("", CONTAINER_QUERIES, ["cpuLimit", "throttled", "memoryLimit", "memoryLimitUsed"]),
    ...some("", CONTAINER_QUERIES, ["health", "restarts", "oomKills", "exitCode", "oomKilled"]),
    ...some("gpu.", GPU_QUERIES, ["memoryTotal", "hostMemory", "powerLimit"]),
    ...some("containerGpu.", CONTAINER_GPU_QUERIES, ["memoryTotal", "idle"]),
    ...some("llm.", LLM_QUERIES, ["prompts"]),
    "llm.answered": LAST_ANSWER.expr(),
    ...some("host.", HOST_QUERIES, ["cores", "memoryTotal", "gpusMeasured"]),
    age: SAMPLE_AGE,
  }),
  /** Values with a sparkline, whose last point is the value now. */
  containers: combined(some("", CONTAINER_QUERIES, ["cpu", "memory"])),
  others: combined({
    ...some("gpu.", GPU_QUERIES, ["use", "memory", "power", "temperature"]),
    ...some("containerGpu.", CONTAINER_GPU_QUERIES, ["memory", "use"]),
    ...some("llm.", LLM_QUERIES, ["generated", "running", "waiting", "firstTokenP95", "kvCache"]),
    ...some("host.", HOST_QUERIES, [
      "gpusBusy",
      "containersCpu",
      "containersMemory",
      "cpu",
      "memory",
      "disks",
    ]),
    // Sums over the LLM servers of a host.
    ...some("host.", LLM_QUERIES, ["generated", "prompts", "running", "waiting"], { by: "host" }),
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
