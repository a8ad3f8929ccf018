import {
  CONTAINER_GPU_QUERIES,
  CONTAINER_QUERIES,
  containerGpuSeries,
  DESCRIPTIONS,
  LLM_QUERIES,
  stoppedSeries,
  type Query,
  type Scope,
  type Unit,
} from "../prometheus/queries";
import { RANGES, type RangeName } from "./address";
import { alertsOf, type Alert } from "./alerts";
import type { Grid, Labels, PrometheusAlert, Range, Sample } from "./api";
import { describedBy } from "./answers";
import type { Stopped } from "./containers";
import { serverCharts, serverDescriptions, serverOf, type ServerHistory } from "./serverHistory";
import { isMeasured, reasonFor } from "./unavailable";
import { seriesOf, combined, FIELD, onGrid, points, valuesNow, type Series } from "./tagged";

/** Points of a chart: about one for each pixel of a phone. */
const POINTS = 240;
/** A step shorter than a scrape interval shows nothing more. */
const SHORTEST_STEP = 15;
/** The shortest window of rates, in seconds: that of the first screen. */
const SHORTEST_WINDOW = 300;

/** The points in time of a range's charts. */
export function chartGrid(range: RangeName, now: number): Grid {
  const step = Math.max(SHORTEST_STEP, Math.round(RANGES[range] / POINTS));
  return { start: now - step * Math.floor(RANGES[range] / step), end: now, step };
}

/** A query of a container's view, for a name: containers that were replaced have the same. */
export interface HistoryQuery {
  title: string;
  unit: Unit;
  expr: string;
}

const { cpu, cpuLimit, throttled, memory, memoryLimit } = CONTAINER_QUERIES;
const { received, sent, read, written, disk, started } = CONTAINER_QUERIES;

/** The queries by the name of the container. */
const BY_NAME = {
  ...{ cpu, cpuLimit, throttled, memory, memoryLimit, received, sent, read, written, disk, started },
  ...LLM_QUERIES,
};
/** The queries by GPU. */
const BY_GPU = {
  gpuMemory: CONTAINER_GPU_QUERIES.memory,
  gpuUse: CONTAINER_GPU_QUERIES.use,
  gpuPower: CONTAINER_GPU_QUERIES.power,
};

type Field = keyof typeof BY_NAME | keyof typeof BY_GPU | "oomKills";

/** The matcher of a container's name. PromQL reads the escapes of JSON. */
export const named = (name: string): string => `name=${JSON.stringify(name)}`;

/** The queries of a container's charts. */
export function historyQueries(name: string, { step }: Grid): Record<Field, HistoryQuery> {
  const matchers = named(name);
  const window = `${Math.max(SHORTEST_WINDOW, step)}s`;
  const inScope = <Name extends string>(queries: Record<Name, Query>, scope: Scope) => {
    const entries = Object.entries<Query>(queries).map(([field, { title, unit, expr }]) => [
      field,
      { title, unit, expr: expr({ matchers, ...scope }) },
    ]);
    return Object.fromEntries(entries) as Record<Name, HistoryQuery>;
  };
  return {
    ...inScope(BY_NAME, { by: "name", window }),
    ...inScope({ oomKills: CONTAINER_QUERIES.oomKills }, { by: "name", window: `${step}s` }),
    ...inScope(BY_GPU, { by: "gpu", window }),
  };
}

/** The labels of a container that its view shows. */
const DESCRIBING =
  "name, id, image, host, llm_server, compose_project, compose_service, alerts, nvidia_visible_devices";

/** The series that describe a container, and what is not measured on its host. */
export function descriptionQuery(name: string): string {
  const matchers = named(name);
  return combined({
    containers: started.expr({ matchers, by: DESCRIBING }),
    containerGpus: containerGpuSeries(matchers),
    notRunning: `max by (${DESCRIBING}, state) (${stoppedSeries(matchers)})`,
    ...serverDescriptions(matchers),
    exitCode: CONTAINER_QUERIES.exitCode.expr({ matchers }),
    oomKilled: CONTAINER_QUERIES.oomKilled.expr({ matchers }),
    unavailable: DESCRIPTIONS.unavailable,
  });
}

