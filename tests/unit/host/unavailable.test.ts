import { unavailableMetrics } from "../../../host/unavailable";
import type { Expectation } from "../../../probes/report";
import { declare, files, host } from "../../support/declare";

const names = (...args: Parameters<typeof unavailableMetrics>) =>
  unavailableMetrics(...args).map(({ metric }) => metric);

test.each([
  ["lacks nothing", {}, []],
  ["has no kernel log", { kernelLog: false }, ["container_oom_events_total"]],
  [
    "has the containerd image store",
    { containerdSocket: "/run/containerd/containerd.sock" },
    ["container_fs_usage_bytes", "container_fs_limit_bytes"],
  ],
  ["does not account for memory", { unaccounted: ["memory"] as const }, ["container_memory_*"]],
  ["does not account for swap", { unaccounted: ["swap"] as const }, ["container_memory_swap"]],
  [
    "does not count disk traffic",
    { unaccounted: ["disk traffic"] as const },
    ["container_fs_reads_bytes_total", "container_fs_writes_bytes_total"],
  ],
])("of a host that %s, the missing metrics are known", (_, facts, expected) => {
  expect(names({ ...host, ...facts })).toEqual(expected);
});

test("a metric that the host does not provide is in the report and the rules, and the checks do not require it", async () => {
  const { probe, configuration } = await declare({}, { kernelLog: false });
  const { metrics, unavailable } = JSON.parse(probe["stdin"] as string) as Expectation;
  expect(metrics).not.toContain("container_oom_events_total");
  expect(metrics).toContain("container_memory_usage_bytes");
  expect(unavailable).toEqual([
    { metric: "container_oom_events_total", reason: expect.stringContaining("/dev/kmsg") as unknown },
  ]);
  const rules = Object.entries(files(configuration)).find(([name]) => name.startsWith("rules"))?.[1];
  expect(rules).toMatch(/record: monitoring_metric_unavailable[^]*metric: container_oom_events_total/);

  const complete = await declare();
  expect(JSON.parse(complete.probe["stdin"] as string)).toMatchObject({ unavailable: [] });
  expect(JSON.stringify(files(complete.configuration))).not.toContain("MetricUnavailable");
});
