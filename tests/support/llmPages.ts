/** The metrics page of a version of an engine. */
export interface LlmPage {
  /** The engine, as in the label `llm_server`, and an image of it. */
  engine: string;
  image: string;
  text: string;
}

/** Labels without braces, such as `model_name="m"`. */
type Labels = string;

const series = (name: string, labels: Labels, value: number | string) =>
  `${name}${labels && `{${labels}}`} ${value}`;

const family = (name: string, type: "counter" | "gauge", samples: Record<Labels, number>) =>
  [
    `# TYPE ${name} ${type}`,
    ...Object.entries(samples).map(([labels, value]) => series(name, labels, value)),
  ].join("\n");
const gauge = (name: string, labels: Labels, value: number) => family(name, "gauge", { [labels]: value });
const counter = (name: string, labels: Labels, value: number) => family(name, "counter", { [labels]: value });

/** A histogram with an observation in each of the listed buckets. */
function histogram(name: string, labels: Labels, bounds: readonly number[], sum: number, observed: number[]) {
  const le = (bound: number | string) => [labels, `le="${bound}"`].filter(Boolean).join(",");
  const upTo = (bound: number) => observed.filter((value) => value <= bound).length;
  return [
    `# TYPE ${name} histogram`,
    ...bounds.map((bound) => series(`${name}_bucket`, le(bound), upTo(bound))),
    series(`${name}_bucket`, le("+Inf"), observed.length),
    series(`${name}_sum`, labels, sum),
    series(`${name}_count`, labels, observed.length),
  ].join("\n");
}

const page = (...families: string[]) => `${families.join("\n")}\n`;

/** What prometheus_client exposes of each Python program. */
const PYTHON = page(
  counter("python_gc_objects_collected_total", 'generation="0"', 7431),
  gauge("python_info", 'implementation="CPython",major="3",minor="12",patchlevel="3",version="3.12.3"', 1),
  gauge("process_resident_memory_bytes", "", 5.106151424e9),
  gauge("process_start_time_seconds", "", 1.7181405583e9),
).trim();

const TTFT = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
const LONG_TTFT = [...TTFT, 20, 40, 80, 160, 640, 2560];
const TPOT = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5];
const E2E = [1, 2.5, 5, 10, 15, 20, 30, 40, 50, 60];
const LONG_E2E = [
  0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680,
];
const TOKENS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];
const SGLANG_SECONDS = [0.1, 0.2, 0.4, 0.6, 0.8, 1, 2, 4, 6, 8, 10, 20, 40, 60, 80, 100, 200, 400];
const SGLANG_TOKEN = [
  0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.2, 0.4, 1,
];
/** TGI's: 0.1 ms, times 1.5. */
const TGI_SECONDS = Array.from({ length: 35 }, (_, n) => 0.00015 * 1.5 ** n);
const TGI_TOKENS = Array.from({ length: 100 }, (_, n) => 5.11 * (n + 1));
const TRT_TOKENS = [10, 50, 100, 500, 1000];

const OPT = 'model_name="facebook/opt-125m"';
const QWEN = (engine: number) => `engine="${engine}",model_name="Qwen/Qwen3-30B"`;