/** Something that happened to a container, at a point in time. */
export interface Mark {
  time: number;
  kind: "restart" | "OOM kill";
}

/** A line of a chart. */
export interface Line {
  label: string;
  series: Series;
  isLimit?: boolean;
}

/** The lines of fields by their labels; a field without samples has none. */
export type LinesOf = (fields: Readonly<Record<string, Field>>, isLimit?: boolean) => Line[];

/** A chart, or why there is none. */
export interface Chart {
  title: string;
  unit: Unit;
  lines: Line[];
  /** Why there are no lines. */
  missing: string;
  /** What Prometheus's page shows for it. */
  expr: string;
}

/** What the view of a container shows. */
export interface ContainerHistory {
  name: string;
  grid: Grid;
  /** Its labels; undefined where Docker has no container of the name. */
  labels?: Labels | undefined;
  /** Only where it does not run. */
  stopped?: Stopped | undefined;
  /** Unix seconds. */
  started?: number | undefined;
  gpus: Labels[];
  /** Its LLM server; undefined where it runs none. */
  server?: ServerHistory | undefined;
  alerts: Alert[];
  charts: Chart[];
  marks: Mark[];
  /** Why there are no marks. */
  noMarks: string;
}

/** The answers of Prometheus about one container. */
export interface HistoryAnswers {
  name: string;
  grid: Grid;
  descriptions: readonly Sample[];
  ranges: readonly Range[];
  alerts: readonly PrometheusAlert[];
}

export function containerHistory(answers: HistoryAnswers): ContainerHistory {
  const { name, grid, descriptions, ranges, alerts } = answers;
  const described = describedBy(descriptions);
  const running = described.containers.reduce<(typeof described.containers)[number] | undefined>(
    (newest, one) => (newest && newest.value > one.value ? newest : one),
    undefined,
  );
  const [notRunning] = described.notRunning;
  const queries = historyQueries(name, grid);
  const byField = seriesOf(ranges, grid, []);
  const linesOf: LinesOf = (fields, isLimit = false) =>
    Object.entries(fields).flatMap(([label, field]) => {
      const series = byField.get(field, {});
      return series ? [{ label, series, isLimit }] : [];
    });
  const ofServer = serverCharts(queries, linesOf, described.containerGpus.length);
  const reasons = described.unavailable.map(({ labels }) => labels);
  return {
    name,
    grid,
    labels: (running ?? notRunning)?.labels,
    stopped: running ? undefined : notRunning && stoppedOf(notRunning.labels, descriptions),
    started: running?.value,
    gpus: described.containerGpus.map(({ labels }) => labels),
    server: running?.labels["llm_server"]
      ? serverOf({ described, descriptions, running, charts: ofServer, at: grid.end })
      : undefined,
    alerts: alertsOf(alerts).filter(({ container }) => container?.name === name),
    charts: [
      ...ofServer.filter(({ lines }) => lines.length > 0),
      ...resourceCharts(answers, queries, linesOf, described.containerGpus.length > 0, reasons),
    ],
    marks: [...restarts(byField.get("started", {}), grid), ...oomKills(byField.get("oomKills", {}), grid)],
    noMarks: byField.get("started", {})
      ? noMarks(reasonFor("container_oom_events_total", reasons))
      : NO_SAMPLES,
  };
}

/**
 * The charts of what a container uses.
 *
 * @param hasGpus whether it has GPUs now
 * @param reasons the labels of the series that report what is not measured
 */
