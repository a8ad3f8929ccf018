import { durationSeconds } from "../../lib/units";
import { OWN_JOBS, type AlertSettings } from "../../settings";
import { ruleGroup, type Alert, type RuleGroup } from "./ruleGroup";

/** It has been scraped twice since its start. */
const STARTED = `time() - process_start_time_seconds{job="${OWN_JOBS.cadvisor}"} > 60`;

/** The shortest window in which a container must have used CPU time, in seconds, for the short scrape intervals of tests. */
const SHORTEST_WINDOW = 40;

/**
 * Alerts about the monitoring itself. Each description has the next step, and a test of the fault shows that the alert fires.
 *
 * @param host value of the label `host`
 * @param scrapeInterval the alerts tolerate two missed scrapes; four are a fault
 * @param memory limit of Prometheus's container, in MiB
 */
export function monitoringRules(
  host: string,
  scrapeInterval: string,
  alerts: AlertSettings,
  memory: number,
): RuleGroup {
  const scrapes = (n: number, seconds = 0) => `${Math.ceil(n * durationSeconds(scrapeInterval)) + seconds}s`;
  const range = `${Math.max(SHORTEST_WINDOW, 2 * durationSeconds(scrapeInterval) + 5)}s`;
  const measured = `(changes(container_cpu_usage_seconds_total{job="${OWN_JOBS.cadvisor}"}[${range}]) > 0)`;
  return ruleGroup("monitoring", [
    watchdog(host),
    ...prometheusAlerts(alerts, memory),
    ...collectorAlerts(alerts),
    {
      alert: "PrometheusNotIngestingSamples",
      // With a full disk, Prometheus loses samples about itself too. It still evaluates rules and sends alerts.
      expr: `absent_over_time(up{job="${OWN_JOBS.prometheus}",host="${host}"}[${scrapes(4)}])`,
      // After a start, Prometheus discovers its targets within 5 s and scrapes them within an interval.
      for: scrapes(2, 5),
      severity: "critical",
      summary: "Prometheus on {{ $labels.host }} ingests no samples",
      description:
        "Most likely its disk is full: see the end of its log. Free disk space, then restart its container.",
    },
    {
      alert: "PrometheusWritesFailed",
      // The next start truncates the WAL at the failed write (wlog.Repair). Blocks are not affected.
      expr: "prometheus_tsdb_wal_writes_failed_total > 0 and increase(prometheus_tsdb_wal_writes_failed_total[3h]) > 0",
      severity: "warning",
      summary: "Writes to the WAL of Prometheus on {{ $labels.host }} failed, and succeed again",
      description:
        "Restart its container soon: a restart drops the samples since the failed write that are in no block yet.",
    },
    {
      alert: "PrometheusTSDBReloadsFailing",
      expr: "increase(prometheus_tsdb_reloads_failures_total[15m]) > 0",
      severity: "warning",
      summary: "Prometheus on {{ $labels.host }} fails to reload its blocks from disk",
      description:
        "See its log for the block and the reason. `npm run up` quarantines a block that cannot be read.",
    },
    {
      alert: "PrometheusTSDBCompactionsFailing",
      expr: "increase(prometheus_tsdb_compactions_failed_total[15m]) > 0",
      severity: "warning",
      summary: "Prometheus on {{ $labels.host }} fails to compact its blocks",
      description:
        "See its log for the block and the reason. `npm run up` quarantines a block that cannot be read.",
    },
    {
      alert: "PrometheusBadConfig",
      expr: "prometheus_config_last_reload_successful == 0",
      for: scrapes(2),
      severity: "warning",
      summary:
        "Prometheus on {{ $labels.host }} failed to load its configuration and runs with the previous one",
      description:
        "Its files were edited: its log has the error, `npm run preview` shows the drift, and `npm run up` reverts it.",
    },
    {
      alert: "TargetDown",
      // The gateway and LLM servers have alerts of their own.
      expr: `up{job!~"${OWN_JOBS.gateway}|${OWN_JOBS.llm}"} == 0`,
      for: scrapes(4),
      severity: "warning",
      summary: "The target {{ $labels.instance }} of the job {{ $labels.job }} on {{ $labels.host }} is down",
      description: "See the error on the page /targets of Prometheus, and the log of the target's container.",
    },
    {
      alert: "ContainerMetricsMissing",
      // cAdvisor measures containers that Docker lists, itself among them, and without Docker it exposes what it measured last
      // (google/cadvisor, container/docker/handler.go). A measured cAdvisor uses CPU. Two scrapes must differ in that.
      expr: `up{job="${OWN_JOBS.cadvisor}"} == 1 and on (host) ${STARTED} unless on (host) ${measured}`,
      for: scrapes(1),
      severity: "critical",
      summary: "cAdvisor on {{ $labels.host }} runs, and measures no container",
      description:
        "Docker or containerd does not answer it: see the logs of its container and of Docker. If Docker answers other clients, restart the container.",
    },
  ]);
}

/** Fires always, so that its absence shows a fault between Prometheus and its receiver. */
const watchdog = (host: string): Alert => ({
  alert: "Watchdog",
  expr: "vector(1)",
  severity: "none",
  labels: { host },
  summary: "The alerts of {{ $labels.host }} arrive",
  description: "This alert always fires. If it stops arriving, no other alert arrives either.",
});

