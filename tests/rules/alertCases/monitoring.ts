import {
  alertmanager,
  cadvisor,
  container,
  exporter,
  gateway,
  GIB,
  HEALTHY,
  llmForwarder,
  llmJob,
  prometheus,
  repeated,
  type AlertCases,
} from "./series";

const cadvisorRuns = (up = "1x100", start = "-3600x100") => ({
  [cadvisor("up")]: up,
  [cadvisor("process_start_time_seconds")]: start,
});
const cadvisorMeasures = (cpuSeconds: string) => ({
  ...cadvisorRuns(),
  [container("container_cpu_usage_seconds_total")]: cpuSeconds,
});

export const MONITORING_CASES = {
  Watchdog: [{ name: "always", series: HEALTHY, silent: [], fires: ["0s", "10m"] }],
  TargetDown: [
    {
      name: "after two minutes",
      series: { [cadvisor("up")]: "1x20 0x50" },
      silent: ["12m"],
      fires: ["13m"],
    },
    {
      name: "about the forwarder to LLM servers, not about each server behind it",
      series: { [llmForwarder("up")]: "1x20 0x50" },
      silent: ["12m"],
      fires: ["13m"],
    },
    {
      name: "after two failed scrapes, and about the gateway and LLM servers, which have alerts of their own",
      series: {
        [cadvisor("up")]: "1x20 0x2 1x50",
        [gateway("up")]: "1x20 0x50",
        [llmJob("up")]: "1x20 0x50",
      },
      silent: ["12m", "20m"],
    },
  ],
  ContainerMetricsMissing: [
    {
      name: "where cAdvisor exposes what it measured last, because Docker does not answer",
      series: cadvisorMeasures("0+3x20 60x20"),
      silent: ["10m30s", "11m"],
      fires: ["12m"],
    },
    { name: "where no container has a name", series: cadvisorRuns(), silent: [], fires: ["2m"] },
    {
      name: "after a start without names",
      series: cadvisorRuns("_x10 1x20", "_x10 300x20"),
      silent: ["6m", "6m30s"],
      fires: ["7m"],
    },
    {
      name: "while one container is measured",
      series: {
        ...cadvisorMeasures("7x30"),
        [container("container_cpu_usage_seconds_total", "cadvisor")]: "0+1x30",
      },
      silent: ["10m"],
    },
    {
      name: "while cAdvisor starts",
      series: {
        ...cadvisorRuns("_x10 1x20", "_x10 300x20"),
        [container("container_cpu_usage_seconds_total")]: "_x12 0+1x30",
      },
      silent: ["6m30s", "7m", "8m"],
    },
    { name: "where cAdvisor is down", series: cadvisorRuns("0x30"), silent: ["10m"] },
  ],
  ExporterDockerDown: [
    {
      name: "after five minutes",
      series: { [exporter("gpu_exporter_docker_up")]: "1x20 0x50" },
      silent: ["15m"],
      fires: ["16m"],
    },
    {
      name: "while Docker restarts",
      series: { [exporter("gpu_exporter_docker_up")]: "1x20 0x6 1x50" },
      silent: ["13m", "16m"],
    },
  ],
  CadvisorScrapeErrors: [
    {
      name: "where cAdvisor reports no container for minutes",
      series: { [cadvisor("container_scrape_error")]: "0x40 1x100" },
      silent: ["27m"],
      fires: ["29m"],
    },
    {
      name: "where a container ends during each fifth scrape",
      series: { [cadvisor("container_scrape_error")]: repeated("0x3 1x0", 30) },
      silent: ["20m", "40m"],
    },
  ],
  ClockSkew: [
    {
      name: "where a clock is a minute ahead",
      series: { [container("container_last_seen")]: "60+30x100" },
      silent: ["9m30s"],
      fires: ["11m"],
    },
    {
      name: "where a clock is a minute behind",
      series: { [container("container_last_seen")]: "-60+30x100" },
      silent: ["9m30s"],
      fires: ["11m"],
    },
    {
      name: "where a scrape takes long",
      series: { [container("container_last_seen")]: "20+30x100" },
      silent: ["20m"],
    },
  ],
  PrometheusBadConfig: [
    {
      name: "after a minute",
      series: { [prometheus("prometheus_config_last_reload_successful")]: "1x20 0x50" },
      silent: ["11m"],
      fires: ["12m"],
    },
    {
      name: "about an edit that is corrected at once",
      series: { [prometheus("prometheus_config_last_reload_successful")]: "1x20 0x0 1x50" },
      silent: ["11m", "15m"],
    },
  ],
  PrometheusRuleFailures: [
    {
      name: "for a quarter of an hour after a failure",
      series: { [prometheus("prometheus_rule_evaluation_failures_total")]: "0x20 3x100" },
      silent: ["9m", "27m"],
      fires: ["12m", "24m"],
    },
    {
      name: "about failures of long ago",
      series: { [prometheus("prometheus_rule_evaluation_failures_total")]: "30x100" },
      silent: ["10m", "40m"],
    },
  ],
  PrometheusNotificationsFailing: [
    {
      name: "after ten minutes in which alerts were dropped again and again",
      series: {
        [prometheus("prometheus_notifications_dropped_total")]:
          `0x20 ${[...Array(10).keys()].map((n) => `${n + 1}x6`).join(" ")}`,
      },
      silent: ["20m"],
      fires: ["22m"],
    },
    {
      name: "while an Alertmanager restarts, twice",
      series: { [prometheus("prometheus_notifications_dropped_total")]: "0x20 5x16 9x100" },
      silent: ["13m", "21m", "24m"],
    },
  ],
  AlertmanagerNotificationsFailing: [
    {
      name: "after ten minutes in which messages failed again and again",
      series: {
        [alertmanager("alertmanager_notifications_failed_total", 'receiver_name="0-slack"')]:
          `0x20 ${[...Array(10).keys()].map((n) => `${n + 1}x6`).join(" ")}`,
      },
      silent: ["20m"],
      fires: ["22m"],
    },
    {
      name: "while a receiver restarts",
      series: {
        [alertmanager("alertmanager_notifications_failed_total", 'receiver_name="0-slack"')]: "0x20 6x100",
      },
      silent: ["13m", "16m", "24m"],
    },
    {
      name: "about a message that fails every eight minutes",
      series: {
        [alertmanager("alertmanager_notifications_failed_total", 'receiver_name="0-slack"')]:
          "0x20 1x15 2x15 3x15 4x15 5x15",
      },
      silent: ["25m", "34m", "45m"],
    },
  ],
  PrometheusMemoryNearLimit: [
    {
      name: "above 80 % of the limit for ten minutes",
      series: { [prometheus("go_gc_heap_live_bytes")]: `${GIB / 2}x20 ${0.85 * GIB}x100` },
      silent: ["20m"],
      fires: ["22m"],
    },
    {
      name: "where mapped blocks and garbage fill the memory",
      series: {
        [prometheus("go_gc_heap_live_bytes")]: `${0.4 * GIB}x100`,
        [prometheus("process_resident_memory_bytes")]: `${GIB}x100`,
      },
      silent: ["40m"],
    },
  ],
  PrometheusSeriesNearLimit: [
    {
      name: "above 100,000 series for a quarter of an hour",
      series: { [prometheus("prometheus_tsdb_head_series")]: "60000x20 120000x100" },
      silent: ["25m"],
      fires: ["27m"],
    },
    {
      name: "about a peak, and below",
      series: { [prometheus("prometheus_tsdb_head_series")]: "60000x20 120000x20 90000x100" },
      silent: ["20m", "60m"],
    },
  ],
  PrometheusNotIngestingSamples: [
    {
      name: "after three minutes",
      series: { [prometheus("up")]: "1x20 _x50" },
      silent: ["11m", "13m"],
      fires: ["14m"],
    },
    {
      name: "after two lost samples",
      series: { [prometheus("up")]: "1x20 _x2 1x50" },
      silent: ["12m", "14m"],
    },
  ],
  PrometheusWritesFailed: [
    {
      name: "for three hours after a failed write",
      series: { [prometheus("prometheus_tsdb_wal_writes_failed_total")]: "0x20 1x500" },
      silent: ["9m", "3h30m"],
      fires: ["12m", "2h"],
    },
    {
      name: "after a restart, and without a failed write",
      series: { [prometheus("prometheus_tsdb_wal_writes_failed_total")]: "0x20 7x5 0x100" },
      silent: ["9m", "15m"],
    },
  ],
  PrometheusWALCorrupted: [
    {
      name: "for three hours after a start that found the WAL corrupt",
      series: {
        [prometheus("prometheus_tsdb_wal_corruptions_total")]: "1x500",
        [prometheus("process_start_time_seconds")]: "0x500",
      },
      silent: ["3h10m"],
      fires: ["1m", "2h"],
    },
    {
      name: "for three hours after a corruption while it runs",
      series: {
        [prometheus("prometheus_tsdb_wal_corruptions_total")]: "0x400 1x400",
        [prometheus("process_start_time_seconds")]: "0x800",
      },
      silent: ["3h15m", "6h30m"],
      fires: ["3h25m", "5h30m"],
    },
    {
      name: "after an ordinary start",
      series: {
        [prometheus("prometheus_tsdb_wal_corruptions_total")]: "0x100",
        [prometheus("process_start_time_seconds")]: "0x100",
      },
      silent: ["1m", "20m"],
    },
  ],
  PrometheusTSDBReloadsFailing: [
    {
      name: "for a quarter of an hour after a failure",
      series: { [prometheus("prometheus_tsdb_reloads_failures_total")]: "0x20 1x100" },
      silent: ["9m", "27m"],
      fires: ["12m", "24m"],
    },
    {
      name: "about a failure of long ago",
      series: { [prometheus("prometheus_tsdb_reloads_failures_total")]: "3x100" },
      silent: ["10m", "40m"],
    },
  ],
  PrometheusTSDBCompactionsFailing: [
    {
      name: "for a quarter of an hour after a failure",
      series: { [prometheus("prometheus_tsdb_compactions_failed_total")]: "3x20 4x100" },
      silent: ["9m", "27m"],
      fires: ["12m", "24m"],
    },
    {
      name: "about a failure of long ago",
      series: { [prometheus("prometheus_tsdb_compactions_failed_total")]: "3x100" },
      silent: ["10m", "40m"],
    },
  ],
} satisfies AlertCases;