function resourceCharts(
  { ranges, grid }: HistoryAnswers,
  queries: Record<Field, HistoryQuery>,
  linesOf: LinesOf,
  hasGpus: boolean,
  reasons: readonly Labels[],
): Chart[] {
  const chartOf = (title: string, metric: string, field: Field, lines: Line[], missing = NO_SAMPLES) => ({
    title,
    unit: queries[field].unit,
    // The kernel reports 0 for what it does not account for.
    lines: reasonFor(metric, reasons) ? lines.filter(({ series }) => isMeasured(series)) : lines,
    expr: queries[field].expr,
    missing: reasonFor(metric, reasons) ?? missing,
  });
  const gpuChart = (title: string, metric: string, field: keyof typeof BY_GPU) => {
    const lines = ranges
      .filter((range) => range.metric[FIELD] === field)
      .map((range) => ({ label: `GPU ${range.metric["gpu"] ?? ""}`, series: onGrid(range, grid) }))
      .sort((a, b) => a.label.localeCompare(b.label, undefined, { numeric: true }));
    return chartOf(title, metric, field, lines);
  };
  const energy = "container_gpu_energy_joules_total";
  const gpuMemory = gpuChart("GPU memory", "container_gpu_memory_used_bytes", "gpuMemory");
  const tokens = linesOf({ generated: "tokensPerJoule" });
  const gpuCharts = [
    gpuMemory,
    gpuChart("GPU use", "container_gpu_utilization_ratio", "gpuUse"),
    // Not every driver reports energy.
    ...[
      gpuChart("GPU power", energy, "gpuPower"),
      chartOf("Tokens per joule of the GPUs", energy, "tokensPerJoule", tokens),
    ].filter(({ lines }) => lines.length > 0),
  ];
  const cpuLimit = linesOf({ limit: "cpuLimit" }, true);
  const waiting = linesOf({ waiting: "throttled" });
  return [
    ...(hasGpus || gpuMemory.lines.length > 0 ? gpuCharts : []),
    chartOf("CPU", "container_cpu_usage_seconds_total", "cpu", [...linesOf({ used: "cpu" }), ...cpuLimit]),
    ...(cpuLimit.length > 0
      ? [
          chartOf(
            "Waiting for the CPU limit",
            "container_cpu_cfs_throttled_periods_total",
            "throttled",
            waiting,
          ),
        ]
      : []),
    chartOf("Memory", "container_memory_working_set_bytes", "memory", [
      ...linesOf({ used: "memory" }),
      ...linesOf({ limit: "memoryLimit" }, true),
    ]),
    chartOf(
      "Network",
      "container_network_receive_bytes_total",
      "received",
      linesOf({ received: "received", sent: "sent" }),
      "No network is measured: the container has none of its own (--network none or host), or has just started.",
    ),
    chartOf(
      "Disk",
      "container_fs_reads_bytes_total",
      "read",
      linesOf({ read: "read", written: "written" }),
      "It has not read or written a disk in this time range.",
    ),
    chartOf("Writable layer", "container_fs_usage_bytes", "disk", linesOf({ used: "disk" })),
  ];
}

/** How a container is that does not run, by the labels of its state. */
function stoppedOf(labels: Labels, descriptions: readonly Sample[]): Stopped {
  const values = valuesNow(descriptions, ["id"]);
  return {
    state: labels["state"] ?? "",
    exitCode: values.get("exitCode", labels),
    oomKilled: values.get("oomKilled", labels) === 1,
  };
}

const NO_SAMPLES = "No samples in this time range.";

/** What the absence of marks means on a host, which may not measure out-of-memory kills. */
const noMarks = (reason: string | undefined): string =>
  reason
    ? `No restart in this time range. Out-of-memory kills: ${reason}`
    : "No restart and no out-of-memory kill in this time range.";

/** A start time that differs from the one before, also of a container that replaced another one. */
function restarts(started: Series | undefined, grid: Grid): Mark[] {
  if (!started) return [];
  let before: number | undefined;
  return started.values.flatMap((value, at) => {
    if (value === undefined) return [];
    const isRestart = before !== undefined && value > before;
    before = value;
    return isRestart ? [{ time: timeAt(grid, at), kind: "restart" as const }] : [];
  });
}

const oomKills = (kills: Series | undefined, grid: Grid): Mark[] =>
  (kills?.values ?? []).flatMap((value = 0, at) =>
    value > 0 ? [{ time: timeAt(grid, at), kind: "OOM kill" as const }] : [],
  );

const timeAt = ({ start, step }: Grid, at: number) => start + at * step;

/** The points in time of a grid: Unix seconds. */
export const times = (grid: Grid): number[] =>
  Array.from({ length: points(grid) }, (_, at) => timeAt(grid, at));
