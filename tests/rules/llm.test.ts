import { dump } from "js-yaml";
import { LLM_ENGINES } from "../../prometheus/llmEngines";
import { llmRelabeling } from "../../prometheus/relabeling";
import { llmRules, RULES_FILE, rulesYaml } from "../../prometheus/rules";
import { stored, type Histogram, type Sample } from "../support/exposition";
import { engines, LLM_PAGES, type LlmPage } from "../support/llmPages";
import { READINGS, shownBy } from "../support/llmReadings";
import { runPromtool } from "../support/promtool";

/** The labels of a page's container. */
const containerOf = (name: string, { engine, image }: LlmPage) => ({
  host: "h",
  id: `/docker/${name}`,
  name,
  image,
  llm_server: engine,
});

const inBraces = (labels: Record<string, string>) =>
  `{${Object.entries(labels)
    .map(([label, value]) => `${label}=${JSON.stringify(value)}`)
    .join(",")}}`;

/** Samples of 20 scrapes, in promtool's notation: gauges stay, and each scrape adds what the page shows to all else. */
function values(one: Sample | Histogram, isGauge: boolean): string {
  if ("counts" in one) {
    const count = one.counts.reduce((a, b) => a + b, 0);
    const histogram = `{{schema:-53 sum:${one.sum} count:${count} custom_values:[${one.bounds.join(" ")}] buckets:[${one.counts.join(" ")}]}}`;
    return `${histogram}+${histogram}x20`;
  }
  return isGauge ? `${one.value}x20` : `${one.value}+${one.value}x20`;
}

const inputSeries = (name: string, page: LlmPage) => {
  const target = { job: "llm-servers", instance: `${name}:1`, ...containerOf(name, page) };
  return [
    { series: `up${inBraces(target)}`, values: "1x20" },
    ...stored(page.text, target, llmRelabeling(false)).map((one) => ({
      series: one.name + inBraces(one.labels),
      values: values(one, new RegExp(`^# TYPE ${one.name.replace(":", "[:_]")} gauge$`, "m").test(page.text)),
    })),
  ];
};

const pages = Object.entries(LLM_PAGES);

/** Runs promtool's tests of the rules; values may differ in the last digits. */
async function testLlmRules(tests: object[], interval = "30s"): Promise<void> {
  const file = dump(
    { rule_files: [RULES_FILE], evaluation_interval: interval, fuzzy_compare: true, tests },
    { lineWidth: -1 },
  );
  const files = { [RULES_FILE]: rulesYaml([llmRules("30s")]), "llm.yml": file };
  expect(await runPromtool(files, "test", "rules", "llm.yml")).toContain("SUCCESS");
}

/** The last digits of the two readings differ. */
const PRECISION = 1e-9;
/** As PromQL rounds. */
const rounded = (value: number) => Math.floor(value / PRECISION + 0.5) * PRECISION;

/** The samples that a record must have over all pages, and no others. */
function expected(record: string): { labels: string; value: number }[] {
  return pages.flatMap(([name, page]) => {
    const { model = "" } = READINGS[name] ?? {};
    const shown = shownBy(name, page.text)[record];
    if (shown === undefined) return [];
    const byModel = typeof shown === "number" ? { [model]: shown } : shown;
    return Object.entries(byModel).map(([of, value]) => ({
      labels: inBraces({ ...containerOf(name, page), ...(of && { model: of }) }),
      value: rounded(value),
    }));
  });
}

