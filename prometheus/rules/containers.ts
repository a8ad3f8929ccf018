import { durationSeconds } from "../../lib/units";
import { ALERT_DEFAULTS, OWN_JOBS, type AlertSettings } from "../../settings";
import type { AlertingRule, RecordingRule, RuleGroup } from "./types";

const JOB = `job="${OWN_JOBS.cadvisor}"`;

/** Series of containers that have alerts. */
const ALERTED = `{${JOB},alerts!="none"}`;

/** Identifies a container in an annotation. */
const CONTAINER = "The container {{ $labels.name }} on {{ $labels.host }}";

/**
 * Recording rules and alerts about containers. A container with the label `llm-metrics.alerts=none` has records and no alerts.
 *
 * @param interval at which rules are evaluated, as a Prometheus duration
 * @param alerts thresholds and times
 */
export const containerRules = (interval: string, alerts: AlertSettings = ALERT_DEFAULTS): RuleGroup => ({
  name: "containers",
  rules: [
    oomKills(interval),
    ...RECORDS,
    ...lifeAlerts(alerts),
    containerGone(alerts),
    ...resourceAlerts(alerts),
  ],
});

/**
 * Counts the out-of-memory kills of each container in whole numbers, which increase() does not: it extrapolates, and does not
 * count what a counter begins with. Each evaluation compares the counter with its value one interval before; there is a sample
 * only where it grew, so that sum_over_time() is the number of kills in any period.
 */
function oomKills(interval: string): RecordingRule {
  const now = `container_oom_events_total{${JOB}}`;
  // The last value within a day, because failed scrapes and stopped containers leave gaps.
  const growth = `${now} - last_over_time(${now}[1d] offset ${interval})`;
  // A counter that is new, or was reset by a restart of cAdvisor, has counted from 0.
  const fromZero = `${now} unless ${growth} >= 0`;
  // In the first interval of a Prometheus, every counter is new, whenever it began.
  const watched = `up{${JOB}} offset ${interval}`;
  return {
    record: "container:oom_events:increase",
    expr: `sum without (job, instance) (${growth} > 0 or (${fromZero}) > 0 and on (job, instance) ${watched})`,
  };
}

/** Without the labels of the scrape, as the other records of containers are. */
const RECORDS: RecordingRule[] = [
  {
    record: "container:memory_limit_used:ratio",
    // What the kernel cannot free: anonymous and shared memory, and its own. Model weights that a server maps are page cache. A
    // cAdvisor that does not expose that cache exposes the anonymous memory.
    expr: `sum without (job, instance) ((container_memory_working_set_bytes{${JOB}} - container_memory_total_active_file_bytes{${JOB}} or container_memory_rss{${JOB}}) / (container_spec_memory_limit_bytes{${JOB}} > 0))`,
  },
  {
    record: "container:cpu_throttled:ratio_rate5m",
    // The kernel counts only periods in which the container wants to run: of those, a container that is nearly idle can be
    // throttled in most. The period is in microseconds.
    expr: `sum without (job, instance) (rate(container_cpu_cfs_throttled_periods_total{${JOB}}[5m]) * container_spec_cpu_period{${JOB}} / 1e6)`,
  },
];

/** Alerts about containers that are killed, restart or are unhealthy. */
const lifeAlerts = (alerts: AlertSettings): AlertingRule[] => [
  {
    alert: "ContainerOOMKilled",
    // The record has samples only where there are kills.
    expr: `sum_over_time(container:oom_events:increase{alerts!="none"}[${alerts.containerOomKilledWindow}])`,
    labels: { severity: "critical" },
    annotations: {
      summary: `${CONTAINER} ran out of memory`,
      description: `In the last ${alerts.containerOomKilledWindow}, the kernel killed {{ $value }} of its processes. Raise its memory limit, or reduce what it uses.`,
    },
  },
  {
    alert: "ContainerRestarting",
    // A restart between two others that no scrape sees does not count.
    expr: `changes(container_start_time_seconds${ALERTED}[${alerts.containerRestartsWindow}]) >= ${alerts.containerRestarts}`,
    labels: { severity: "critical" },
    annotations: {
      summary: `${CONTAINER} restarts again and again`,
      description: `In the last ${alerts.containerRestartsWindow}, it restarted {{ $value }} times or more: restarts between two scrapes count as one. See its log; \`docker inspect\` shows RestartCount and the exit code.`,
    },
  },
  {
    alert: "ContainerUnhealthy",
    // cAdvisor reports the same for a container that starts.
    expr: `container_health_state${ALERTED} == 0 and time() - container_start_time_seconds > ${durationSeconds(alerts.containerStartPeriod)}`,
    for: alerts.containerUnhealthyFor,
    labels: { severity: "critical" },
    annotations: {
      summary: `${CONTAINER} is unhealthy`,
      description: `Its health check has failed for ${alerts.containerUnhealthyFor} (state {{ $value }}). \`docker inspect\` shows the output of the check.`,
    },
  },
];

