import {
  containerRules,
  gatewayRules,
  gpuRules,
  hostRules,
  llmRules,
  monitoringRules,
  scrapeLimitRules,
  unavailableRules,
  type RuleGroup,
} from "../../prometheus/rules";
import { alertSettings, type AlertName } from "../../settings";

/** Series with samples every 30 s, in promtool's notation, and the times at which an alert about them is silent, and fires. */
export interface AlertCase {
  /** Ends the sentence "The alert is silent …" or "The alert fires …". */
  name: string;
  series: Record<string, string>;
  silent: string[];
  /** Without any, the case is a look-alike. */
  fires?: string[];
}

const TWO_WEEKS_AND_TEN_MINUTES = 14 * 86_400 + 600;

/** The alerts with the defaults of the settings, but for a time that would take long to evaluate. */
const ALERTS = alertSettings.parse({ gpuIdleFor: "3h" });

/** A rule of either kind. */
export type Rule = RuleGroup["rules"][number];

/** The rules of a stack that has all of them. */
export const RULES: RuleGroup[] = [
  monitoringRules("h", "30s", ALERTS, 1024),
  containerRules("30s", ALERTS),
  scrapeLimitRules([{ job_name: "cadvisor", body_size_limit: "128MB" }], "30s", ALERTS),
  gatewayRules({ host: "h", expires: TWO_WEEKS_AND_TEN_MINUTES }, ALERTS),
  hostRules(ALERTS),
  gpuRules(ALERTS),
  llmRules(ALERTS),
  unavailableRules("h", [{ metric: "container_gpu_*", reason: "the driver is not loaded" }]),
];

/** A series of a job's target, such as `up{job="cadvisor",…}`. */
const of =
  (job: string) =>
  (metric: string, labels = "") =>
    `${metric}{job="${job}",instance="${job}:1",host="h"${labels && `,${labels}`}}`;
const cadvisor = of("cadvisor");
const prometheus = of("prometheus");
const alertmanager = of("alertmanager");
const gateway = of("gateway");
const exporter = of("exporter");
const host = of("host");
const llmJob = of("llm-servers");

const named = (name: string, id = name) => `id="/docker/${id}",name="${name}",image="example/${name}:1"`;
/** A series of a container, as cAdvisor exposes it. */
const container = (metric: string, name = "chat", more = "") =>
  cadvisor(metric, named(name) + (more && `,${more}`));
const EXEMPT = 'alerts="none"';
/** A series of a container, as the exporter exposes it from what Docker reports. */
const docker = (metric: string, name = "chat", more = "") =>
  exporter(metric, named(name) + (more && `,${more}`));
/** The state of a container that Docker lists, from the beginning. */
const listed = { [docker("container_state", "web", 'state="running"')]: "1x300" };

const GPU = 'gpu="0",gpu_uuid="GPU-0",gpu_model="NVIDIA H200"';
const MIG = 'gpu="0:1",gpu_uuid="MIG-0",gpu_model="NVIDIA H200 MIG"';
/** A series of a GPU, and one of a container's GPU. */
const gpu = (metric: string, more = "", device = GPU) => exporter(metric, device + (more && `,${more}`));
const gpuOf = (metric: string, more = "", name = "chat") =>
  exporter(metric, `${named(name)},${GPU}${more && `,${more}`}`);

const GIB = 1024 ** 3;
/** Samples of a container that is seen from the beginning, in each scrape, for some scrapes more. */
const seen = (scrapes: number) => `0+30x${scrapes}`;
/** A pattern of samples, again and again. */
const repeated = (pattern: string, times: number) => Array<string>(times).fill(pattern).join(" ");

const memory = (workingSet: string, activeFile: string, limit: string) => ({
  [container("container_memory_working_set_bytes")]: workingSet,
  [container("container_memory_total_active_file_bytes")]: activeFile,
  [container("container_spec_memory_limit_bytes")]: limit,
});
const throttled = (periods: string, more = "") => ({
  [container("container_cpu_cfs_throttled_periods_total", "chat", more)]: periods,
  [container("container_spec_cpu_period", "chat", more)]: "100000x200",
});
const drops = (received: string, sent: string) => ({
  [container("container_network_receive_packets_dropped_total", "chat", 'interface="eth0"')]: received,
  [container("container_network_transmit_packets_dropped_total", "chat", 'interface="eth0"')]: sent,
});

