import { OWN_JOBS } from "../lib/names";

export { OWN_JOBS };

/** What a value is counted in. */
export type Unit =
  | "cores"
  | "bytes"
  | "bytes per second"
  | "per second"
  | "per joule"
  | "seconds"
  | "ratio"
  | "watts"
  | "celsius"
  | "time"
  | "count"
  | "state";

/** Which things a query is about, and the labels that distinguish its results. */
export interface Scope {
  /** Label matchers, such as `name="chat"`. Default: none. */
  matchers?: string;
  /** The labels of the result. */
  by?: string;
  /** The window of rates and counts. Default: that of the query. */
  window?: string;
}

/** A query of the page and the dashboards, about containers, GPUs or the host. */
export interface Query {
  title: string;
  unit: Unit;
  /** The PromQL. */
  expr: (scope?: Scope) => string;
}

/** The window of rates: ten scrapes, so that a failed one leaves no gap. */
const RATE_WINDOW = "5m";
/** The window in which the page counts events. */
const DAY = "1d";

const selector = (metric: string, ...matchers: string[]) => {
  const all = matchers.filter(Boolean).join(",");
  return all ? `${metric}{${all}}` : metric;
};

/** A metric of cAdvisor. A job of the setting `scrapeJobs` can scrape another cAdvisor, whose containers are not of this host. */
const measured = (metric: string) => (matchers: string) =>
  selector(metric, `job="${OWN_JOBS.cadvisor}"`, matchers);

/** A metric of the exporter, and of no other host's that a job of the setting `scrapeJobs` scrapes. */
const exported =
  (metric: string, ...more: string[]) =>
  (matchers: string) =>
    selector(metric, `job="${OWN_JOBS.exporter}"`, ...more, matchers);

/** A record of prometheus/rules. */
const recorded = (metric: string) => (matchers: string) => selector(metric, matchers);

/** The series of the containers, whose labels are the names of hosts and containers. */
export const containerSeries = measured("container_start_time_seconds");

/** The series of the containers that do not run, with their states. */
export const stoppedSeries = exported("container_state", 'state!="running"');

/** The series of the GPUs. */
export const gpuSeries = exported("gpu_up");

/** The series of the GPUs of containers. */
export const containerGpuSeries = exported("container_gpu_info");

/** The PromQL of a query before its results are aggregated. */
type Inner = (matchers: string, window: string) => string;

/** A function of PromQL over the window of the query. */
const over =
  (name: string, series: Inner): Inner =>
  (matchers, window) =>
    `${name}(${series(matchers, window)}[${window}])`;

/** The series, compared with a number. */
const compared =
  (series: Inner, comparison: string): Inner =>
  (matchers, window) =>
    `${series(matchers, window)} ${comparison}`;

/** The rate of a counter of cAdvisor. */
const rate = (counter: string) => over("rate", measured(counter));

/** Makes a query that has one series for each value of the labels in the scope. */
const query =
  (labels: string, defaultWindow = RATE_WINDOW) =>
  (title: string, unit: Unit, operator: "sum" | "max" | "avg" | "count", inner: Inner): Query => ({
    title,
    unit,
    expr: ({ matchers = "", by = labels, window = defaultWindow } = {}) =>
      `${operator} by (${by}) (${inner(matchers, window)})`,
  });

const ofContainer = query("id");
const eventsOfContainer = query("id", DAY);
const ofGpu = query("gpu_uuid");
const ofContainersGpu = query("id, gpu_uuid");
const ofHost = query("host");

/** The queries about containers. Their matchers are about the labels that all metrics of a container have: id, name, image and so on. */
export const CONTAINER_QUERIES = {
  cpu: ofContainer("CPU", "cores", "sum", rate("container_cpu_usage_seconds_total")),
  cpuLimit: ofContainer(
    "CPU limit",
    "cores",
    "max",
    (matchers) =>
      `${measured("container_spec_cpu_quota")(matchers)} / ${measured("container_spec_cpu_period")(matchers)}`,
  ),
  throttled: ofContainer(
    "Waiting for the CPU limit",
    "ratio",
    "max",
    recorded("container:cpu_throttled:ratio_rate5m"),
  ),
  memory: ofContainer("Memory", "bytes", "sum", measured("container_memory_working_set_bytes")),
  memoryLimit: ofContainer(
    "Memory limit",
    "bytes",
    "max",
    compared(measured("container_spec_memory_limit_bytes"), "> 0"),
  ),
  memoryLimitUsed: ofContainer(
    "Memory limit used, without page cache",
    "ratio",
    "max",
    recorded("container:memory_limit_used:ratio"),
  ),
  received: ofContainer("Received", "bytes per second", "sum", rate("container_network_receive_bytes_total")),
  sent: ofContainer("Sent", "bytes per second", "sum", rate("container_network_transmit_bytes_total")),
  read: ofContainer("Read", "bytes per second", "sum", rate("container_fs_reads_bytes_total")),
  written: ofContainer("Written", "bytes per second", "sum", rate("container_fs_writes_bytes_total")),
  disk: ofContainer("Writable layer", "bytes", "sum", measured("container_fs_usage_bytes")),
  /** cAdvisor reports -1 without a health check. */
  health: ofContainer("Health", "state", "max", compared(measured("container_health_state"), ">= 0")),
  started: ofContainer("Started", "time", "max", containerSeries),
  restarts: eventsOfContainer(
    "Restarts",
    "count",
    "sum",
    over("sum_over_time", recorded("container:restarts:increase")),
  ),
  /** Of a container that does not run; the exporter's. */
  exitCode: ofContainer("Exit code", "count", "max", exported("container_exit_code")),
  oomKilled: ofContainer(
    "Ended by an out-of-memory kill",
    "state",
    "max",
    compared(exported("container_oom_killed"), "== 1"),
  ),
  oomKills: eventsOfContainer(
    "Out-of-memory kills",
    "count",
    "sum",
    over("sum_over_time", recorded("container:oom_events:increase")),
  ),
} as const satisfies Record<string, Query>;

