import { durationSeconds } from "../../lib/units";
import { ALERT_DEFAULTS, OWN_JOBS, type AlertSettings } from "../../settings";
import {
  BY_CONTAINER,
  CONTAINER,
  ruleGroup,
  type Alert,
  type RecordingRule,
  type RuleGroup,
} from "./ruleGroup";

const JOB = `job="${OWN_JOBS.cadvisor}"`;
/** Docker's view of containers. */
const DOCKER = `job="${OWN_JOBS.exporter}"`;

/** Series of containers that have alerts. */
const ALERTED = `{${JOB},alerts!="none"}`;

/**
 * Recording rules and alerts about containers. A container with the label `llm-metrics.alerts=none` has records and no alerts.
 *
 * @param interval at which rules are evaluated, as a Prometheus duration
 */
export const containerRules = (interval: string, alerts: AlertSettings = ALERT_DEFAULTS): RuleGroup =>
  ruleGroup("containers", [
    oomKills(interval),
    restarts(interval),
    ...RECORDS,
    ...lifeAlerts(alerts),
    containerGone(alerts),
    ...resourceAlerts(alerts),
  ]);

/** Prometheus's default timeout of a scrape, in seconds. It is shorter where the interval is. */
const SCRAPE_TIMEOUT = 10;

/**
 * A counter at the evaluation of a rule, and one interval before. Both are of a time at which no scrape is in progress any more: a
 * scrape that ends after an evaluation adds samples of before, so that the next evaluation would find no growth.
 */
function compared(counter: string, interval: string): { now: string; last: string; before: string } {
  const seconds = durationSeconds(interval);
  const ago = (intervals: number) =>
    `offset ${Math.round(1000 * (Math.min(SCRAPE_TIMEOUT, seconds) + intervals * seconds))}ms`;
  // The last value within a day, because failed scrapes and stopped containers leave gaps.
  return { now: `${counter} ${ago(0)}`, last: `last_over_time(${counter}[1d] ${ago(1)})`, before: ago(1) };
}

/**
 * Counts the out-of-memory kills of each container in whole numbers, which increase() does not: it extrapolates, and does not
 * count what a counter begins with. Each evaluation compares the counter with its value one interval before; there is a sample
 * only where it grew, so that sum_over_time() is the number of kills in any period.
 */
function oomKills(interval: string): RecordingRule {
  const { now, last, before } = compared(`container_oom_events_total{${JOB}}`, interval);
  // A counter that is new has counted from 0. One that was reset has not: cAdvisor counts all kills in the kernel log whenever it starts.
  const fromZero = `${now} unless ${last}`;
  // In the first interval of a Prometheus, every counter is new, whenever it began.
  const watched = `up{${JOB}} ${before}`;
  return {
    record: "container:oom_events:increase",
    expr: `sum without (job, instance) (${now} - ${last} > 0 or (${fromZero}) > 0 and on (job, instance) ${watched})`,
  };
}

/**
 * Counts the restarts of each container between two evaluations, as {@link oomKills} does. Those of before its first scrape do not
 * count: a container that waits for another one restarts a few times when it is new.
 */
