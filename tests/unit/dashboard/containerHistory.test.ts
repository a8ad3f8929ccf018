import {
  chartGrid,
  containerHistory,
  descriptionQuery,
  historyQueries,
  named,
  times,
} from "../../../dashboard/containerHistory";
import type { Range } from "../../../dashboard/api";
import { RANGES, type RangeName } from "../../../dashboard/address";

const NOW = 1_790_000_000;
const grid = chartGrid("1h", NOW);
const at = (stepsAgo: number) => NOW - stepsAgo * grid.step;
const series = (field: string, ...values: [stepsAgo: number, value: number][]) => ({
  metric: { field },
  values: values.map(([ago, value]): [number, string] => [at(ago), String(value)]),
});

describe("View of a container", () => {
  it("has at most 300 points in each range, the last of which is now", () => {
    for (const range of Object.keys(RANGES) as RangeName[]) {
      const points = times(chartGrid(range, NOW));
      expect(points.at(-1)).toBe(NOW);
      expect(points.length).toBeLessThanOrEqual(300);
      expect(NOW - (points[0] ?? 0)).toBeGreaterThan(0.95 * RANGES[range]);
    }
  });

  it("queries by the name, whatever it contains, in windows without gaps", () => {
    expect(named('a"} or up{x="\\')).toBe('name="a\\"} or up{x=\\"\\\\"');
    const { cpu, oomKills } = historyQueries("chat", chartGrid("15d", NOW));
    expect(cpu.expr).toContain('name="chat"}[5400s]');
    expect(oomKills.expr).toContain("[5400s]");
    expect(historyQueries("chat", grid).cpu.expr).toContain("[300s]");
  });

  it("marks restarts, also by a new container of the name, and out-of-memory kills", () => {
    const { marks } = containerHistory({
      name: "chat",
      grid,
      descriptions: [],
      alerts: [],
      ranges: [
        series("started", [50, 1000], [49, 1000], [30, 2000], [29, 2000]),
        series("oomKills", [40, 0], [31, 2]),
      ],
    });
    expect(marks).toEqual([
      { time: at(30), kind: "restart" },
      { time: at(31), kind: "OOM kill" },
    ]);
  });

  it("has the state and the exit code of a container that does not run, but not of one that does", () => {
    const sample = (field: string, labels: Record<string, string>, value: number) => ({
      metric: { field, ...labels },
      value: [NOW, String(value)] as [number, string],
    });
    const [id, image] = ["/docker/chat", "example/chat:1"];
    const descriptions = [
      sample("notRunning", { id, image, state: "exited" }, 1),
      sample("exitCode", { id }, 137),
      sample("oomKilled", { id }, 1),
    ];
    const answers = { name: "chat", grid, alerts: [], ranges: [] };
    expect(containerHistory({ ...answers, descriptions })).toMatchObject({
      labels: { image },
      started: undefined,
      stopped: { state: "exited", exitCode: 137, oomKilled: true },
    });
    const running = sample("containers", { id, image }, NOW - 60);
    expect(containerHistory({ ...answers, descriptions: [...descriptions, running] })).toMatchObject({
      started: NOW - 60,
      stopped: undefined,
    });
    for (const part of [
      'container_state{job="exporter",state!="running",name="chat"}',
      "container_exit_code{",
    ])
      expect(descriptionQuery("chat")).toContain(part);
  });

  it("has no mark only where it would know of one", () => {
    const noMarks = (ranges: Range[], metric: string) =>
      containerHistory({
        name: "chat",
        grid,
        descriptions: [{ metric: { field: "unavailable", metric, reason: "no log" }, value: [NOW, "1"] }],
        alerts: [],
        ranges,
      }).noMarks;
    const started = [series("started", [1, 1000], [0, 1000])];
    expect(noMarks(started, "other")).toBe("No restart and no out-of-memory kill in this time range.");
    expect(noMarks(started, "container_oom_events_total")).toBe(
      "No restart in this time range. Out-of-memory kills: Not measured on this host: no log.",
    );
    expect(noMarks([], "other")).toBe("No samples in this time range.");
  });

  it("has a reason instead of an empty chart, and no chart of what the container does not have", () => {
    const reason = "the kernel does not account for memory";
    const { charts, labels } = containerHistory({
      name: "chat",
      grid,
      descriptions: [
        { metric: { field: "unavailable", metric: "container_memory_*", reason }, value: [NOW, "1"] },
      ],
      alerts: [],
      ranges: [series("cpu", [0, 1])],
    });
    expect(charts.map(({ title, lines }) => [title, lines.length])).toEqual([
      ["CPU", 1],
      ["Memory", 0],
      ["Network", 0],
      ["Disk", 0],
      ["Writable layer", 0],
    ]);
    expect(charts[1]?.missing).toBe(`Not measured on this host: ${reason}.`);
    expect(charts[2]?.missing).toContain("--network none or host");
    expect(labels).toBeUndefined();
  });
});