/** A container that ran for long, and that no container of the same name replaced. */
function containerGone(alerts: AlertSettings): AlertingRule {
  const { containerGoneFor, containerGoneWindow, containerGoneMinAge } = alerts;
  const range = `${durationSeconds(containerGoneFor) + durationSeconds(containerGoneWindow)}s`;
  const last = (metric: string) => `last_over_time(${metric}${ALERTED}[${range}])`;
  const running = `container_last_seen{${JOB}}`;
  return {
    alert: "ContainerGone",
    expr: [
      `time() - ${last("container_last_seen")}`,
      `and ${last("container_last_seen")} - ${last("container_start_time_seconds")} >= ${durationSeconds(containerGoneMinAge)}`,
      `unless on (host, name) ${running}`,
      // A renamed container.
      `unless on (host, id) ${running}`,
      // cAdvisor sees containers: neither cAdvisor nor Docker is down.
      `and on (host) ${running}`,
    ].join(" "),
    for: containerGoneFor,
    labels: { severity: "warning" },
    annotations: {
      summary: `${CONTAINER} is gone`,
      description:
        "It ran for more than an hour, and has been gone for {{ $value | humanizeDuration }}. `docker ps -a` shows whether it was stopped, removed, or waits for a restart.".replace(
          "an hour",
          containerGoneMinAge,
        ),
    },
  };
}

/** Alerts about containers that are short of memory, CPU time or network. */
function resourceAlerts(alerts: AlertSettings): AlertingRule[] {
  const dropped = (direction: string) =>
    `rate(container_network_${direction}_packets_dropped_total${ALERTED}[5m])`;
  return [
    {
      alert: "ContainerMemoryNearLimit",
      expr: `container:memory_limit_used:ratio{alerts!="none"} > ${alerts.containerMemoryRatio}`,
      for: alerts.containerMemoryFor,
      labels: { severity: "warning" },
      annotations: {
        summary: `${CONTAINER} is near its memory limit`,
        description:
          "It uses {{ $value | humanizePercentage }} of its limit, without page cache. At 100 %, the kernel kills its processes: raise the limit (`docker update --memory`), or restart the container before that.",
      },
    },
    {
      alert: "ContainerCPUThrottled",
      expr: `container:cpu_throttled:ratio_rate5m{alerts!="none"} > ${alerts.containerThrottledRatio}`,
      for: alerts.containerThrottledFor,
      labels: { severity: "warning" },
      annotations: {
        summary: `${CONTAINER} is throttled by its CPU limit`,
        description:
          "It waits for CPU time in {{ $value | humanizePercentage }} of all periods of its limit. Raise the limit (`--cpus`), or start fewer threads.",
      },
    },
    {
      alert: "ContainerNetworkDrops",
      expr: `sum without (interface) (${dropped("receive")} + ${dropped("transmit")}) > ${alerts.containerDropsPerSecond}`,
      for: alerts.containerDropsFor,
      labels: { severity: "warning" },
      annotations: {
        summary: `${CONTAINER} loses network packets`,
        description:
          "Its interfaces drop {{ $value | humanize }} packets per second: most likely its program reads too slowly, for lack of CPU time, or the network of the host is full.",
      },
    },
  ];
}