/** Two data-parallel engines in one server of vLLM 0.11, which still exposes names of before. */
const VLLM_0_11_ENGINES = [0, 1].map((n) =>
  page(
    gauge("vllm:num_requests_running", QWEN(n), 3 + n),
    gauge("vllm:num_requests_waiting", QWEN(n), 2 * n),
    gauge("vllm:kv_cache_usage_perc", QWEN(n), 0.25 + n / 2),
    gauge("vllm:gpu_cache_usage_perc", QWEN(n), 0.25 + n / 2),
    counter("vllm:prefix_cache_queries_total", QWEN(n), 400),
    counter("vllm:prefix_cache_hits_total", QWEN(n), 100 + 100 * n),
    counter("vllm:gpu_prefix_cache_queries_total", QWEN(n), 400),
    counter("vllm:gpu_prefix_cache_hits_total", QWEN(n), 100 + 100 * n),
    counter("vllm:num_preemptions_total", QWEN(n), n),
    counter("vllm:prompt_tokens_total", QWEN(n), 900),
    counter("vllm:generation_tokens_total", QWEN(n), 1500 + 300 * n),
    family("vllm:request_success_total", "counter", {
      [`${QWEN(n)},finished_reason="stop"`]: 12,
      [`${QWEN(n)},finished_reason="length"`]: 3,
      [`${QWEN(n)},finished_reason="abort"`]: 1,
    }),
    histogram("vllm:time_to_first_token_seconds", QWEN(n), LONG_TTFT, 4, [0.05, 0.07, 0.09, 0.2, 0.3, 3]),
    histogram("vllm:time_per_output_token_seconds", QWEN(n), TPOT, 0.3, [0.03, 0.03, 0.06, 0.2]),
    histogram("vllm:inter_token_latency_seconds", QWEN(n), TPOT, 0.3, [0.03, 0.03, 0.06, 0.2]),
    histogram("vllm:e2e_request_latency_seconds", QWEN(n), LONG_E2E, 40, [0.4, 1.2, 1.8, 4, 30]),
  ).trim(),
);

const MODEL = 'model="ensemble",version="1"';
const TRT = 'model="tensorrt_llm",version="1"';

/**
 * Metrics pages, by version. The names, labels, types and bounds are those of the sources that are named; where no page was
 * recorded, the values are made up. A page is read as what each scrape adds to counters and histograms.
 */
