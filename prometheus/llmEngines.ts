/**
 * Where an engine exposes a quantity: a metric with or without matchers of labels, as PromQL. Or, where it exposes something else:
 *
 * - `sumOf`: a histogram whose observations add up to the quantity
 * - `part`, and `of` or `rest`: two counters, or two gauges, of which the quantity is the ratio of the part to the whole
 * - `milliseconds`: a histogram in milliseconds
 */
export type Source =
  | string
  | { sumOf: string }
  | { part: string; of: string }
  | { part: string; rest: string }
  | { milliseconds: string };

/** Sources of the same quantity in several versions of an engine, the newest first: the first that a server exposes counts. */
type Sources = readonly Source[];

/** An engine that serves LLMs. */
export interface LlmEngine {
  /** Where it exposes metrics. Undefined: nowhere. */
  metrics?: { port: number; path: string };
  /** Where it exposes what the recording rules show of every engine. A quantity without a source is not exposed by the engine. */
  sources: Partial<Record<Quantity, Sources>>;
}

/** What the recording rules show of every engine, and how the values of a server's processes and labels are put together. */
export const QUANTITIES = {
  requestsRunning: "sum",
  requestsWaiting: "sum",
  promptTokens: "rate",
  generatedTokens: "rate",
  timeToFirstToken: "quantiles",
  timePerOutputToken: "quantiles",
  requestDuration: "quantiles",
  kvCacheUsage: "max",
  prefixCacheHits: "ratio",
  preemptions: "rate",
  requests: "rate",
  requestErrors: "rate",
} as const;

export type Quantity = keyof typeof QUANTITIES;

/**
 * The engines, by the label `llm_server`. A metric that an engine renames is one more name in this table. Sources of the names:
 * vllm-project/vllm, vllm/engine/metrics.py (0.6) and vllm/v1/metrics/loggers.py (0.8 and newer); sgl-project/sglang,
 * python/sglang/srt/metrics/collector.py, srt/observability/metrics_collector.py and srt/utils/common.py;
 * huggingface/text-generation-inference, router/src/server.rs; ggml-org/llama.cpp, tools/server;
 * triton-inference-server/server, docs/user_guide/metrics.md, and triton-inference-server/tensorrtllm_backend, README.md.
 */
export const LLM_ENGINES: Readonly<Record<string, LlmEngine>> = {
  vllm: {
    metrics: { port: 8000, path: "/metrics" },
    sources: {
      requestsRunning: ["vllm:num_requests_running"],
      requestsWaiting: ["vllm:num_requests_waiting"],
      promptTokens: ["vllm:prompt_tokens_total"],
      generatedTokens: ["vllm:generation_tokens_total"],
      timeToFirstToken: ["vllm:time_to_first_token_seconds"],
      timePerOutputToken: ["vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds"],
      requestDuration: ["vllm:e2e_request_latency_seconds"],
      kvCacheUsage: ["vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"],
      prefixCacheHits: [
        { part: "vllm:prefix_cache_hits_total", of: "vllm:prefix_cache_queries_total" },
        { part: "vllm:gpu_prefix_cache_hits_total", of: "vllm:gpu_prefix_cache_queries_total" },
        // -1 without prefix caching.
        "vllm:gpu_prefix_cache_hit_rate",
      ],
      preemptions: ["vllm:num_preemptions_total"],
      requests: ["vllm:request_success_total"],
      // A request that its client aborts has the reason "abort". Before "error", vLLM exposed no errors.
      requestErrors: ['vllm:request_success_total{finished_reason="error"}'],
    },
  },
  sglang: {
    metrics: { port: 30_000, path: "/metrics" },
    sources: {
      // With priorities, there are also series by priority.
      requestsRunning: ['sglang:num_running_reqs{priority=""}', "sglang:num_requests_running"],
      requestsWaiting: ['sglang:num_queue_reqs{priority=""}', "sglang:num_requests_waiting"],
      promptTokens: ["sglang:prompt_tokens_total"],
      generatedTokens: ["sglang:generation_tokens_total"],
      timeToFirstToken: ["sglang:time_to_first_token_seconds"],
      timePerOutputToken: ["sglang:inter_token_latency_seconds", "sglang:time_per_output_token_seconds"],
      requestDuration: ["sglang:e2e_request_latency_seconds"],
      kvCacheUsage: ["sglang:token_usage"],
      prefixCacheHits: ["sglang:cache_hit_rate"],
      preemptions: ["sglang:num_retracted_requests_total"],
      requests: ["sglang:num_requests_total"],
      // Requests that are aborted are counted elsewhere.
      requestErrors: ['sglang:http_responses_total{status_code=~"5..",endpoint!~"/health.*"}'],
    },
  },
  tgi: {
    metrics: { port: 80, path: "/metrics" },
    sources: {
      requestsRunning: ["tgi_batch_current_size"],
      requestsWaiting: ["tgi_queue_size"],
      promptTokens: [{ sumOf: "tgi_request_input_length" }],
      generatedTokens: [{ sumOf: "tgi_request_generated_tokens" }],
      timePerOutputToken: ["tgi_request_mean_time_per_token_duration"],
      requestDuration: ["tgi_request_duration"],
      requests: ["tgi_request_count"],
      requestErrors: ["tgi_request_failure"],
    },
  },
  "llama.cpp": {
    metrics: { port: 8080, path: "/metrics" },
    sources: {
      requestsRunning: ["llamacpp:requests_processing"],
      requestsWaiting: ["llamacpp:requests_deferred"],
      promptTokens: ["llamacpp:prompt_tokens_total"],
      generatedTokens: ["llamacpp:tokens_predicted_total"],
      // Only in old versions.
      kvCacheUsage: ["llamacpp:kv_cache_usage_ratio"],
      // Only in new ones, whose tokens of prompts are those that the cache does not have.
      prefixCacheHits: [
        { part: "llamacpp:prompt_tokens_cached_total", rest: "llamacpp:prompt_tokens_total" },
      ],
    },
  },
  triton: {
    metrics: { port: 8002, path: "/metrics" },
    sources: {
      requestsRunning: ['nv_trt_llm_request_metrics{request_type="active"}'],
      requestsWaiting: [
        'nv_trt_llm_request_metrics{request_type="waiting"}',
        "nv_inference_pending_request_count",
      ],
      promptTokens: [{ sumOf: "nv_llm_input_token_len" }],
      generatedTokens: [{ sumOf: "nv_llm_output_token_len" }],
      timeToFirstToken: [{ milliseconds: "nv_inference_first_response_histogram_ms" }],
      kvCacheUsage: [
        'nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="fraction"}',
        {
          part: 'nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="used"}',
          of: 'nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="max"}',
        },
      ],
      requests: ["nv_inference_request_success"],
      requestErrors: ["nv_inference_request_failure"],
    },
  },
  /** Ollama exposes no metrics. */
  ollama: { sources: {} },
};

/** The sources of a quantity in all engines. */
export const sourcesOf = (quantity: Quantity): Source[] =>
  Object.values(LLM_ENGINES).flatMap(({ sources }) => sources[quantity] ?? []);

/** The names of the metrics that the recording rules read. */
export const LLM_METRICS: readonly string[] = [
  ...new Set(
    (Object.keys(QUANTITIES) as Quantity[])
      .flatMap(sourcesOf)
      .flatMap((source) => (typeof source === "string" ? source : Object.values<string>(source)))
      .map((selector) => selector.replace(/\{.*/, "")),
  ),
];
