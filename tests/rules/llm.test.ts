import { dump } from "js-yaml";
import { LLM_ENGINES } from "../../prometheus/llmEngines";
import { llmRelabeling } from "../../prometheus/relabeling";
import { llmRules, RULES_FILE, rulesYaml } from "../../prometheus/rules";
import { samples, stored, type Histogram, type Sample } from "../support/exposition";
import { engines, LLM_PAGES, type LlmPage } from "../support/llmPages";
import { runPromtool } from "../support/promtool";

const SECONDS = 30;

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

/** A page as a person reads it. Nothing here knows the rules or their table. */
class Reading {
  private readonly samples: Sample[];

  constructor(text: string) {
    this.samples = samples(text);
  }

  all = (name: string, labels: Record<string, string> = {}): number[] =>
    this.samples
      .filter((one) => one.name === name)
      .filter((one) => Object.entries(labels).every(([label, value]) => one.labels[label] === value))
      .map(({ value }) => value);

  sum = (name: string, labels: Record<string, string> = {}): number =>
    this.all(name, labels).reduce((a, b) => a + b, 0);

  max = (name: string): number => Math.max(...this.all(name));

  perSecond = (name: string, labels: Record<string, string> = {}): number => this.sum(name, labels) / SECONDS;

  /** By linear interpolation within the bucket of the quantile, as Prometheus documents it. */
  quantile(name: string, q: number): number {
    const upTo = new Map<number, number>();
    for (const { labels, value, name: bucket } of this.samples)
      if (bucket === `${name}_bucket`) {
        const bound = labels["le"] === "+Inf" ? Infinity : Number(labels["le"]);
        upTo.set(bound, (upTo.get(bound) ?? 0) + value);
      }
    const buckets = [...upTo].sort(([a], [b]) => a - b);
    const rank = q * (buckets.at(-1)?.[1] ?? 0);
    const index = buckets.findIndex(([, count]) => count >= rank);
    const [end = 0, count = 0] = buckets[index] ?? [];
    const [start = 0, before = 0] = buckets[index - 1] ?? [];
    return end === Infinity ? start : start + ((end - start) * (rank - before)) / (count - before);
  }
}

/** What the records have to show: for a model, or for several. */
type Shown = Record<string, number | Record<string, number>>;

const quantiles = (page: Reading, record: string, histogram: string, unit = 1): Shown => ({
  [`llm:${record}:p50`]: page.quantile(histogram, 0.5) / unit,
  [`llm:${record}:p95`]: page.quantile(histogram, 0.95) / unit,
});

const vllm = (page: Reading): Shown => ({
  "llm:requests_running:sum": page.sum("vllm:num_requests_running"),
  "llm:requests_waiting:sum": page.sum("vllm:num_requests_waiting"),
  "llm:prompt_tokens:rate5m": page.perSecond("vllm:prompt_tokens_total"),
  "llm:generated_tokens:rate5m": page.perSecond("vllm:generation_tokens_total"),
  "llm:preemptions:rate5m": page.perSecond("vllm:num_preemptions_total"),
  "llm:requests:rate5m": page.perSecond("vllm:request_success_total"),
  ...quantiles(page, "time_to_first_token_seconds", "vllm:time_to_first_token_seconds"),
  ...quantiles(page, "request_duration_seconds", "vllm:e2e_request_latency_seconds"),
});

const sglang = (page: Reading): Shown => ({
  "llm:prompt_tokens:rate5m": page.perSecond("sglang:prompt_tokens_total"),
  "llm:generated_tokens:rate5m": page.perSecond("sglang:generation_tokens_total"),
  "llm:requests:rate5m": page.perSecond("sglang:num_requests_total"),
  "llm:kv_cache_usage:ratio": page.max("sglang:token_usage"),
  "llm:prefix_cache_hits:ratio_rate5m": page.max("sglang:cache_hit_rate"),
  ...quantiles(page, "time_to_first_token_seconds", "sglang:time_to_first_token_seconds"),
  ...quantiles(page, "request_duration_seconds", "sglang:e2e_request_latency_seconds"),
});

/** SGLang of 2024 and 2025, whose names a gateway can change. */
const sglang2024 = (page: Reading, prefix = "sglang:"): Shown => ({
  "llm:prompt_tokens:rate5m": page.perSecond(`${prefix}prompt_tokens_total`),
  "llm:generated_tokens:rate5m": page.perSecond(`${prefix}generation_tokens_total`),
  "llm:kv_cache_usage:ratio": page.max(`${prefix}token_usage`),
  ...quantiles(page, "time_to_first_token_seconds", `${prefix}time_to_first_token_seconds`),
  ...quantiles(page, "time_per_output_token_seconds", `${prefix}time_per_output_token_seconds`),
  ...quantiles(page, "request_duration_seconds", `${prefix}e2e_request_latency_seconds`),
});