const CONTAINERS = {
  ContainerOOMKilled: [
    {
      name: "for ten minutes after a process was killed",
      series: { [cadvisor("up")]: "1x100", [container("container_oom_events_total")]: "0x20 1x80" },
      silent: ["10m", "22m"],
      fires: ["11m", "18m"],
    },
    {
      name: "about a container that was killed before its first scrape",
      series: { [cadvisor("up")]: "1x100", [container("container_oom_events_total")]: "_x20 2x80" },
      silent: ["9m30s"],
      fires: ["11m"],
    },
    {
      name: "about kills since cAdvisor was started again",
      series: { [cadvisor("up")]: "1x100", [container("container_oom_events_total")]: "3x40 2x60" },
      silent: ["20m"],
      fires: ["21m"],
    },
    {
      name: "where the last kill was long ago, and where cAdvisor restarts and counts from 0",
      series: { [cadvisor("up")]: "1x100", [container("container_oom_events_total")]: "5x40 0x60" },
      silent: ["1m", "18m", "30m"],
    },
    {
      name: "for ten minutes after a kill that only Docker reports",
      series: { ...listed, [docker("container_oom_killed")]: "0x20 1x80" },
      silent: ["10m", "22m"],
      fires: ["11m", "18m"],
    },
    {
      name: "about a kill that only Docker reports, of a container that is new and that is removed",
      series: { ...listed, [docker("container_oom_killed")]: "_x40 1x5 stale" },
      silent: ["19m", "34m"],
      fires: ["21m", "29m"],
    },
    {
      name: "about a kill that Docker reported before the exporter's first scrape, and after it was down",
      series: {
        [docker("container_state", "web", 'state="running"')]: "_x20 1x30 stale _x60 1x100",
        [docker("container_oom_killed")]: "_x20 1x30 stale _x60 1x100",
      },
      silent: ["11m", "22m", "56m", "68m"],
    },
    {
      name: "about a container with the label alerts=none",
      series: {
        ...listed,
        [cadvisor("up")]: "1x100",
        [container("container_oom_events_total", "chat", EXEMPT)]: "0x20 1x80",
        [docker("container_oom_killed", "chat", EXEMPT)]: "0x20 1x80",
      },
      silent: ["12m"],
    },
  ],
  ContainerCrashLooping: [
    {
      name: "for an hour after two restarts",
      series: { [docker("container_restarts_total")]: "0x20 1x20 2x200" },
      silent: ["20m", "72m"],
      fires: ["22m", "65m"],
    },
    {
      name: "about a container that waits for its next restart at each scrape, so that cAdvisor does not see it",
      series: {
        [docker("container_restarts_total")]: "0x10 7x1 8x1 9x20",
        [docker("container_state", "chat", 'state="restarting"')]: "_x10 1x24",
      },
      silent: ["5m"],
      fires: ["7m"],
    },
    {
      name: "between failed scrapes",
      series: { [docker("container_restarts_total")]: "3x10 stale _x3 5x10 stale _x3 6x40" },
      silent: ["9m"],
      fires: ["15m"],
    },
    {
      name: "after one restart",
      series: { [docker("container_restarts_total")]: "0x20 1x200" },
      silent: ["14m", "60m"],
    },
    {
      name: "about a container that is new and waits a quarter of a minute for another one",
      series: { [docker("container_restarts_total")]: "_x20 4x0 7x200" },
      silent: ["11m", "40m"],
    },
    {
      name: "about restarts before the exporter's first scrape, and while it restarts",
      series: { [docker("container_restarts_total")]: `_x20 ${repeated("50x20 stale _x3", 4)}` },
      silent: ["12m", "40m"],
    },
    {
      name: "where a person starts the container again and again, and Docker counts from 0",
      series: { [docker("container_restarts_total")]: "5x20 0x20 0x20" },
      silent: ["12m", "25m"],
    },
    {
      name: "where Compose creates the container anew",
      series: Object.fromEntries(
        [1, 2, 3, 4].map((n) => [
          exporter("container_restarts_total", named("chat", `${n}`)),
          `_x${10 * n} 0x9 stale`,
        ]),
      ),
      silent: ["15m", "24m"],
    },
    {
      name: "about a container with the label alerts=none",
      series: { [docker("container_restarts_total", "chat", EXEMPT)]: "0x20 1x20 2x200" },
      silent: ["22m"],
    },
  ],
  ContainerUnhealthy: [
    {
      name: "after ten minutes",
      series: {
        [docker("container_health_status", "chat", 'status="healthy"')]: "1x60 stale",
        [docker("container_health_status", "chat", 'status="unhealthy"')]: "_x61 1x100",
        [container("container_start_time_seconds")]: "0x200",
      },
      silent: ["40m"],
      fires: ["41m"],
    },
    {
      name: "where a start never ends",
      series: {
        [docker("container_health_status", "chat", 'status="unhealthy"')]: "1x200",
        [container("container_start_time_seconds")]: "0x200",
      },
      silent: ["29m"],
      fires: ["32m"],
    },
    {
      name: "while a server loads its model, and its check fails",
      series: {
        [docker("container_health_status", "chat", 'status="unhealthy"')]: "1x50 stale",
        [docker("container_health_status", "chat", 'status="healthy"')]: "_x51 1x100",
        [container("container_start_time_seconds")]: "0x200",
      },
      silent: ["19m", "25m", "40m"],
    },
    {
      name: "about a container whose start period goes on, a check that fails for minutes, and the label alerts=none",
      series: {
        [docker("container_health_status", "chat", 'status="starting"')]: "1x200",
        [docker("container_health_status", "slow", 'status="unhealthy"')]: "_x60 1x16 stale",
        [docker("container_health_status", "dev", `status="unhealthy",${EXEMPT}`)]: "_x60 1x100",
        ...Object.fromEntries(
          [
            container("container_start_time_seconds"),
            container("container_start_time_seconds", "slow"),
            container("container_start_time_seconds", "dev", EXEMPT),
          ].map((series) => [series, "0x200"]),
        ),
      },
      silent: ["38m", "60m"],
    },
  ],
  ContainerGone: [
    {
      name: "five minutes after a container ended, for an hour",
      series: {
        [docker("container_state", "chat", 'state="exited"')]: "_x131 1x200",
        [container("container_last_seen")]: `${seen(130)} stale`,
        [container("container_start_time_seconds")]: "0x130 stale",
        [container("container_last_seen", "web")]: seen(300),
      },
      silent: ["70m", "135m"],
      fires: ["72m", "128m"],
    },
    {
      name: "about a container that ran for less than an hour",
      series: {
        [container("container_last_seen", "job")]: `${seen(100)} stale`,
        [container("container_start_time_seconds", "job")]: "0x100 stale",
        [container("container_last_seen", "web")]: seen(300),
      },
      silent: ["57m", "70m"],
    },
    {
      name: "about a container that another one of its name replaces",
      series: {
        [container("container_last_seen")]: `${seen(130)} stale`,
        [container("container_start_time_seconds")]: "0x130 stale",
        [cadvisor("container_last_seen", named("chat", "b"))]: "_x135 4050+30x200",
      },
      silent: ["72m", "90m"],
    },
    {
      name: "about a container that is renamed",
      series: {
        [container("container_last_seen")]: `${seen(130)} stale`,
        [container("container_start_time_seconds")]: "0x130 stale",
        [cadvisor("container_last_seen", named("chat-2", "chat"))]: "_x131 3930+30x200",
      },
      silent: ["72m", "90m"],
    },
    {
      name: "about a container that waits for its next restart",
      series: {
        [container("container_last_seen")]: `${seen(130)} stale`,
        [container("container_start_time_seconds")]: "0x130 stale",
        [container("container_last_seen", "web")]: seen(300),
        [docker("container_state", "chat", 'state="running"')]: "1x130 stale",
        [docker("container_state", "chat", 'state="restarting"')]: "_x131 1x200",
      },
      silent: ["72m", "90m"],
    },
    {
      name: "while cAdvisor or Docker is down",
      series: {
        [container("container_last_seen")]: `${seen(130)} stale _x40 5160+30x100`,
        [container("container_start_time_seconds")]: "0x130 stale _x40 0x100",
        [container("container_last_seen", "web")]: `${seen(130)} stale _x40 5160+30x100`,
      },
      silent: ["72m", "80m", "87m", "100m"],
    },
    {
      name: "after Prometheus was down",
      series: {
        [container("container_last_seen")]: `${seen(130)} _x60 5730+30x100`,
        [container("container_start_time_seconds")]: "0x130 _x60 0x100",
      },
      silent: ["96m", "102m"],
    },
    {
      name: "about a container with the label alerts=none",
      series: {
        [container("container_last_seen", "chat", EXEMPT)]: `${seen(130)} stale`,
        [container("container_start_time_seconds", "chat", EXEMPT)]: "0x130 stale",
        [container("container_last_seen", "web")]: seen(300),
      },
      silent: ["72m"],
    },
  ],
  ContainerMemoryNearLimit: [
    {
      name: "above 90 % of the limit",
      series: memory("55x20 95x100", "1x120", "100x120"),
      silent: ["9m", "15m"],
      fires: ["16m"],
    },
    {
      name: "where cAdvisor does not report the active page cache",
      series: {
        [container("container_memory_working_set_bytes")]: "99x100",
        [container("container_memory_rss")]: "95x100",
        [container("container_spec_memory_limit_bytes")]: "100x100",
      },
      silent: ["4m"],
      fires: ["6m"],
    },
    {
      name: "about a server whose mapped weights fill the limit",
      series: {
        ...memory("98x100", "60x100", "100x100"),
        [container("container_memory_rss")]: "30x100",
      },
      silent: ["20m"],
    },
    { name: "without a limit", series: memory("98x100", "0x100", "0x100"), silent: ["20m"] },
    {
      name: "about a container with the label alerts=none",
      series: {
        [container("container_memory_rss", "chat", EXEMPT)]: "95x100",
        [container("container_spec_memory_limit_bytes", "chat", EXEMPT)]: "100x100",
      },
      silent: ["20m"],
    },
  ],
  ContainerCPUThrottled: [
    { name: "in a third of all periods", series: throttled("0+90x200"), silent: ["18m"], fires: ["21m"] },
    { name: "in a fifth of all periods", series: throttled("0+60x200"), silent: ["40m"] },
    {
      name: "about a container that is nearly idle, and throttled whenever it runs",
      series: { ...throttled("0+6x200"), [container("container_cpu_cfs_periods_total")]: "0+6x200" },
      silent: ["40m"],
    },
    {
      name: "about a container that is busy for ten minutes",
      series: throttled("0x20 0+300x20 6000x100"),
      silent: ["20m", "26m"],
    },
    {
      name: "about a container with the label alerts=none",
      series: throttled("0+90x200", EXEMPT),
      silent: ["20m"],
    },
  ],
  ContainerNetworkDrops: [
    {
      name: "above ten packets per second, received and sent",
      series: drops("0+240x100", "0+120x100"),
      silent: ["13m30s"],
      fires: ["16m"],
    },
    { name: "below ten packets per second", series: drops("0+240x100", "0x100"), silent: ["20m"] },
    { name: "about a burst", series: drops("0x20 0+9000x2 18000x100", "0x130"), silent: ["15m", "22m"] },
    {
      name: "about a container with the label alerts=none",
      series: Object.fromEntries(
        Object.entries(drops("0+240x100", "0+120x100")).map(([series, values]) => [
          series.replace("}", `,${EXEMPT}}`),
          values,
        ]),
      ),
      silent: ["20m"],
    },
  ],
} satisfies Partial<Record<AlertName, AlertCase[]>>;

