import { durationSeconds } from "../../lib/units";
import { ALERT_DEFAULTS, OWN_JOBS, type AlertSettings } from "../../settings";
import { ruleGroup, type Alert, type RecordingRule, type RuleGroup } from "./ruleGroup";

const NODE = `{job="${OWN_JOBS.host}"}`;
const CADVISOR = `{job="${OWN_JOBS.cadvisor}"}`;

/** Without the labels of the scrape, as the records of containers are. */
const record = (name: string, expr: string): RecordingRule => ({
  record: `host:${name}`,
  expr: `sum without (job, instance) (${expr})`,
});

/** The fraction of time in which a process waited for a resource, over five minutes. Absent where the kernel does not measure it. */
const pressure = (resource: string) =>
  record(`${resource}_pressure:ratio`, `rate(node_pressure_${resource}_waiting_seconds_total${NODE}[5m])`);

const RECORDS: RecordingRule[] = [
  record(
    "cpu_used:ratio",
    `rate(machine_cpu_usage_seconds_total${CADVISOR}[5m]) / on (host, job, instance) machine_cpu_cores${CADVISOR}`,
  ),
  record("load_per_core:avg15m", `node_load15${NODE} / on (host) machine_cpu_cores${CADVISOR}`),
  pressure("cpu"),
  pressure("memory"),
  pressure("io"),
  record(
    "memory_used:ratio",
    `1 - node_memory_MemAvailable_bytes${NODE} / node_memory_MemTotal_bytes${NODE}`,
  ),
  // A host without swap has no sample.
  record(
    "swap_used:ratio",
    `1 - node_memory_SwapFree_bytes${NODE} / (node_memory_SwapTotal_bytes${NODE} > 0)`,
  ),
  // As df computes it: 1 when users other than root can write no more.
  record(
    "filesystem_used:ratio",
    `1 - node_filesystem_avail_bytes${NODE} / (node_filesystem_size_bytes${NODE} - node_filesystem_free_bytes${NODE} + node_filesystem_avail_bytes${NODE})`,
  ),
  // Filesystems without a fixed number of inodes, such as btrfs, report 0 of 0.
  record(
    "filesystem_files_used:ratio",
    `1 - node_filesystem_files_free${NODE} / (node_filesystem_files${NODE} > node_filesystem_files_free${NODE})`,
  ),
  ...["receive", "transmit"].map((direction) =>
    record(
      `network_${direction}_bytes:rate5m`,
      `rate(machine_network_${direction}_bytes_total${CADVISOR}[5m])`,
    ),
  ),
];

/** Identify what an annotation is about. */
const HOST = "The host {{ $labels.host }}";
const DISK = "The disk of {{ $labels.mountpoint }} on {{ $labels.host }}";

/** Recording rules and alerts about the host itself. */
export const hostRules = (alerts: AlertSettings = ALERT_DEFAULTS): RuleGroup =>
  ruleGroup("host", [...RECORDS, ...diskAlerts(alerts), ...memoryAlerts(alerts), highLoad(alerts)]);

const diskAlerts = (alerts: AlertSettings): Alert[] => {
  const full = (window: string) =>
    `and on (host, mountpoint) predict_linear(node_filesystem_avail_bytes${NODE}[${window}], ${durationSeconds(alerts.hostDiskFullWithin)}) < 0`;
  return [
    {
      alert: "HostDiskFillingUp",
      // By the trend of hours, and by that of the last half hour too: a download that has ended fills nothing.
      expr: `host:filesystem_used:ratio > ${alerts.hostDiskFillingRatio} ${full("6h")} ${full("30m")}`,
      for: alerts.hostDiskFillingFor,
      severity: "warning",
      summary: `${DISK} fills up`,
      description: `{{ $value | humanizePercentage }} of it is used, and at the rate of the last hours it will be full within ${alerts.hostDiskFullWithin}. \`docker system df\` shows what images, containers and volumes use.`,
    },
    {
      alert: "HostDiskNearlyFull",
      expr: `host:filesystem_used:ratio > ${alerts.hostDiskFullRatio}`,
      for: alerts.hostDiskFullFor,
      severity: "critical",
      summary: `${DISK} is nearly full`,
      description:
        "{{ $value | humanizePercentage }} of it is used. On a full disk, containers fail to write and to start, and Prometheus stores no sample.",
    },
    {
      alert: "HostDiskInodesNearlyGone",
      expr: `host:filesystem_files_used:ratio > ${alerts.hostInodesRatio}`,
      for: alerts.hostInodesFor,
      severity: "critical",
      summary: `${DISK} has nearly no inodes left`,
      description:
        "{{ $value | humanizePercentage }} of its inodes are used. Without inodes, no file can be created, though there is space.",
    },
  ];
};

const memoryAlerts = (alerts: AlertSettings): Alert[] => [
  {
    alert: "HostMemoryNearlyGone",
    expr: `host:memory_used:ratio > ${alerts.hostMemoryRatio}`,
    for: alerts.hostMemoryFor,
    severity: "critical",
    summary: `${HOST} has nearly no memory left`,
    description:
      "{{ $value | humanizePercentage }} is used, not counting what the kernel can free. At 100 %, the kernel kills a process, most likely the largest.",
  },
  {
    alert: "HostMemoryPressure",
    expr: `host:memory_pressure:ratio > ${alerts.hostMemoryPressureRatio}`,
    for: alerts.hostMemoryPressureFor,
    severity: "warning",
    summary: `Processes on the host {{ $labels.host }} wait for memory`,
    description:
      "In {{ $value | humanizePercentage }} of the time, processes wait until the kernel has freed memory, or has read it from swap or disk.",
  },
];

const highLoad = (alerts: AlertSettings): Alert => ({
  alert: "HostHighLoad",
  expr: `host:load_per_core:avg15m > ${alerts.hostLoadPerCore}`,
  for: alerts.hostLoadFor,
  severity: "warning",
  summary: `${HOST} is overloaded`,
  description:
    "For each core, {{ $value | humanize }} processes run, wait for CPU time or wait for a disk, on average over 15 minutes.",
});