export const LLM_PAGES: Readonly<Record<string, LlmPage>> = {
  // DataDog/integrations-core, vllm/tests/fixtures/vllm_metrics.txt; vllm-project/vllm v0.6.3, vllm/engine/metrics.py
  "vLLM 0.6": {
    engine: "vllm",
    image: "vllm/vllm-openai:v0.6.3",
    text: page(
      PYTHON,
      gauge("vllm:cache_config_info", 'block_size="16",cache_dtype="auto",num_gpu_blocks="7281"', 1),
      gauge("vllm:num_requests_running", OPT, 4),
      gauge("vllm:num_requests_swapped", OPT, 0),
      gauge("vllm:num_requests_waiting", OPT, 7),
      gauge("vllm:gpu_cache_usage_perc", OPT, 0.625),
      gauge("vllm:cpu_cache_usage_perc", OPT, 0),
      gauge("vllm:cpu_prefix_cache_hit_rate", OPT, -1),
      gauge("vllm:gpu_prefix_cache_hit_rate", OPT, -1),
      gauge(
        "vllm:lora_requests_info",
        'max_lora="4",running_lora_adapters="a,b",waiting_lora_adapters="c"',
        1.7e9,
      ),
      counter("vllm:num_preemptions_total", OPT, 3),
      counter("vllm:prompt_tokens_total", OPT, 600),
      counter("vllm:generation_tokens_total", OPT, 1200),
      counter("vllm:request_success_total", `finished_reason="length",${OPT}`, 6),
      histogram("vllm:time_to_first_token_seconds", OPT, TTFT, 2.5, [0.03, 0.05, 0.3, 0.3, 0.6]),
      histogram("vllm:time_per_output_token_seconds", OPT, TPOT, 0.19, [0.02, 0.03, 0.04, 0.06]),
      histogram("vllm:e2e_request_latency_seconds", OPT, E2E, 9, [0.5, 2, 2, 4]),
      histogram("vllm:request_prompt_tokens", OPT, TOKENS, 600, [100, 200, 300]),
      histogram("vllm:request_generation_tokens", OPT, TOKENS, 1200, [400, 800]),
    ),
  },
  // vllm-project/vllm v0.8, vllm/v1/metrics/loggers.py
  "vLLM 0.8": {
    engine: "vllm",
    image: "vllm/vllm-openai:v0.8.5",
    text: page(
      PYTHON,
      gauge("vllm:num_requests_running", OPT, 5),
      gauge("vllm:num_requests_waiting", OPT, 1),
      gauge("vllm:gpu_cache_usage_perc", OPT, 0.5),
      counter("vllm:gpu_prefix_cache_queries_total", OPT, 800),
      counter("vllm:gpu_prefix_cache_hits_total", OPT, 200),
      counter("vllm:num_preemptions_total", OPT, 2),
      counter("vllm:prompt_tokens_total", OPT, 750),
      counter("vllm:generation_tokens_total", OPT, 450),
      family("vllm:request_success_total", "counter", {
        [`finished_reason="stop",${OPT}`]: 9,
        [`finished_reason="length",${OPT}`]: 2,
        [`finished_reason="abort",${OPT}`]: 4,
      }),
      histogram("vllm:iteration_tokens_total", OPT, TOKENS, 267, [1, 1, 8, 16]),
      histogram("vllm:time_to_first_token_seconds", OPT, TTFT, 3, [0.005, 0.03, 0.9]),
      histogram("vllm:time_per_output_token_seconds", OPT, TPOT, 0.2, [0.012, 0.02, 0.09]),
      histogram("vllm:e2e_request_latency_seconds", OPT, LONG_E2E, 8, [0.4, 0.9, 7]),
      histogram("vllm:request_queue_time_seconds", OPT, LONG_E2E, 0.1, [0.1]),
    ),
  },
  // vllm-project/vllm commit 005a810b, vllm/v1/metrics/loggers.py
  "vLLM 0.11": {
    engine: "vllm",
    image: "vllm/vllm-openai:v0.11.0",
    text: page(PYTHON, ...VLLM_0_11_ENGINES),
  },
  // DataDog/integrations-core, vllm/tests/fixtures/vllm_metrics.txt, the part of 2026
  "vLLM of 2026": {
    engine: "vllm",
    image: "vllm/vllm-openai:v0.20.1",
    text: page(
      PYTHON,
      gauge("vllm:num_requests_running", QWEN(0), 8),
      gauge("vllm:num_requests_waiting", QWEN(0), 9),
      gauge("vllm:kv_cache_usage_perc", QWEN(0), 0.96875),
      family("vllm:engine_sleep_state", "gauge", {
        [`${QWEN(0)},sleep_state="awake"`]: 1,
        [`${QWEN(0)},sleep_state="weights_offloaded"`]: 0,
      }),
      counter("vllm:prefix_cache_queries_total", QWEN(0), 117),
      counter("vllm:prefix_cache_hits_total", QWEN(0), 64),
      counter("vllm:external_prefix_cache_queries_total", QWEN(0), 10),
      counter("vllm:mm_cache_queries_total", QWEN(0), 5),
      family("vllm:prompt_tokens_by_source_total", "counter", {
        [`${QWEN(0)},source="local_compute"`]: 53,
        [`${QWEN(0)},source="local_cache_hit"`]: 64,
      }),
      counter("vllm:num_preemptions_total", QWEN(0), 6),
      counter("vllm:prompt_tokens_total", QWEN(0), 117),
      counter("vllm:generation_tokens_total", QWEN(0), 150),
      family("vllm:request_success_total", "counter", {
        [`${QWEN(0)},finished_reason="stop"`]: 16,
        [`${QWEN(0)},finished_reason="abort"`]: 2,
        [`${QWEN(0)},finished_reason="error"`]: 5,
      }),
      histogram("vllm:time_to_first_token_seconds", QWEN(0), LONG_TTFT, 90, [1.5, 15, 15, 30]),
      histogram("vllm:inter_token_latency_seconds", QWEN(0), TPOT, 0.62, [0.005, 0.005, 0.09]),
      histogram("vllm:request_time_per_output_token_seconds", QWEN(0), TPOT, 0.02, [0.005]),
      histogram("vllm:e2e_request_latency_seconds", QWEN(0), LONG_E2E, 200, [25, 45, 55, 100]),
      histogram("vllm:request_prefill_kv_computed_tokens", QWEN(0), TOKENS, 53, [10, 20]),
    ),
  },
  // sgl-project/sglang 0.3: a page in an issue, whose label `name` is the model
  "SGLang 0.3": {
    engine: "sglang",
    image: "lmsysorg/sglang:v0.3.5",
    text: page(
      gauge("sglang:num_running_reqs", 'name="google/gemma-2-9b-it"', 11),
      gauge("sglang:num_queue_reqs", 'name="google/gemma-2-9b-it"', 13),
      gauge("sglang:token_usage", 'name="google/gemma-2-9b-it"', 0.375),
      gauge("sglang:cache_hit_rate", 'name="google/gemma-2-9b-it"', 0.2),
      gauge("sglang:gen_throughput", 'name="google/gemma-2-9b-it"', 800),
      counter("sglang:prompt_tokens_total", 'name="google/gemma-2-9b-it"', 1800),
      counter("sglang:generation_tokens_total", 'name="google/gemma-2-9b-it"', 2100),
      counter("sglang:num_requests_total", 'name="google/gemma-2-9b-it"', 21),
      histogram(
        "sglang:time_to_first_token_seconds",
        'name="google/gemma-2-9b-it"',
        SGLANG_SECONDS,
        9,
        [0.3, 0.5, 3],
      ),
      histogram(
        "sglang:time_per_output_token_seconds",
        'name="google/gemma-2-9b-it"',
        SGLANG_TOKEN,
        0.2,
        [0.018, 0.025],
      ),
      histogram(
        "sglang:e2e_request_latency_seconds",
        'name="google/gemma-2-9b-it"',
        SGLANG_SECONDS,
        30,
        [3, 7, 30],
      ),
    ),
  },
  // sgl-project/sglang commit 016d8605, python/sglang/srt/observability/metrics_collector.py: two tensor-parallel ranks of one
  // engine report the same requests, and a priority has a series of its own
  "SGLang 0.5": {
    engine: "sglang",
    image: "lmsysorg/sglang:v0.5.10",
    text: page(
      PYTHON,
      gauge("sglang:http_requests_active", 'endpoint="/generate",method="POST"', 2),
      family("sglang:num_running_reqs", "gauge", {
        'engine_type="unified",model_name="meta-llama/Llama-3.1-8B",pp_rank="0",priority="",tp_rank="0"': 14,
        'engine_type="unified",model_name="meta-llama/Llama-3.1-8B",pp_rank="0",priority="1",tp_rank="0"': 14,
        'engine_type="unified",model_name="meta-llama/Llama-3.1-8B",pp_rank="0",tp_rank="1"': 14,
      }),
      family("sglang:num_queue_reqs", "gauge", {
        'engine_type="unified",model_name="meta-llama/Llama-3.1-8B",pp_rank="0",tp_rank="0"': 3,
        'engine_type="unified",model_name="meta-llama/Llama-3.1-8B",pp_rank="0",tp_rank="1"': 3,
      }),
      gauge("sglang:token_usage", 'model_name="meta-llama/Llama-3.1-8B",tp_rank="0"', 0.75),
      gauge("sglang:cache_hit_rate", 'model_name="meta-llama/Llama-3.1-8B",tp_rank="0"', 0.4),
      gauge("sglang:gen_throughput", 'model_name="meta-llama/Llama-3.1-8B",tp_rank="0"', 425.5),
      counter("sglang:num_retracted_requests_total", 'model_name="meta-llama/Llama-3.1-8B",tp_rank="0"', 9),
      family("sglang:prompt_tokens_total", "counter", {
        'is_streaming="true",model_name="meta-llama/Llama-3.1-8B"': 600,
        'is_streaming="false",model_name="meta-llama/Llama-3.1-8B"': 300,
      }),
      family("sglang:generation_tokens_total", "counter", {
        'is_streaming="true",model_name="meta-llama/Llama-3.1-8B"': 3000,
        'is_streaming="false",model_name="meta-llama/Llama-3.1-8B"': 150,
      }),
      family("sglang:cached_tokens_total", "counter", {
        'cache_source="device",model_name="meta-llama/Llama-3.1-8B"': 100,
        'cache_source="host",model_name="meta-llama/Llama-3.1-8B"': 50,
      }),
      family("sglang:num_requests_total", "counter", {
        'is_streaming="true",model_name="meta-llama/Llama-3.1-8B"': 18,
        'is_streaming="false",model_name="meta-llama/Llama-3.1-8B"': 3,
      }),
      counter("sglang:num_aborted_requests_total", 'model_name="meta-llama/Llama-3.1-8B"', 1),
      histogram(
        "sglang:time_to_first_token_seconds",
        'is_streaming="true",model_name="meta-llama/Llama-3.1-8B"',
        SGLANG_SECONDS,
        2,
        [0.15, 0.15, 0.5, 0.9, 0.9],
      ),
      histogram(
        "sglang:inter_token_latency_seconds",
        'model_name="meta-llama/Llama-3.1-8B"',
        SGLANG_TOKEN,
        0.05,
        [0.003, 0.007, 0.03],
      ),
      histogram(
        "sglang:e2e_request_latency_seconds",
        'is_streaming="true",model_name="meta-llama/Llama-3.1-8B"',
        SGLANG_SECONDS,
        6,
        [0.7, 1.5, 5],
      ),
    ),
  },
  // sgl-project/sglang PR 12970: the router replaces the colon
  "SGLang behind its router": {
    engine: "sglang",
    image: "lmsysorg/sglang:v0.5.6",
    text: page(
      gauge("sglang_num_running_reqs", 'model_name="m"', 2),
      gauge("sglang_num_queue_reqs", 'model_name="m"', 1),
      gauge("sglang_token_usage", 'model_name="m"', 0.125),
      counter("sglang_generation_tokens_total", 'model_name="m"', 90),
      histogram("sglang_time_to_first_token_seconds", 'model_name="m"', SGLANG_SECONDS, 1, [0.3, 0.5]),
    ),
  },
  // DataDog/integrations-core, hugging_face_tgi/tests/fixtures/payload.txt; TGI has no label of the model
  "TGI 2": {
    engine: "tgi",
    image: "ghcr.io/huggingface/text-generation-inference:2.4.0",
    text: page(
      counter("tgi_request_count", "", 111),
      counter("tgi_request_success", "", 99),
      family("tgi_request_failure", "counter", { 'err="validation"': 2, 'err="generation"': 10 }),
      family("tgi_batch_inference_count", "counter", { 'method="prefill"': 16, 'method="decode"': 1509 }),
      gauge("tgi_queue_size", "", 6),
      gauge("tgi_batch_current_size", "", 16),
      gauge("tgi_batch_current_max_tokens", "", 4096),
      histogram("tgi_request_input_length", "", TGI_TOKENS, 662, [6, 6, 100]),
      histogram("tgi_request_generated_tokens", "", TGI_TOKENS, 3423, [20, 30, 400]),
      histogram("tgi_request_duration", "", TGI_SECONDS, 245, [1.2, 1.8, 15]),
      histogram("tgi_request_inference_duration", "", TGI_SECONDS, 240, [1.2, 1.8, 15]),
      histogram("tgi_request_mean_time_per_token_duration", "", TGI_SECONDS, 2, [0.02, 0.04, 0.08]),
      histogram("tgi_batch_forward_duration", 'method="decode"', TGI_SECONDS, 2, [0.02]),
    ),
  },
  // ggml-org/llama.cpp, examples/server/README.md of 2024: the KV cache is exposed
  "llama.cpp of 2024": {
    engine: "llama.cpp",
    image: "ghcr.io/ggerganov/llama.cpp:server-b3500",
    text: page(
      counter("llamacpp:prompt_tokens_total", "", 6886),
      counter("llamacpp:prompt_seconds_total", "", 29),
      counter("llamacpp:tokens_predicted_total", "", 3469),
      counter("llamacpp:tokens_predicted_seconds_total", "", 35),
      gauge("llamacpp:prompt_tokens_seconds", "", 2.37151),
      gauge("llamacpp:predicted_tokens_seconds", "", 0.978764),
      gauge("llamacpp:kv_cache_usage_ratio", "", 0.0625),
      gauge("llamacpp:kv_cache_tokens", "", 512),
      gauge("llamacpp:requests_processing", "", 1),
      gauge("llamacpp:requests_deferred", "", 4),
    ),
  },
  // Recorded from a server of llama.cpp of October 2026 (xllamacpp 2026.10.11549 from PyPI) with a tiny model, under load
  "llama.cpp of 2026": {
    engine: "llama.cpp",
    image: "ghcr.io/ggml-org/llama.cpp:server-cuda-b7000",
    text: page(
      counter("llamacpp:prompt_tokens_total", "", 268),
      counter("llamacpp:prompt_tokens_cached_total", "", 1652),
      counter("llamacpp:prompt_seconds_total", "", 0.028402),
      counter("llamacpp:tokens_predicted_total", "", 11200),
      counter("llamacpp:tokens_predicted_seconds_total", "", 14.0408),
      counter("llamacpp:n_decode_total", "", 3130),
      counter("llamacpp:n_tokens_max", "", 459),
      counter("llamacpp:spec_decode_num_draft_tokens_total", "", 0),
      counter("llamacpp:spec_decode_num_accepted_tokens_total", "", 0),
      counter("llamacpp:spec_decode_num_drafts_total", "", 0),
      gauge("llamacpp:prompt_tokens_seconds", "", 9435.96),
      gauge("llamacpp:predicted_tokens_seconds", "", 795.679),
      gauge("llamacpp:requests_processing", "", 4),
      gauge("llamacpp:requests_deferred", "", 4),
      gauge("llamacpp:n_busy_slots_per_decode", "", 3.99904),
    ),
  },
  // DataDog/integrations-core, nvidia_triton/tests/docker/metrics/metrics.txt; triton-inference-server/tensorrtllm_backend, README.md
  "Triton with TensorRT-LLM": {
    engine: "triton",
    image: "nvcr.io/nvidia/tritonserver:25.10-trtllm-python-py3",
    text: page(
      family("nv_inference_request_success", "counter", { [MODEL]: 30, [TRT]: 24 }),
      family("nv_inference_request_failure", "counter", {
        [`${MODEL},reason="OTHER"`]: 1,
        [`${MODEL},reason="BACKEND"`]: 2,
        [`${TRT},reason="OTHER"`]: 6,
      }),
      family("nv_inference_pending_request_count", "gauge", { [MODEL]: 5, [TRT]: 8 }),
      histogram(
        "nv_inference_first_response_histogram_ms",
        TRT,
        [100, 500, 2000, 5000],
        10_771,
        [90, 300, 400, 1500],
      ),
      family("nv_trt_llm_request_metrics", "gauge", {
        [`${TRT},request_type="waiting"`]: 3,
        [`${TRT},request_type="context"`]: 1,
        [`${TRT},request_type="scheduled"`]: 4,
        [`${TRT},request_type="max"`]: 512,
        [`${TRT},request_type="active"`]: 7,
      }),
      family("nv_trt_llm_kv_cache_block_metrics", "gauge", {
        [`${TRT},kv_cache_block_type="fraction"`]: 0.875,
        [`${TRT},kv_cache_block_type="used"`]: 2000,
        [`${TRT},kv_cache_block_type="max"`]: 6000,
      }),
      histogram(
        "nv_llm_input_token_len",
        `${TRT},response_metric_type="total_input_tokens"`,
        TRT_TOKENS,
        1500,
        [100, 400],
      ),
      histogram(
        "nv_llm_output_token_len",
        `${TRT},response_metric_type="total_output_tokens"`,
        TRT_TOKENS,
        660,
        [60, 600],
      ),
      family("nv_gpu_utilization", "gauge", { 'gpu_uuid="GPU-951eeeeb-d284-d263-688e-d98a5306389b"': 0.78 }),
      gauge("nv_cpu_utilization", "", 0.1),
    ),
  },
};
