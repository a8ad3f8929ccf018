import { scrapeLimitRules } from "../../prometheus/rules";
import { testRules } from "../support/promtool";

const MIB = 1024 ** 2;
const JOBS = [
  { job_name: "cadvisor", body_size_limit: "128MB" },
  { job_name: 'a "b".*|c\\', body_size_limit: "1GB" },
  { job_name: "unlimited", body_size_limit: "0" },
  { job_name: "default" },
];
const rules = [scrapeLimitRules(JOBS, "30s")];

/** Samples of one target, every 30 s. */
const target = (job: string, samples: Record<string, string>) =>
  Object.entries(samples).map(([metric, values]) => ({
    series: `${metric}{job=${JSON.stringify(job)},instance="i:1",host="h"}`,
    values,
  }));

const firing = (eval_time: string, ...expected: [alert: string, job: string][]) => ({
  expr: 'count by (alertname, job) (ALERTS{alertstate="firing"})',
  eval_time,
  exp_samples: expected.map(([alertname, job]) => ({
    labels: `{alertname="${alertname}",job=${JSON.stringify(job)}}`,
    value: 1,
  })),
});

const check = (series: object[], ...promql_expr_test: object[]) =>
  testRules(rules, [{ interval: "30s", input_series: series, promql_expr_test }]);

describe("Alerts about scrape limits", () => {
  it("ScrapeBodySizeLimitNear fires above 80 % of the job's own limit, and is silent below and without a limit", async () => {
    const size = (mebibytes: number) => ({ scrape_body_size_bytes: `${mebibytes * MIB}x40`, up: "1x40" });
    await check(
      [
        ...target("cadvisor", size(103)),
        ...target('a "b".*|c\\', size(820)),
        ...target("unlimited", size(5000)),
        ...target("default", size(5000)),
      ],
      firing("8m", ["ScrapeBodySizeLimitNear", "cadvisor"], ["ScrapeBodySizeLimitNear", 'a "b".*|c\\']),
    );
    await check([...target("cadvisor", size(102)), ...target('a "b".*|c\\', size(818))], firing("8m"));
  });
});
