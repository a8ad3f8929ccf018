import { load } from "js-yaml";
import { RE2JS } from "re2js";
import { CONTAINER_METRICS } from "../../../prometheus/catalogue";
import { buildConfiguration, toYaml } from "../../../prometheus/config";
import { llmServerRelabeling } from "../../../prometheus/llmServers";
import { cadvisorRelabeling } from "../../../prometheus/relabeling";
import { settings } from "../../support/settings";

const context = { environment: "test", host: "llm-1", gpu: false };
const configOf = (changes: Parameters<typeof settings>[0] = {}) =>
  buildConfiguration(settings(changes), context).config;

test("cAdvisor is scraped every 30 s and measures for each scrape, without its own timestamps, under the host's label", () => {
  const { global, scrape_configs } = configOf();
  expect(global).toMatchObject({ scrape_interval: "30s", external_labels: { environment: "test" } });
  expect(scrape_configs.map((job) => job.job_name)).toEqual(["cadvisor", "prometheus", "gateway"]);
  expect(scrape_configs[0]).toMatchObject({
    scrape_interval: "30s",
    params: { max_age: ["0s"] },
    honor_timestamps: false,
    static_configs: [{ targets: ["cadvisor:8080"], labels: { host: "llm-1" } }],
  });
});

test("every job has limits, and an extra job may set its own sample limit and labels", () => {
  const scrapeJobs = [
    { job_name: "a", static_configs: [{ targets: ["a:1"] }] },
    { job_name: "b", sample_limit: 7, static_configs: [{ targets: ["b:1"], labels: { host: "elsewhere" } }] },
  ];
  const jobs = configOf({ scrapeJobs }).scrape_configs;
  expect(jobs.map((job) => job.sample_limit)).toEqual([20_000, 20_000, 20_000, 20_000, 7]);
  expect(jobs.slice(3).map((job) => job.static_configs[0]?.labels)).toEqual([
    { host: "llm-1" },
    { host: "elsewhere" },
  ]);
});

test("Alertmanagers appear only when the settings name them", () => {
  expect(configOf()).not.toHaveProperty("alerting");
  expect(configOf({ alertmanagers: ["am:9093"] }).alerting).toEqual({
    alertmanagers: [{ static_configs: [{ targets: ["am:9093"] }] }],
  });
});

test("the YAML parses to the object, and is the same for the same settings", () => {
  const config = configOf();
  expect(load(toYaml(config))).toEqual(config);
  expect(toYaml(configOf())).toBe(toYaml(config));
});

test("the high-cardinality families are not kept, the limits are", () => {
  const kept = RE2JS.compile(cadvisorRelabeling()[0]?.regex ?? "");
  for (const family of [
    "container_network_tcp_usage_total",
    "container_network_udp_usage_total",
    "container_tasks_state",
  ])
    expect(kept.matches(family)).toBe(false);
  for (const family of ["container_spec_memory_limit_bytes", "container_spec_cpu_quota"])
    expect(kept.matches(family)).toBe(true);
});

test("the catalogue lists each metric once, with its meaning", () => {
  const names = Object.keys(CONTAINER_METRICS);
  expect(new Set(names).size).toBe(names.length);
  for (const [name, help] of Object.entries(CONTAINER_METRICS)) {
    expect(name).toMatch(/^container_[a-z0-9_]+$/);
    expect(help.length).toBeGreaterThan(10);
  }
});

/** The label that the rules give, by the regular expressions of the engine that Prometheus has. */
function llmServer(image: string, label = ""): string {
  const labels: Record<string, string> = { image, label };
  for (const {
    source_labels: [source = ""] = [],
    regex = "",
    target_label = "",
    replacement = "",
  } of llmServerRelabeling("label")) {
    const matcher = RE2JS.compile(regex).matcher(labels[source] ?? "");
    if (matcher.matches()) labels[target_label] = replacement.replace("$1", () => matcher.group(1) ?? "");
  }
  return labels["llm_server"] ?? "";
}

test.each([
  ["vllm/vllm-openai:v0.11.0", "vllm"],
  ["vllm/vllm-openai@sha256:0f", "vllm"],
  ["registry.example:5000/team/my-vllm:1", "vllm"],
  ["public.ecr.example/vllm", "vllm"],
  ["lmsysorg/sglang:v0.5.3-cu126", "sglang"],
  ["ghcr.io/huggingface/text-generation-inference:3.3", "tgi"],
  ["example/tgi-gaudi:1", "tgi"],
  ["ollama/ollama:0.12.3", "ollama"],
  ["ghcr.io/ggml-org/llama.cpp:server-cuda", "llama.cpp"],
  ["example/llama-cpp-python:1", "llama.cpp"],
  ["nvcr.io/nvidia/tritonserver:25.09-vllm-python-py3", "triton"],
  ["example/notvllm:1", ""],
  ["example/proxy:vllm", ""],
  ["sha256:0123456789abcdef", ""],
  ["nginx:1.29", ""],
])("the image %s is an LLM server: %s", (image, server) => {
  expect(llmServer(image)).toBe(server);
});

test("the container's label overrides its image", () => {
  expect(llmServer("example/chat:1", "vllm")).toBe("vllm");
  expect(llmServer("vllm/vllm-openai:v0.11.0", "none")).toBe("");
});