const tgi = (page: Reading): Shown => ({
  "llm:requests_running:sum": page.sum("tgi_batch_current_size"),
  "llm:requests_waiting:sum": page.sum("tgi_queue_size"),
  "llm:prompt_tokens:rate5m": page.perSecond("tgi_request_input_length_sum"),
  "llm:generated_tokens:rate5m": page.perSecond("tgi_request_generated_tokens_sum"),
  "llm:requests:rate5m": page.perSecond("tgi_request_count"),
  "llm:request_errors:rate5m": page.perSecond("tgi_request_failure"),
  ...quantiles(page, "time_per_output_token_seconds", "tgi_request_mean_time_per_token_duration"),
  ...quantiles(page, "request_duration_seconds", "tgi_request_duration"),
});

const llamaCpp = (page: Reading): Shown => ({
  "llm:requests_running:sum": page.sum("llamacpp:requests_processing"),
  "llm:requests_waiting:sum": page.sum("llamacpp:requests_deferred"),
  "llm:prompt_tokens:rate5m": page.perSecond("llamacpp:prompt_tokens_total"),
  "llm:generated_tokens:rate5m": page.perSecond("llamacpp:tokens_predicted_total"),
});

/** Of each page, the name of the model and a second reading. */
const READINGS: Record<string, { model: string; read: (page: Reading) => Shown }> = {
  "vLLM 0.6": {
    model: "facebook/opt-125m",
    read: (page) => ({
      ...vllm(page),
      "llm:kv_cache_usage:ratio": page.max("vllm:gpu_cache_usage_perc"),
      ...quantiles(page, "time_per_output_token_seconds", "vllm:time_per_output_token_seconds"),
    }),
  },
  "vLLM 0.8": {
    model: "facebook/opt-125m",
    read: (page) => ({
      ...vllm(page),
      "llm:kv_cache_usage:ratio": page.max("vllm:gpu_cache_usage_perc"),
      "llm:prefix_cache_hits:ratio_rate5m":
        page.sum("vllm:gpu_prefix_cache_hits_total") / page.sum("vllm:gpu_prefix_cache_queries_total"),
      ...quantiles(page, "time_per_output_token_seconds", "vllm:time_per_output_token_seconds"),
    }),
  },
  "vLLM 0.11": {
    model: "Qwen/Qwen3-30B",
    read: (page) => ({
      ...vllm(page),
      "llm:kv_cache_usage:ratio": page.max("vllm:kv_cache_usage_perc"),
      "llm:prefix_cache_hits:ratio_rate5m":
        page.sum("vllm:prefix_cache_hits_total") / page.sum("vllm:prefix_cache_queries_total"),
      ...quantiles(page, "time_per_output_token_seconds", "vllm:inter_token_latency_seconds"),
    }),
  },
  "vLLM of 2026": {
    model: "Qwen/Qwen3-30B",
    read: (page) => ({
      ...vllm(page),
      "llm:kv_cache_usage:ratio": page.max("vllm:kv_cache_usage_perc"),
      "llm:prefix_cache_hits:ratio_rate5m":
        page.sum("vllm:prefix_cache_hits_total") / page.sum("vllm:prefix_cache_queries_total"),
      "llm:request_errors:rate5m": page.perSecond("vllm:request_success_total", { finished_reason: "error" }),
      ...quantiles(page, "time_per_output_token_seconds", "vllm:inter_token_latency_seconds"),
    }),
  },
  "vLLM 0.6, recorded": {
    model: "mymodelname",
    read: (page) => ({
      ...vllm(page),
      "llm:kv_cache_usage:ratio": page.max("vllm:gpu_cache_usage_perc"),
      ...quantiles(page, "time_per_output_token_seconds", "vllm:time_per_output_token_seconds"),
    }),
  },
  "vLLM 0.8 to 0.9, recorded": {
    model: "Qwen/Qwen3-0.6B",
    read: (page) => ({
      ...vllm(page),
      "llm:kv_cache_usage:ratio": page.max("vllm:gpu_cache_usage_perc"),
      ...quantiles(page, "time_per_output_token_seconds", "vllm:time_per_output_token_seconds"),
    }),
  },
  "vLLM 0.10, recorded": {
    model: "/job/model/Qwen2.5-0.5B-Instruct",
    read: (page) => ({
      ...vllm(page),
      "llm:kv_cache_usage:ratio": page.max("vllm:kv_cache_usage_perc"),
      "llm:prefix_cache_hits:ratio_rate5m":
        page.sum("vllm:prefix_cache_hits_total") / page.sum("vllm:prefix_cache_queries_total"),
      ...quantiles(page, "time_per_output_token_seconds", "vllm:time_per_output_token_seconds"),
    }),
  },
  "vLLM 0.11, recorded": {
    model: "Qwen/Qwen2.5-3B-Instruct",
    read: (page) => ({
      ...vllm(page),
      "llm:kv_cache_usage:ratio": page.max("vllm:kv_cache_usage_perc"),
      "llm:prefix_cache_hits:ratio_rate5m":
        page.sum("vllm:prefix_cache_hits_total") / page.sum("vllm:prefix_cache_queries_total"),
      ...quantiles(page, "time_per_output_token_seconds", "vllm:inter_token_latency_seconds"),
    }),
  },
  "vLLM of 2024 and 2026, recorded": {
    model: "facebook/opt-125m",
    read: (page) => ({
      ...vllm(page),
      "llm:kv_cache_usage:ratio": page.max("vllm:kv_cache_usage_perc"),
      "llm:prefix_cache_hits:ratio_rate5m":
        page.sum("vllm:prefix_cache_hits_total") / page.sum("vllm:prefix_cache_queries_total"),
      ...quantiles(page, "time_per_output_token_seconds", "vllm:inter_token_latency_seconds"),
    }),
  },
  "vLLM 0.29, recorded": {
    model: "smollm2-360m",
    read: (page) => ({
      "llm:generated_tokens:rate5m": page.perSecond("vllm:generation_tokens_total"),
      ...quantiles(page, "time_to_first_token_seconds", "vllm:time_to_first_token_seconds"),
    }),
  },
  "SGLang of 2024, recorded": {
    model: "google/gemma-2-9b-it",
    read: (page) => ({
      ...sglang2024(page),
      "llm:requests_running:sum": page.sum("sglang:num_requests_running"),
      "llm:requests_waiting:sum": page.sum("sglang:num_requests_waiting"),
    }),
  },
  "SGLang 0.4, recorded": {
    model: "meta-llama/Llama-3.1-8B-Instruct",
    read: (page) => ({
      ...sglang2024(page),
      "llm:requests_running:sum": page.sum("sglang:num_running_reqs"),
      "llm:requests_waiting:sum": page.sum("sglang:num_queue_reqs"),
      "llm:prefix_cache_hits:ratio_rate5m": page.max("sglang:cache_hit_rate"),
    }),
  },
  "SGLang 0.5": {
    model: "meta-llama/Llama-3.1-8B",
    read: (page) => ({
      ...sglang(page),
      "llm:requests_running:sum": page.max("sglang:num_running_reqs"),
      "llm:requests_waiting:sum": page.max("sglang:num_queue_reqs"),
      "llm:preemptions:rate5m": page.perSecond("sglang:num_retracted_requests_total"),
      ...quantiles(page, "time_per_output_token_seconds", "sglang:inter_token_latency_seconds"),
    }),
  },
  "SGLang behind its gateway, recorded": {
    model: "meta-llama/Llama-3.1-8B-Instruct",
    read: (page) => ({
      ...sglang2024(page, "sglang_"),
      "llm:requests_running:sum": page.sum("sglang_num_running_reqs"),
      "llm:requests_waiting:sum": page.sum("sglang_num_queue_reqs"),
      "llm:prefix_cache_hits:ratio_rate5m": page.max("sglang_cache_hit_rate"),
    }),
  },
  "TGI 2": { model: "", read: tgi },
  "TGI 2, recorded": { model: "", read: tgi },
  "llama.cpp of 2024, recorded": {
    model: "",
    read: (page) => ({
      ...llamaCpp(page),
      "llm:kv_cache_usage:ratio": page.max("llamacpp:kv_cache_usage_ratio"),
    }),
  },
  "llama.cpp of 2026": {
    model: "",
    read: (page) => {
      const cached = page.sum("llamacpp:prompt_tokens_cached_total");
      return {
        ...llamaCpp(page),
        "llm:prefix_cache_hits:ratio_rate5m": cached / (cached + page.sum("llamacpp:prompt_tokens_total")),
      };
    },
  },
  "Triton, recorded": {
    model: "",
    read: (page) => {
      const models = ["densenet_onnx", "simple_string", "simple_sequence", "simple_int8"];
      models.push("simple_identity", "simple_dyna_sequence", "inception_graphdef", "simple");
      const byModel = (of: (labels: Record<string, string>) => number) =>
        Object.fromEntries(models.map((model) => [model, of({ model })]));
      return {
        "llm:requests_waiting:sum": byModel((labels) =>
          page.sum("nv_inference_pending_request_count", labels),
        ),
        "llm:requests:rate5m": byModel((labels) => page.perSecond("nv_inference_request_success", labels)),
        "llm:request_errors:rate5m": byModel((labels) =>
          page.perSecond("nv_inference_request_failure", labels),
        ),
      };
    },
  },
  "Triton with TensorRT-LLM of 2023, recorded": {
    model: "tensorrt_llm",
    read: (page) => {
      const blocks = (kv_cache_block_type: string) =>
        page.sum("nv_trt_llm_kv_cache_block_metrics", { kv_cache_block_type });
      return {
        "llm:requests_running:sum": page.sum("nv_trt_llm_request_metrics", { request_type: "active" }),
        "llm:requests_waiting:sum": page.sum("nv_inference_pending_request_count"),
        "llm:kv_cache_usage:ratio": blocks("used") / blocks("max"),
        "llm:requests:rate5m": page.perSecond("nv_inference_request_success"),
        "llm:request_errors:rate5m": page.perSecond("nv_inference_request_failure"),
      };
    },
  },
  "Triton with TensorRT-LLM": {
    model: "tensorrt_llm",
    read: (page) => {
      const byModel = (name: string) => ({
        ensemble: page.perSecond(name, { model: "ensemble" }),
        tensorrt_llm: page.perSecond(name, { model: "tensorrt_llm" }),
      });
      return {
        "llm:requests_running:sum": page.sum("nv_trt_llm_request_metrics", { request_type: "active" }),
        "llm:requests_waiting:sum": {
          ensemble: page.sum("nv_inference_pending_request_count", { model: "ensemble" }),
          tensorrt_llm: page.sum("nv_trt_llm_request_metrics", { request_type: "waiting" }),
        },
        "llm:prompt_tokens:rate5m": page.perSecond("nv_llm_input_token_len_sum"),
        "llm:generated_tokens:rate5m": page.perSecond("nv_llm_output_token_len_sum"),
        "llm:kv_cache_usage:ratio": page.sum("nv_trt_llm_kv_cache_block_metrics", {
          kv_cache_block_type: "fraction",
        }),
        "llm:requests:rate5m": byModel("nv_inference_request_success"),
        "llm:request_errors:rate5m": byModel("nv_inference_request_failure"),
        ...quantiles(page, "time_to_first_token_seconds", "nv_inference_first_response_histogram_ms", 1000),
      };
    },
  },
};