const throttledFor = (reason: string, values: string) => ({
  [gpu("gpu_throttle_reason_active", `reason="${reason}"`)]: values,
});

const GPUS = {
  GpuDriverDown: [
    {
      name: "after two minutes",
      series: { [exporter("gpu_exporter_driver_up")]: "1x20 0x50" },
      silent: ["12m"],
      fires: ["13m"],
    },
    {
      name: "after a slow answer",
      series: { [exporter("gpu_exporter_driver_up")]: "1x20 0x2 1x50" },
      silent: ["12m", "14m"],
    },
  ],
  GpuMetricsMissing: [
    {
      name: "where the exporter reports nothing of a container that has a GPU",
      series: {
        [container("container_last_seen")]: seen(100),
        [gpuOf("container_gpu_info", 'allocation="device_request"')]: "1x20 stale",
      },
      silent: ["15m"],
      fires: ["16m"],
    },
    {
      name: "about a container that ended",
      series: {
        [container("container_last_seen")]: `${seen(20)} stale`,
        [container("container_last_seen", "web")]: seen(100),
        [gpuOf("container_gpu_info", 'allocation="device_request"')]: "1x20 stale",
      },
      silent: ["20m"],
    },
    {
      name: "about a container that is done with a GPU that was not allocated to it",
      series: {
        [container("container_last_seen")]: seen(100),
        [gpuOf("container_gpu_info", 'allocation="none"')]: "1x20 stale",
      },
      silent: ["20m"],
    },
    {
      name: "about a container whose MIG device is gone, and one with its metrics",
      series: {
        [container("container_last_seen")]: seen(100),
        [gpuOf("container_gpu_info", 'allocation="device_request"')]: "1x20 stale",
        [exporter("container_gpu_unmatched_devices", named("chat"))]: "_x21 1x100",
        [container("container_last_seen", "web")]: seen(100),
        [gpuOf("container_gpu_info", 'allocation="device_request"', "web")]: "1x100",
      },
      silent: ["20m"],
    },
    {
      name: "about a container with the label alerts=none",
      series: {
        [container("container_last_seen", "chat", EXEMPT)]: seen(100),
        [gpuOf("container_gpu_info", 'allocation="device_request",alerts="none"')]: "1x20 stale",
      },
      silent: ["20m"],
    },
  ],
  GpuLost: [
    {
      name: "after a minute",
      series: { [gpu("gpu_up")]: "1x20 0x50", [exporter("gpu_exporter_driver_up")]: "1x70" },
      silent: ["11m"],
      fires: ["12m"],
    },
    {
      name: "where the whole driver is down",
      series: { [gpu("gpu_up")]: "1x20 0x50", [exporter("gpu_exporter_driver_up")]: "1x20 0x50" },
      silent: ["15m"],
    },
    {
      name: "about a GPU that has to be reset",
      series: {
        [gpu("gpu_up")]: "1x20 0x50",
        [gpu("gpu_fault", 'reason="reset_required"')]: "_x20 1x50",
        [exporter("gpu_exporter_driver_up")]: "1x70",
      },
      silent: ["15m"],
    },
    {
      name: "after a minute, by its fault",
      series: {
        [gpu("gpu_up")]: "1x20 0x50",
        [gpu("gpu_fault", 'reason="lost"')]: "_x20 1x50",
        [exporter("gpu_exporter_driver_up")]: "1x70",
      },
      silent: ["11m"],
      fires: ["12m"],
    },
    {
      name: "about a MIG device",
      series: { [gpu("gpu_up", "", MIG)]: "1x20 0x50", [exporter("gpu_exporter_driver_up")]: "1x70" },
      silent: ["15m"],
    },
  ],
  GpuEccErrorsUncorrected: [
    {
      name: "for an hour after an error",
      series: { [gpu("gpu_ecc_errors_total", 'type="uncorrected"')]: "3x20 4x200" },
      silent: ["9m", "75m"],
      fires: ["11m", "60m"],
    },
    {
      name: "about corrected errors, errors of before, and a driver that is loaded again",
      series: {
        [gpu("gpu_ecc_errors_total", 'type="corrected"')]: "0+5x100",
        [gpu("gpu_ecc_errors_total", 'type="uncorrected"')]: "7x40 0x60",
      },
      silent: ["15m", "30m"],
    },
  ],
  GpuThrottled: [
    ...["hw_thermal_slowdown", "sw_thermal_slowdown", "hw_power_brake_slowdown"].map((reason) => ({
      name: `where the driver reports ${reason}`,
      series: throttledFor(reason, "0x40 1x100"),
      silent: ["29m"],
      fires: ["33m"],
    })),
    {
      name: "at the power limit, without load, and while the clocks are set",
      series: {
        ...throttledFor("sw_power_cap", "1x100"),
        ...throttledFor("gpu_idle", "1x100"),
        ...throttledFor("applications_clocks_setting", "1x100"),
      },
      silent: ["40m"],
    },
    {
      name: "about heat for four minutes",
      series: throttledFor("hw_thermal_slowdown", "0x40 1x8 0x100"),
      silent: ["26m", "32m"],
    },
  ],
  GpuHot: [
    {
      name: "above 85 °C for ten minutes",
      series: { [gpu("gpu_temperature_celsius")]: "70x20 90x100" },
      silent: ["20m"],
      fires: ["22m"],
    },
    {
      name: "at the 83 °C that the fans of some GPUs aim at, and in a peak",
      series: {
        [gpu("gpu_temperature_celsius")]: "83x200",
        [gpu("gpu_temperature_celsius", "", MIG)]: "70x20 95x10 70x100",
      },
      silent: ["15m", "40m"],
    },
  ],
  GpuMemoryHeldByHost: [
    {
      name: "above a gibibyte for ten minutes",
      series: { [gpu("gpu_host_memory_used_bytes")]: `0x20 ${1.5 * GIB}x100` },
      silent: ["20m"],
      fires: ["22m"],
    },
    {
      name: "about a desktop, and about containers that fill the GPU",
      series: {
        [gpu("gpu_host_memory_used_bytes")]: `${0.7 * GIB}x100`,
        [gpu("gpu_memory_used_bytes")]: `${140 * GIB}x100`,
        [gpuOf("container_gpu_memory_used_bytes")]: `${139 * GIB}x100`,
        [gpuOf("container_gpu_memory_total_bytes")]: `${140 * GIB}x100`,
      },
      silent: ["40m"],
    },
  ],
  GpuAllocationUnmatched: [
    {
      name: "after two minutes",
      series: { [exporter("container_gpu_unmatched_devices", named("chat"))]: "1x50" },
      silent: ["1m30s"],
      fires: ["3m"],
    },
    {
      name: "while a MIG device is created, without such devices, and with the label alerts=none",
      series: {
        [exporter("container_gpu_unmatched_devices", named("web"))]: "0x50",
        [exporter("container_gpu_unmatched_devices", named("chat"))]: "2x1 stale",
        [exporter("container_gpu_unmatched_devices", `${named("dev")},${EXEMPT}`)]: "2x50",
      },
      silent: ["3m", "10m"],
    },
  ],
  GpuAllocatedIdle: [
    {
      name: "after the time of the settings",
      series: {
        [gpuOf("container_gpu_utilization_ratio")]: "0x500",
        [gpuOf("container_gpu_info", 'allocation="device_request"')]: "1x500",
      },
      silent: ["2h50m"],
      fires: ["3h10m"],
    },
    {
      name: "after the last use, which counts for an hour",
      series: {
        [gpuOf("container_gpu_utilization_ratio")]: "0x120 0.5x0 0x800",
        [gpuOf("container_gpu_info", 'allocation="device_request"')]: "1x900",
      },
      silent: ["4h50m"],
      fires: ["5h10m"],
    },
    {
      name: "about a server with a request each fifty minutes, and in spite of failed scrapes",
      series: {
        [gpuOf("container_gpu_utilization_ratio")]: repeated("0x99 0.3x0", 8),
        [gpuOf("container_gpu_info", 'allocation="device_request"')]: "1x800",
      },
      silent: ["3h10m", "6h30m"],
    },
    {
      name: "about a GPU that is not allocated, and a container with the label alerts=none",
      series: {
        [gpuOf("container_gpu_utilization_ratio")]: "0x500",
        [gpuOf("container_gpu_info", 'allocation="none"')]: "1x500",
        [gpuOf("container_gpu_utilization_ratio", EXEMPT, "dev")]: "0x500",
        [gpuOf("container_gpu_info", `allocation="cdi",${EXEMPT}`, "dev")]: "1x500",
      },
      silent: ["3h30m"],
    },
    {
      name: "where the time of use stands still",
      series: {
        [gpuOf("container_gpu_utilization_ratio")]: "0x500",
        [gpuOf("container_gpu_usage_seconds_total")]: "71x500",
        [gpuOf("container_gpu_info", 'allocation="device_request"')]: "1x500",
      },
      silent: ["2h50m"],
      fires: ["3h10m"],
    },
    {
      name: "about a server whose bursts are shorter than a scrape",
      series: {
        [gpuOf("container_gpu_utilization_ratio")]: "0x500",
        [gpuOf("container_gpu_usage_seconds_total")]: "0+0.5x500",
        [gpuOf("container_gpu_info", 'allocation="device_request"')]: "1x500",
      },
      silent: ["3h30m"],
    },
  ],
  GpuUsedWithoutAllocation: [
    {
      name: "after ten minutes",
      series: { [gpuOf("container_gpu_info", 'allocation="none"')]: "1x50" },
      silent: ["9m30s"],
      fires: ["11m"],
    },
    {
      name: "about an allocated GPU, a short test, and a container with the label alerts=none",
      series: {
        [gpuOf("container_gpu_info", 'allocation="device_request"')]: "1x50",
        [gpuOf("container_gpu_info", 'allocation="none"', "test")]: "1x10 stale",
        [gpuOf("container_gpu_info", `allocation="none",${EXEMPT}`, "dcgm")]: "1x50",
      },
      silent: ["11m", "20m"],
    },
  ],
  GpuXidErrors: [
    {
      name: "for an hour after the first error with a number",
      series: { [gpu("gpu_xid_errors_total", 'xid="79"')]: "_x20 1x300" },
      silent: ["9m", "72m"],
      fires: ["11m", "69m"],
    },
    {
      name: "for an hour after another error with the number",
      series: { [gpu("gpu_xid_errors_total", 'xid="94"')]: "1x200 2x300" },
      silent: ["95m", "165m"],
      fires: ["102m", "155m"],
    },
    {
      name: "about errors of programs",
      series: Object.fromEntries(
        [13, 31, 43, 45, 68, 109].map((xid) => [
          gpu("gpu_xid_errors_total", `xid="${xid}"`),
          "_x20 1x10 2x100",
        ]),
      ),
      silent: ["11m", "20m"],
    },
  ],
  GpuResetRequired: [
    {
      name: "where the GPU responds with that error",
      series: { [gpu("gpu_fault", 'reason="reset_required"')]: "_x20 1x20" },
      silent: ["9m"],
      fires: ["11m"],
    },
    {
      name: "where the driver asks for it",
      series: { [gpu("gpu_recovery_action", 'action="gpu_reset"')]: "_x20 1x20" },
      silent: ["9m"],
      fires: ["11m"],
    },
    {
      name: "about another fault, and a GPU that needs no action",
      series: {
        [gpu("gpu_fault", 'reason="lost"')]: "1x40",
        [gpu("gpu_recovery_action", 'action="none"')]: "1x40",
      },
      silent: ["11m"],
    },
  ],
  GpuMemoryRepairFailed: [
    {
      name: "after a row could not be replaced",
      series: { [gpu("gpu_remapped_rows_failure")]: "0x20 1x20" },
      silent: ["9m"],
      fires: ["11m"],
    },
    {
      name: "about rows that were replaced, and one that will be",
      series: {
        [gpu("gpu_remapped_rows", 'cause="uncorrected"')]: "2x40",
        [gpu("gpu_remapped_rows_pending")]: "1x40",
        [gpu("gpu_remapped_rows_failure")]: "0x40",
      },
      silent: ["11m"],
    },
  ],
  GpuMemoryRepairPending: [
    ...["gpu_remapped_rows_pending", "gpu_retired_pages_pending"].map((metric) => ({
      name: `until the reset, by ${metric}`,
      series: { [gpu(metric)]: "0x20 1x20 0x20" },
      silent: ["9m", "21m"],
      fires: ["11m"],
    })),
    {
      name: "about memory that was replaced, and memory that cannot be",
      series: {
        [gpu("gpu_remapped_rows", 'cause="uncorrected"')]: "2x40",
        [gpu("gpu_remapped_rows_pending")]: "0x40",
        [gpu("gpu_remapped_rows_failure")]: "1x40",
        [gpu("gpu_retired_pages", 'cause="double_bit"')]: "1x40",
        [gpu("gpu_retired_pages_pending")]: "0x40",
      },
      silent: ["11m"],
    },
  ],
  GpuPcieDegraded: [
    {
      name: "after ten minutes with fewer lanes",
      series: { [gpu("gpu_pcie_link_width")]: "16x20 8x60", [gpu("gpu_pcie_link_width_max")]: "16x80" },
      silent: ["20m"],
      fires: ["21m"],
    },
    {
      name: "about all lanes, and an idle GPU's generation",
      series: {
        [gpu("gpu_pcie_link_width")]: "8x80",
        [gpu("gpu_pcie_link_width_max")]: "8x80",
        [gpu("gpu_pcie_link_generation")]: "1x80",
        [gpu("gpu_pcie_link_generation_max")]: "5x80",
      },
      silent: ["21m"],
    },
  ],
  GpuNvlinkDown: [
    {
      name: "five minutes after a link failed",
      series: {
        [gpu("gpu_nvlink_links", 'state="active"')]: "18x20 17x60",
        [gpu("gpu_nvlink_links", 'state="inactive"')]: "0x20 1x60",
      },
      silent: ["15m"],
      fires: ["16m"],
    },
    {
      name: "about links that were never active, and links that came back",
      series: {
        [gpu("gpu_nvlink_links", 'state="active"')]: "0x10 4x60",
        [gpu("gpu_nvlink_links", 'state="inactive"')]: "18x10 14x60",
      },
      silent: ["16m"],
    },
  ],
  GpuFabricNotReady: [
    {
      name: "after ten minutes",
      series: { [gpu("gpu_fabric_state", 'state="in_progress"')]: "1x60" },
      silent: ["9m30s"],
      fires: ["11m"],
    },
    {
      name: "where the GPU is registered",
      series: { [gpu("gpu_fabric_state", 'state="completed"')]: "1x60" },
      silent: ["11m"],
    },
  ],
  GpuProcessesHidden: [
    {
      name: "after five minutes",
      series: { [gpu("gpu_fault", 'reason="permission"')]: "1x60" },
      silent: ["4m30s"],
      fires: ["6m"],
    },
    {
      name: "about another fault",
      series: { [gpu("gpu_fault", 'reason="lost"')]: "1x60" },
      silent: ["6m"],
    },
  ],
  GpuDevicesChanged: [
    {
      name: "for an hour after a change",
      series: { [exporter("gpu_device_changes_total", 'change="mig"')]: "0x20 2x300" },
      silent: ["9m", "72m"],
      fires: ["11m", "69m"],
    },
    {
      name: "about changes before the exporter was restarted",
      series: { [exporter("gpu_device_changes_total", 'change="added"')]: "3x40 0x60" },
      silent: ["25m"],
    },
  ],
} satisfies Partial<Record<AlertName, AlertCase[]>>;

