import { durationSeconds } from "../../lib/units";
import { ALERT_DEFAULTS, OWN_JOBS, type AlertSettings } from "../../settings";
import { QUANTITIES, sourcesOf, type Quantity, type Source } from "../llmEngines";
import { BY_CONTAINER, ruleGroup, type Alert, type RecordingRule, type RuleGroup } from "./ruleGroup";

const JOB = `job="${OWN_JOBS.llm}"`;

const LABELS = `${BY_CONTAINER}, model`;

/** The ranks of SGLang that serve the same requests. Others, such as data-parallel ones, add up. */
const SAME_REQUESTS = "tp_rank, pp_rank, moe_ep_rank";

/** Series that have alerts. */
const ALERTED = '{alerts!="none"}';

/** Identifies a server in an annotation. */
const SERVER = "The LLM server {{ $labels.name }} on {{ $labels.host }}";

/** The names of the records. A record of quantiles ends with the quantile. */
const NAMES: Readonly<Record<Quantity, string>> = {
  requestsRunning: "llm:requests_running:sum",
  requestsWaiting: "llm:requests_waiting:sum",
  promptTokens: "llm:prompt_tokens:rate5m",
  generatedTokens: "llm:generated_tokens:rate5m",
  timeToFirstToken: "llm:time_to_first_token_seconds",
  timePerOutputToken: "llm:time_per_output_token_seconds",
  requestDuration: "llm:request_duration_seconds",
  kvCacheUsage: "llm:kv_cache_usage:ratio",
  prefixCacheHits: "llm:prefix_cache_hits:ratio_rate5m",
  preemptions: "llm:preemptions:rate5m",
  requests: "llm:requests:rate5m",
  requestErrors: "llm:request_errors:rate5m",
};

/** A record that alerts read. */
const TIME_TO_FIRST_TOKEN_P95 = `${NAMES.timeToFirstToken}:p95`;

const ERRORS = NAMES.requestErrors + ALERTED;

/** The last time at which a server answered a scrape. */
const ANSWERED = "llm:answered_timestamp_seconds";
const LOADED = "llm:loaded_timestamp_seconds";