const pages = Object.entries(LLM_PAGES);

/** Runs promtool's tests of the rules; values may differ in the last digits. */
async function testLlmRules(tests: object[], interval = "30s"): Promise<void> {
  const file = dump(
    { rule_files: [RULES_FILE], evaluation_interval: interval, fuzzy_compare: true, tests },
    { lineWidth: -1 },
  );
  const files = { [RULES_FILE]: rulesYaml([llmRules()]), "llm.yml": file };
  expect(await runPromtool(files, "test", "rules", "llm.yml")).toContain("SUCCESS");
}

/** The last digits of the two readings differ. */
const PRECISION = 1e-9;
/** As PromQL rounds. */
const rounded = (value: number) => Math.floor(value / PRECISION + 0.5) * PRECISION;

/** The samples that a record must have over all pages, and no others. */
function expected(record: string): { labels: string; value: number }[] {
  return pages.flatMap(([name, page]) => {
    const { model = "", read } = READINGS[name] ?? {};
    const shown = read?.(new Reading(page.text))[record];
    if (shown === undefined) return [];
    const byModel = typeof shown === "number" ? { [model]: shown } : shown;
    return Object.entries(byModel).map(([of, value]) => ({
      labels: inBraces({ ...containerOf(name, page), ...(of && { model: of }) }),
      value: rounded(value),
    }));
  });
}

describe("Records of LLM servers", () => {
  const records = [
    ...new Set(
      Object.entries(READINGS).flatMap(([name, { read }]) =>
        Object.keys(read(new Reading(LLM_PAGES[name]?.text ?? ""))),
      ),
    ),
  ];

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
    const { read } = READINGS[name] ?? {};
    const one = LLM_PAGES[name] as LlmPage;
    const page = { ...one, text: engines(one.text, 16).join("") };
    const shown = read?.(new Reading(page.text)) ?? {};
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