/** The queries about a container's use of its GPUs. */
export const CONTAINER_GPU_QUERIES = {
  memory: ofContainersGpu("GPU memory", "bytes", "sum", exported("container_gpu_memory_used_bytes")),
  memoryTotal: ofContainersGpu(
    "Memory of the GPU",
    "bytes",
    "max",
    exported("container_gpu_memory_total_bytes"),
  ),
  use: ofContainersGpu("GPU use", "ratio", "max", exported("container_gpu_utilization_ratio")),
  power: ofContainersGpu(
    "GPU power",
    "watts",
    "sum",
    over("rate", exported("container_gpu_energy_joules_total")),
  ),
  /** A GPU that the container has allocated and has not used in the window. */
  idle: query("id, gpu_uuid", "1h")(
    "Allocated and idle",
    "count",
    "count",
    (matchers, window) =>
      `max_over_time(${exported("container_gpu_utilization_ratio")(matchers)}[${window}]) == 0 and on (id, gpu_uuid) ${exported("container_gpu_info", 'allocation!="none"')(matchers)}`,
  ),
} as const satisfies Record<string, Query>;

/** The driver's reasons for lower clocks that are faults: heat, and too little power. Others, such as sw_power_cap, are normal. */
export const THROTTLE_FAULTS: readonly string[] = [
  "hw_thermal_slowdown",
  "sw_thermal_slowdown",
  "hw_power_brake_slowdown",
];

/** The queries about GPUs. */
export const GPU_QUERIES = {
  responds: ofGpu("Responds", "state", "max", gpuSeries),
  use: ofGpu("Use", "ratio", "max", exported("gpu_utilization_ratio")),
  memory: ofGpu("Memory", "bytes", "max", exported("gpu_memory_used_bytes")),
  memoryTotal: ofGpu("Memory in total", "bytes", "max", exported("gpu_memory_total_bytes")),
  hostMemory: ofGpu("Memory of the host's processes", "bytes", "max", exported("gpu_host_memory_used_bytes")),
  power: ofGpu("Power", "watts", "max", exported("gpu_power_watts")),
  powerLimit: ofGpu("Power limit", "watts", "max", exported("gpu_power_limit_watts")),
  temperature: ofGpu("Temperature", "celsius", "max", exported("gpu_temperature_celsius")),
  /** By the label `reason`, too: why the driver lowers the clocks. */
  throttled: ofGpu(
    "Lower clocks",
    "state",
    "max",
    exported("gpu_throttle_reason_active", 'reason!="gpu_idle"'),
  ),
} as const satisfies Record<string, Query>;

const ofServer = (title: string, unit: Unit, operator: "sum" | "max", record: string) =>
  query("id")(title, unit, operator, recorded(record));

/**
 * The queries about what LLM servers report of themselves, by records that are the same for every engine. A server of several
 * models has a series for each of them; of times, the longest counts.
 */