function restarts(interval: string): RecordingRule {
  const { now, last } = compared(`container_restarts_total{${DOCKER}}`, interval);
  return {
    record: "container:restarts:increase",
    expr: `sum without (job, instance) (${now} - ${last} > 0)`,
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
const lifeAlerts = (alerts: AlertSettings): Alert[] => [
  {
    alert: "ContainerOOMKilled",
    // Both sources see most kills, and have one series here: the kernel log counts them, and Docker sees them on hosts without it.
    expr: `max by (${BY_CONTAINER}) (${loggedKills(alerts)} or ${dockersKills(alerts)})`,
    severity: "critical",
    summary: `${CONTAINER} ran out of memory`,
    description: `In the last ${alerts.containerOomKilledWindow}, the kernel killed {{ $value }} of its processes. Raise its memory limit, or reduce what it uses.`,
  },
  crashLooping(alerts),
  {
    alert: "ContainerUnhealthy",
    // The health check of a server that loads its model can fail, without a start period of its own.
    expr: `container_health_status{${DOCKER},status="unhealthy",alerts!="none"} unless on (host, id) time() - container_start_time_seconds{${JOB}} < ${durationSeconds(alerts.containerStartPeriod)}`,
    for: alerts.containerUnhealthyFor,
    severity: "critical",
    summary: `${CONTAINER} is unhealthy`,
    description: `Its health check has failed for ${alerts.containerUnhealthyFor} (container_health_status{status="unhealthy"} is {{ $value }}). \`docker inspect\` shows the output of the check.`,
  },
];

/** The record has samples only where there are kills. */
const loggedKills = ({ containerOomKilledWindow: window }: AlertSettings) =>
  `sum_over_time(container:oom_events:increase{alerts!="none"}[${window}])`;

/** Docker reports a kill until the next start. One that it reported before the window is no news, nor is one before the first scrape. */
function dockersKills({ containerOomKilledWindow: window }: AlertSettings): string {
  const before = (metric: string) => `last_over_time(${metric}{${DOCKER}}[1d] offset ${window})`;
  return [
    `(max_over_time(container_oom_killed{${DOCKER},alerts!="none"}[${window}]) == 1`,
    `unless ${before("container_oom_killed")} == 1`,
    `and on (host) ${before("container_state")})`,
  ].join(" ");
}

/** Restarts between two evaluations count as one, so that a few quick ones are no loop; the value is the number of all. */
function crashLooping({ containerRestarts, containerRestartsWindow: window }: AlertSettings): Alert {
  const restarted = `container:restarts:increase{alerts!="none"}[${window}]`;
  return {
    alert: "ContainerCrashLooping",
    expr: `sum_over_time(${restarted}) and count_over_time(${restarted}) >= ${containerRestarts}`,
    severity: "critical",
    summary: `${CONTAINER} keeps restarting`,
    description: `In the last ${window}, Docker restarted it {{ $value }} times. See its log; container_exit_code has the exit code.`,
  };
}

/** A container that ran for long, and that no container of the same name replaced. */
function containerGone(alerts: AlertSettings): Alert {
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
      // One that restarts again and again runs too seldom for cAdvisor, and has an alert of its own.
      `unless on (host, name) container_state{${DOCKER},state=~"running|paused|restarting"}`,
      // cAdvisor sees containers: neither cAdvisor nor Docker is down.
      `and on (host) ${running}`,
    ].join(" "),
    for: containerGoneFor,
    severity: "warning",
    summary: `${CONTAINER} is gone`,
    description:
      "It ran for more than an hour, and has been gone for {{ $value | humanizeDuration }}. `container_state` and `container_exit_code` show how it stopped, unless it was removed.".replace(
        "an hour",
        containerGoneMinAge,
      ),
  };
}

/** Alerts about containers that are short of memory, CPU time or network. */
function resourceAlerts(alerts: AlertSettings): Alert[] {
  const dropped = (direction: string) =>
    `rate(container_network_${direction}_packets_dropped_total${ALERTED}[5m])`;
  return [
    {
      alert: "ContainerMemoryNearLimit",
      expr: `container:memory_limit_used:ratio{alerts!="none"} > ${alerts.containerMemoryRatio}`,
      for: alerts.containerMemoryFor,
      severity: "warning",
      summary: `${CONTAINER} is near its memory limit`,
      description:
        "It uses {{ $value | humanizePercentage }} of its limit, without page cache. At 100 %, the kernel kills its processes: raise the limit (`docker update --memory`), or restart the container before that.",
    },
    {
      alert: "ContainerCPUThrottled",
      expr: `container:cpu_throttled:ratio_rate5m{alerts!="none"} > ${alerts.containerThrottledRatio}`,
      for: alerts.containerThrottledFor,
      severity: "warning",
      summary: `${CONTAINER} is throttled by its CPU limit`,
      description:
        "It waits for CPU time in {{ $value | humanizePercentage }} of all periods of its limit. Raise the limit (`--cpus`), or start fewer threads.",
    },
    {
      alert: "ContainerNetworkDrops",
      expr: `sum without (interface) (${dropped("receive")} + ${dropped("transmit")}) > ${alerts.containerDropsPerSecond}`,
      for: alerts.containerDropsFor,
      severity: "warning",
      summary: `${CONTAINER} loses network packets`,
      description:
        "Its interfaces drop {{ $value | humanize }} packets per second: most likely its program reads too slowly, for lack of CPU time, or the network of the host is full.",
    },
  ];
}