/** Adds the job to the matchers of a selector. */
function select(selector: string): string {
  const [, name = "", matchers = ""] = /^([^{]+)(?:\{(.*)\})?$/.exec(selector) ?? [];
  return `${name}{${[JOB, matchers].filter(Boolean).join(",")}}`;
}

const rate = (selector: string) => `rate(${select(selector)}[5m])`;
const sum = (expr: string) => `sum by (${LABELS}) (${expr})`;

/** The sum over what serves different requests. */
const total = (expr: string) => sum(`max without (${SAME_REQUESTS}) (${expr})`);

const quantile = (selector: string, q: number) => `histogram_quantile(${q}, ${sum(rate(selector))})`;

/** The value of a quantity from one source, as PromQL. */
function valueOf(source: Source, quantity: Quantity, q: number): string {
  if (typeof source === "object" && "sumOf" in source) return sum(`histogram_sum(${rate(source.sumOf)})`);
  if (typeof source === "object" && "part" in source) {
    const value = QUANTITIES[quantity] === "max" ? select : rate;
    const part = sum(value(source.part));
    const whole = "of" in source ? sum(value(source.of)) : `${part} + ${sum(value(source.rest))}`;
    return `${part} / (${whole} > 0)`;
  }
  if (typeof source === "object") return `${quantile(source.milliseconds, q)} / 1000 < +Inf`;
  switch (QUANTITIES[quantity]) {
    case "sum":
      return total(select(source));
    case "rate":
      return total(rate(source));
    case "max":
      return `max by (${LABELS}) (${select(source)})`;
    case "ratio":
      // Without a prefix cache, vLLM exposes -1. SGLang of 2024 exposed percents.
      return `max by (${LABELS}) (${select(source)} >= 0 <= 1)`;
    case "quantiles":
      // Without requests, it is not a number, which is not less than any.
      return `${quantile(source, q)} < +Inf`;
  }
}

/** A record of a quantity, from every source: a server exposes those of one engine, and the first of them counts. */
const record = (quantity: Quantity, suffix = "", q = 0): RecordingRule => ({
  record: NAMES[quantity] + suffix,
  expr: sourcesOf(quantity)
    .map((source) => valueOf(source, quantity, q))
    .join(" or "),
});

/**
 * Why no server is scraped through the forwarder: the forwarder, the exporter, which knows the servers, or Docker does not answer, for
 * three scrapes, but for less than the time of LlmServerDown. A fault that comes and goes must not keep alerts about the servers from firing.
 */
function forwarderFails(interval: string, { llmDownFor }: AlertSettings): string {
  const seconds = durationSeconds(interval);
  const range = `[${Math.max(seconds, Math.min(3 * seconds, durationSeconds(llmDownFor) - seconds))}s]`;
  const targets = `up{job=~"${OWN_JOBS.llmForwarder}|${OWN_JOBS.exporter}"}`;
  return `max_over_time(${targets}${range}) == 0 or max_over_time(gpu_exporter_docker_up${range}) == 0`;
}

const records = (interval: string, alerts: AlertSettings): RecordingRule[] => [
  {
    record: "llm:up",
    // The record is absent for servers behind a forwarder that fails: whether they answer is unknown, and that failure has an alert.
    expr: `max by (${BY_CONTAINER}) (up{${JOB}} unless (up{${JOB},forwarder!=""} == 0 and on (host) (${forwarderFails(interval, alerts)})))`,
  },
  {
    record: ANSWERED,
    // The record goes on while the server does not answer (llm:up is 0), for as long as it is a target, and under the name that it
    // then has.
    expr: `timestamp(llm:up == 1) or llm:up + on (host, id) group_left () max by (host, id) (last_over_time(${ANSWERED}[1d]))`,
  },
  {
    record: LOADED,
    // Engines serve metrics once their model is loaded. The record goes on until a scrape fails or the container restarts.
    expr: [
      `(${LOADED} and llm:up == 1`,
      `unless on (host, id) container_start_time_seconds{job="${OWN_JOBS.cadvisor}"} > on (host, id) max by (host, id) (${LOADED}))`,
      "or timestamp(llm:up == 1)",
    ].join(" "),
  },
  ...(Object.keys(QUANTITIES) as Quantity[]).flatMap((quantity) =>
    QUANTITIES[quantity] === "quantiles"
      ? [record(quantity, ":p50", 0.5), record(quantity, ":p95", 0.95)]
      : [record(quantity)],
  ),
  {
    record: "llm:generated_tokens_per_gpu:rate5m",
    expr: `sum by (${BY_CONTAINER}) (${NAMES.generatedTokens}) / on (host, id) group_left () count by (host, id) (container_gpu_info{allocation!="none"})`,
  },
  {
    record: "llm:tokens_per_joule:rate5m",
    expr: `sum by (${BY_CONTAINER}) (${NAMES.generatedTokens}) / on (host, id) group_left () (sum by (host, id) (rate(container_gpu_energy_joules_total[5m])) > 0)`,
  },
  {
    record: "llm:gpu_memory_used_bytes:sum",
    expr: `${NAMES.requestsRunning} * 0 + on (host, id) group_left () sum by (host, id) (container_gpu_memory_used_bytes)`,
  },
];

/**
 * What LLM servers report about themselves, in the same words for every engine: one series per server and model, whose labels are
 * those of the container's other metrics. And alerts about them, but for containers with the label `llm-metrics.alerts=none`.
 *
 * @param interval of scrapes
 */
export const llmRules = (interval: string, alerts: AlertSettings = ALERT_DEFAULTS): RuleGroup =>
  ruleGroup("llm_servers", [...records(interval, alerts), ...answerAlerts(alerts), ...loadAlerts(alerts)]);

/** Alerts about servers that do not answer, or expose no metrics. */
function answerAlerts(alerts: AlertSettings): Alert[] {
  const start = `container_start_time_seconds{job="${OWN_JOBS.cadvisor}"}`;
  // For a moment, a container that is renamed has two names.
  const answered = `max by (host, id) (${ANSWERED}) >= on (host, id) ${start}`;
  return [
    {
      alert: "LlmServerDown",
      expr: `llm:up${ALERTED} == 0 and on (host, id) ${answered}`,
      for: alerts.llmDownFor,
      severity: "critical",
      summary: `${SERVER} does not answer`,
      description: `Its container runs, and it has not answered scrapes for ${alerts.llmDownFor} (llm:up is {{ $value }}). See its log: the engine may have exited, or may hang.`,
    },
    {
      alert: "LlmServerLoading",
      expr: `llm:up${ALERTED} == 0 and on (host, id) time() - ${start} > ${durationSeconds(alerts.llmLoadingTime)} unless on (host, id) ${answered}`,
      // After the forwarder to a server failed, the next scrape of the server shows whether it answers.
      for: "1m",
      severity: "warning",
      summary: `${SERVER} has answered no scrape since its start`,
      description: `That was more than ${alerts.llmLoadingTime} ago. Its log shows whether it still loads its model. If it serves requests, it was started without metrics: restart SGLang with --enable-metrics, llama.cpp with --metrics. /targets of Prometheus has the scrape's error.`,
    },
    {
      alert: "LlmMetricsMissing",
      expr: `llm_server_scraped{reason=~"network|port|key",alerts!="none"} == 0 or (scrape_samples_post_metric_relabeling{${JOB},alerts!="none"} == 0 and up == 1)`,
      for: alerts.llmMetricsMissingFor,
      severity: "info",
      summary: `${SERVER} exposes no metrics to Prometheus`,
      description:
        "{{ if $labels.reason }}Prometheus does not scrape it (reason: {{ $labels.reason }}){{ else }}It answers scrapes without any of the engine's metrics ({{ $value }} samples){{ end }}. The runbook has the next step for each reason.",
    },
  ];
}

/** Alerts about servers that cannot cope with their requests. */
const loadAlerts = (alerts: AlertSettings): Alert[] => [
  {
    alert: "LlmAdmissionStalled",
    // A server of embeddings or of a reranker generates nothing, and reads prompts.
    expr: `${NAMES.requestsWaiting}${ALERTED} > 0 and ${NAMES.generatedTokens} == 0 unless ${NAMES.promptTokens} > 0`,
    for: alerts.llmStalledFor,
    severity: "critical",
    summary: `${SERVER} generates nothing, while requests wait`,
    description: `{{ $value }} requests wait for {{ $labels.model }}, and no token was generated for at least ${alerts.llmStalledFor}. See the server's log, and restart the server if it hangs.`,
  },
  {
    alert: "LlmQueueGrowing",
    expr: `deriv(${NAMES.requestsWaiting}${ALERTED}[15m]) * 900 > ${alerts.llmQueueGrowth}`,
    for: alerts.llmQueueFor,
    severity: "warning",
    summary: `The queue of the LLM server {{ $labels.name }} on {{ $labels.host }} grows`,
    description:
      "It grows by {{ $value | humanize }} requests in 15 minutes: more arrive than the server answers. Limit the clients, or start another server.",
  },
  {
    alert: "LlmCacheFull",
    expr: `${NAMES.kvCacheUsage}${ALERTED} > ${alerts.llmCacheRatio} and ${NAMES.preemptions} > 0`,
    for: alerts.llmCacheFor,
    severity: "warning",
    summary: `The KV cache of the LLM server {{ $labels.name }} on {{ $labels.host }} is full`,
    description:
      "{{ $value | humanizePercentage }} of the cache is in use, and the server preempts requests, which it has to compute again. Give it more GPU memory, or allow fewer requests at once or a shorter context.",
  },
  {
    alert: "LlmLatencyHigh",
    expr: `${TIME_TO_FIRST_TOKEN_P95}${ALERTED} > ${alerts.llmFirstTokenSeconds}`,
    for: alerts.llmLatencyFor,
    severity: "warning",
    summary: `${SERVER} answers slowly`,
    description: `One in twenty requests waits for its first token for {{ $value | humanizeDuration }} or longer; the target is ${alerts.llmFirstTokenSeconds} s (llmFirstTokenSeconds). See its queue and its KV cache.`,
  },
  {
    alert: "LlmErrors",
    // SGLang counts errors of all models together.
    expr: `(${ERRORS} / ${NAMES.requests} or ${ERRORS} / sum without (model) (${NAMES.requests})) > ${alerts.llmErrorRatio}`,
    for: alerts.llmErrorsFor,
    severity: "warning",
    summary: `Requests to the LLM server {{ $labels.name }} on {{ $labels.host }} fail`,
    description:
      "{{ $value | humanizePercentage }} of the requests of the last five minutes failed. The server's log has the reason.",
  },
];
