import { readFileSync } from "node:fs";
import { containerRules } from "../../prometheus/rules";
import { testRules } from "../support/promtool";

const RULES = [containerRules("30s")];

const CONTAINER = 'id="/docker/a",name="chat",host="h"';
const TARGET = 'job="cadvisor",instance="cadvisor:8080"';
const UP = { series: `up{${TARGET},host="h"}`, values: "1x400" };
const series = (metric: string, values: string) => ({ series: `${metric}{${CONTAINER},${TARGET}}`, values });

/** The answer to a question of docs/metrics.md, as PromQL. */
function documented(question: string): string {
  const row = readFileSync("docs/metrics.md", "utf8")
    .split("\n")
    .find((line) => line.startsWith(`| ${question}`));
  return /`([^`]+)`/.exec(row ?? "")?.[1] ?? "";
}

/** An evaluation of a query, which has to give one value with the labels of the container, or nothing. */
const gives = (expr: string, eval_time: string, value: number | undefined, labels = CONTAINER) => ({
  expr,
  eval_time,
  exp_samples: value === undefined ? [] : [{ labels: `{${labels}}`, value }],
});

describe("Out-of-memory kills in the last hour", () => {
  const question = "Which containers had out-of-memory kills in the last hour?";

  /** Samples every 30 s, the minute of the question, and how many kills the kernel logged in the hour before. */
  const CASES: [string, string, string, number | undefined][] = [
    ["of a container without kills are none", "0x400", "90m", undefined],
    ["of a busy container are all, in whole numbers", "0+13x40 520x360", "60m", 520],
    ["end with the hour", "0+13x40 520x360", "81m", undefined],
    ["count those before the last hour no more", "0x20 3x100 5x280", "75m", 2],
    ["count those of a container that is younger than the hour", "_x60 0x10 39x400", "50m", 39],
    ["count those before the first scrape of a container", "_x60 2x400", "50m", 2],
    ["count those of a container that has ended", "0x10 4x10 stale", "30m", 4],
    ["count none twice after failed scrapes", "7x20 stale _x8 7x60 9x100", "50m", 2],
    [
      "count none twice of a container that was stopped for hours",
      "0x5 5x5 stale _x200 5x60 6x90",
      "150m",
      1,
    ],
    ["count those during failed scrapes", "0x20 stale _x8 6x100", "30m", 6],
    [
      "count those of a container that its restart policy restarts",
      "0x9 1 stale _x2 2 stale _x9 3x9",
      "30m",
      3,
    ],
    ["count those before and after a restart of cAdvisor", "0x5 5x5 stale _ 0x5 2x100", "30m", 7],
    ["count none twice that the kernel log still has when cAdvisor restarts", "0x5 5x5 1x100", "30m", 5],
  ];

  it.each(CASES)("%s", async (_, values, eval_time, kills) => {
    await testRules(RULES, [
      {
        interval: "30s",
        input_series: [UP, series("container_oom_events_total", values)],
        promql_expr_test: [gives(documented(question), eval_time, kills)],
      },
    ]);
  });

  it("count none of before Prometheus was installed", async () => {
    await testRules(RULES, [
      {
        interval: "30s",
        input_series: [
          { ...UP, values: "_x20 1x100" },
          series("container_oom_events_total", "_x20 5x10 6x90"),
        ],
        promql_expr_test: [gives(documented(question), "30m", 1)],
      },
    ]);
  });
});

describe("An alert about a kill", () => {
  it("is one, where the kernel log and Docker report it, each with its own labels", async () => {
    const docker = (metric: string, values: string, more = "") => ({
      series: `${metric}{${CONTAINER},job="exporter",instance="exporter:23400"${more}}`,
      values,
    });
    const alerts = (eval_time: string, value: number) => ({
      expr: 'count(ALERTS{alertname="ContainerOOMKilled"})',
      eval_time,
      exp_samples: [{ labels: "{}", value }],
    });
    await testRules(RULES, [
      {
        interval: "30s",
        input_series: [
          UP,
          {
            series: `container_oom_events_total{${CONTAINER},${TARGET},nvidia_visible_devices="all"}`,
            values: "0x22 1x80",
          },
          docker("container_oom_killed", "0x20 1x80"),
          docker("container_state", "1x100", ',state="running"'),
        ],
        promql_expr_test: [alerts("11m", 1), alerts("15m", 1), alerts("21m", 1)],
      },
    ]);
  });
});

describe("Documented queries", () => {
  const ask = async (question: string, inputs: object[], ...expected: object[]) => {
    expect(documented(question)).not.toBe("");
    await testRules(RULES, [{ interval: "30s", input_series: inputs, promql_expr_test: expected }]);
  };

  it("give the CPU use of a container exactly, whose samples are of the time of their scrape", async () => {
    const question = "Which containers use the most CPU, in cores?";
    await ask(
      question,
      [series("container_cpu_usage_seconds_total", "0+9x400")],
      gives(documented(question), "30m", 0.3, `${CONTAINER},${TARGET}`),
    );
  });

  it("leave out containers that did not run in the last minutes, instead of a throttling that is not a number", async () => {
    const question = "Which containers are throttled, and how often?";
    await ask(
      question,
      [
        series("container_cpu_cfs_periods_total", "0+300x20 6000x400"),
        series("container_cpu_cfs_throttled_periods_total", "0+75x20 1500x400"),
      ],
      gives(documented(question), "9m", 0.25, `${CONTAINER},${TARGET}`),
      gives(documented(question), "30m", undefined),
    );
  });
});
