import { samples, type Sample } from "./exposition";

/** The time in which counters and histograms grow by what a page shows. */
const SECONDS = 30;

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

/** The names of metrics of vLLM that its versions have changed, without `vllm:`. */
interface VllmNames {
  kvCache: string;
  outputToken: string;
  /** Of the counters of hits and queries. Without it, the page has none. */
  prefixCache?: string;
}

const vllm =
  ({ kvCache, outputToken, prefixCache }: VllmNames) =>
  (page: Reading): Shown => ({
    "llm:requests_running:sum": page.sum("vllm:num_requests_running"),
    "llm:requests_waiting:sum": page.sum("vllm:num_requests_waiting"),
    "llm:prompt_tokens:rate5m": page.perSecond("vllm:prompt_tokens_total"),
    "llm:generated_tokens:rate5m": page.perSecond("vllm:generation_tokens_total"),
    "llm:preemptions:rate5m": page.perSecond("vllm:num_preemptions_total"),
    "llm:requests:rate5m": page.perSecond("vllm:request_success_total"),
    "llm:kv_cache_usage:ratio": page.max(`vllm:${kvCache}`),
    ...(prefixCache && {
      "llm:prefix_cache_hits:ratio_rate5m":
        page.sum(`vllm:${prefixCache}_hits_total`) / page.sum(`vllm:${prefixCache}_queries_total`),
    }),
    ...quantiles(page, "time_to_first_token_seconds", "vllm:time_to_first_token_seconds"),
    ...quantiles(page, "time_per_output_token_seconds", `vllm:${outputToken}`),
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
export const READINGS: Record<string, { model: string; read: (page: Reading) => Shown }> = {
  "vLLM 0.6": {
    model: "facebook/opt-125m",
    read: vllm({ kvCache: "gpu_cache_usage_perc", outputToken: "time_per_output_token_seconds" }),
  },
  "vLLM 0.8": {
    model: "facebook/opt-125m",
    read: vllm({
      kvCache: "gpu_cache_usage_perc",
      outputToken: "time_per_output_token_seconds",
      prefixCache: "gpu_prefix_cache",
    }),
  },
  "vLLM 0.11": {
    model: "Qwen/Qwen3-30B",
    read: vllm({
      kvCache: "kv_cache_usage_perc",
      outputToken: "inter_token_latency_seconds",
      prefixCache: "prefix_cache",
    }),
  },
  "vLLM of 2026": {
    model: "Qwen/Qwen3-30B",
    read: (page) => ({
      ...vllm({
        kvCache: "kv_cache_usage_perc",
        outputToken: "inter_token_latency_seconds",
        prefixCache: "prefix_cache",
      })(page),
      "llm:request_errors:rate5m": page.perSecond("vllm:request_success_total", { finished_reason: "error" }),
    }),
  },
  "vLLM 0.6, recorded": {
    model: "mymodelname",
    read: vllm({ kvCache: "gpu_cache_usage_perc", outputToken: "time_per_output_token_seconds" }),
  },
  "vLLM 0.8 to 0.9, recorded": {
    model: "Qwen/Qwen3-0.6B",
    read: vllm({ kvCache: "gpu_cache_usage_perc", outputToken: "time_per_output_token_seconds" }),
  },
  "vLLM 0.10, recorded": {
    model: "/job/model/Qwen2.5-0.5B-Instruct",
    read: vllm({
      kvCache: "kv_cache_usage_perc",
      outputToken: "time_per_output_token_seconds",
      prefixCache: "prefix_cache",
    }),
  },
  "vLLM 0.11, recorded": {
    model: "Qwen/Qwen2.5-3B-Instruct",
    read: vllm({
      kvCache: "kv_cache_usage_perc",
      outputToken: "inter_token_latency_seconds",
      prefixCache: "prefix_cache",
    }),
  },
  "vLLM of 2024 and 2026, recorded": {
    model: "facebook/opt-125m",
    read: vllm({
      kvCache: "kv_cache_usage_perc",
      outputToken: "inter_token_latency_seconds",
      prefixCache: "prefix_cache",
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

/** What the records have to show of the page of that name, by a second reading. */
export const shownBy = (name: string, text: string): Shown => READINGS[name]?.read(new Reading(text)) ?? {};