export const LLM_QUERIES = {
  generated: ofServer("Tokens generated", "per second", "sum", "llm:generated_tokens:rate5m"),
  generatedPerGpu: ofServer(
    "Tokens generated per GPU",
    "per second",
    "sum",
    "llm:generated_tokens_per_gpu:rate5m",
  ),
  tokensPerJoule: ofServer("Tokens per joule", "per joule", "sum", "llm:tokens_per_joule:rate5m"),
  prompts: ofServer("Tokens of prompts", "per second", "sum", "llm:prompt_tokens:rate5m"),
  running: ofServer("Requests running", "count", "sum", "llm:requests_running:sum"),
  waiting: ofServer("Requests waiting", "count", "sum", "llm:requests_waiting:sum"),
  firstTokenP50: ofServer("First token, median", "seconds", "max", "llm:time_to_first_token_seconds:p50"),
  firstTokenP95: ofServer("First token, p95", "seconds", "max", "llm:time_to_first_token_seconds:p95"),
  outputTokenP50: ofServer(
    "Each further token, median",
    "seconds",
    "max",
    "llm:time_per_output_token_seconds:p50",
  ),
  outputTokenP95: ofServer(
    "Each further token, p95",
    "seconds",
    "max",
    "llm:time_per_output_token_seconds:p95",
  ),
  durationP50: ofServer("Request, median", "seconds", "max", "llm:request_duration_seconds:p50"),
  durationP95: ofServer("Request, p95", "seconds", "max", "llm:request_duration_seconds:p95"),
  kvCache: ofServer("KV cache", "ratio", "max", "llm:kv_cache_usage:ratio"),
  prefixCacheHits: ofServer("Prefix cache hits", "ratio", "max", "llm:prefix_cache_hits:ratio_rate5m"),
  requests: ofServer("Requests", "per second", "sum", "llm:requests:rate5m"),
  preemptions: ofServer("Preemptions", "per second", "sum", "llm:preemptions:rate5m"),
  errors: ofServer("Errors", "per second", "sum", "llm:request_errors:rate5m"),
} as const satisfies Record<string, Query>;

/** The last time at which an LLM server answered a scrape. */
export const LAST_ANSWER: Query = ofServer("Last answer", "time", "max", "llm:answered_timestamp_seconds");

/** The GPU memory of the servers of a model. */
export const MODEL_MEMORY: Query = query("model")(
  "GPU memory by model",
  "bytes",
  "sum",
  recorded("llm:gpu_memory_used_bytes:sum"),
);

/** The part of the last minutes in which a GPU has to run kernels to be busy; above what a desktop or a monitor uses. */
const BUSY = 0.05;

const useOfGpus = over("avg_over_time", exported("gpu_utilization_ratio"));

/** The queries about the host. */
export const HOST_QUERIES = {
  cores: ofHost("CPU cores", "cores", "max", measured("machine_cpu_cores")),
  memoryTotal: ofHost("Memory in total", "bytes", "max", measured("machine_memory_bytes")),
  containersCpu: ofHost("CPU of containers", "cores", "sum", rate("container_cpu_usage_seconds_total")),
  containersMemory: ofHost(
    "Memory of containers",
    "bytes",
    "sum",
    measured("container_memory_working_set_bytes"),
  ),
  cpu: ofHost("CPU", "ratio", "max", recorded("host:cpu_used:ratio")),
  memory: ofHost("Memory", "ratio", "max", recorded("host:memory_used:ratio")),
  disks: query("host, mountpoint")("Disks", "ratio", "max", recorded("host:filesystem_used:ratio")),
  gpusBusy: ofHost("GPUs busy", "count", "sum", compared(useOfGpus, `> bool ${BUSY}`)),
  /** Those whose use the driver reports: not MIG devices and their GPUs. */
  gpusMeasured: ofHost("GPUs", "count", "count", useOfGpus),
} as const satisfies Record<string, Query>;

/** The alerts that fire, as series, but the one that always does. */
export const firingAlerts = (matchers = ""): string =>
  selector("ALERTS", 'alertstate="firing"', 'alertname!="Watchdog"', matchers);

/** The LLM servers that Prometheus does not scrape, with the reasons. */
export const notScraped = (matchers = ""): string => `${exported("llm_server_scraped")(matchers)} == 0`;

/** The series whose labels describe containers, GPUs, the GPUs of containers, LLM servers, and the sources of all these. */
export const DESCRIPTIONS = {
  containers: containerSeries(""),
  notRunning: stoppedSeries(""),
  health: `max by (id, status) (${exported("container_health_status")("")})`,
  gpus: gpuSeries(""),
  containerGpus: containerGpuSeries(""),
  throttling: `${GPU_QUERIES.throttled.expr({ by: "gpu_uuid, reason" })} == 1`,
  unmatched: exported("container_gpu_unmatched_devices")(""),
  llmUp: "max by (id) (llm:up)",
  notScraped: `max by (id, reason) (${notScraped()})`,
  models: 'count by (id, model) (llm:requests_waiting:sum{model!=""})',
  driver: exported("gpu_driver_info")(""),
  driverUp: exported("gpu_exporter_driver_up")(""),
  dockerUp: exported("gpu_exporter_docker_up")(""),
  targets: "up",
  unavailable: "monitoring_metric_unavailable",
} as const;

/** Seconds since the last scrape of each target. */
export const SAMPLE_AGE = "time() - timestamp(up)";
