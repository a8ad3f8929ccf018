import { createHash } from "node:crypto";
import { dump } from "js-yaml";
import { OWN_JOBS } from "../../settings";
import { GPU_CONTAINER_LABELS } from "../catalogue";
import { durationSeconds } from "../../lib/units";

/** A recording rule, in Prometheus's own words. */
export interface RecordingRule {
  record: string;
  expr: string;
}

/** An alerting rule, in Prometheus's own words. */
export interface AlertingRule {
  alert: string;
  expr: string;
  for?: string;
  labels: { severity: "critical" | "warning" };
  annotations: { summary: string; description: string };
}

export interface RuleGroup {
  name: string;
  rules: (RecordingRule | AlertingRule)[];
}

const CONTAINER = ["host", ...GPU_CONTAINER_LABELS].join(", ");
const ofGpuContainers = (expr: string) =>
  `sum by (${CONTAINER}) (${expr}) and on (host, id) container_gpu_info`;

/**
 * What a container with GPUs uses of CPU and memory, beside what it uses of its GPUs: one series each per container, all
 * with the same labels, so that they can be divided by one another as they are.
 */
export const GPU_RULES: readonly RuleGroup[] = [
  {
    name: "gpu_containers",
    rules: [
      {
        record: "gpu_container:cpu_usage_cores:rate5m",
        expr: ofGpuContainers("rate(container_cpu_usage_seconds_total[5m])"),
      },
      {
        record: "gpu_container:memory_working_set_bytes:sum",
        expr: ofGpuContainers("container_memory_working_set_bytes"),
      },
      {
        record: "gpu_container:gpu_memory_used_bytes:sum",
        expr: `sum by (${CONTAINER}) (container_gpu_memory_used_bytes)`,
      },
      {
        record: "gpu_container:gpu_memory_total_bytes:sum",
        expr: `sum by (${CONTAINER}) (container_gpu_memory_total_bytes)`,
      },
      {
        record: "gpu_container:gpu_utilization_ratio:avg",
        expr: `avg by (${CONTAINER}) (container_gpu_utilization_ratio)`,
      },
    ],
  },
];

const gatewayAlert = (
  alert: string,
  severity: "warning" | "critical",
  expr: string,
  summary: string,
  description: string,
  wait?: string,
): AlertingRule => ({
  alert,
  expr,
  ...(wait && { for: wait }),
  labels: { severity },
  annotations: { summary, description },
});
const increased = (counter: string) => `sum by (host) (increase(${counter}[5m]))`;

/** What the gateway's owner has to know. A browser that asks for a password has been refused once, so a few refusals are nothing. */
export const GATEWAY_RULES: readonly RuleGroup[] = [
  {
    name: "gateway",
    rules: [
      gatewayAlert(
        "GatewayDown",
        "critical",
        'up{job="gateway"} == 0',
        "The gateway of {{ $labels.host }} does not answer",
        "Nobody reaches cAdvisor and Prometheus from outside. See `docker logs` of the container.",
        "2m",
      ),
      gatewayAlert(
        "GatewayLoginsRefused",
        "warning",
        `${increased('caddy_http_request_duration_seconds_count{job="gateway",code="401"}')} > 20`,
        "Somebody tries passwords at the gateway of {{ $labels.host }}",
        "{{ $value | humanize }} requests of the last five minutes had no password, or a wrong one.",
      ),
      gatewayAlert(
        "GatewayRequestsRefused",
        "warning",
        `${increased('caddy_http_request_duration_seconds_count{job="gateway",code=~"400|403|413|421"}')} > 20`,
        "Somebody asks the gateway of {{ $labels.host }} for what is closed",
        "{{ $value | humanize }} requests of the last five minutes were crooked, too big, or for what does not pass.",
      ),
      gatewayAlert(
        "GatewayHandshakesRefused",
        "warning",
        `${increased('gateway_handshake_errors_total{job="gateway",reason!="all"}')} > 5`,
        "Clients of the gateway of {{ $labels.host }} fail to connect",
        "{{ $value | humanize }} connections of the last five minutes were not encrypted, or had an expired certificate.",
      ),
      gatewayAlert(
        "GatewayCertificateExpires",
        "warning",
        'gateway_certificate_expiry_timestamp_seconds{job="gateway"} - time() < 14 * 86400',
        "The certificate of the gateway of {{ $labels.host }} expires in {{ $value | humanizeDuration }}",
        "Set tlsCertificate and tlsKey to new ones, and run `npm run up`.",
      ),
    ],
  },
];