/** Alerts about the resources of Prometheus, its rules and its notifications. */
const prometheusAlerts = (alerts: AlertSettings, memory: number): Alert[] => [
  {
    alert: "PrometheusMemoryNearLimit",
    // What is alive after a garbage collection. The memory of the process includes garbage, which Go collects near the limit
    // (--auto-gomemlimit), and blocks that it maps, which the kernel can drop.
    expr: `go_gc_heap_live_bytes{job="${OWN_JOBS.prometheus}"} / ${memory * 1024 ** 2} > ${alerts.prometheusMemoryRatio}`,
    for: alerts.prometheusMemoryFor,
    severity: "warning",
    summary: "Prometheus on {{ $labels.host }} is near its memory limit",
    description:
      "Its data takes {{ $value | humanizePercentage }} of the limit. Raise prometheusMemory, or store fewer series: the page /tsdb-status shows which metrics have the most.",
  },
  {
    alert: "PrometheusSeriesNearLimit",
    expr: `prometheus_tsdb_head_series > ${alerts.prometheusSeries}`,
    for: alerts.prometheusSeriesFor,
    severity: "warning",
    summary: "Prometheus on {{ $labels.host }} has many series",
    description:
      "It has {{ $value }} series in memory, with those of containers that ended in the last hours. The page /tsdb-status shows which metrics have the most.",
  },
  {
    alert: "PrometheusRuleFailures",
    expr: `round(increase(prometheus_rule_evaluation_failures_total[${alerts.ruleFailuresWindow}])) > 0`,
    severity: "warning",
    summary: "Prometheus on {{ $labels.host }} fails to evaluate rules",
    description: `{{ $value }} evaluations of the group {{ $labels.rule_group }} failed in the last ${alerts.ruleFailuresWindow}: alerts of this group can be missing. The page /rules shows the error.`,
  },
  {
    alert: "PrometheusNotificationsFailing",
    // Prometheus sends an alert that fires again each minute.
    expr: "increase(prometheus_notifications_dropped_total[5m]) > 0",
    for: alerts.notificationsFailingFor,
    severity: "critical",
    summary: "Prometheus on {{ $labels.host }} cannot notify an Alertmanager",
    description:
      "{{ $value | humanize }} alerts for {{ $labels.alertmanager }} were dropped in the last five minutes. The log of Prometheus has the reason.",
  },
  {
    alert: "AlertmanagerNotificationsFailing",
    // Alertmanager repeats a message that failed until the next one for the same group is due.
    expr: "increase(alertmanager_notifications_failed_total[5m]) > 0",
    for: alerts.notificationsFailingFor,
    severity: "critical",
    summary: "Alertmanager on {{ $labels.host }} cannot send messages to {{ $labels.receiver_name }}",
    description:
      "{{ $value | humanize }} attempts failed in the last five minutes ({{ $labels.reason }}). The log of Alertmanager has the answer of the receiver.",
  },
  {
    alert: "PrometheusWALCorrupted",
    // It counts most corruptions when it starts, and then from 0.
    expr: [
      "prometheus_tsdb_wal_corruptions_total > 0",
      `and (time() - process_start_time_seconds{job="${OWN_JOBS.prometheus}"} < ${durationSeconds(alerts.walCorruptedWindow)}`,
      `or increase(prometheus_tsdb_wal_corruptions_total[${alerts.walCorruptedWindow}]) > 0)`,
    ].join(" "),
    severity: "warning",
    summary: "Prometheus on {{ $labels.host }} found its WAL corrupt",
    description: `It truncated the WAL there ({{ $value }} times), and lost at most the samples of the last three hours. See its log, and check the disk.`,
  },
];

/** Alerts about the answers of cAdvisor, and those of Docker to the exporter. */
const collectorAlerts = (alerts: AlertSettings): Alert[] => [
  {
    alert: "ExporterDockerDown",
    expr: "gpu_exporter_docker_up == 0",
    for: alerts.gpuDockerDownFor,
    severity: "warning",
    summary: "Docker on {{ $labels.host }} does not answer the exporter",
    description: `For ${alerts.gpuDockerDownFor}, the states of containers, and which of them uses which GPU, have been unknown (gpu_exporter_docker_up is {{ $value }}). See the logs of the exporter and of Docker.`,
  },
  {
    alert: "CadvisorScrapeErrors",
    // One container that ends during a scrape costs the whole scrape (google/cadvisor, metrics/prometheus.go).
    expr: `avg_over_time(container_scrape_error[10m]) > ${alerts.cadvisorErrorRatio}`,
    for: alerts.cadvisorErrorFor,
    severity: "warning",
    summary: "cAdvisor on {{ $labels.host }} fails to measure its containers",
    description:
      "In {{ $value | humanizePercentage }} of the scrapes of the last ten minutes, it reported no container. Its log has the reason.",
  },
  {
    alert: "ClockSkew",
    expr: `max by (host, job, instance) (abs(timestamp(container_last_seen) - container_last_seen)) > ${durationSeconds(alerts.clockSkew)}`,
    for: alerts.clockSkewFor,
    severity: "warning",
    summary: "The clock of {{ $labels.instance }} on {{ $labels.host }} differs from that of Prometheus",
    description:
      "The clock of that cAdvisor differs by {{ $value | humanizeDuration }}. Rates and ages of its containers are wrong: synchronize the clocks, for example by NTP.",
  },
];
