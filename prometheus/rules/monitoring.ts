import { durationSeconds } from "../../lib/units";
import { OWN_JOBS } from "../../settings";
import type { RuleGroup } from "./types";

/** It has been scraped twice since its start. */
const STARTED = `time() - process_start_time_seconds{job="${OWN_JOBS.cadvisor}"} > 60`;

/** Seconds within which cAdvisor measures each container again, also where it is scraped more often. */
const MEASURED_EVERY = 40;

/**
 * Alerts about the monitoring itself. Each description has the next step, and a test of the fault shows that the alert fires.
 *
 * @param host value of the label `host`
 * @param scrapeInterval the alerts tolerate two missed scrapes; four are a fault
 */
export function monitoringRules(host: string, scrapeInterval: string): RuleGroup {
  const scrapes = (n: number, seconds = 0) => `${Math.ceil(n * durationSeconds(scrapeInterval)) + seconds}s`;
  const range = `${Math.max(MEASURED_EVERY, 2 * durationSeconds(scrapeInterval) + 5)}s`;
  const measured = `(changes(container_cpu_usage_seconds_total{job="${OWN_JOBS.cadvisor}"}[${range}]) > 0)`;
  return {
    name: "monitoring",
    rules: [
      {
        alert: "PrometheusNotIngestingSamples",
        // With a full disk, Prometheus loses samples about itself too. It still evaluates rules and sends alerts.
        expr: `absent_over_time(up{job="${OWN_JOBS.prometheus}",host="${host}"}[${scrapes(4)}])`,
        // After a start, Prometheus discovers its targets within 5 s and scrapes them within an interval.
        for: scrapes(2, 5),
        labels: { severity: "critical" },
        annotations: {
          summary: "Prometheus on {{ $labels.host }} ingests no samples",
          description:
            "Most likely its disk is full: see the end of its log. Free disk space, then restart its container.",
        },
      },
      {
        alert: "PrometheusWritesFailed",
        // The next start truncates the WAL at the failed write (wlog.Repair). Blocks are not affected.
        expr: "prometheus_tsdb_wal_writes_failed_total > 0 and increase(prometheus_tsdb_wal_writes_failed_total[3h]) > 0",
        labels: { severity: "warning" },
        annotations: {
          summary: "Writes to the WAL of Prometheus on {{ $labels.host }} failed, and succeed again",
          description:
            "Restart its container soon: a restart drops the samples since the failed write that are in no block yet.",
        },
      },
      {
        alert: "PrometheusTSDBReloadsFailing",
        expr: "increase(prometheus_tsdb_reloads_failures_total[15m]) > 0",
        labels: { severity: "warning" },
        annotations: {
          summary: "Prometheus on {{ $labels.host }} fails to reload its blocks from disk",
          description:
            "See its log for the block and the reason. `npm run up` quarantines a block that cannot be read.",
        },
      },
      {
        alert: "PrometheusTSDBCompactionsFailing",
        expr: "increase(prometheus_tsdb_compactions_failed_total[15m]) > 0",
        labels: { severity: "warning" },
        annotations: {
          summary: "Prometheus on {{ $labels.host }} fails to compact its blocks",
          description:
            "See its log for the block and the reason. `npm run up` quarantines a block that cannot be read.",
        },
      },
      {
        alert: "PrometheusBadConfig",
        expr: "prometheus_config_last_reload_successful == 0",
        for: scrapes(2),
        labels: { severity: "warning" },
        annotations: {
          summary:
            "Prometheus on {{ $labels.host }} failed to load its configuration and runs with the previous one",
          description:
            "Its files were edited: `npm run preview` shows the drift, and `npm run up` reverts it.",
        },
      },
      {
        alert: "TargetDown",
        // The gateway has an alert of its own.
        expr: `up{job!="${OWN_JOBS.gateway}"} == 0`,
        for: scrapes(4),
        labels: { severity: "warning" },
        annotations: {
          summary: "The target {{ $labels.instance }} of the job {{ $labels.job }} is down",
          description:
            "See the error on the page /targets of Prometheus, and the log of the target's container.",
        },
      },
      {
        alert: "ContainerMetricsMissing",
        // cAdvisor measures containers that Docker lists, itself among them, and without Docker it exposes what it measured last
        // (google/cadvisor, container/docker/handler.go). A measured cAdvisor uses CPU. Two scrapes must differ in that.
        expr: `up{job="${OWN_JOBS.cadvisor}"} == 1 and on (host) ${STARTED} unless on (host) ${measured}`,
        for: scrapes(1),
        labels: { severity: "critical" },
        annotations: {
          summary: "cAdvisor on {{ $labels.host }} runs, and measures no container",
          description:
            "Docker or containerd does not answer it: see its log and that of Docker, then restart its container.",
        },
      },
    ],
  };
}
