import { load } from "js-yaml";
import { RE2JS } from "re2js";
import { ALERT_DEFAULTS } from "../../../settings";
import { CONTAINER_METRICS } from "../../../prometheus/catalogue";
import { buildConfiguration } from "../../../prometheus/config";
import { toYaml } from "../../../prometheus/yaml";
import { llmServerRelabeling } from "../../../prometheus/llmServers";
import { cadvisorRelabeling } from "../../../prometheus/relabeling";
import { CONFIG_FOLDER } from "../../../lib/names";
import { relabeled } from "../../support/relabel";
import { ofVersion, withoutVersion } from "../../../lib/secretFiles";
import { CERTIFICATE, FULL_JOB, KEY, settings, WITH_JOB_SECRETS } from "../../support/settings";

const context = { environment: "test", host: "llm-1", gpu: false };
const configOf = (changes: Parameters<typeof settings>[0] = {}) =>
  buildConfiguration(settings(changes), context).config;

test("cAdvisor is scraped every 30 s and measures for each scrape, without its own timestamps, under the host's label", () => {
  const { global, scrape_configs } = configOf();
  expect(global).toMatchObject({ scrape_interval: "30s", external_labels: { environment: "test" } });
  expect(scrape_configs.map((job) => job.job_name)).toEqual([
    "cadvisor",
    "prometheus",
    "gateway",
    "exporter",
    "host",
    "llm-servers",
  ]);
  expect(scrape_configs[0]).toMatchObject({
    scrape_interval: "30s",
    params: { max_age: ["0s"] },
    enable_compression: false,
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
  expect(jobs.map((job) => job.sample_limit)).toEqual([...Array<number>(5).fill(20_000), 1000, 20_000, 7]);
  expect(jobs.slice(6).map((job) => job.static_configs?.[0]?.labels)).toEqual([
    { host: "llm-1" },
    { host: "elsewhere" },
  ]);
});

test("a job of the user's own has limits far above what LLM servers send, and may set each of them, 0 for none", () => {
  const limitsOf = (changes: object) => {
    const job = { job_name: "vllm", static_configs: [{ targets: ["vllm:8000"] }], ...changes };
    return configOf({ scrapeJobs: [job] }).scrape_configs.at(-1);
  };
  const { label_limit = 0, label_value_length_limit = 0, label_name_length_limit = 0 } = limitsOf({}) ?? {};
  // vLLM: 41 labels of vllm:cache_config_info. Azure/prometheus-collector issue 775: 73 labels of Kafka.
  expect(label_limit).toBeGreaterThan(2 * 73);
  // vLLM: 2,409 characters for 120 adapters in vllm:lora_requests_info. hubblo-org/scaphandre issue 416: 4,478 of a command line.
  expect(label_value_length_limit).toBeGreaterThan(2 * 4478);
  expect(label_name_length_limit).toBeGreaterThan(200);
  const own = {
    body_size_limit: 0,
    sample_limit: 0,
    label_limit: 0,
    label_name_length_limit: 7,
    label_value_length_limit: 100_000,
    keep_dropped_targets: 3,
  };
  expect(limitsOf(own)).toMatchObject(own);
});

test("targets of service discovery get the label host, before the job's own relabeling", () => {
  const rule = { source_labels: ["host"], target_label: "machine" };
  const job = { job_name: "dns", dns_sd_configs: [{ names: ["llm"], type: "A", port: 8000 }] };
  const [plain, relabeled] = configOf({
    scrapeJobs: [job, { ...job, job_name: "more", relabel_configs: [rule] }],
  }).scrape_configs.slice(-2);
  const host = { source_labels: ["host"], regex: "", target_label: "host", replacement: "llm-1" };
  expect(plain?.relabel_configs).toEqual([host]);
  expect(relabeled?.relabel_configs).toEqual([host, rule]);
  expect(toYaml({ scrape_configs: plain ? [plain] : [] })).not.toContain("static_configs");
});

describe("The job of LLM servers", () => {
  const jobOf = (llmServers: string) =>
    buildConfiguration(settings({ llmServers }), { ...context, gpu: true }).config.scrape_configs.find(
      ({ job_name }) => job_name === "llm-servers",
    );

  it("discovers them by the exporter, and trusts nothing that they send", () => {
    expect(jobOf("on")).toMatchObject({
      http_sd_configs: [{ url: "http://exporter:23400/llm-targets" }],
      honor_timestamps: false,
      follow_redirects: false,
      body_size_limit: "10MB",
      sample_limit: 1000,
      label_limit: 40,
      label_value_length_limit: 2000,
    });
    expect(jobOf("on")).not.toHaveProperty("honor_labels");
  });

  it("marks the servers that are scraped through the forwarder", () => {
    const labelsOf = (address: string) =>
      relabeled({ __address__: address, instance: "chat:8000" }, jobOf("on")?.relabel_configs ?? []);
    const direct = { __address__: "172.18.0.7:8000", instance: "chat:8000", host: "llm-1" };
    expect(labelsOf("172.18.0.7:8000")).toEqual(direct);
    expect(labelsOf("llm-forwarder:23401")).toEqual({
      ...direct,
      __address__: "llm-forwarder:23401",
      forwarder: "llm-forwarder",
    });
  });

  it("stores a histogram as one series, under the name that the engine gives it", () => {
    expect(jobOf("on")).toMatchObject({
      convert_classic_histograms_to_nhcb: true,
      // Newer formats negotiate how names are escaped.
      scrape_protocols: ["PrometheusText0.0.4"],
    });
  });

  it("keeps every metric with all, with more samples, and is absent with off, as are its rules", () => {
    expect(jobOf("all")).toMatchObject({
      body_size_limit: "10MB",
      sample_limit: 20_000,
      label_limit: 200,
      label_value_length_limit: 65_536,
    });
    expect(jobOf("off")).toBeUndefined();
    const rules = (llmServers: string) =>
      buildConfiguration(settings({ llmServers }), { ...context, gpu: true }).rules.map(({ name }) => name);
    expect(rules("on")).toContain("llm_servers");
    expect(rules("off")).not.toContain("llm_servers");
  });
});

describe("The job of the forwarder to LLM servers", () => {
  const jobOf = (changes: Parameters<typeof settings>[0]) =>
    configOf(changes).scrape_configs.find(({ job_name }) => job_name === "llm-forwarder");

  it.each([
    ["networks", { llmNetworks: ["chat_default"] }],
    ["keys", { llmKeys: { chat: "key" } }],
  ])("requests nothing but its health, with the setting of %s", (_, changes) => {
    expect(jobOf(changes)).toMatchObject({
      metrics_path: "/healthz",
      static_configs: [{ targets: ["llm-forwarder:23401"], labels: { host: "llm-1" } }],
    });
  });

  it("is absent without both, and with llmServers off", () => {
    expect(jobOf({})).toBeUndefined();
    expect(jobOf({ llmServers: "off", llmNetworks: ["chat_default"] })).toBeUndefined();
  });
});

describe("Secrets of scrape jobs", () => {
  const secrets = [
    "secret-of-oauth2",
    "secret-of-a-header",
    "secret-2",
    "secret-of-basic-auth",
    "secret-of-discovery",
  ];

  it("are in files, which the configuration names, and nowhere else", () => {
    const { files, secretFiles } = buildConfiguration(
      settings({ scrapeJobs: [FULL_JOB] }, WITH_JOB_SECRETS),
      context,
    );
    const text = JSON.stringify(files);
    for (const secret of [...secrets, KEY.split("\n")[1] ?? ""]) {
      expect(text).not.toContain(secret);
      expect(JSON.stringify(secretFiles)).toContain(secret);
    }
    for (const name of Object.keys(secretFiles)) expect(text).toContain(`/etc/prometheus/${name}`);
    expect(secretFiles).toMatchObject({
      "secrets/full.oauth2.client_secret": "secret-of-oauth2\n",
      "secrets/full.http_headers.X-Api-Key.secrets.1": "secret-2\n",
      "secrets/full.http_sd_configs.1.authorization.credentials": "secret-of-discovery\n",
    });
  });

  it("do not change the configuration, nor a file's name, so that neither lets them be guessed", () => {
    const job = (credentials: string) => ({
      job_name: "vllm",
      authorization: { credentials },
      static_configs: [{ targets: ["vllm:8000"] }],
    });
    const built = ["a", "b"].map((credentials) =>
      buildConfiguration(settings({ scrapeJobs: [job(credentials)] }, WITH_JOB_SECRETS), context),
    );
    expect(built[0]?.files).toEqual(built[1]?.files);
    expect(Object.keys(built[0]?.secretFiles ?? {})).toEqual(["secrets/vllm.authorization.credentials"]);
  });

  // prometheus/prometheus issue 5221, kubernetes/kubernetes issue 52919: `invalid header field value "Bearer …\\n"`.
  it("are written without the line break that an editor or `echo` ends them with", () => {
    const job = { job_name: "vllm", static_configs: [{ targets: ["vllm:8000"] }] };
    const scrapeJobs = [{ ...job, authorization: { credentials: "token\n" } }];
    const { secretFiles } = buildConfiguration(settings({ scrapeJobs }, WITH_JOB_SECRETS), context);
    // Prometheus reads the file without the line break. Source: prometheus/common, config/http_config.go, FileSecret.
    expect(Object.values(secretFiles)).toEqual(["token\n"]);
  });

  it("are in files of their own for jobs whose names a shell or a file system would change", () => {
    const names = ["../../x", "a b", "a;rm -rf $HOME", "a'b", "ü", "x".repeat(300)];
    const scrapeJobs = names.map((job_name, n) => ({
      job_name,
      authorization: { credentials: `secret-${n}` },
      static_configs: [{ targets: ["vllm:8000"] }],
    }));
    const { secretFiles } = buildConfiguration(settings({ scrapeJobs }, WITH_JOB_SECRETS), context);
    expect(Object.keys(secretFiles)).toHaveLength(names.length);
    for (const file of Object.keys(secretFiles)) expect(file).toMatch(/^secrets\/[\w.-]{1,200}$/);
  });

  it("lie in a folder of each version, of which a comparison with the settings knows nothing", () => {
    const { files } = buildConfiguration(settings({ scrapeJobs: [FULL_JOB] }, WITH_JOB_SECRETS), context);
    const config = files["prometheus.yml"] ?? "";
    const loaded = ofVersion(config, CONFIG_FOLDER, "01234567-89ab-cdef-0123-456789abcdef");
    expect(loaded).toContain(
      "/etc/prometheus/secrets.01234567-89ab-cdef-0123-456789abcdef/full.tls_config.key",
    );
    expect(loaded).not.toContain("/secrets/");
    expect(withoutVersion(loaded, CONFIG_FOLDER)).toBe(config);
  });
});

test("Alertmanagers appear only when the settings name them", () => {
  expect(configOf()).not.toHaveProperty("alerting");
  expect(configOf({ alertmanagers: ["am:9093"] }).alerting).toEqual({
    alertmanagers: [{ static_configs: [{ targets: ["am:9093"] }] }],
  });
});

describe("Alerts", () => {
  const rulesOf = (alerts: object) =>
    buildConfiguration(settings({ alerts, tlsCertificate: CERTIFICATE, tlsKey: KEY }), {
      ...context,
      gpu: true,
    }).rules.flatMap(({ rules }) => rules.flatMap((rule) => ("alert" in rule ? [rule] : [])));
  const rule = (alert: string, alerts: object = {}) => rulesOf(alerts).find((one) => one.alert === alert);

  it("have the thresholds and times of the setting", () => {
    expect(rule("GpuHot")).toMatchObject({ expr: "gpu_temperature_celsius > 85", for: "10m" });
    expect(rule("GpuHot", { gpuHotCelsius: 70, gpuHotFor: "1h" })).toMatchObject({
      expr: "gpu_temperature_celsius > 70",
      for: "1h",
    });
  });

  it("change with each key of the setting", () => {
    const other = (value: unknown) => {
      if (typeof value === "number") return value / 2;
      return String(value).endsWith("B") ? "7GB" : "7m";
    };
    const before = JSON.stringify(rulesOf({}));
    for (const [key, value] of Object.entries(ALERT_DEFAULTS))
      if (!["disabled", "runbooks"].includes(key))
        expect([key, JSON.stringify(rulesOf({ [key]: other(value) }))]).not.toEqual([key, before]);
  });

  it("are as many as there are names, less those that are turned off", () => {
    const names = rulesOf({ disabled: ["GpuHot", "Watchdog"] }).map(({ alert }) => alert);
    expect(names).not.toContain("GpuHot");
    expect(names).not.toContain("Watchdog");
    expect(names).toHaveLength(rulesOf({}).length - 2);
  });

  it("leave out a group whose alerts are all turned off", () => {
    const disabled = ["GatewayDown", "GatewayLoginsRefused", "GatewayRequestsRefused"];
    const { rules } = buildConfiguration(settings({ alerts: { disabled } }), context);
    expect(rules.map(({ name }) => name)).not.toContain("gateway");
  });

  it("refer to their runbooks, by a path of the repository or by the URL of the setting", () => {
    const runbook = (alerts?: object) => rule("GpuLost", alerts)?.annotations.runbook_url;
    expect(runbook()).toBe("docs/runbooks.md#gpulost");
    const runbooks = "https://git.example.org/metrics/docs/runbooks.md";
    expect(runbook({ runbooks })).toBe(`${runbooks}#gpulost`);
  });

  it("are about GPUs only where GPUs are measured", () => {
    const { rules } = buildConfiguration(settings(), context);
    expect(JSON.stringify(rules)).not.toContain("Gpu");
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
