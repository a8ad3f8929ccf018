import {
  cadvisor,
  container,
  EXEMPT,
  exporter,
  llmForwarder,
  llmJob,
  named,
  type AlertCases,
} from "./series";

/** A series of an LLM server. */
const llm = (metric: string, more = "", name = "chat") => {
  const [, bare = "", matchers = ""] = /^([^{]+)(?:\{(.*)\})?$/.exec(metric) ?? [];
  return llmJob(bare, [named(name), matchers, more].filter(Boolean).join(","));
};

/**
 * The metrics in which engines expose requests that wait, and tokens that were generated and that were read; those ending in * are
 * histograms.
 */
const QUEUES = [
  ["vllm:num_requests_waiting", "vllm:generation_tokens_total", "vllm:prompt_tokens_total"],
  ["sglang:num_queue_reqs", "sglang:generation_tokens_total", "sglang:prompt_tokens_total"],
  ["sglang:num_requests_waiting", "sglang:generation_tokens_total", "sglang:prompt_tokens_total"],
  ["tgi_queue_size", "tgi_request_generated_tokens*", "tgi_request_input_length*"],
  ["llamacpp:requests_deferred", "llamacpp:tokens_predicted_total", "llamacpp:prompt_tokens_total"],
  [
    'nv_trt_llm_request_metrics{request_type="waiting"}',
    "nv_llm_output_token_len*",
    "nv_llm_input_token_len*",
  ],
  ["nv_inference_pending_request_count", "nv_llm_output_token_len*", "nv_llm_input_token_len*"],
] as const;

/** The metrics in which engines expose how full the KV cache is, each with one about preemptions. */
const CACHES = [
  ["vllm:kv_cache_usage_perc", "vllm:num_preemptions_total"],
  ["vllm:gpu_cache_usage_perc", "vllm:num_preemptions_total"],
  ["sglang:token_usage", "sglang:num_retracted_requests_total"],
  // These engines expose no preemptions.
  ["llamacpp:kv_cache_usage_ratio", "vllm:num_preemptions_total"],
  ['nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="fraction"}', "vllm:num_preemptions_total"],
] as const;

/** Blocks of the KV cache of a server that preempts requests. */
const blocks = (used: number, free: number) => {
  const types = { tokens_per: 64, used, free, max: used + free };
  return Object.fromEntries([
    ...Object.entries(types).map(([type, count]) => [
      llm(`nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="${type}"}`),
      `${count}x100`,
    ]),
    [llm("vllm:num_preemptions_total"), "0+1x100"],
  ]) as Record<string, string>;
};

/** The histograms of engines of the time to the first token, with the number of their units in a second. */
const FIRST_TOKENS = [
  ["vllm:time_to_first_token_seconds", 1],
  ["sglang:time_to_first_token_seconds", 1],
  ["nv_inference_first_response_histogram_ms", 1000],
] as const;

/** The counters of engines of errors, and of all requests or of those without errors. */
const REQUESTS = [
  [
    'vllm:request_success_total{finished_reason="error"}',
    'vllm:request_success_total{finished_reason="stop"}',
  ],
  ["tgi_request_failure", "tgi_request_count"],
  ["nv_inference_request_failure", "nv_inference_request_success"],
  ['sglang:http_responses_total{status_code="503",endpoint="/generate"}', "sglang:num_requests_total"],
] as const;

/** Tokens: none for a while, then some with each scrape, then no more. */
const tokens = (metric: string, increments: [step: number, scrapes: number][]) => {
  let total = 100;
  const runs = increments.map(([step, scrapes]) => {
    const run = metric.endsWith("*")
      ? `${tokenHistogram(total)}+${tokenHistogram(step)}x${scrapes}`
      : `${total}+${step}x${scrapes}`;
    total += step * (scrapes + 1);
    return run;
  });
  return { [llm(metric.replace("*", ""))]: runs.join(" ") };
};
const tokenHistogram = (sum: number) =>
  `{{schema:-53 sum:${sum} count:${sum} custom_values:[10] buckets:[${sum} 0]}}`;

/** Requests by the time to their first token: in each scrape, for some scrapes, up to 5 s, 10 s and 20 s. */
const firstTokens = (unit: number, ...phases: [each: [number, number, number], scrapes: number][]) => {
  const histogram = (counts: number[]) =>
    `{{schema:-53 sum:1 count:${counts.reduce((a, b) => a + b)} custom_values:[${[5, 10, 20].map((bound) => bound * unit).join(" ")}] buckets:[${counts.join(" ")} 0]}}`;
  let total = [0, 0, 0];
  return phases
    .map(([each, scrapes]) => {
      const first = total.map((count, n) => count + (each[n] ?? 0));
      total = first.map((count, n) => count + (each[n] ?? 0) * scrapes);
      return `${histogram(first)}+${histogram(each)}x${scrapes}`;
    })
    .join(" ");
};

const started = (at: string) => ({ [container("container_start_time_seconds")]: at });
const scraped = (reason: string, value: number, more = "") => ({
  [exporter("llm_server_scraped", `${named("chat")},reason="${reason}"${more && `,${more}`}`)]:
    `${value}x100`,
});
const OWN_JOB = (metric: string) => llm(metric).replace('job="llm-servers"', 'job="mine"');

/** A server that is renamed while it answers, so that it has two names for a moment, and later answers no more. */
const RENAMED_AND_DOWN = {
  [llm("up")]: "1x22 stale",
  [llmJob("up", named("chat-2", "chat"))]: "_x20 1x20 0x120",
  [container("container_start_time_seconds")]: "0x20 stale",
  [cadvisor("container_start_time_seconds", named("chat-2", "chat"))]: "_x21 0x140",
};

/** A server behind the forwarder that answers no more from minute 10 on. */
const BEHIND_FORWARDER = {
  [llm("up", 'forwarder="llm-forwarder"')]: "1x20 0x200",
  ...started("0x220"),
};

/** What keeps the forwarder from every server while a series is 0. */
const forwarderFaults = (values: string) => ({
  "the forwarder is down": { [llmForwarder("up")]: values },
  "the exporter is down": { [exporter("up")]: values },
  "Docker does not answer the exporter": { [exporter("gpu_exporter_docker_up")]: values },
});

/** The forwarder reaches servers, and that of another host does not. */
const FORWARDER_WORKS = {
  [llmForwarder("up")]: "1x220",
  [exporter("up")]: "1x220",
  [exporter("gpu_exporter_docker_up")]: "1x220",
  [llmForwarder("up").replace('host="h"', 'host="other"')]: "0x220",
};

export const LLM_CASES = {
  LlmServerDown: [
    ...Object.entries(forwarderFaults("1x20 0x60 1x140")).map(([fault, series]) => ({
      name: `about a server behind the forwarder two minutes after the time in which ${fault}`,
      series: { ...BEHIND_FORWARDER, ...series },
      silent: ["12m30s", "13m", "30m", "40m30s", "42m"],
      fires: ["43m"],
    })),
    {
      name: "about a server behind the forwarder, while two of three scrapes of the exporter fail",
      series: { ...BEHIND_FORWARDER, ...FORWARDER_WORKS, [exporter("up")]: `${"0 0 1 ".repeat(60)}1` },
      silent: ["12m"],
      fires: ["13m", "30m", "50m"],
    },
    {
      name: "about a server that no forwarder is needed for, while the forwarder and the exporter are down",
      series: {
        [llm("up")]: "1x20 0x100",
        ...started("0x120"),
        [llmForwarder("up")]: "0x120",
        [exporter("up")]: "0x120",
      },
      silent: ["12m"],
      fires: ["13m"],
    },
    {
      name: "about a server behind the forwarder, while the forwarder of another host is down",
      series: { ...BEHIND_FORWARDER, ...FORWARDER_WORKS },
      silent: ["12m"],
      fires: ["13m", "50m"],
    },
    {
      name: "after two minutes",
      series: { [llm("up")]: "1x20 0x100", ...started("0x120") },
      silent: ["12m"],
      fires: ["13m", "50m"],
    },
    {
      name: "about a server that was renamed",
      series: RENAMED_AND_DOWN,
      silent: ["22m"],
      fires: ["24m", "55m"],
    },
    {
      name: "about another server while one is renamed",
      series: {
        ...RENAMED_AND_DOWN,
        [llm("up", "", "web")]: "1x5 0x100",
        [container("container_start_time_seconds", "web")]: "0x120",
      },
      silent: ["4m"],
      fires: ["6m", "10m30s", "15m"],
    },
    {
      name: "while a server that was started again loads its model",
      series: { [llm("up")]: "1x20 0x100", ...started("0x20 630x100") },
      silent: ["13m", "50m"],
    },
    {
      name: "about a server that has not answered yet, one failed scrape, and the label alerts=none",
      series: {
        [llm("up")]: "0x120",
        ...started("0x120"),
        [llm("up", "", "web")]: "1x20 0 1x100",
        [container("container_start_time_seconds", "web")]: "0x120",
        [llm("up", EXEMPT, "dev")]: "1x20 0x100",
        [container("container_start_time_seconds", "dev")]: "0x120",
      },
      silent: ["5m", "13m", "50m"],
    },
    {
      name: "about a server whose container has ended",
      series: { [llm("up")]: "1x20 0 stale", ...started("0x20 stale") },
      silent: ["13m", "20m"],
    },
  ],
  LlmServerLoading: [
    ...Object.entries(forwarderFaults("1x20 0x99 1x101")).map(([fault, series]) => ({
      name: `about a server behind the forwarder that starts while ${fault}`,
      series: {
        ...series,
        [llm("up", 'forwarder="llm-forwarder"')]: "_x21 0x100 1x100",
        ...started("_x21 630x200"),
      },
      silent: ["45m", "60m", "60m30s", "61m", "65m"],
    })),
    {
      name: "half an hour after the start of a server behind the forwarder",
      series: {
        ...FORWARDER_WORKS,
        [llm("up", 'forwarder="llm-forwarder"')]: "0x200",
        ...started("0x200"),
      },
      silent: ["31m"],
      fires: ["32m"],
    },
    {
      name: "half an hour after a start",
      series: { [llm("up")]: "0x200", ...started("0x200") },
      silent: ["31m"],
      fires: ["32m"],
    },
    {
      name: "half an hour after a restart",
      series: { [llm("up")]: "1x20 0x200", ...started("0x20 630x200") },
      silent: ["41m"],
      fires: ["42m"],
    },
    {
      name: "about a server that has answered, and was renamed",
      series: RENAMED_AND_DOWN,
      silent: ["25m", "55m"],
    },
    {
      name: "about a server that has loaded its model, and the label alerts=none",
      series: {
        [llm("up")]: "0x40 1x20 0x200",
        ...started("0x260"),
        [llm("up", EXEMPT, "dev")]: "0x200",
        [container("container_start_time_seconds", "dev")]: "0x260",
      },
      silent: ["25m", "40m", "1h"],
    },
  ],
  LlmMetricsMissing: [
    {
      name: "about a server on a network of its own",
      series: scraped("network", 0),
      silent: ["14m"],
      fires: ["16m"],
    },
    {
      name: "about a server whose port is unknown",
      series: scraped("port", 0),
      silent: ["14m"],
      fires: ["16m"],
    },
    {
      name: "about a server that has a key and is in the host's network",
      series: scraped("key", 0),
      silent: ["14m"],
      fires: ["16m"],
    },
    {
      name: "about a server that exposes none of the engine's metrics",
      series: { [llm("up")]: "1x100", [llm("scrape_samples_post_metric_relabeling")]: "0x100" },
      silent: ["14m"],
      fires: ["16m"],
    },
    {
      name: "about servers that are scraped, excluded by a label, of an engine without metrics, or do not answer",
      series: {
        ...scraped("", 1),
        ...scraped("label", 0),
        ...scraped("engine", 0),
        [llm("up")]: "1x100",
        [llm("scrape_samples_post_metric_relabeling")]: "20x100",
        [llm("up", "", "web")]: "0x100",
        [llm("scrape_samples_post_metric_relabeling", "", "web")]: "0x100",
      },
      silent: ["16m", "30m"],
    },
    {
      name: "about a container with the label alerts=none",
      series: {
        ...scraped("network", 0, EXEMPT),
        [llm("up", EXEMPT)]: "1x100",
        [llm("scrape_samples_post_metric_relabeling", EXEMPT)]: "0x100",
      },
      silent: ["16m"],
    },
  ],
  LlmAdmissionStalled: [
    ...QUEUES.map(([waiting, generated]) => ({
      name: `ten minutes after nothing was generated in five: ${waiting}`,
      series: {
        [llm(waiting)]: "3x120",
        ...tokens(generated, [
          [10, 40],
          [0, 80],
        ]),
      },
      silent: ["19m", "34m"],
      fires: ["36m"],
    })),
    ...QUEUES.map(([waiting, generated, read]) => ({
      name: `ten minutes after a server that generates nothing has read nothing in five: ${waiting}`,
      series: {
        [llm(waiting)]: "3x120",
        ...tokens(generated, [[0, 120]]),
        ...tokens(read, [
          [10, 40],
          [0, 80],
        ]),
      },
      silent: ["19m", "34m"],
      fires: ["36m"],
    })),
    {
      name: "while tokens are generated, without requests, and about metrics of a job of the user's own",
      series: {
        [llm("vllm:num_requests_waiting")]: "50x120",
        ...tokens("vllm:generation_tokens_total", [[1, 120]]),
        [llm("vllm:num_requests_waiting", "", "idle")]: "0x120",
        [llm("vllm:generation_tokens_total", "", "idle")]: "5x120",
        ...Object.fromEntries(QUEUES.map(([waiting]) => [OWN_JOB(waiting), "3x120"])),
      },
      silent: ["20m", "40m"],
    },
    {
      name: "about a server of embeddings, which generates nothing",
      series: {
        [llm("vllm:num_requests_waiting")]: "3x120",
        [llm("vllm:generation_tokens_total")]: "0x120",
        ...tokens("vllm:prompt_tokens_total", [[100, 120]]),
      },
      silent: ["20m", "40m"],
    },
    {
      name: "about a container with the label alerts=none",
      series: {
        [llm("vllm:num_requests_waiting", EXEMPT)]: "3x120",
        [llm("vllm:generation_tokens_total", EXEMPT)]: "5x120",
      },
      silent: ["40m"],
    },
  ],
  LlmQueueGrowing: [
    ...QUEUES.map(([waiting]) => ({
      name: `by more than ten requests in 15 minutes: ${waiting}`,
      series: { [llm(waiting)]: "0x40 0+0.4x80" },
      silent: ["38m"],
      fires: ["44m"],
    })),
    {
      name: "slowly",
      series: { [llm("vllm:num_requests_waiting")]: `0+${8 / 30}x120` },
      silent: ["30m", "50m"],
    },
    { name: "about a long queue", series: { [llm("vllm:num_requests_waiting")]: "90x120" }, silent: ["30m"] },
    {
      name: "about a container with the label alerts=none",
      series: { [llm("vllm:num_requests_waiting", EXEMPT)]: "0+1x120" },
      silent: ["30m"],
    },
  ],
  LlmCacheFull: [
    ...CACHES.map(([used, preemptions]) => ({
      name: `while requests are preempted: ${used}`,
      series: { [llm(used)]: "0.96x100", [llm(preemptions)]: "0x20 1+1x17 18x60" },
      silent: ["9m", "18m", "26m"],
      fires: ["22m"],
    })),
    {
      name: "while requests are preempted: blocks in use, of a server that exposes no fraction of them",
      series: blocks(96, 4),
      silent: ["9m"],
      fires: ["12m"],
    },
    { name: "while half of the blocks are in use", series: blocks(50, 50), silent: ["30m"] },
    {
      name: "while no request is preempted, or the cache has room",
      series: {
        [llm("vllm:kv_cache_usage_perc")]: "0.99x100",
        [llm("vllm:num_preemptions_total")]: "5x100",
        [llm("vllm:kv_cache_usage_perc", "", "web")]: "0.9x100",
        [llm("vllm:num_preemptions_total", "", "web")]: "0+1x100",
      },
      silent: ["30m"],
    },
    {
      name: "about a container with the label alerts=none",
      series: {
        [llm("vllm:kv_cache_usage_perc", EXEMPT)]: "0.99x100",
        [llm("vllm:num_preemptions_total", EXEMPT)]: "0+1x100",
      },
      silent: ["30m"],
    },
  ],
  LlmLatencyHigh: [
    ...FIRST_TOKENS.map(([histogram, unit]) => ({
      name: `where one in twenty requests waits longer: ${histogram}`,
      series: { [llm(histogram)]: firstTokens(unit, [[90, 0, 10], 40], [[100, 0, 0], 40]) },
      silent: ["9m", "24m"],
      fires: ["12m", "21m30s"],
    })),
    ...FIRST_TOKENS.map(([histogram, unit]) => ({
      name: `where one in twenty requests waits for 7.5 s: ${histogram}`,
      series: { [llm(histogram)]: firstTokens(unit, [[90, 10, 0], 80]) },
      silent: ["12m", "30m"],
    })),
    {
      name: "without requests, and about a container with the label alerts=none",
      series: {
        [llm("vllm:time_to_first_token_seconds")]: firstTokens(1, [[0, 0, 0], 80]),
        [llm("vllm:time_to_first_token_seconds", EXEMPT)]: firstTokens(1, [[0, 0, 10], 80]),
      },
      silent: ["12m", "30m"],
    },
  ],
  LlmErrors: [
    ...REQUESTS.map(([errors, requests]) => ({
      name: `above 5 % of ${requests}: ${errors}`,
      series: { [llm(errors)]: "0x40 6+6x80", [llm(requests)]: "0+100x120" },
      silent: ["19m", "28m"],
      fires: ["31m", "50m"],
    })),
    ...REQUESTS.map(([errors, requests]) => ({
      name: `until more succeed: ${errors}, ${requests}`,
      series: { [llm(errors)]: "0+7x120", [llm(requests)]: "0+93x40 3920+200x80" },
      silent: ["23m30s"],
      fires: ["15m", "21m30s"],
    })),
    ...REQUESTS.map(([errors, requests]) => ({
      name: `below 5 % of ${requests}: ${errors}`,
      series: { [llm(errors)]: "0+4x120", [llm(requests)]: "0+100x120" },
      silent: ["20m", "50m"],
    })),
    {
      name: "above 5 % of the requests for a model, among more for another",
      series: {
        [llm("nv_inference_request_failure", 'model="a"')]: "0+6x120",
        [llm("nv_inference_request_success", 'model="a"')]: "0+100x120",
        [llm("nv_inference_request_success", 'model="b"')]: "0+900x120",
      },
      silent: ["5m"],
      fires: ["7m"],
    },
    {
      name: "above 5 % of the requests for all models, where errors have no model",
      series: {
        [llm('sglang:http_responses_total{status_code="500",endpoint="/generate"}')]: "0+6x120",
        [llm("sglang:num_requests_total", 'model="a"')]: "0+50x120",
        [llm("sglang:num_requests_total", 'model="b"')]: "0+49x120",
      },
      silent: ["5m"],
      fires: ["7m"],
    },
    {
      name: "about answers that are no errors, and failed health checks",
      series: {
        [llm('sglang:http_responses_total{status_code="400",endpoint="/generate"}')]: "0+50x120",
        [llm('sglang:http_responses_total{status_code="503",endpoint="/health_generate"}')]: "0+50x120",
        [llm("sglang:num_requests_total")]: "0+100x120",
      },
      silent: ["20m"],
    },
    {
      name: "without requests, and about a container with the label alerts=none",
      series: {
        [llm("tgi_request_failure")]: "5x120",
        [llm("tgi_request_count")]: "5x120",
        [llm("tgi_request_failure", EXEMPT)]: "0+5x120",
        [llm("tgi_request_count", EXEMPT)]: "0+5x120",
      },
      silent: ["20m"],
    },
  ],
} satisfies AlertCases;
