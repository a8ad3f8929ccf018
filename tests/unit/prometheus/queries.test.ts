import { readFileSync } from "node:fs";
import {
  CONTAINER_METRICS,
  CONTAINER_STATE_METRICS,
  EXPORTER_METRICS,
  GPU_CONTAINER_METRICS,
  GPU_DRIVER_METRICS,
  GPU_METRICS,
  HOST_METRICS,
  LLM_SERVER_METRICS,
} from "../../../prometheus/catalogue";
import { OVERVIEW } from "../../../dashboard/answers";
import { descriptionQuery, historyQueries } from "../../../dashboard/containerHistory";
import {
  CONTAINER_GPU_QUERIES,
  CONTAINER_QUERIES,
  GPU_QUERIES,
  HOST_QUERIES,
  LLM_QUERIES,
} from "../../../prometheus/queries";
import { RULES } from "../../rules/alertCases";
import { dashboardQueries } from "../../support/dashboards";

/** Words of PromQL that stand where metrics do: those that something follows as it follows a metric. */
const metricsIn = (promql: string): string[] =>
  promql
    .replace(/"(?:\\.|[^"\\])*"/g, '""')
    .replace(/\{[^}]*\}|\[[^\]]*\]/g, " ")
    .replace(/\b(by|on|without|ignoring|group_left|group_right) *\([^)]*\)/g, " ")
    .match(/[a-zA-Z_:][\w:]*(?![\w:]*\s*\()/g) ?? [];

const WORDS = new Set(["and", "or", "unless", "bool", "offset", "by", "on", "e6", "time"]);
const used = (promql: string) => metricsIn(promql).filter((word) => !WORDS.has(word));

const PAGE = [
  ...Object.values(OVERVIEW),
  descriptionQuery("chat"),
  ...Object.values(historyQueries("chat", { start: 0, end: 3600, step: 15 })).map(({ expr }) => expr),
];
const OF_DASHBOARDS = dashboardQueries({ host: "h", name: "n", gpu: "0" }).map(({ expr }) => expr);
const TABLE = [CONTAINER_QUERIES, CONTAINER_GPU_QUERIES, GPU_QUERIES, HOST_QUERIES, LLM_QUERIES].flatMap(
  (queries) => Object.values(queries).map(({ expr }) => expr()),
);
const RULE_QUERIES = RULES.flatMap(({ rules }) => rules.map(({ expr }) => expr));
const RECORDS = RULES.flatMap(({ rules }) =>
  rules.flatMap((rule) => ("record" in rule ? [rule.record] : [])),
);
const DOCUMENTED = [
  ...readFileSync("docs/metrics.md", "utf8").matchAll(/^\| [^|]+\? .*\| `(.+)` *\|$/gm),
].map(([, promql = ""]) => promql.replaceAll("\\|", "|"));
/** Documented metrics for queries of the users' own. */
const FOR_USERS = [
  "container_cpu_cfs_throttled_seconds_total",
  "container_fs_limit_bytes",
  "container_memory_cache",
  "container_memory_swap",
  "container_memory_usage_bytes",
  "container_spec_cpu_shares",
];
/** Series that Prometheus makes itself: of each scrape, and of each alert. */
const OF_SCRAPES = ["up", "ALERTS"];

describe("Queries of the page and of the dashboards", () => {
  it("use only metrics that Prometheus stores", () => {
    const stored = new Set([
      ...Object.keys({
        ...CONTAINER_METRICS,
        ...GPU_CONTAINER_METRICS,
        ...GPU_METRICS,
        ...GPU_DRIVER_METRICS,
        ...CONTAINER_STATE_METRICS,
        ...EXPORTER_METRICS,
        ...LLM_SERVER_METRICS,
      }),
      ...HOST_METRICS,
      ...RECORDS,
      ...OF_SCRAPES,
    ]);
    const names = new Set([...PAGE, ...OF_DASHBOARDS, ...TABLE].flatMap(used));
    expect(names.size).toBeGreaterThan(35);
    expect([...names].filter((name) => !stored.has(name))).toEqual([]);
  });

  it("count the restarts that Docker counts, of which several can be between two scrapes", () => {
    expect(used(CONTAINER_QUERIES.restarts.expr())).toEqual(["container:restarts:increase"]);
  });

  it("are about this host: metrics of a server are those of its own job", () => {
    const jobs: [RegExp, string][] = [
      [
        /(?<![\w:])(?:container_(?:state|exit_code|oom_killed|health_status|gpu_)|gpu_|llm_server_scraped)\w*(?![\w"])(?:\{([^}]*)\})?/g,
        "exporter",
      ],
      [
        /\b(?:container_(?:cpu|memory|network|fs|spec|start)_|machine_)\w*(?![\w"])(?:\{([^}]*)\})?/g,
        "cadvisor",
      ],
    ];
    const others = jobs.flatMap(([metric, job]) =>
      [...PAGE, ...TABLE, ...OF_DASHBOARDS].flatMap((promql) =>
        [...promql.replace(/\b(?:by|on) \([^)]*\)/g, "").matchAll(metric)]
          .filter(([, matchers = ""]) => !matchers.includes(`job="${job}"`))
          .map(([text]) => text),
      ),
    );
    expect([...new Set(others)]).toEqual([]);
  });

  it("are all asked by the page", () => {
    const asked = new Set(PAGE.flatMap(used));
    expect([...new Set(TABLE.flatMap(used))].filter((name) => !asked.has(name))).toEqual([]);
  });
});

describe("Metrics of containers that Prometheus stores", () => {
  it("are each used by the page, a rule or a documented query, but for those that are for users' own", () => {
    const uses = new Set([...PAGE, ...RULE_QUERIES, ...DOCUMENTED].flatMap(used));
    expect(
      Object.keys(CONTAINER_METRICS)
        .filter((name) => !uses.has(name))
        .sort(),
    ).toEqual(FOR_USERS);
  });
});