describe("Records of LLM servers", () => {
  const records = [...new Set(pages.flatMap(([name, { text }]) => Object.keys(shownBy(name, text))))];

  it("have a second reading of each page", () => {
    expect(Object.keys(READINGS)).toEqual(pages.map(([name]) => name));
    expect(records.length).toBeGreaterThan(14);
  });

  it("are compared with recordings of every engine that exposes metrics", () => {
    const recorded = pages.filter(([, { recorded }]) => recorded).map(([, { engine }]) => engine);
    const exposing = Object.entries(LLM_ENGINES).filter(([, { metrics }]) => metrics);
    expect([...new Set(recorded)].sort()).toEqual(exposing.map(([engine]) => engine).sort());
  });

  it("show of each engine and version what its page has, and nothing else", async () => {
    for (const record of records) expect(expected(record).length).toBeGreaterThan(0);
    await testLlmRules([
      {
        interval: "30s",
        input_series: pages.flatMap(([name, page]) => inputSeries(name, page)),
        promql_expr_test: records.map((record) => ({
          expr: `round(${record}, ${PRECISION})`,
          eval_time: "10m",
          exp_samples: expected(record),
        })),
      },
    ]);
  });

  it("add up 16 data-parallel engines, none of which is lost", async () => {
    const name = "vLLM of 2026";
    const one = LLM_PAGES[name] as LlmPage;
    const page = { ...one, text: engines(one.text, 16).join("") };
    const shown = shownBy(name, page.text);
    expect(shown["llm:requests_running:sum"]).toBe(16 * 8);
    await testLlmRules([
      {
        interval: "30s",
        input_series: inputSeries(name, page),
        promql_expr_test: Object.entries(shown).map(([record, value]) => ({
          expr: `round(${record}, ${PRECISION})`,
          eval_time: "10m",
          exp_samples: [
            {
              labels: inBraces({ ...containerOf(name, page), model: "Qwen/Qwen3-30B" }),
              value: rounded(value as number),
            },
          ],
        })),
      },
    ]);
  });

  it("keep the time since which a server answers, until it does not, or its container restarts", async () => {
    const labels = `host="h",id="/docker/a",name="a",llm_server="vllm"`;
    const target = `job="llm-servers",instance="a:8000",${labels}`;
    const at = (eval_time: string, value?: number) => ({
      expr: "llm:loaded_timestamp_seconds",
      eval_time,
      exp_samples: value === undefined ? [] : [{ labels: `llm:loaded_timestamp_seconds{${labels}}`, value }],
    });
    await testLlmRules([
      {
        interval: "30s",
        input_series: [
          { series: `up{${target}}`, values: "0x3 1x15 0x3 1x40" },
          {
            series: `container_start_time_seconds{job="cadvisor",instance="c",${labels}}`,
            values: "0x43 1310x40",
          },
        ],
        promql_expr_test: [
          at("1m"),
          at("2m", 120),
          at("9m", 120),
          at("10m30s"),
          at("12m", 720),
          at("21m30s", 720),
          at("22m", 1320),
          at("30m", 1320),
        ],
      },
    ]);
  });

  it("show that a server behind the forwarder answers, or that this is unknown while the exporter is down", async () => {
    const labels = (name: string) => `host="h",id="/docker/${name}",name="${name}",llm_server="vllm"`;
    const up = (name: string, values: string) => ({
      series: `up{job="llm-servers",instance="${name}:8000",${labels(name)},forwarder="llm-forwarder"}`,
      values,
    });
    const shown = (eval_time: string, values: Record<string, number>) => ({
      expr: "llm:up",
      eval_time,
      exp_samples: Object.entries(values).map(([name, value]) => ({
        labels: `llm:up{${labels(name)}}`,
        value,
      })),
    });
    await testLlmRules([
      {
        interval: "30s",
        input_series: [
          up("a", "1x40"),
          up("b", "0x40"),
          { series: 'up{job="exporter",instance="e",host="h"}', values: "1x10 0x10 1x20" },
        ],
        promql_expr_test: [shown("4m", { a: 1, b: 0 }), shown("8m", { a: 1 }), shown("12m", { a: 1, b: 0 })],
      },
    ]);
  });

  it("and alerts know for days that a server has answered and does so no more, also under a new name", async () => {
    const labels = (name: string) => `host="h",id="/docker/a",name="${name}",llm_server="vllm"`;
    const series = (metric: string, name: string, values: string) => ({
      series: `${metric},instance="i:1",${labels(name)}}`,
      values,
    });
    const answered = (eval_time: string, name: string, value: number) => ({
      expr: "llm:answered_timestamp_seconds",
      eval_time,
      exp_samples: [{ labels: `llm:answered_timestamp_seconds{${labels(name)}}`, value }],
    });
    const firing = (eval_time: string, alertname: string, name: string) => ({
      expr: 'ALERTS{alertstate="firing"}',
      eval_time,
      exp_samples: [
        {
          labels: `ALERTS{alertname="${alertname}",alertstate="firing",severity="critical",${labels(name)}}`,
          value: 1,
        },
      ],
    });
    const interval = "5m";
    await testLlmRules(
      [
        {
          interval,
          input_series: [
            series('up{job="llm-servers"', "a", "1x12 0x12 stale"),
            series('up{job="llm-servers"', "b", "_x25 0x400"),
            series('container_start_time_seconds{job="cadvisor"', "a", "0x24 stale"),
            series('container_start_time_seconds{job="cadvisor"', "b", "_x25 0x400"),
          ],
          promql_expr_test: [
            answered("50m", "a", 3000),
            answered("2h", "a", 3600),
            ...["3h", "30h"].flatMap((time) => [
              answered(time, "b", 3600),
              firing(time, "LlmServerDown", "b"),
            ]),
          ],
        },
      ],
      interval,
    );
  });

  it("divide tokens by the GPUs that are allocated and by their energy, and show the GPU memory of each model", async () => {
    const labels = 'host="h",id="/docker/a",name="a",llm_server="vllm"';
    const target = `job="llm-servers",instance="a:8000",${labels}`;
    const gpu = (n: number, more = "") => `job="exporter",gpu="${n}",${labels}${more}`;
    await testLlmRules([
      {
        interval: "30s",
        input_series: [
          { series: `vllm:generation_tokens_total{${target},model="m"}`, values: "0+600x40" },
          { series: `vllm:num_requests_running{${target},model="m"}`, values: "7x40" },
          { series: `container_gpu_info{${gpu(0, ',allocation="cdi"')}}`, values: "1x40" },
          { series: `container_gpu_info{${gpu(1, ',allocation="cdi"')}}`, values: "1x40" },
          { series: `container_gpu_info{${gpu(2, ',allocation="none"')}}`, values: "1x40" },
          { series: `container_gpu_memory_used_bytes{${gpu(0)}}`, values: "30x40" },
          { series: `container_gpu_memory_used_bytes{${gpu(1)}}`, values: "40x40" },
          { series: `container_gpu_energy_joules_total{${gpu(0)}}`, values: "0+9000x40" },
          { series: `container_gpu_energy_joules_total{${gpu(1)}}`, values: "0+3000x40" },
        ],
        promql_expr_test: [
          {
            expr: "llm:generated_tokens_per_gpu:rate5m",
            eval_time: "10m",
            exp_samples: [{ labels: `llm:generated_tokens_per_gpu:rate5m{${labels}}`, value: 10 }],
          },
          {
            expr: "llm:tokens_per_joule:rate5m",
            eval_time: "10m",
            exp_samples: [{ labels: `llm:tokens_per_joule:rate5m{${labels}}`, value: 0.05 }],
          },
          {
            expr: "llm:gpu_memory_used_bytes:sum",
            eval_time: "10m",
            exp_samples: [{ labels: `llm:gpu_memory_used_bytes:sum{${labels},model="m"}`, value: 70 }],
          },
        ],
      },
    ]);
  });
});
