import { rulesFile, scrapeLimitRules } from "../../prometheus/rules";
import { testRules } from "../support/promtool";

const MIB = 1024 ** 2;
const JOBS = [
  { job_name: "cadvisor", body_size_limit: "128MB" },
  { job_name: 'a "b".*|c\\', body_size_limit: "1GB" },
  { job_name: "unlimited", body_size_limit: "0" },
  { job_name: "default" },
];
const rules = rulesFile([scrapeLimitRules(JOBS, "30s")]);

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
  it("ScrapeSampleLimitNear fires above 80 % of the limit, and is silent below and without a limit", async () => {
    const near = (post: string, limit: number) => ({
      scrape_samples_post_metric_relabeling: post,
      scrape_sample_limit: `${limit}x40`,
    });
    await check(
      [
        ...target("cadvisor", near("15000x10 16100x29", 20_000)),
        ...target("below", near("15900x40", 20_000)),
        ...target("short", near("15000x10 16100x0 15000x28", 20_000)),
        ...target("unlimited", near("9000000x40", 0)),
      ],
      firing("5m"),
      firing("8m", ["ScrapeSampleLimitNear", "cadvisor"]),
    );
  });

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

  it("ScrapeTimeoutNear fires when scrapes take 80 % of their timeout, and is silent when one does, or all fail", async () => {
    const duration = (seconds: string, up = 1) => ({
      scrape_duration_seconds: seconds,
      scrape_timeout_seconds: "10x40",
      up: `${up}x40`,
    });
    await check(
      [
        ...target("slow", duration("9x40")),
        ...target("once", duration("1x10 9x0 1x28")),
        ...target("failing", duration("10x40", 0)),
      ],
      firing("6m", ["ScrapeTimeoutNear", "slow"]),
      firing("12m", ["ScrapeTimeoutNear", "slow"]),
    );
  });

  it("ScrapeRejected fires when a response exceeds a limit or is malformed, and is silent for a target without one", async () => {
    const outcome = (up: string, size: string) => ({ up, scrape_body_size_bytes: size });
    await check(
      [
        ...target("label-limit", outcome("1x10 0x29", "5000x40")),
        ...target("body-limit", outcome("1x10 0x29", "5000x10 -1x29")),
        ...target("unreachable", outcome("1x10 0x29", "5000x10 0x29")),
        ...target("once", outcome("1x10 0x0 1x28", "5000x40")),
        ...target("up", outcome("1x40", "5000x40")),
      ],
      firing("5m"),
      firing("8m", ["ScrapeRejected", "label-limit"], ["ScrapeRejected", "body-limit"]),
    );
  });
});