/**
 * Alerts about the monitoring itself. They are few, each says what to do, and each fires in a test of the fault that it is about.
 *
 * @param host value of the label `host`
 * @param scrapeInterval the stack's; two missed scrapes are noise, four are a fault
 */
export function monitoringAlerts(host: string, scrapeInterval: string): RuleGroup {
  const scrapes = (n: number, seconds = 0) => `${Math.ceil(n * durationSeconds(scrapeInterval)) + seconds}s`;
  return {
    name: "monitoring",
    rules: [
      {
        alert: "PrometheusStoresNothing",
        // A full disk takes no sample about itself either; but rules are evaluated, and alerts sent, without any.
        expr: `absent_over_time(up{job="${OWN_JOBS.prometheus}",host="${host}"}[${scrapes(4)}])`,
        // After a start it takes Prometheus 5 s to find its targets, and up to an interval to scrape them.
        for: scrapes(2, 5),
        labels: { severity: "critical" },
        annotations: {
          summary: "Prometheus on {{ $labels.host }} stores no samples",
          description:
            "Most likely its disk is full: see the end of its log. Make room, then restart its container.",
        },
      },
      {
        alert: "PrometheusWritesFailed",
        // What a write left behind half done, the next start cuts off, with everything after it (wlog.Repair); blocks are safe.
        expr: "prometheus_tsdb_wal_writes_failed_total > 0 and increase(prometheus_tsdb_wal_writes_failed_total[3h]) > 0",
        labels: { severity: "warning" },
        annotations: {
          summary:
            "The disk of Prometheus on {{ $labels.host }} refused to take samples, and takes them again",
          description: "Restart its container soon: what came since could be lost when it starts later.",
        },
      },
      {
        alert: "PrometheusBlockCorrupt",
        expr: "increase(prometheus_tsdb_compactions_failed_total[15m]) > 0 or increase(prometheus_tsdb_reloads_failures_total[15m]) > 0",
        labels: { severity: "warning" },
        annotations: {
          summary: "Prometheus on {{ $labels.host }} cannot read or write a block of samples",
          description:
            "See its log for the block and the reason; `npm run up` sets a block aside that cannot be read.",
        },
      },
      {
        alert: "PrometheusConfigurationRefused",
        expr: "prometheus_config_last_reload_successful == 0",
        for: scrapes(2),
        labels: { severity: "warning" },
        annotations: {
          summary: "Prometheus on {{ $labels.host }} refused a configuration, and runs with the one before",
          description: "Somebody edited it by hand: `npm run preview` shows how, `npm run up` puts it right.",
        },
      },
      {
        alert: "ScrapeTargetDown",
        // The gateway has an alert of its own.
        expr: `up{job!="${OWN_JOBS.gateway}"} == 0`,
        for: scrapes(4),
        labels: { severity: "warning" },
        annotations: {
          summary: "{{ $labels.job }} at {{ $labels.instance }} does not answer",
          description:
            "See the page /targets of Prometheus for the error, and the log of the container that serves it.",
        },
      },
    ],
  };
}

/**
 * The file of rule groups. Its name changes with its text, so that a new configuration is checked with its new rules while
 * the old one goes on with the old.
 */
export function rulesFile(groups: readonly RuleGroup[]): { name: string; text: string } {
  const text = dump({ groups }, { lineWidth: -1, noRefs: true });
  return { name: `rules.${createHash("sha256").update(text).digest("hex").slice(0, 8)}.yml`, text };
}
