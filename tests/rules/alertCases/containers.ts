import {
  cadvisor,
  container,
  docker,
  EXEMPT,
  exporter,
  named,
  repeated,
  seen,
  type AlertCases,
} from "./series";

/** The state of a container that Docker lists, from the beginning. */
const listed = { [docker("container_state", "web", 'state="running"')]: "1x300" };

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

export const CONTAINER_CASES = {
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
      name: "about a new container without kills",
      series: { [cadvisor("up")]: "1x100", [container("container_oom_events_total")]: "_x20 0x80" },
      silent: ["11m", "15m"],
    },
    {
      name: "where the last kill was long ago, and where cAdvisor restarts and counts those that the kernel log still has",
      series: { [cadvisor("up")]: "1x100", [container("container_oom_events_total")]: "5x40 2x60" },
      silent: ["1m", "21m", "30m"],
    },
    {
      name: "about kills after a restart of cAdvisor",
      series: { [cadvisor("up")]: "1x100", [container("container_oom_events_total")]: "5x20 2x20 3x60" },
      silent: ["21m"],
      fires: ["22m"],
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
      fires: ["16m"],
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
} satisfies AlertCases;