const cadvisorRuns = (up = "1x100", start = "-3600x100") => ({
  [cadvisor("up")]: up,
  [cadvisor("process_start_time_seconds")]: start,
});
const cadvisorMeasures = (cpuSeconds: string) => ({
  ...cadvisorRuns(),
  [container("container_cpu_usage_seconds_total")]: cpuSeconds,
});

const HEALTHY = { [prometheus("up")]: "1x900" };

const MONITORING = {
  Watchdog: [{ name: "always", series: HEALTHY, silent: [], fires: ["0s", "10m"] }],
  TargetDown: [
    {
      name: "after two minutes",
      series: { [cadvisor("up")]: "1x20 0x50" },
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
  MetricUnavailable: [{ name: "always", series: HEALTHY, silent: [], fires: ["0s", "10m"] }],
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
} satisfies Partial<Record<AlertName, AlertCase[]>>;

const samples = (stored: string, limit: string) => ({
  [cadvisor("scrape_samples_post_metric_relabeling")]: stored,
  [cadvisor("scrape_sample_limit")]: limit,
});
const duration = (seconds: string, up: string) => ({
  [cadvisor("scrape_duration_seconds")]: seconds,
  [cadvisor("scrape_timeout_seconds")]: "10x120",
  [cadvisor("up")]: up,
});
const response = (up: string, size: string) => ({
  [cadvisor("up")]: up,
  [cadvisor("scrape_body_size_bytes")]: size,
});

/** Those series of an LLM server whose container has the label alerts=none. */
const exempt = (series: Record<string, string>) =>
  Object.fromEntries(
    Object.entries(series).map(([name, values]) => [
      name.replaceAll("cadvisor", "llm-servers").replace("}", `,${named("dev")},${EXEMPT}}`),
      values,
    ]),
  );
const EXEMPT_TARGET = "about a container with the label alerts=none";

const SCRAPES = {
  ScrapeSampleLimitNear: [
    { name: EXEMPT_TARGET, series: exempt(samples("16100x100", "20000x100")), silent: ["12m"] },
    {
      name: "above 80 % of the limit",
      series: samples("15000x20 16100x100", "20000x120"),
      silent: ["11m"],
      fires: ["12m"],
    },
    { name: "without a limit", series: samples("900000x100", "0x100"), silent: ["20m"] },
    {
      name: "about one scrape",
      series: samples("15000x20 16100x0 15000x90", "20000x120"),
      silent: ["11m", "12m"],
    },
  ],
  ScrapeBodySizeLimitNear: [
    {
      name: EXEMPT_TARGET,
      series: exempt({ [cadvisor("scrape_body_size_bytes")]: "110000000x100" }),
      silent: ["12m"],
    },
    {
      name: "above 80 % of the limit",
      series: { [cadvisor("scrape_body_size_bytes")]: "100000000x20 110000000x100" },
      silent: ["11m"],
      fires: ["12m"],
    },
    {
      name: "about one scrape",
      series: { [cadvisor("scrape_body_size_bytes")]: "100000000x20 110000000x0 1000x100" },
      silent: ["11m", "12m"],
    },
  ],
  ScrapeTimeoutNear: [
    { name: EXEMPT_TARGET, series: exempt(duration("9x100", "1x120")), silent: ["12m"] },
    {
      name: "above 80 % of the timeout",
      series: duration("7x20 9x100", "1x120"),
      silent: ["11m"],
      fires: ["12m"],
    },
    {
      name: "where scrapes fail, which is another alert",
      series: duration("10x120", "0x120"),
      silent: ["20m"],
    },
    { name: "about one scrape", series: duration("7x20 9x0 7x100", "1x120"), silent: ["11m", "12m"] },
  ],
  ScrapeRejected: [
    { name: EXEMPT_TARGET, series: exempt(response("0x100", "5000x120")), silent: ["12m"] },
    {
      name: "where a response is not stored",
      series: response("1x20 0x100", "5000x120"),
      silent: ["11m"],
      fires: ["12m"],
    },
    {
      name: "where the response is larger than its limit",
      series: response("1x20 0x100", "5000x20 -1x100"),
      silent: ["11m"],
      fires: ["12m"],
    },
    {
      name: "where the target does not answer",
      series: response("1x20 0x100", "5000x20 0x100"),
      silent: ["20m"],
    },
    { name: "about one scrape", series: response("1x20 0x0 1x100", "5000x120"), silent: ["11m", "12m"] },
  ],
} satisfies Partial<Record<AlertName, AlertCase[]>>;

/** Answers of the gateway: increments of each status code in a scrape interval. */
const answers = (increments: Record<string, number>) =>
  Object.fromEntries(
    Object.entries(increments).map(([code, increment]) => [
      gateway("caddy_http_request_duration_seconds_count", `code="${code}",server="prometheus"`),
      `0+${increment}x100`,
    ]),
  );

const GATEWAY = {
  GatewayDown: [
    {
      name: "after two minutes",
      series: { [gateway("up")]: "1x20 0x50" },
      silent: ["12m"],
      fires: ["13m"],
    },
    {
      name: "after two failed scrapes, and about other targets",
      series: { [gateway("up")]: "1x20 0x2 1x50", [cadvisor("up")]: "0x70" },
      silent: ["12m", "20m"],
    },
  ],
  GatewayLoginsRefused: [
    { name: "on more than twenty in five minutes", series: answers({ 401: 3 }), silent: [], fires: ["10m"] },
    {
      name: "about a browser's first requests, and other answers",
      series: answers({ 401: 1.5, 200: 50, 403: 50 }),
      silent: ["10m"],
    },
  ],
  GatewayRequestsRefused: [
    {
      name: "on more than twenty in five minutes",
      series: answers({ 400: 0.75, 403: 0.75, 413: 0.75, 421: 0.75 }),
      silent: [],
      fires: ["10m"],
    },
    {
      name: "about a few, and other answers",
      series: answers({ 403: 1.5, 200: 50, 401: 50, 404: 50 }),
      silent: ["10m"],
    },
  ],
  GatewayCertificateExpires: [
    {
      name: "from two weeks before",
      series: { [gateway("up")]: "1x100" },
      silent: ["9m"],
      fires: ["12m"],
    },
    { name: "while it is valid for longer", series: { [gateway("up")]: "1x100" }, silent: ["0s", "5m"] },
  ],
} satisfies Partial<Record<AlertName, AlertCase[]>>;

/** A disk of 100 bytes, of which some are available. */
const disk = (available: string, free = available) => ({
  [host("node_filesystem_size_bytes", 'mountpoint="/data"')]: "100x2000",
  [host("node_filesystem_free_bytes", 'mountpoint="/data"')]: free,
  [host("node_filesystem_avail_bytes", 'mountpoint="/data"')]: available,
});
const inodes = (total: string, free: string) => ({
  [host("node_filesystem_files", 'mountpoint="/data"')]: total,
  [host("node_filesystem_files_free", 'mountpoint="/data"')]: free,
});
const hostMemory = (available: string) => ({
  [host("node_memory_MemTotal_bytes")]: "100x200",
  [host("node_memory_MemAvailable_bytes")]: available,
});
const load = (average: string) => ({
  [host("node_load15")]: average,
  [cadvisor("machine_cpu_cores")]: "4x200",
});

const HOST = {
  HostDiskFillingUp: [
    {
      name: "after an hour at a rate by which the disk is full within a day",
      series: disk("23-0.008x400"),
      silent: ["58m"],
      fires: ["65m"],
    },
    {
      name: "about a disk that fills in bursts",
      series: disk(Array.from({ length: 20 }, (_, n) => `${30 - n}x39`).join(" ")),
      silent: ["50m"],
      fires: ["3h"],
    },
    { name: "about a disk that is full in a day and a half", series: disk("30-0.007x1000"), silent: ["6h"] },
    { name: "about a disk with much free space", series: disk("55-0.03x300"), silent: ["2h"] },
    {
      name: "about a disk that filled quickly, and slows down",
      series: disk("60-0.04x720 31-0.007x400"),
      silent: ["7h30m", "8h"],
    },
    {
      name: "about a disk that filled slowly, and is written to for more than an hour",
      series: disk("44-0.0075x960 36.8-0.017x240"),
      silent: ["9h30m", "9h40m"],
    },
    {
      name: "about a disk that is calm for hours, and then written to for more than an hour",
      series: disk("36x720 36-0.026x300 28x200"),
      silent: ["8h30m", "8h45m", "10h"],
    },
    {
      name: "about the same after a busy night",
      series: disk("80-0.05x720 36x720 36-0.026x200 31x60"),
      silent: ["13h30m", "13h45m"],
    },
    {
      name: "about a download of 25 minutes, though the disk filled quickly before",
      series: disk("80-0.054x720 41x80 41-0.16x50 33x300"),
      silent: ["7h30m", "7h45m", "7h50m", "8h"],
    },
  ],
  HostDiskNearlyFull: [
    { name: "above 95 % for five minutes", series: disk("20x20 4x100"), silent: ["14m30s"], fires: ["16m"] },
    {
      name: "where only root can still write",
      series: disk("20x20 0x100", "25x20 5x100"),
      silent: ["14m30s"],
      fires: ["16m"],
    },
    { name: "about a disk that is full to nine tenths", series: disk("10x100"), silent: ["30m"] },
    { name: "about a file that is deleted again", series: disk("20x20 4x8 20x100"), silent: ["14m", "20m"] },
  ],
  HostDiskInodesNearlyGone: [
    { name: "above 95 %", series: inodes("100x200", "20x20 4x100"), silent: ["14m30s"], fires: ["16m"] },
    { name: "about a tenth that is left", series: inodes("100x200", "10x100"), silent: ["30m"] },
    {
      name: "about a filesystem without a fixed number of inodes",
      series: inodes("0x200", "0x200"),
      silent: ["30m"],
    },
  ],
  HostMemoryNearlyGone: [
    { name: "above 95 %", series: hostMemory("20x20 4x100"), silent: ["14m30s"], fires: ["16m"] },
    {
      name: "where the page cache fills the memory",
      series: { ...hostMemory("8x100"), [host("node_memory_MemFree_bytes")]: "1x100" },
      silent: ["30m"],
    },
    { name: "about a process that ends", series: hostMemory("20x20 4x8 20x100"), silent: ["14m", "20m"] },
  ],
  HostMemoryPressure: [
    {
      name: "where processes wait in a tenth of the time, for ten minutes",
      series: { [host("node_pressure_memory_waiting_seconds_total")]: "0x20 0+4.5x100" },
      silent: ["23m"],
      fires: ["25m"],
    },
    {
      name: "below a tenth, and about other resources",
      series: {
        [host("node_pressure_memory_waiting_seconds_total")]: "0+2x200",
        [host("node_pressure_io_waiting_seconds_total")]: "0+25x200",
        [host("node_pressure_cpu_waiting_seconds_total")]: "0+25x200",
      },
      silent: ["40m"],
    },
    {
      name: "while a model is loaded",
      series: { [host("node_pressure_memory_waiting_seconds_total")]: "0x20 0+6x8 48x100" },
      silent: ["14m", "20m", "25m"],
    },
  ],
  HostHighLoad: [
    {
      name: "above two processes for each core",
      series: load("2x20 12x100"),
      silent: ["24m"],
      fires: ["26m"],
    },
    { name: "about a host whose cores are all busy", series: load("6x200"), silent: ["60m"] },
    { name: "about a peak", series: load("2x20 12x20 2x100"), silent: ["19m", "30m"] },
  ],
} satisfies Partial<Record<AlertName, AlertCase[]>>;

/** A series of an LLM server. */
const llm = (metric: string, more = "", name = "chat") => {
  const [, bare = "", matchers = ""] = /^([^{]+)(?:\{(.*)\})?$/.exec(metric) ?? [];
  return llmJob(bare, [named(name), matchers, more].filter(Boolean).join(","));
};

/** The metrics in which engines expose requests that wait, and tokens that were generated; those ending in * are histograms. */
const QUEUES = [
  ["vllm:num_requests_waiting", "vllm:generation_tokens_total"],
  ["sglang:num_queue_reqs", "sglang:generation_tokens_total"],
  ["tgi_queue_size", "tgi_request_generated_tokens*"],
  ["llamacpp:requests_deferred", "llamacpp:tokens_predicted_total"],
  ['nv_trt_llm_request_metrics{request_type="waiting"}', "nv_llm_output_token_len*"],
  ["nv_inference_pending_request_count", "nv_llm_output_token_len*"],
] as const;

/** The metrics in which engines expose how full the KV cache is, each with one about preemptions. */
const CACHES = [
  ["vllm:kv_cache_usage_perc", "vllm:num_preemptions_total"],
  ["vllm:gpu_cache_usage_perc", "vllm:num_preemptions_total"],
  ["sglang:token_usage", "sglang:num_retracted_requests_total"],
  // These engines expose no preemptions.
  ["llamacpp:kv_cache_usage_ratio", "vllm:num_preemptions_total"],
  ['nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="fraction"}', "vllm:num_preemptions_total"],
] as const;

/** The histograms of engines of the time to the first token, with the number of their units in a second. */
const FIRST_TOKENS = [
  ["vllm:time_to_first_token_seconds", 1],
  ["sglang:time_to_first_token_seconds", 1],
  ["nv_inference_first_response_histogram_ms", 1000],
] as const;

/** The counters of engines of errors, and of all requests or of those without errors. */
const REQUESTS = [
  [
    'vllm:request_success_total{finished_reason="error"}',
    'vllm:request_success_total{finished_reason="stop"}',
  ],
  ["tgi_request_failure", "tgi_request_count"],
  ["nv_inference_request_failure", "nv_inference_request_success"],
  // SGLang exposes no errors.
  ["tgi_request_failure", "sglang:num_requests_total"],
] as const;

/** Tokens: none for a while, then some with each scrape, then no more. */
const tokens = (metric: string, increments: [step: number, scrapes: number][]) => {
  let total = 100;
  const runs = increments.map(([step, scrapes]) => {
    const run = metric.endsWith("*")
      ? `${tokenHistogram(total)}+${tokenHistogram(step)}x${scrapes}`
      : `${total}+${step}x${scrapes}`;
    total += step * (scrapes + 1);
    return run;
  });
  return { [llm(metric.replace("*", ""))]: runs.join(" ") };
};
const tokenHistogram = (sum: number) =>
  `{{schema:-53 sum:${sum} count:${sum} custom_values:[10] buckets:[${sum} 0]}}`;

/** Requests by the time to their first token: in each scrape, for some scrapes, up to 5 s, 10 s and 20 s. */
const firstTokens = (unit: number, ...phases: [each: [number, number, number], scrapes: number][]) => {
  const histogram = (counts: number[]) =>
    `{{schema:-53 sum:1 count:${counts.reduce((a, b) => a + b)} custom_values:[${[5, 10, 20].map((bound) => bound * unit).join(" ")}] buckets:[${counts.join(" ")} 0]}}`;
  let total = [0, 0, 0];
  return phases
    .map(([each, scrapes]) => {
      const first = total.map((count, n) => count + (each[n] ?? 0));
      total = first.map((count, n) => count + (each[n] ?? 0) * scrapes);
      return `${histogram(first)}+${histogram(each)}x${scrapes}`;
    })
    .join(" ");
};

const started = (at: string) => ({ [container("container_start_time_seconds")]: at });
const scraped = (reason: string, value: number, more = "") => ({
  [exporter("llm_server_scraped", `${named("chat")},reason="${reason}"${more && `,${more}`}`)]:
    `${value}x100`,
});
const OWN_JOB = (metric: string) => llm(metric).replace('job="llm-servers"', 'job="mine"');

/** A server that is renamed while it answers, so that it has two names for a moment, and later answers no more. */
const RENAMED_AND_DOWN = {
  [llm("up")]: "1x22 stale",
  [llmJob("up", named("chat-2", "chat"))]: "_x20 1x20 0x120",
  [container("container_start_time_seconds")]: "0x20 stale",
  [cadvisor("container_start_time_seconds", named("chat-2", "chat"))]: "_x21 0x140",
};

const LLM_SERVERS = {
  LlmServerDown: [
    {
      name: "after two minutes",
      series: { [llm("up")]: "1x20 0x100", ...started("0x120") },
      silent: ["12m"],
      fires: ["13m", "50m"],
    },
    {
      name: "about a server that was renamed",
      series: RENAMED_AND_DOWN,
      silent: ["22m"],
      fires: ["24m", "55m"],
    },
    {
      name: "about another server while one is renamed",
      series: {
        ...RENAMED_AND_DOWN,
        [llm("up", "", "web")]: "1x5 0x100",
        [container("container_start_time_seconds", "web")]: "0x120",
      },
      silent: ["4m"],
      fires: ["6m", "10m30s", "15m"],
    },
    {
      name: "while a server that was started again loads its model",
      series: { [llm("up")]: "1x20 0x100", ...started("0x20 630x100") },
      silent: ["13m", "50m"],
    },
    {
      name: "about a server that has not answered yet, one failed scrape, and the label alerts=none",
      series: {
        [llm("up")]: "0x120",
        ...started("0x120"),
        [llm("up", "", "web")]: "1x20 0 1x100",
        [container("container_start_time_seconds", "web")]: "0x120",
        [llm("up", EXEMPT, "dev")]: "1x20 0x100",
        [container("container_start_time_seconds", "dev")]: "0x120",
      },
      silent: ["5m", "13m", "50m"],
    },
    {
      name: "about a server whose container has ended",
      series: { [llm("up")]: "1x20 0 stale", ...started("0x20 stale") },
      silent: ["13m", "20m"],
    },
  ],
  LlmServerLoading: [
    {
      name: "half an hour after a start",
      series: { [llm("up")]: "0x200", ...started("0x200") },
      silent: ["29m"],
      fires: ["31m"],
    },
    {
      name: "half an hour after a restart",
      series: { [llm("up")]: "1x20 0x200", ...started("0x20 630x200") },
      silent: ["40m"],
      fires: ["41m"],
    },
    {
      name: "about a server that has answered, and was renamed",
      series: RENAMED_AND_DOWN,
      silent: ["25m", "55m"],
    },
    {
      name: "about a server that has loaded its model, and the label alerts=none",
      series: {
        [llm("up")]: "0x40 1x20 0x200",
        ...started("0x260"),
        [llm("up", EXEMPT, "dev")]: "0x200",
        [container("container_start_time_seconds", "dev")]: "0x260",
      },
      silent: ["25m", "40m", "1h"],
    },
  ],
  LlmMetricsMissing: [
    {
      name: "about a server on a network of its own",
      series: scraped("network", 0),
      silent: ["14m"],
      fires: ["16m"],
    },
    {
      name: "about a server whose port is unknown",
      series: scraped("port", 0),
      silent: ["14m"],
      fires: ["16m"],
    },
    {
      name: "about a server that exposes none of the engine's metrics",
      series: { [llm("up")]: "1x100", [llm("scrape_samples_post_metric_relabeling")]: "0x100" },
      silent: ["14m"],
      fires: ["16m"],
    },
    {
      name: "about servers that are scraped, excluded by a label, of an engine without metrics, or do not answer",
      series: {
        ...scraped("", 1),
        ...scraped("label", 0),
        ...scraped("engine", 0),
        [llm("up")]: "1x100",
        [llm("scrape_samples_post_metric_relabeling")]: "20x100",
        [llm("up", "", "web")]: "0x100",
        [llm("scrape_samples_post_metric_relabeling", "", "web")]: "0x100",
      },
      silent: ["16m", "30m"],
    },
    {
      name: "about a container with the label alerts=none",
      series: {
        ...scraped("network", 0, EXEMPT),
        [llm("up", EXEMPT)]: "1x100",
        [llm("scrape_samples_post_metric_relabeling", EXEMPT)]: "0x100",
      },
      silent: ["16m"],
    },
  ],
  LlmAdmissionStalled: [
    ...QUEUES.map(([waiting, generated]) => ({
      name: `ten minutes after nothing was generated in five: ${waiting}`,
      series: {
        [llm(waiting)]: "3x120",
        ...tokens(generated, [
          [10, 40],
          [0, 80],
        ]),
      },
      silent: ["19m", "34m"],
      fires: ["36m"],
    })),
    {
      name: "while tokens are generated, without requests, and about metrics of a job of the user's own",
      series: {
        [llm("vllm:num_requests_waiting")]: "50x120",
        ...tokens("vllm:generation_tokens_total", [[1, 120]]),
        [llm("vllm:num_requests_waiting", "", "idle")]: "0x120",
        [llm("vllm:generation_tokens_total", "", "idle")]: "5x120",
        ...Object.fromEntries(QUEUES.map(([waiting]) => [OWN_JOB(waiting), "3x120"])),
      },
      silent: ["20m", "40m"],
    },
    {
      name: "about a server of embeddings, which generates nothing",
      series: {
        [llm("vllm:num_requests_waiting")]: "3x120",
        [llm("vllm:generation_tokens_total")]: "0x120",
        ...tokens("vllm:prompt_tokens_total", [[100, 120]]),
      },
      silent: ["20m", "40m"],
    },
    {
      name: "about a container with the label alerts=none",
      series: {
        [llm("vllm:num_requests_waiting", EXEMPT)]: "3x120",
        [llm("vllm:generation_tokens_total", EXEMPT)]: "5x120",
      },
      silent: ["40m"],
    },
  ],
  LlmQueueGrowing: [
    ...QUEUES.map(([waiting]) => ({
      name: `by more than ten requests in 15 minutes: ${waiting}`,
      series: { [llm(waiting)]: "0x40 0+0.4x80" },
      silent: ["38m"],
      fires: ["44m"],
    })),
    {
      name: "slowly",
      series: { [llm("vllm:num_requests_waiting")]: `0+${8 / 30}x120` },
      silent: ["30m", "50m"],
    },
    { name: "about a long queue", series: { [llm("vllm:num_requests_waiting")]: "90x120" }, silent: ["30m"] },
    {
      name: "about a container with the label alerts=none",
      series: { [llm("vllm:num_requests_waiting", EXEMPT)]: "0+1x120" },
      silent: ["30m"],
    },
  ],
  LlmCacheFull: [
    ...CACHES.map(([used, preemptions]) => ({
      name: `while requests are preempted: ${used}`,
      series: { [llm(used)]: "0.96x100", [llm(preemptions)]: "0x20 1+1x17 18x60" },
      silent: ["9m", "18m", "26m"],
      fires: ["22m"],
    })),
    {
      name: "while no request is preempted, or the cache has room",
      series: {
        [llm("vllm:kv_cache_usage_perc")]: "0.99x100",
        [llm("vllm:num_preemptions_total")]: "5x100",
        [llm("vllm:kv_cache_usage_perc", "", "web")]: "0.9x100",
        [llm("vllm:num_preemptions_total", "", "web")]: "0+1x100",
      },
      silent: ["30m"],
    },
    {
      name: "about a container with the label alerts=none",
      series: {
        [llm("vllm:kv_cache_usage_perc", EXEMPT)]: "0.99x100",
        [llm("vllm:num_preemptions_total", EXEMPT)]: "0+1x100",
      },
      silent: ["30m"],
    },
  ],
  LlmLatencyHigh: [
    ...FIRST_TOKENS.map(([histogram, unit]) => ({
      name: `where one in twenty requests waits longer: ${histogram}`,
      series: { [llm(histogram)]: firstTokens(unit, [[90, 0, 10], 40], [[100, 0, 0], 40]) },
      silent: ["9m", "24m"],
      fires: ["12m", "21m30s"],
    })),
    ...FIRST_TOKENS.map(([histogram, unit]) => ({
      name: `where one in twenty requests waits for 7.5 s: ${histogram}`,
      series: { [llm(histogram)]: firstTokens(unit, [[90, 10, 0], 80]) },
      silent: ["12m", "30m"],
    })),
    {
      name: "without requests, and about a container with the label alerts=none",
      series: {
        [llm("vllm:time_to_first_token_seconds")]: firstTokens(1, [[0, 0, 0], 80]),
        [llm("vllm:time_to_first_token_seconds", EXEMPT)]: firstTokens(1, [[0, 0, 10], 80]),
      },
      silent: ["12m", "30m"],
    },
  ],
  LlmErrors: [
    ...REQUESTS.map(([errors, requests]) => ({
      name: `above 5 % of ${requests}: ${errors}`,
      series: { [llm(errors)]: "0x40 6+6x80", [llm(requests)]: "0+100x120" },
      silent: ["19m", "28m"],
      fires: ["31m", "50m"],
    })),
    ...REQUESTS.map(([errors, requests]) => ({
      name: `until more succeed: ${errors}, ${requests}`,
      series: { [llm(errors)]: "0+7x120", [llm(requests)]: "0+93x40 3920+200x80" },
      silent: ["23m30s"],
      fires: ["15m", "21m30s"],
    })),
    ...REQUESTS.map(([errors, requests]) => ({
      name: `below 5 % of ${requests}: ${errors}`,
      series: { [llm(errors)]: "0+4x120", [llm(requests)]: "0+100x120" },
      silent: ["20m", "50m"],
    })),
    {
      name: "without requests, and about a container with the label alerts=none",
      series: {
        [llm("tgi_request_failure")]: "5x120",
        [llm("tgi_request_count")]: "5x120",
        [llm("tgi_request_failure", EXEMPT)]: "0+5x120",
        [llm("tgi_request_count", EXEMPT)]: "0+5x120",
      },
      silent: ["20m"],
    },
  ],
} satisfies Partial<Record<AlertName, AlertCase[]>>;

/** Of each alert, series on which it fires, and series that look alike. */
export const CASES: Readonly<Record<AlertName, readonly AlertCase[]>> = {
  ...CONTAINERS,
  ...HOST,
  ...GPUS,
  ...LLM_SERVERS,
  ...MONITORING,
  ...SCRAPES,
  ...GATEWAY,
};

/** An alert, with the records that it needs. A change replaces its expression or theirs. */
export function rulesOf(alert: AlertName, change = (rule: Rule): Rule => rule): RuleGroup[] {
  const all = RULES.flatMap(({ rules }) => rules);
  const rule = all.find((one) => "alert" in one && one.alert === alert);
  if (!rule) throw new Error(`no rule has the alert ${alert}`);
  const records = all.filter((one) => "record" in one && rule.expr.includes(one.record));
  return [{ name: alert, rules: [...records, rule].map(change) }];
}

/** The alerts without a look-alike: they fire wherever they are configured. */
export const ALWAYS_FIRING: readonly AlertName[] = ["Watchdog", "MetricUnavailable"];

/** promtool's tests of an alert's cases: whether it fires, at each time. */
export function promtoolTests(alert: AlertName): object[] {
  const expr = `group(ALERTS{alertstate="firing",alertname="${alert}"})`;
  const at = (times: string[], exp_samples: object[]) =>
    times.map((eval_time) => ({ expr, eval_time, exp_samples }));
  return CASES[alert].map(({ name, series, silent, fires = [] }) => ({
    name: `${alert} ${name}`,
    interval: "30s",
    input_series: Object.entries(series).map(([one, values]) => ({ series: one, values })),
    promql_expr_test: [...at(silent, []), ...at(fires, [{ labels: "{}", value: 1 }])],
  }));
}
