import { createHash } from "node:crypto";
import { dump } from "js-yaml";
import { GPU_CONTAINER_LABELS } from "./catalogue";

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
  labels: { severity: "warning" | "critical" };
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
 * The file of rule groups. Its name changes with its text, so that a new configuration is checked with its new rules while
 * the old one goes on with the old.
 */
export function rulesFile(groups: readonly RuleGroup[]): { name: string; text: string } {
  const text = dump({ groups }, { lineWidth: -1, noRefs: true });
  return { name: `rules.${createHash("sha256").update(text).digest("hex").slice(0, 8)}.yml`, text };
}
