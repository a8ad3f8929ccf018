/** The metrics page of a version of an engine. */
export interface LlmPage {
  /** The engine, as in the label `llm_server`, and an image of it. */
  engine: string;
  image: string;
  /** Where a recording of the page was published. Undefined: the values are made up. */
  recorded?: string;
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
const histogram = (
  name: string,
  labels: Labels,
  bounds: readonly number[],
  sum: number,
  observed: number[],
) => buckets(name, labels, bounds, sum, (bound) => observed.filter((value) => value <= bound).length);

/** A recorded histogram: the counts of observations up to the bounds, by the bound (rounded down) from which on they are so. */
const counted = (
  name: string,
  labels: Labels,
  bounds: readonly number[],
  sum: number,
  upTo: Record<number, number>,
) =>
  buckets(name, labels, bounds, sum, (bound) =>
    Math.max(
      0,
      ...Object.entries(upTo)
        .filter(([from]) => Number(from) <= bound)
        .map(([, count]) => count),
    ),
  );

function buckets(
  name: string,
  labels: Labels,
  bounds: readonly number[],
  sum: number,
  upTo: (bound: number) => number,
) {
  const le = (bound: number | string) => [labels, `le="${bound}"`].filter(Boolean).join(",");
  return [
    `# TYPE ${name} histogram`,
    ...bounds.map((bound) => series(`${name}_bucket`, le(bound), upTo(bound))),
    series(`${name}_bucket`, le("+Inf"), upTo(Infinity)),
    series(`${name}_sum`, labels, sum),
    series(`${name}_count`, labels, upTo(Infinity)),
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
const LONG_TPOT = [...TPOT, 5, 7.5, 10, 20, 40, 80];
const E2E = [1, 2.5, 5, 10, 15, 20, 30, 40, 50, 60];
const LONG_E2E = [
  0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680,
];
const TOKENS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];
/** SGLang's until 2025. */
const SGLANG_TTFT_2024 = [...TTFT, 15, 20, 25, 30];
const SGLANG_TPOT_2024 = [
  0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5,
];
const SGLANG_E2E_2024 = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000,
];
const SGLANG_E2E_2025 = [0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60];
const SGLANG_SECONDS = [0.1, 0.2, 0.4, 0.6, 0.8, 1, 2, 4, 6, 8, 10, 20, 40, 60, 80, 100, 200, 400];
const SGLANG_TOKEN = [
  0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.2, 0.4, 1,
];
/** TGI's: 0.1 ms, times 1.5. */
const TGI_SECONDS = Array.from({ length: 35 }, (_, n) => 0.00015 * 1.5 ** n);
const TGI_TOKENS = Array.from({ length: 100 }, (_, n) => 5.11 * (n + 1));
const TGI_NEW_TOKENS = Array.from({ length: 100 }, (_, n) => 5.12 * (n + 1));
const TRT_TOKENS = [10, 50, 100, 500, 1000];

const OPT = 'model_name="facebook/opt-125m"';
const MY_MODEL = 'model_name="mymodelname"';
const QWEN_06 = 'model_name="Qwen/Qwen3-0.6B"';
const QWEN_25 = 'engine="0",model_name="/job/model/Qwen2.5-0.5B-Instruct"';
const QWEN_3B = 'engine="0",model_name="Qwen/Qwen2.5-3B-Instruct"';
const SMOLLM = 'engine="0",model_name="smollm2-360m"';
const GEMMA = 'name="google/gemma-2-9b-it"';
const QWEN = (engine: number) => `engine="${engine}",model_name="Qwen/Qwen3-30B"`;

/** Two data-parallel engines in one server of vLLM 0.11 that exposes names of before, by --show-hidden-metrics-for-version=0.10. */
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

/** The pages of several data-parallel engines in one server, by the page of one. */
export const engines = (page: string, count: number): string[] =>
  [...Array(count).keys()].map((n) => page.replaceAll('engine="0"', `engine="${n}"`));

/** Samples of the same metric with other labels. */
const each = (name: string, type: "counter" | "gauge", labels: readonly Labels[], value: number) =>
  family(name, type, Object.fromEntries(labels.map((one) => [one, value])));

/** What SGLang's documentation shows of version 0.4, where the names begin with `sglang:`. */
const sglang04 = (prefix: string, labels: Labels) => {
  const model = ['model_name="meta-llama/Llama-3.1-8B-Instruct"', labels].filter(Boolean).join(",");
  const name = (metric: string) => prefix + metric;
  return page(
    counter(name("prompt_tokens_total"), model, 8.128902e6),
    counter(name("generation_tokens_total"), model, 7.557572e6),
    gauge(name("token_usage"), model, 0.28),
    gauge(name("cache_hit_rate"), model, 0.007507552643049313),
    counted(name("time_to_first_token_seconds"), model, SGLANG_TTFT_2024, 2.3518979474117756e6, {
      ...{ 0.04: 1, 0.06: 3, 0.08: 6, 1: 27, 2.5: 140, 5: 314, 7.5: 941, 10: 1330, 15: 1970, 20: 2326 },
      ...{ 25: 2417, 30: 2513, Infinity: 11_008 },
    }),
    counted(name("e2e_request_latency_seconds"), model, SGLANG_E2E_2025, 3.116093850019932e6, {
      0.5: 6,
      5: 7,
      10: 10,
      15: 11,
      20: 14,
      30: 247,
      40: 486,
      50: 845,
      60: 1513,
      Infinity: 11_228,
    }),
    counted(name("time_per_output_token_seconds"), model, SGLANG_TPOT_2024, 866_964.5791549598, {
      ...{ 0.005: 1, 0.01: 73, 0.015: 382, 0.02: 593, 0.025: 855, 0.03: 1035, 0.04: 1815, 0.05: 11_685 },
      ...{ 0.075: 433_413, 0.1: 4.950195e6, 0.15: 7.039435e6, 0.2: 7.171662e6, 0.3: 7.266055e6 },
      ...{ 0.4: 7.296752e6, 0.5: 7.312226e6, 0.75: 7.339675e6, 1: 7.357747e6, 2.5: 7.389414e6 },
      Infinity: 7.400757e6,
    }),
    // Its label `name` is a function of SGLang.
    counted(
      name("func_latency_seconds"),
      'name="generate_request"',
      [0.05, 4.3248779296875],
      4.514771912145079,
      { 0.05: 14_006, 4.32: 14_007 },
    ),
    gauge(name("num_running_reqs"), model, 162),
    gauge(name("num_used_tokens"), model, 123_859),
    gauge(name("gen_throughput"), model, 86.50814177726902),
    gauge(name("num_queue_reqs"), model, 2826),
  );
};

const MODEL = 'model="ensemble",version="1"';
const TRT = 'model="tensorrt_llm",version="1"';

/** The models of Triton's recording. */
const TRITON_MODELS = [
  ...["simple_string", "simple_sequence", "simple_int8", "simple_identity", "simple_dyna_sequence"],
  ...["inception_graphdef", "simple"],
].map((model) => `model="${model}",version="1"`);
const DENSENET = 'model="densenet_onnx",version="1"';

/**
 * Metrics pages, by version. Recordings have the names, labels, types, bounds and values of the page that was published, without
 * metrics that neither a rule reads nor resemble one. Of the others, the values are made up, and the rest is that of the source
 * that is named: they show what no recording does, such as several ranks of a model. A page is read as what each scrape adds to
 * counters and histograms.
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
  "vLLM 0.6, recorded": {
    engine: "vllm",
    image: "vllm/vllm-openai:v0.6.3.post1",
    recorded: "vllmComposer, the page in its test of get_server_load",
    text: page(
      counter("vllm:num_preemptions_total", MY_MODEL, 0),
      counter("vllm:prompt_tokens_total", MY_MODEL, 5.453083e6),
      counter("vllm:generation_tokens_total", MY_MODEL, 155_722),
      family("vllm:request_success_total", "counter", {
        [`finished_reason="stop",${MY_MODEL}`]: 6193,
        [`finished_reason="abort",${MY_MODEL}`]: 28,
        [`finished_reason="length",${MY_MODEL}`]: 5,
      }),
      gauge("vllm:lora_requests_info", 'max_lora="0",running_lora_adapters="",waiting_lora_adapters=""', 1),
      gauge("vllm:num_requests_running", MY_MODEL, 3),
      gauge("vllm:num_requests_swapped", MY_MODEL, 0),
      gauge("vllm:num_requests_waiting", MY_MODEL, 2),
      gauge("vllm:gpu_cache_usage_perc", MY_MODEL, 0),
      gauge("vllm:cpu_cache_usage_perc", MY_MODEL, 0),
      gauge("vllm:cpu_prefix_cache_hit_rate", MY_MODEL, -1),
      gauge("vllm:gpu_prefix_cache_hit_rate", MY_MODEL, -1),
      gauge("vllm:avg_generation_throughput_toks_per_s", MY_MODEL, 0),
      counted("vllm:time_to_first_token_seconds", MY_MODEL, TTFT, 5686.670262336731, {
        ...{ 0.04: 19, 0.06: 83, 0.08: 133, 0.1: 247, 0.25: 1006, 0.5: 3566, 0.75: 6812, 1: 7511 },
        ...{ 2.5: 8297, 5: 8432, 7.5: 8482, 10: 8494, Infinity: 8499 },
      }),
      counted("vllm:time_per_output_token_seconds", MY_MODEL, TPOT, 6772.65311050415, {
        ...{ 0.01: 36, 0.025: 99, 0.05: 138_458, 0.075: 139_802, 0.1: 140_057, 0.15: 140_759 },
        ...{ 0.2: 141_246, 0.3: 142_037, 0.4: 147_174, 0.5: 147_219, 0.75: 147_223 },
      }),
      counted("vllm:e2e_request_latency_seconds", MY_MODEL, E2E, 8560.867156982422, {
        ...{ 1: 4406, 2.5: 5855, 5: 6120, 10: 6165, 15: 6174, 20: 6181, 30: 6189, 40: 6205, 50: 6211 },
        ...{ 60: 6213, Infinity: 6226 },
      }),
    ),
  },
  // The engine of before version 1, which vLLM had until 0.9. Requests were long, and most were aborted.
  "vLLM 0.8 to 0.9, recorded": {
    engine: "vllm",
    image: "vllm/vllm-openai:v0.9.2",
    recorded: "a script that prints the page of Qwen/Qwen3-0.6B on CPUs, in August 2025",
    text: page(
      gauge(
        "vllm:lora_requests_info",
        'max_lora="1",running_lora_adapters="",waiting_lora_adapters=""',
        1.755178079975038e9,
      ),
      counted("vllm:time_to_first_token_seconds", QWEN_06, LONG_TTFT, 4941.843970537186, {
        0.75: 1,
        1: 4,
        2.5: 16,
        5: 31,
        10: 36,
        40: 40,
        80: 48,
        160: 56,
        640: 69,
      }),
      counted("vllm:time_per_output_token_seconds", QWEN_06, LONG_TPOT, 662.8116002082825, {
        ...{ 0.05: 106, 0.075: 367, 0.1: 372, 0.15: 4054, 0.2: 4720, 0.3: 4779, 0.4: 4784, 0.5: 4789 },
        ...{ 1: 4793, 2.5: 4802, 5: 4804, 40: 4805 },
      }),
      counted("vllm:e2e_request_latency_seconds", QWEN_06, LONG_E2E, 902.0056705474854, {
        10: 1,
        20: 28,
        30: 33,
        60: 37,
        120: 38,
      }),
      counted("vllm:request_queue_time_seconds", QWEN_06, LONG_E2E, 0.017765522003173828, { 0.3: 38 }),
      gauge("vllm:num_requests_running", QWEN_06, 0),
      gauge("vllm:num_requests_waiting", QWEN_06, 0),
      gauge("vllm:gpu_cache_usage_perc", QWEN_06, 0),
      counter("vllm:num_preemptions_total", QWEN_06, 0),
      counter("vllm:prompt_tokens_total", QWEN_06, 43_952),
      counter("vllm:generation_tokens_total", QWEN_06, 4874),
      counter("vllm:request_success_total", `finished_reason="length",${QWEN_06}`, 38),
    ),
  },
  // Old names and new ones at the same time, and the times at which the series were created.
  "vLLM 0.10, recorded": {
    engine: "vllm",
    image: "vllm/vllm-openai:v0.10.2",
    recorded:
      "Ascend-MindIE-PyMotor, tests/coordinator/core/metrics_example.txt, commit 3c55d6c3: a server of September 2025",
    text: page(
      gauge("process_start_time_seconds", "", 1.75800682753e9),
      gauge("vllm:num_requests_running", QWEN_25, 0),
      gauge("vllm:num_requests_waiting", QWEN_25, 0),
      gauge("vllm:gpu_cache_usage_perc", QWEN_25, 1.3798051715085968e-5),
      counter("vllm:gpu_prefix_cache_queries_total", QWEN_25, 39),
      gauge("vllm:gpu_prefix_cache_queries_created", QWEN_25, 1.7580069661425726e9),
      counter("vllm:gpu_prefix_cache_hits_total", QWEN_25, 0),
      gauge("vllm:gpu_prefix_cache_hits_created", QWEN_25, 1.7580069661426013e9),
      gauge("vllm:kv_cache_usage_perc", QWEN_25, 1.3798051715085968e-5),
      counter("vllm:prefix_cache_queries_total", QWEN_25, 39),
      gauge("vllm:prefix_cache_queries_created", QWEN_25, 1.7580069661426528e9),
      counter("vllm:prefix_cache_hits_total", QWEN_25, 0),
      gauge("vllm:prefix_cache_hits_created", QWEN_25, 1.7580069661426802e9),
      counter("vllm:num_preemptions_total", QWEN_25, 0),
      gauge("vllm:num_preemptions_created", QWEN_25, 1.7580069661427052e9),
      counter("vllm:prompt_tokens_total", QWEN_25, 39),
      gauge("vllm:prompt_tokens_created", QWEN_25, 1.7580069661427276e9),
      counter("vllm:generation_tokens_total", QWEN_25, 26),
      gauge("vllm:generation_tokens_created", QWEN_25, 1.7580069661427507e9),
      family("vllm:request_success_total", "counter", {
        [`${QWEN_25},finished_reason="stop"`]: 1,
        [`${QWEN_25},finished_reason="length"`]: 2,
        [`${QWEN_25},finished_reason="abort"`]: 0,
      }),
      family("vllm:request_success_created", "gauge", {
        [`${QWEN_25},finished_reason="stop"`]: 1.758006966142787e9,
        [`${QWEN_25},finished_reason="length"`]: 1.7580069661428006e9,
        [`${QWEN_25},finished_reason="abort"`]: 1.758006966142812e9,
      }),
      counted("vllm:time_to_first_token_seconds", QWEN_25, LONG_TTFT, 0.12277722358703613, {
        0.02: 1,
        0.06: 2,
        0.08: 3,
      }),
      gauge("vllm:time_to_first_token_seconds_created", QWEN_25, 1.758006966143259e9),
      counted("vllm:time_per_output_token_seconds", QWEN_25, LONG_TPOT, 0.22644163999939337, {
        0.01: 18,
        0.025: 23,
      }),
      gauge("vllm:time_per_output_token_seconds_created", QWEN_25, 1.758006966143485e9),
      counted("vllm:e2e_request_latency_seconds", QWEN_25, LONG_E2E, 0.3462679386138916, { 0.3: 3 }),
      gauge("vllm:e2e_request_latency_seconds_created", QWEN_25, 1.7580069661435595e9),
    ),
  },
  // Of its replaced names, vLLM 0.11 still exposes the one of the time per token, and no longer those of caches, as no other version
  // does (vllm-project/vllm v0.11.0, vllm/v1/metrics/loggers.py).
  "vLLM 0.11, recorded": {
    engine: "vllm",
    image: "vllm/vllm-openai:v0.11.0",
    recorded:
      "Ahasannn/hardware-aware-router, data/metrics_snapshots/02ce4b09-7c48-46de-97b9-ac73bb373920.prom, commit a29d8a49: 24 requests of November 2025",
    text: page(
      gauge("process_start_time_seconds", "", 1.76213440066e9),
      gauge("vllm:num_requests_running", QWEN_3B, 0),
      gauge("vllm:num_requests_waiting", QWEN_3B, 0),
      gauge("vllm:kv_cache_usage_perc", QWEN_3B, 0),
      counter("vllm:prefix_cache_queries_total", QWEN_3B, 228),
      gauge("vllm:prefix_cache_queries_created", QWEN_3B, 1.762134523388924e9),
      counter("vllm:prefix_cache_hits_total", QWEN_3B, 0),
      gauge("vllm:prefix_cache_hits_created", QWEN_3B, 1.7621345233889444e9),
      counter("vllm:num_preemptions_total", QWEN_3B, 0),
      gauge("vllm:num_preemptions_created", QWEN_3B, 1.7621345233889618e9),
      counter("vllm:prompt_tokens_total", QWEN_3B, 228),
      gauge("vllm:prompt_tokens_created", QWEN_3B, 1.7621345233889816e9),
      counter("vllm:generation_tokens_total", QWEN_3B, 2502),
      gauge("vllm:generation_tokens_created", QWEN_3B, 1.7621345233890002e9),
      family("vllm:request_success_total", "counter", {
        [`${QWEN_3B},finished_reason="stop"`]: 8,
        [`${QWEN_3B},finished_reason="length"`]: 16,
        [`${QWEN_3B},finished_reason="abort"`]: 0,
      }),
      family("vllm:request_success_created", "gauge", {
        [`${QWEN_3B},finished_reason="stop"`]: 1.76213452338905e9,
        [`${QWEN_3B},finished_reason="length"`]: 1.7621345233890634e9,
        [`${QWEN_3B},finished_reason="abort"`]: 1.7621345233890722e9,
      }),
      counted("vllm:time_to_first_token_seconds", QWEN_3B, LONG_TTFT, 0.7464299201965332, {
        0.04: 23,
        0.06: 24,
      }),
      gauge("vllm:time_to_first_token_seconds_created", QWEN_3B, 1.7621345233910453e9),
      counted("vllm:time_per_output_token_seconds", QWEN_3B, LONG_TPOT, 67.37902535299918, { 0.05: 2478 }),
      gauge("vllm:time_per_output_token_seconds_created", QWEN_3B, 1.7621345233911e9),
      counted("vllm:inter_token_latency_seconds", QWEN_3B, LONG_TPOT, 67.37902535299918, { 0.05: 2478 }),
      gauge("vllm:inter_token_latency_seconds_created", QWEN_3B, 1.7621345233911502e9),
      counted("vllm:request_time_per_output_token_seconds", QWEN_3B, LONG_TPOT, 0.6524641770934415, {
        0.05: 24,
      }),
      gauge("vllm:request_time_per_output_token_seconds_created", QWEN_3B, 1.7621345233912086e9),
      counted("vllm:e2e_request_latency_seconds", QWEN_3B, LONG_E2E, 68.12631511688232, {
        1.5: 3,
        2: 8,
        5: 24,
      }),
      gauge("vllm:e2e_request_latency_seconds_created", QWEN_3B, 1.7621345233912613e9),
    ),
  },
  // The metrics of 2024, and those that vLLM has had since 0.11, in one page.
  "vLLM of 2024 and 2026, recorded": {
    engine: "vllm",
    image: "vllm/vllm-openai:v0.19.0",
    recorded: "DataDog/integrations-core, vllm/tests/fixtures/vllm_metrics.txt, commit 5b8d70d4",
    text: page(
      PYTHON,
      gauge("vllm:num_requests_running", OPT, 0),
      gauge("vllm:num_requests_waiting", OPT, 0),
      gauge("vllm:num_requests_swapped", OPT, 0),
      gauge("vllm:gpu_cache_usage_perc", OPT, 0),
      gauge("vllm:cpu_cache_usage_perc", OPT, 0),
      counter("vllm:num_preemptions_total", OPT, 0),
      counter("vllm:prompt_tokens_total", OPT, 5),
      counter("vllm:generation_tokens_total", OPT, 7),
      counted("vllm:time_to_first_token_seconds", OPT, TTFT, 0.31326723098754883, { 0.5: 1 }),
      counted("vllm:time_per_output_token_seconds", OPT, TPOT, 0.19016313552856445, { 0.05: 6 }),
      counted("vllm:e2e_request_latency_seconds", OPT, E2E, 0.5034303665161133, { 1: 1 }),
      counter("vllm:request_success_total", `finished_reason="length",${OPT}`, 1),
      gauge("vllm:kv_cache_usage_perc", OPT, 0),
      family("vllm:engine_sleep_state", "gauge", {
        [`${OPT},sleep_state="awake"`]: 1,
        [`${OPT},sleep_state="weights_offloaded"`]: 0,
        [`${OPT},sleep_state="discard_all"`]: 0,
      }),
      counter("vllm:prefix_cache_queries_total", OPT, 117),
      counter("vllm:prefix_cache_hits_total", OPT, 64),
      counter("vllm:external_prefix_cache_queries_total", OPT, 0),
      counter("vllm:external_prefix_cache_hits_total", OPT, 0),
      counter("vllm:mm_cache_queries_total", OPT, 0),
      family("vllm:prompt_tokens_by_source_total", "counter", {
        [`${OPT},source="local_compute"`]: 53,
        [`${OPT},source="local_cache_hit"`]: 64,
        [`${OPT},source="external_kv_transfer"`]: 0,
      }),
      counter("vllm:prompt_tokens_cached_total", OPT, 64),
      counted("vllm:iteration_tokens_total", OPT, [1, 8, 16, 32, 64], 267, {
        1: 19,
        8: 67,
        16: 68,
        32: 69,
        64: 71,
      }),
      counted("vllm:inter_token_latency_seconds", OPT, [0.01, 0.1], 0.6237391703762114, {
        0.01: 141,
        0.1: 144,
      }),
      counted("vllm:request_time_per_output_token_seconds", OPT, [0.01], 0.02554149661946724, { 0.01: 6 }),
      counted("vllm:request_queue_time_seconds", OPT, [0.3], 7.358146831393242e-5, { 0.3: 6 }),
    ),
  },
  // The newest one that was found, and the part of it that was published.
  "vLLM 0.29, recorded": {
    engine: "vllm",
    image: "vllm/vllm-openai:v0.29.0",
    recorded: "the book Inference in Production, lab of chapter 3: one scrape, in September 2026",
    text: page(
      counter("vllm:generation_tokens_total", SMOLLM, 11_392),
      gauge("vllm:generation_tokens_created", SMOLLM, 1.7898432023697093e9),
      counted("vllm:time_to_first_token_seconds", SMOLLM, [0.1, 0.25, 0.5, 1, 2.5], 50.003501176834106, {
        0.25: 102,
        0.5: 167,
        1: 175,
        2.5: 178,
      }),
      gauge("vllm:time_to_first_token_seconds_created", SMOLLM, 1.7898432023700442e9),
    ),
  },
  // The label `name` is the model. Running and waiting requests have other names than in a release, and hits are percents.
  "SGLang of 2024, recorded": {
    engine: "sglang",
    image: "lmsysorg/sglang:v0.3.5",
    recorded: "sgl-project/sglang, docs/production_metrics.md of November 2024",
    text: page(
      gauge("sglang:max_total_num_tokens", GEMMA, 161_721),
      counter("sglang:prompt_tokens_total", GEMMA, 506_780),
      counter("sglang:generation_tokens_total", GEMMA, 424_549),
      gauge("sglang:num_requests_running", GEMMA, 0),
      gauge("sglang:num_requests_waiting", GEMMA, 0),
      gauge("sglang:gen_throughput", GEMMA, 0),
      gauge("sglang:token_usage", GEMMA, 0.01),
      gauge("sglang:cached_token", GEMMA, 0),
      gauge("sglang:cache_hit_rate", GEMMA, 10.61),
      gauge("sglang:queue_req", GEMMA, 0),
      counted("sglang:time_to_first_token_seconds", GEMMA, SGLANG_TTFT_2024, 656.0780844688416, {
        0.04: 207,
        0.06: 456,
        0.08: 598,
        0.1: 707,
        0.25: 1187,
        0.5: 1350,
        0.75: 2124,
      }),
      counted("sglang:time_per_output_token_seconds", GEMMA, SGLANG_TPOT_2024, 29_846.5393948555, {
        ...{ 0.02: 9602, 0.025: 30_060, 0.03: 39_184, 0.04: 61_387, 0.05: 78_835, 0.075: 139_394 },
        ...{ 0.1: 422_029, 0.3: 422_424, 0.5: 422_425 },
      }),
      counted("sglang:e2e_request_latency_seconds", GEMMA, SGLANG_E2E_2024, 70_517.99934530258, {
        1: 2,
        2: 21,
        5: 54,
        10: 311,
        20: 733,
        50: 1563,
        100: 2104,
      }),
      counted("sglang:waiting_request_latency_seconds", GEMMA, SGLANG_E2E_2024, 24_885.007263183594, {
        1: 421,
        2: 563,
        5: 900,
        10: 1270,
        20: 1623,
        50: 2104,
      }),
    ),
  },
  "SGLang 0.4, recorded": {
    engine: "sglang",
    image: "lmsysorg/sglang:v0.4.6",
    recorded: "sgl-project/sglang, docs/references/production_metrics.md of 2025",
    text: sglang04("sglang:", ""),
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
  // The gateway replaces the colon, adds a label, and gauges of the quantiles.
  "SGLang behind its gateway, recorded": {
    engine: "sglang",
    image: "lmsysorg/sglang:v0.5.6",
    recorded:
      "sgl-project/sglang, sgl-model-gateway/tests/metrics_aggregator_test.rs, commit 70310f05, of the page of 0.4",
    text:
      sglang04("sglang_", 'source="worker1"') +
      page(
        gauge(
          "sglang_time_to_first_token_seconds_avg",
          'model_name="meta-llama/Llama-3.1-8B-Instruct",source="worker1"',
          213.65351993202904,
        ),
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
  "TGI 2, recorded": {
    engine: "tgi",
    image: "ghcr.io/huggingface/text-generation-inference:2.2.0",
    recorded: "DataDog/integrations-core, hugging_face_tgi/tests/fixtures/payload.txt, commit 9e390cde",
    text: page(
      counter("tgi_request_success", "", 109),
      counter("tgi_batch_concat", 'reason="chunking"', 3),
      counter("tgi_request_count", "", 111),
      counter("tgi_request_failure", 'err="validation"', 2),
      family("tgi_batch_inference_success", "counter", { 'method="prefill"': 16, 'method="decode"': 1509 }),
      family("tgi_batch_inference_count", "counter", { 'method="decode"': 1509, 'method="prefill"': 16 }),
      gauge("tgi_queue_size", "", 0),
      gauge("tgi_batch_current_max_tokens", "", 0),
      gauge("tgi_batch_current_size", "", 0),
      counted("tgi_request_input_length", "", TGI_TOKENS, 662, { 10: 109 }),
      counted("tgi_request_inference_duration", "", TGI_SECONDS, 245.91743839099996, {
        1.12: 2,
        1.68: 83,
        2.52: 103,
        3.78: 104,
        19: 109,
      }),
      counted("tgi_request_duration", "", TGI_SECONDS, 541.2140316159999, {
        1.12: 2,
        1.68: 4,
        2.52: 24,
        3.78: 51,
        5.68: 77,
        8.5: 104,
        19: 108,
        28: 109,
      }),
      counted("tgi_request_queue_duration", "", TGI_SECONDS, 295.275961956, {
        0: 9,
        0.065: 17,
        0.098: 29,
        2.52: 55,
        3.78: 81,
        5.68: 107,
        8.5: 108,
        12: 109,
      }),
      counted("tgi_request_mean_time_per_token_duration", "", TGI_SECONDS, 8.643160945, {
        0.065: 9,
        0.098: 109,
      }),
      counted("tgi_request_generated_tokens", "", TGI_NEW_TOKENS, 3423, {
        15: 2,
        20: 103,
        56: 104,
        266: 109,
      }),
    ),
  },
  // The KV cache is exposed.
  "llama.cpp of 2024, recorded": {
    engine: "llama.cpp",
    image: "ghcr.io/ggerganov/llama.cpp:server-b3500",
    recorded: "ikawrakow/ik_llama.cpp, pull request 695, which exposes what llama.cpp did in 2024",
    text: page(
      counter("llamacpp:prompt_tokens_total", "", 6886),
      counter("llamacpp:prompt_seconds_total", "", 2903.63),
      counter("llamacpp:tokens_predicted_total", "", 3469),
      counter("llamacpp:tokens_predicted_seconds_total", "", 3544.27),
      gauge("llamacpp:prompt_tokens_seconds", "", 2.37151),
      gauge("llamacpp:predicted_tokens_seconds", "", 0.978764),
      gauge("llamacpp:kv_cache_usage_ratio", "", 0.491063),
      gauge("llamacpp:kv_cache_tokens", "", 31_428),
      gauge("llamacpp:requests_processing", "", 0),
      gauge("llamacpp:requests_deferred", "", 0),
    ),
  },
  "llama.cpp of 2026": {
    engine: "llama.cpp",
    image: "ghcr.io/ggml-org/llama.cpp:server-cuda-b7000",
    recorded: "a server of October 2026 (xllamacpp 2026.10.11549 from PyPI) with a tiny model, under load",
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
  "Triton, recorded": {
    engine: "triton",
    image: "nvcr.io/nvidia/tritonserver:23.06-py3",
    recorded: "DataDog/integrations-core, nvidia_triton/tests/docker/metrics/metrics.txt, commit f6e5f926",
    text: page(
      each("nv_inference_request_success", "counter", TRITON_MODELS, 0),
      series("nv_inference_request_success", DENSENET, 3),
      each("nv_inference_request_failure", "counter", [...TRITON_MODELS, DENSENET], 0),
      each("nv_inference_count", "counter", TRITON_MODELS, 0),
      series("nv_inference_count", DENSENET, 3),
      each("nv_inference_request_duration_us", "counter", TRITON_MODELS, 0),
      series("nv_inference_request_duration_us", DENSENET, 1_327_965),
      each("nv_inference_pending_request_count", "gauge", [...TRITON_MODELS, DENSENET], 0),
      gauge("nv_gpu_utilization", 'gpu_uuid="GPU-951eeeeb-d284-d263-688e-d98a5306389b"', 0),
      gauge("nv_cpu_utilization", "", 0),
      gauge("nv_cache_num_hits", "", 0),
    ),
  },
  // The first versions expose neither the requests that wait nor the fraction of the cache.
  "Triton with TensorRT-LLM of 2023, recorded": {
    engine: "triton",
    image: "nvcr.io/nvidia/tritonserver:23.11-trtllm-python-py3",
    recorded: "triton-inference-server/tensorrtllm_backend, README.md, Triton Metrics",
    text: page(
      family("nv_trt_llm_request_metrics", "gauge", {
        [`${TRT},request_type="context"`]: 1,
        [`${TRT},request_type="scheduled"`]: 1,
        [`${TRT},request_type="max"`]: 512,
        [`${TRT},request_type="active"`]: 0,
      }),
      family("nv_trt_llm_runtime_memory_metrics", "gauge", {
        [`${TRT},memory_type="pinned"`]: 0,
        [`${TRT},memory_type="gpu"`]: 1_610_236,
        [`${TRT},memory_type="cpu"`]: 0,
      }),
      family("nv_trt_llm_kv_cache_block_metrics", "gauge", {
        [`${TRT},kv_cache_block_type="tokens_per"`]: 64,
        [`${TRT},kv_cache_block_type="used"`]: 1,
        [`${TRT},kv_cache_block_type="free"`]: 6239,
        [`${TRT},kv_cache_block_type="max"`]: 6239,
      }),
      gauge("nv_trt_llm_general_metrics", `${TRT},general_type="timestamp"`, 1_700_074_049),
      counter("nv_inference_request_success", TRT, 0),
      counter("nv_inference_request_failure", TRT, 0),
      gauge("nv_inference_pending_request_count", TRT, 0),
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
