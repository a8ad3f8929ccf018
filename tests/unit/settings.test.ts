import { readFileSync } from "node:fs";
import { load } from "js-yaml";
import { durationSeconds, sizeMebibytes } from "../../lib/units";
import { ALERT_DEFAULTS, IMAGE_REQUIREMENTS, parseSettings, SETTING_KEYS } from "../../settings";
import { httpClient } from "../../settings/httpClient";
import { extraScrapeJob } from "../../settings/scrapeJobs";
import {
  CERTIFICATE,
  EXPIRED_CERTIFICATE,
  FULL_JOB,
  HASH,
  KEY,
  OTHER_KEY,
  parse,
  RECEIVERS,
  WITH_JOB_SECRETS,
  WITH_RECEIVERS,
} from "../support/settings";

const declared = (
  load(readFileSync("Pulumi.yaml", "utf8")) as {
    config: Record<string, { type: string; description: string; default: unknown }>;
  }
).config;
const defaults = Object.fromEntries(
  Object.entries(declared).map(([key, { default: value }]) => [key, value]),
);
const tls = { tlsCertificate: CERTIFICATE, tlsKey: KEY };
const users = { users: `ann:${HASH}` };
const job = { job_name: "vllm", static_configs: [{ targets: ["vllm:8000"] }] };

test("the defaults of Pulumi.yaml are accepted, and are the ones that the README promises", () => {
  expect(parse(defaults)).toMatchObject({
    cadvisorPort: 8080,
    prometheusPort: 23001,
    bindAddress: "127.0.0.1",
    scrapeInterval: "30s",
    cadvisorMemory: 256,
    prometheusMemory: 1024,
    scrapeJobs: [],
  });
});

test("every setting is typed, described and defaulted in Pulumi.yaml, and Pulumi.yaml has no other", () => {
  expect(Object.keys(declared).sort()).toEqual([...SETTING_KEYS].sort());
  for (const { type, description, default: value } of Object.values(declared)) {
    expect(["string", "integer", "boolean", "array", "object"]).toContain(type);
    expect(description).toMatch(/\w{3}/);
    expect(value).toBeDefined();
  }
});

test("values are accepted as Pulumi hands them over: as text, lists as JSON", () => {
  const asText = Object.fromEntries(
    Object.entries({ ...defaults, scrapeJobs: [job], alertmanagers: ["alertmanager:9093"] }).map(
      ([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)],
    ),
  );
  expect(parse(asText)).toMatchObject({
    scrapeJobs: [job],
    alertmanagers: ["alertmanager:9093"],
    protectData: false,
  });
});

const bad: [key: string, values: Record<string, unknown>][] = [
  ["cadvisorPort", { cadvisorPort: 0 }],
  ["gpu", { gpu: "yes" }],
  ["exporterImage", { exporterImage: "node:latest" }],
  ["exporterMemory", { exporterMemory: "8MB" }],
  ["dcgmExporter", { dcgmExporter: "dcgm-exporter" }],
  ["cadvisorPort", { cadvisorPort: 70_000 }],
  ["prometheusPort", { prometheusPort: "http" }],
  ["prometheusPort", { prometheusPort: 23001.5 }],
  ["prometheusPort", { prometheusPort: 8080 }],
  ["cadvisorImage", { cadvisorImage: "ghcr.io/google/cadvisor:latest" }],
  ["prometheusImage", { prometheusImage: "prom/prometheus" }],
  ["prometheusImage", { prometheusImage: "" }],
  ["prometheusImage", { prometheusImage: "prom/prometheus@sha256:12" }],
  ["prometheusImage", { prometheusImage: "localhost:5000/prometheus" }],
  ["cadvisorMemory", { cadvisorMemory: "256" }],
  ["prometheusMemory", { prometheusMemory: "1MB" }],
  ["dockerAccess", { dockerAccess: "tcp" }],
  ["llmServers", { llmServers: "some" }],
  ["llmNetworks[0]", { llmNetworks: ["host"] }],
  ["llmNetworks[0]", { llmNetworks: ["a b"] }],
  ["caddyImage", { caddyImage: "caddy" }],
  ["bindAddress", { bindAddress: "0.0.0.0" }],
  ["bindAddress", { bindAddress: "0.0.0.0", ...tls }],
  ["bindAddress", { bindAddress: "0.0.0.0", ...users }],
  ["bindAddress", { bindAddress: "::1" }],
  ["caddyImage", { caddyImage: "caddy:latest" }],
  ["tlsCertificate", { ...tls, tlsCertificate: "metrics.pem" }],
  ["tlsCertificate", { ...tls, tlsCertificate: EXPIRED_CERTIFICATE }],
  ["tlsCertificate", { tlsKey: KEY }],
  ["tlsKey", { tlsCertificate: CERTIFICATE }],
  ["tlsKey", { ...tls, tlsKey: "secret" }],
  ["tlsKey", { ...tls, tlsKey: OTHER_KEY }],
  ["tlsNames", { ...tls, tlsNames: ["metrics.example.org"] }],
  ["tlsNames[2]", { tlsNames: ["192.0.2.7", "metrics.example.org", "10.0.0.7"] }],
  ["tlsNames[0]", { tlsNames: ["https://metrics"] }],
  ["users", { ...tls, users: "ann:password" }],
  ["users", { ...tls, users: `ann:${HASH.replace("$10$", "$04$")}` }],
  ["users", { ...tls, users: `ann:${HASH}\nbob` }],
  ["users", users],
  ["clientCa", { clientCa: CERTIFICATE }],
  ["clientCa", { clientCa: CERTIFICATE, tlsNames: ["metrics.example.org"] }],
  ["clientCa", { ...tls, clientCa: "ca.pem" }],
  ["cadvisorApi", { cadvisorApi: "yes" }],
  ["bindAddress", { bindAddress: "192.0.2.7" }],
  ["bindAddress", { bindAddress: "localhost" }],
  ["bindAddress", { bindAddress: "127.0.0.256" }],
  ["scrapeInterval", { scrapeInterval: "30" }],
  ["scrapeInterval", { scrapeInterval: "0s" }],
  ["scrapeInterval", { scrapeInterval: "half a minute" }],
  ["scrapeInterval", { scrapeInterval: "5m" }],
  ["retentionTime", { retentionTime: "15 days" }],
  ["retentionSize", { retentionSize: "10" }],
  ["retentionSize", { retentionSize: "1MB" }],
  ["hostLabel", { hostLabel: "my host" }],
  ["protectData", { protectData: "maybe" }],
  ["outbound", { outbound: 1 }],
  ["alertmanagers[0]", { alertmanagers: ["alertmanager"] }],
  ["alertmanagers", { alertmanagers: "alertmanager:9093" }],
  ["scrapeJobs", { scrapeJobs: "vllm" }],
  ["scrapeJobs[0].job_name", { scrapeJobs: [{ static_configs: job.static_configs }] }],
  ["scrapeJobs[0].job_name", { scrapeJobs: [{ ...job, job_name: "cadvisor" }] }],
  ["scrapeJobs[1].job_name", { scrapeJobs: [job, job] }],
  ["scrapeJobs[0].static_configs", { scrapeJobs: [{ job_name: "vllm" }] }],
  [
    "scrapeJobs[0].static_configs[0].targets[0]",
    { scrapeJobs: [{ ...job, static_configs: [{ targets: ["vllm"] }] }] },
  ],
  [
    "scrapeJobs[0].static_configs[0].targets[0]",
    { scrapeJobs: [{ ...job, static_configs: [{ targets: ["vllm:99999"] }] }] },
  ],
  ["scrapeJobs[0].scrape_intervall", { scrapeJobs: [{ ...job, scrape_intervall: "5s" }] }],
  ["scrapeJobs[0].scrape_interval", { scrapeJobs: [{ ...job, scrape_interval: "soon" }] }],
  ["scrapeJobs[0].scrape_timeout", { scrapeJobs: [{ ...job, scrape_timeout: "40s" }] }],
  ["scrapeJobs[0].scheme", { scrapeJobs: [{ ...job, scheme: "ftp" }] }],
  ["scrapeJobs[0].metrics_path", { scrapeJobs: [{ ...job, metrics_path: "metrics" }] }],
  [
    "scrapeJobs[0].relabel_configs[0].regex",
    { scrapeJobs: [{ ...job, relabel_configs: [{ regex: "(?=x)" }] }] },
  ],
  [
    "scrapeJobs[0].metric_relabel_configs[0].regex",
    { scrapeJobs: [{ ...job, metric_relabel_configs: [{ regex: "(" }] }] },
  ],
  [
    "scrapeJobs[0].relabel_configs[0].action",
    { scrapeJobs: [{ ...job, relabel_configs: [{ action: "remove" }] }] },
  ],
  [
    "scrapeJobs[0].relabel_configs[0].source_labels[0]",
    { scrapeJobs: [{ ...job, relabel_configs: [{ source_labels: ["a-b"] }] }] },
  ],
  ["scrapeJobs[0].scrape_interval", { scrapeJobs: [{ ...job, scrape_interval: "10m" }] }],
  ["scrapeJobs[0].label_limit", { scrapeJobs: [{ ...job, label_limit: -1 }] }],
  ["scrapeJobs[0].body_size_limit", { scrapeJobs: [{ ...job, body_size_limit: "much" }] }],
  ["scrapeJobs[0].scrape_protocols[0]", { scrapeJobs: [{ ...job, scrape_protocols: ["OpenMetrics"] }] }],
  [
    "scrapeJobs[0].dns_sd_configs[0].type",
    { scrapeJobs: [{ ...job, dns_sd_configs: [{ names: ["a"], type: "TXT" }] }] },
  ],
  ["scrapePort", { scrapePort: 1 }],
];

test.each(bad)("a bad %s is refused by its name: %j", (key, values) => {
  const refusal = () => parse({ ...defaults, ...values });
  expect(refusal).toThrow(`llm-metrics:${key} is `);
  expect(refusal).toThrow("nothing was changed");
});

test.each([
  ["an own certificate and users", { ...tls, ...users }],
  ["an own certificate and client certificates", { ...tls, clientCa: CERTIFICATE }],
  ["certificates of the gateway's own and users", { tlsNames: ["metrics.example.org"], ...users }],
])("another address than loopback is accepted with %s", (_, values) => {
  expect(parse({ ...defaults, ...values, bindAddress: "0.0.0.0" }).bindAddress).toBe("0.0.0.0");
});

test("a refused secret is not shown", () => {
  const refusal = () => parse({ ...defaults, ...tls, users: "ann:hunter2", tlsKey: "-----BEGIN hunter2" });
  expect(refusal).toThrow(/llm-metrics:users is \[secret\], but must be lines of an htpasswd file/);
  expect(refusal).toThrow(/llm-metrics:tlsKey is \[secret\]/);
  expect(refusal).not.toThrow(/hunter2/);
});

const named = (values: object) =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [`llm-metrics:${key}`, value as unknown]));

test("a secret in plaintext is refused, with the command that encrypts it", () => {
  expect(() => parseSettings(named({ ...defaults, ...tls }))).toThrow(
    "llm-metrics:tlsKey is in plaintext, but must be a secret: set it by `pulumi config set --secret tlsKey`",
  );
});

test("every bad setting is named at once, with its value and what would be accepted", () => {
  expect(() => parse({ ...defaults, cadvisorPort: 0, bindAddress: "0.0.0.0" })).toThrow(
    /llm-metrics:cadvisorPort is 0, but must be a port from 1 to 65535[^]*llm-metrics:bindAddress is "0.0.0.0", but must be an IPv4 loopback address/,
  );
});

test("a setting under a misspelt namespace is refused, and settings of Pulumi and its providers are not", () => {
  expect(() => parseSettings({ ...named(defaults), "llmmetrics:retentionTime": "9d" })).toThrow(
    "llmmetrics:retentionTime is not a setting: its namespace must be llm-metrics, as in llm-metrics:retentionTime",
  );
  parseSettings({ ...named(defaults), "docker:host": "ssh://llm-1", "pulumi:tags": "{}" });
});

test.each([
  [
    "targets: vllm",
    { static_configs: [{ targets: "vllm:8000" }] },
    /targets is "vllm:8000", but must be a list/,
  ],
  ["no targets", { static_configs: [{ targets: [] }] }, /targets is \[\], but must have at least one entry/],
  ["a limit as text", { sample_limit: "many" }, /sample_limit is "many", but must be a number/],
  ["a flag as text", { honor_labels: "yes" }, /honor_labels is "yes", but must be true or false/],
  [
    "labels as a list",
    { static_configs: [{ targets: ["a:1"], labels: ["a"] }] },
    /labels is \["a"\], but must be an object/,
  ],
])("a value of another type is refused in plain words: %s", (_, changes, message) => {
  expect(() => parse({ ...defaults, scrapeJobs: [{ ...job, ...changes }] })).toThrow(message);
});

test("durations and sizes mean what Prometheus means by them", () => {
  expect(durationSeconds("1m30s")).toBe(90);
  expect(durationSeconds("15d")).toBe(15 * 86_400);
  expect(durationSeconds("500ms")).toBe(0.5);
  expect(durationSeconds("30")).toBeNaN();
  expect(sizeMebibytes("1.5GB")).toBe(1536);
  expect(sizeMebibytes("10GiB")).toBe(sizeMebibytes("10GB"));
  expect(sizeMebibytes("1G")).toBeNaN();
});

test.each([
  [
    "an expression that is none",
    { ...job, metric_relabel_configs: [{ source_labels: ["a"], regex: "(a", target_label: "b" }] },
    /regex is "\(a", but must be a regular expression/,
  ],
  [
    "a timeout longer than the interval",
    { ...job, scrape_timeout: "59s", scrape_interval: "58s" },
    /must not be longer than the scrape interval/,
  ],
])("%s in a scrape job is rejected with the reason", (_, scrapeJob, reason) => {
  expect(() => parse({ ...defaults, scrapeJobs: [scrapeJob] })).toThrow(reason);
});

test("two jobs of one name are rejected with the reason", () => {
  expect(() => parse({ ...defaults, scrapeJobs: [job, job] })).toThrow(/is the name of another job/);
});

describe("Image", () => {
  const digest = `sha256:${"a".repeat(64)}`;
  /** The images that each setting refuses, and those that it accepts. */
  const IMAGES: Record<string, { refused: string[]; accepted: string[] }> = {
    cadvisorImage: {
      refused: [
        "gcr.io/cadvisor/cadvisor:v0.49.1",
        "ghcr.io/google/cadvisor:0.56.0",
        "localhost:5000/google/cadvisor:v0.56.9-rc1",
        "mirror/measures:v0.49.1",
        `gcr.io/cadvisor/cadvisor:v0.49.1@${digest}`,
      ],
      accepted: [
        "ghcr.io/google/cadvisor:v0.57.0-rc1",
        "ghcr.io/google/cadvisor:0.60.5",
        "ghcr.io/google/cadvisor:v1.0.0",
        "localhost:5000/cadvisor:main-2026-11-02",
        "localhost:5000/cadvisor:49a1f3c",
        `gcr.io/cadvisor/cadvisor@${digest}`,
      ],
    },
    prometheusImage: {
      refused: [
        "prom/prometheus:v2.53.0",
        "registry.example.org/prometheus/prometheus:v3.10.0",
        "prom/prometheus:v2",
        "prom/prometheus:v3.13.5-distroless",
      ],
      accepted: ["prom/prometheus:v3.11.0", "prom/prometheus:v3", "prom/prometheus:main", "ours/metrics:1"],
    },
    caddyImage: {
      refused: ["caddy:2.8.4-alpine", "caddy:1", "registry.example.org/library/caddy:2.8"],
      accepted: ["caddy:2.9.1", "caddy:2-alpine", "caddy:alpine"],
    },
    exporterImage: {
      refused: [
        "node:18",
        "node:18-bookworm-slim",
        "node:19.9.0",
        "node:24-alpine",
        "node:22.1-alpine3.20",
        "node:alpine",
      ],
      accepted: ["node:20", "node:24.11.1-bookworm-slim", "node:lts-slim", "ours/exporter:7"],
    },
  };
  const cases = (which: "refused" | "accepted") =>
    Object.entries(IMAGES).flatMap(([key, images]) => images[which].map((image) => [key, image] as const));

  it.each(cases("refused"))("%s: %s is refused, with what is required", (key, image) => {
    const { minimum } = IMAGE_REQUIREMENTS[key as keyof typeof IMAGE_REQUIREMENTS];
    const required = `(${minimum.replace(".", "\\.")} or newer|another variant): .{10}`;
    expect(() => parse({ ...defaults, [key]: image })).toThrow(
      new RegExp(`- llm-metrics:${key} is "${image}", but must be ${required}`),
    );
  });

  it.each(cases("accepted"))("%s: %s is accepted", (key, image) => {
    expect(parse({ ...defaults, [key]: image })).toMatchObject({ [key]: image });
  });
});

describe("A setting that was renamed", () => {
  const previous = { gpuExporterImage: "node:22-bookworm-slim", gpuExporterMemory: "256MB" };

  it("can have its previous key", () => {
    expect(parse({ ...defaults, ...previous })).toMatchObject({
      exporterImage: "node:22-bookworm-slim",
      exporterMemory: 256,
    });
  });

  it("can have both keys with one value", () => {
    const both = { exporterMemory: "256MB", gpuExporterMemory: "256MB" };
    expect(parse({ ...defaults, ...both })).toMatchObject({ exporterMemory: 256 });
  });

  it("can switch off an alert by its previous name", () => {
    const disabled = ["ContainerRestarting", "GpuExporterDockerDown"];
    expect(parse({ ...defaults, alerts: { disabled } }).alerts.disabled).toEqual([
      "ContainerCrashLooping",
      "ExporterDockerDown",
    ]);
  });

  it("is refused with two values, and the previous key's like any other", () => {
    expect(() => parse({ ...defaults, exporterMemory: "128MB", gpuExporterMemory: "256MB" })).toThrow(
      '- llm-metrics:gpuExporterMemory is "256MB", but llm-metrics:exporterMemory, the present name of that setting, is "128MB": ' +
        "remove gpuExporterMemory by `pulumi config rm gpuExporterMemory`",
    );
    expect(() => parse({ ...defaults, gpuExporterMemory: "8MB" })).toThrow(
      'llm-metrics:exporterMemory is "8MB", but must be',
    );
  });
});

describe("The keys of a scrape job", () => {
  /** The keys of Prometheus's scrape_config. Source: prometheus/prometheus v0.313.5, config/config.go, ScrapeConfig. */
  const SCRAPE_CONFIG = [
    ...[
      "job_name",
      "honor_labels",
      "honor_timestamps",
      "track_timestamps_staleness",
      "params",
      "scrape_interval",
    ],
    ...["scrape_timeout", "scrape_protocols", "fallback_scrape_protocol", "scrape_native_histograms"],
    ...["always_scrape_classic_histograms", "convert_classic_histograms_to_nhcb", "scrape_failure_log_file"],
    ...["metrics_path", "scheme", "enable_compression", "body_size_limit", "sample_limit", "target_limit"],
    ...[
      "label_limit",
      "label_name_length_limit",
      "label_value_length_limit",
      "native_histogram_bucket_limit",
    ],
    ...["native_histogram_min_bucket_factor", "keep_dropped_targets", "metric_name_validation_scheme"],
    ...["metric_name_escaping_scheme", "extra_scrape_metrics", "relabel_configs", "metric_relabel_configs"],
  ];
  /** Source: prometheus/common v0.69.0, config/http_config.go, HTTPClientConfig and ProxyConfig. */
  const HTTP_CLIENT = [
    ...["basic_auth", "authorization", "oauth2", "bearer_token", "bearer_token_file", "tls_config"],
    ...["follow_redirects", "enable_http2", "http_headers"],
    ...["proxy_url", "no_proxy", "proxy_from_environment", "proxy_connect_header"],
  ];
  const DISCOVERY = ["static_configs", "file_sd_configs", "http_sd_configs", "dns_sd_configs"];

  it("are all those of Prometheus", () => {
    expect(Object.keys(extraScrapeJob.shape).sort()).toEqual(
      [...SCRAPE_CONFIG, ...HTTP_CLIENT, ...DISCOVERY].sort(),
    );
    expect(Object.keys(httpClient.shape).sort()).toEqual(HTTP_CLIENT.sort());
  });

  it("are all accepted in one job, unless they name files of the host", () => {
    const [parsed] = parse({ ...defaults, scrapeJobs: [FULL_JOB] }, WITH_JOB_SECRETS).scrapeJobs;
    expect(parsed).toEqual(FULL_JOB);
    const notUsed = [...SCRAPE_CONFIG, ...HTTP_CLIENT, ...DISCOVERY].filter((key) => !(key in FULL_JOB));
    expect(notUsed.sort()).toEqual(
      // Of the ways to log in, Prometheus takes one.
      [
        ...["authorization", "basic_auth", "bearer_token", "bearer_token_file"],
        ...["proxy_from_environment", "scrape_failure_log_file"],
      ],
    );
  });

  it.each([
    [
      "scrape_intervall",
      { scrape_intervall: "5s" },
      "scrape_intervall is not a setting: did you mean scrape_interval?",
    ],
    ["metric_path", { metric_path: "/m" }, "metric_path is not a setting: did you mean metrics_path?"],
    ["autorization", { autorization: {} }, "autorization is not a setting: did you mean authorization?"],
    [
      "a key within",
      { basic_auth: { user_name: "u" } },
      "scrapeJobs[0].basic_auth.user_name is not a setting: did you mean username?",
    ],
    [
      "a key within a list",
      { dns_sd_configs: [{ name: ["a"], names: ["a"] }] },
      "dns_sd_configs[0].name is not a setting: did you mean names?",
    ],
    [
      "a key within an object of headers",
      { http_headers: { "X-Key": { secret: ["a"] } } },
      "http_headers.X-Key.secret is not a setting: did you mean secrets?",
    ],
    [
      "a key that resembles none",
      { colour: 1 },
      "colour is not a setting: remove it, or correct its spelling",
    ],
    ["a cloud's discovery", { ec2_sd_configs: [] }, "its network reaches no cloud's API"],
    ["Docker's discovery", { docker_sd_configs: [] }, "Prometheus has no access to Docker's"],
  ])("that are unknown are refused with the nearest one: %s", (_, changes, message) => {
    expect(() => parse({ ...defaults, scrapeJobs: [{ ...job, ...changes }] })).toThrow(message);
  });

  test("of the whole stack are named too", () => {
    expect(() => parse({ ...defaults, scrapeInterwal: "30s" })).toThrow("did you mean scrapeInterval?");
  });

  it.each([
    ["tls_config.ca_file", { tls_config: { ca_file: "/ca.pem" } }, "set ca to the content of the file"],
    [
      "authorization.credentials_file",
      { authorization: { credentials_file: "/t" } },
      "set credentials to the content",
    ],
    [
      "basic_auth.password_file",
      { basic_auth: { username: "u", password_file: "/p" } },
      "set password to the content",
    ],
    ["bearer_token_file", { bearer_token_file: "/t" }, "set bearer_token to the content of the file"],
    [
      "http_headers.X.files",
      { http_headers: { X: { files: ["/x"] } } },
      "set secrets to the contents of the files",
    ],
    ["basic_auth.password_ref", { basic_auth: { password_ref: "p" } }, "has no secret manager; set password"],
    [
      "scrape_failure_log_file",
      { scrape_failure_log_file: "x.log" },
      "the page /targets of Prometheus shows",
    ],
    [
      "file_sd_configs[0].files[0]",
      { file_sd_configs: [{ files: ["/srv/targets.json"] }] },
      "must be a file in /etc/prometheus/targets/ of Prometheus's container",
    ],
    [
      "file_sd_configs[0].files[0]",
      { file_sd_configs: [{ files: ["/etc/prometheus/targets/../prometheus.yml"] }] },
      "must be a file in /etc/prometheus/targets/",
    ],
  ])("that name files of the host are refused with what to do instead: %s", (key, changes, message) => {
    const refusal = () => parse({ ...defaults, scrapeJobs: [{ ...job, ...changes }] }, WITH_JOB_SECRETS);
    expect(refusal).toThrow(`llm-metrics:scrapeJobs[0].${key} is `);
    expect(refusal).toThrow(message);
  });

  it("include an interval of 2m at most, with the reason of the stack's own", () => {
    expect(() => parse({ ...defaults, scrapeJobs: [{ ...job, scrape_interval: "10m" }] })).toThrow(
      'scrapeJobs[0].scrape_interval is "10m", but must be 2m at most, as Prometheus treats a series without samples for five minutes as gone',
    );
    parse({ ...defaults, scrapeJobs: [{ ...job, scrape_interval: "2m" }] });
  });

  it("accept other texts than host:port as targets where relabeling makes them parameters, as for blackbox_exporter", () => {
    const probe = { ...job, static_configs: [{ targets: ["https://example.org/health"] }] };
    expect(() => parse({ ...defaults, scrapeJobs: [probe] })).toThrow("targets[0] is");
    const relabel_configs = [{ source_labels: ["__address__"], target_label: "__param_target" }];
    parse({ ...defaults, scrapeJobs: [{ ...probe, relabel_configs }] });
  });
});

describe("Scrape jobs from public reports", () => {
  it.each([
    [
      "prometheus/prometheus issue 5107: a server that wants `Authorization: Token`",
      { authorization: { type: "Token", credentials: "t" } },
    ],
    [
      "newrelic/nri-prometheus issue 30: Vault wants X-Vault-Token",
      { http_headers: { "X-Vault-Token": { secrets: ["t"] } } },
    ],
    [
      "openvinotoolkit/model_server issue 3689: a page of type application/json",
      { fallback_scrape_protocol: "PrometheusText0.0.4" },
    ],
  ])("are accepted, %s", (_, changes) => {
    const [parsed] = parse(
      { ...defaults, scrapeJobs: [{ ...job, ...changes }] },
      WITH_JOB_SECRETS,
    ).scrapeJobs;
    expect(parsed).toEqual({ ...job, ...changes });
  });

  it.each([
    // Prometheus and Alertmanager treat URLs as public.
    [
      "prometheus/alertmanager issue 1765: the password of a proxy is in plaintext",
      { proxy_url: "http://u:hunter2@p:3128" },
    ],
    [
      "prometheus/snmp_exporter issue 691: and that of another URL",
      { http_sd_configs: [{ url: "https://u:hunter2@d/t" }] },
    ],
  ])("are refused without the password, %s", (_, changes) => {
    const refusal = () => parse({ ...defaults, scrapeJobs: [{ ...job, ...changes }] }, WITH_JOB_SECRETS);
    expect(refusal).toThrow("must be a URL without user and password");
    expect(refusal).not.toThrow(/hunter2/);
  });
});

describe("Examples of scrape jobs in the documentation", () => {
  const blocks = [...readFileSync("docs/settings.md", "utf8").matchAll(/^```yaml\n(config:[^]*?)^```/gm)];
  const examples = blocks.map(([, text = ""]) => load(text) as { config: Record<string, object[]> });

  it.each(examples.map(({ config }) => config["llm-metrics:scrapeJobs"] ?? []))(
    "are accepted: %j",
    (...jobs) => {
      const scrapeJobs = jobs.map((example) =>
        "tls_config" in example
          ? { ...example, tls_config: { ca: CERTIFICATE, cert: CERTIFICATE, key: KEY } }
          : example,
      );
      expect(parse({ ...defaults, scrapeJobs }, WITH_JOB_SECRETS).scrapeJobs).toHaveLength(jobs.length);
    },
  );
});

describe("Secrets of scrape jobs", () => {
  it.each([
    ["authorization.credentials", { authorization: { credentials: "hunter2-1" } }],
    ["basic_auth.password", { basic_auth: { username: "u", password: "hunter2-2" } }],
    ["bearer_token", { bearer_token: "hunter2-3" }],
    [
      "oauth2.client_secret",
      { oauth2: { client_id: "c", token_url: "http://t", client_secret: "hunter2-4" } },
    ],
    ["tls_config.key", { tls_config: { cert: CERTIFICATE, key: KEY } }],
    ["http_headers.X-Api-Key.secrets[0]", { http_headers: { "X-Api-Key": { secrets: ["hunter2-5"] } } }],
    [
      "http_sd_configs[0].authorization.credentials",
      { http_sd_configs: [{ url: "http://a", authorization: { credentials: "hunter2-6" } }] },
    ],
  ])("are refused in plaintext, with the command that encrypts them: %s", (key, changes) => {
    const place = `scrapeJobs[0].${key}`;
    const scrapeJobs = [{ ...job, ...changes }];
    const refusal = () => parse({ ...defaults, scrapeJobs });
    expect(refusal).toThrow(
      `llm-metrics:${place} is in plaintext, but must be a secret: set it by \`pulumi config set --secret --path '${place}'\``,
    );
    expect(refusal).not.toThrow(/hunter2|BEGIN/);
    parse({ ...defaults, scrapeJobs }, WITH_JOB_SECRETS);
  });

  it("are not shown by an error about them, encrypted or not", () => {
    for (const encrypted of [undefined, WITH_JOB_SECRETS])
      for (const changes of [
        { authorization: "Bearer hunter2" },
        { authorization: { credentials: ["hunter2"] } },
        { tls_config: { cert: CERTIFICATE, key: "-----BEGIN hunter2" } },
        { http_headers: { "X-Api-Key": "hunter2" } },
        { proxy_url: "http://user:hunter2@proxy:3128" },
        { http_sd_configs: [{ url: "http://user:hunter2@discovery" }] },
        { proxy_url: "http://proxy:1", proxy_connect_header: { "Proxy-Authorization": ["Basic hunter2"] } },
      ]) {
        const refusal = () => parse({ ...defaults, scrapeJobs: [{ ...job, ...changes }] }, encrypted);
        expect(refusal).toThrow(/is \[secret\], but must/);
        expect(refusal).not.toThrow(/hunter2/);
      }
  });

  it("are not shown by an error about what has them in it", () => {
    const refusal = () =>
      parse({ ...defaults, scrapeJobs: { job_name: "vllm", authorization: { credentials: "hunter2" } } });
    expect(refusal).toThrow(/scrapeJobs is .*"authorization":"\[secret\]".*, but must be a list/);
    expect(refusal).not.toThrow(/hunter2/);
  });

  it("include a key that must be of the client's certificate", () => {
    const withKey = (tls_config: object) => () =>
      parse({ ...defaults, scrapeJobs: [{ ...job, tls_config }] }, WITH_JOB_SECRETS);
    expect(withKey({ cert: CERTIFICATE, key: OTHER_KEY })).toThrow(
      /tls_config.key .* must be the key of cert/,
    );
    expect(withKey({ cert: CERTIFICATE })).toThrow(/tls_config.key is missing, but must be set/);
    expect(withKey({ key: KEY })).toThrow(/tls_config.cert is missing, but must be set/);
    withKey({ cert: CERTIFICATE, key: KEY })();
  });
});

describe("The setting alerts", () => {
  const alerts = (values: unknown) => parse({ ...defaults, alerts: values }).alerts;

  it("has a default for each threshold, and changes those that it names", () => {
    expect(alerts({})).toEqual(ALERT_DEFAULTS);
    expect(alerts({ gpuHotCelsius: 90, disabled: ["GpuAllocatedIdle"] })).toEqual({
      ...ALERT_DEFAULTS,
      gpuHotCelsius: 90,
      disabled: ["GpuAllocatedIdle"],
    });
  });

  // `pulumi config set --path` stores whole numbers and booleans as such, and everything else as text.
  it("is accepted as Pulumi hands it over", () => {
    expect(alerts('{"containerMemoryRatio":"0.95","gpuHotCelsius":90}')).toMatchObject({
      containerMemoryRatio: 0.95,
      gpuHotCelsius: 90,
    });
  });

  it.each([
    [
      { disabled: ["GpuIdle"] },
      'alerts.disabled[0] is "GpuIdle", but must be the name of an alert: docs/metrics.md lists them',
    ],
    [{ disabled: ["ContainerOOMKiled"] }, "did you mean ContainerOOMKilled?"],
    [{ disabled: ["watchdog"] }, "did you mean Watchdog?"],
    [{ disabled: "Watchdog" }, 'alerts.disabled is "Watchdog", but must be a list'],
    [{ gpuHotCelcius: 90 }, "alerts.gpuHotCelcius is not a setting: did you mean gpuHotCelsius?"],
    [
      { containerMemoryRatio: 90 },
      "alerts.containerMemoryRatio is 90, but must be a number above 0 and at most 1",
    ],
    [{ containerMemoryRatio: "90 %" }, "must be a number above 0 and at most 1"],
    [{ containerMemoryRatio: 0 }, "must be a number above 0 and at most 1"],
    [{ containerMemoryRatio: true }, "must be a number above 0 and at most 1"],
    [{ containerMemoryFor: "5 minutes" }, 'alerts.containerMemoryFor is "5 minutes", but must be a duration'],
    [{ containerMemoryFor: 5 }, "must be a duration"],
    [{ containerRestarts: -1 }, "alerts.containerRestarts is -1, but must be a number above 0"],
    [{ gpuHostMemory: "1" }, 'alerts.gpuHostMemory is "1", but must be a size'],
    [{ runbooks: "wiki" }, 'alerts.runbooks is "wiki", but must be the URL of docs/runbooks.md'],
    ["GpuHot", 'alerts is "GpuHot", but must be an object of keys and values'],
  ])("is refused by its key: %j", (values, message) => {
    expect(() => alerts(values)).toThrow(message);
  });
});

describe("Receivers of alerts", () => {
  const refusal =
    (notify: unknown, encrypted: readonly string[] = WITH_RECEIVERS) =>
    () =>
      parse({ ...defaults, notify }, encrypted);
  const { slack, telegram, email, heartbeat } = RECEIVERS;

  it("are accepted, of each kind", () => {
    const notify = Object.entries(RECEIVERS).map(([kind, options]) => ({ [kind]: options }));
    expect(parse({ ...defaults, notify: JSON.stringify(notify) }, WITH_RECEIVERS).notify).toEqual(notify);
  });

  it.each([
    ["slak is not a setting: did you mean slack?", { slak: slack }],
    ["slack.chanel is not a setting: did you mean channel?", { slack: { ...slack, chanel: "#a" } }],
    ["slack.url is missing, but must be a URL", { slack: {} }],
    [
      "telegram.chatId is [secret], but must be the number of a chat",
      { telegram: { ...telegram, chatId: "a" } },
    ],
    [
      "telegram.botToken is [secret], but must be a bot token",
      { telegram: { ...telegram, botToken: "a/b" } },
    ],
    ["email.server is [secret], but must be host:port", { email: { ...email, server: "smtp" } }],
    ["email.to is [secret], but must be email addresses", { email: { ...email, to: "ann" } }],
    ["email.password is missing, but must be set", { email: { ...email, password: undefined } }],
    ["severities[0] is [secret], but must be critical, warning or info", { slack, severities: ["page"] }],
    ["repeatInterval is [secret], but must be 5d at most", { slack, repeatInterval: "6d" }],
    ["groupBy[0] is [secret], but must be a label name", { slack, groupBy: ["a-b"] }],
    ["severities is [secret], but must not be set for a heartbeat", { heartbeat, severities: ["critical"] }],
  ])("are refused by their key: %s", (message, entry) => {
    expect(refusal([entry])).toThrow(`llm-metrics:notify[0].${message}`);
  });

  it("are refused without a kind, and with two", () => {
    for (const entry of [{}, { repeatInterval: "1h" }, { slack, email }])
      expect(refusal([entry])).toThrow(
        /notify\[0\] is \[secret\], but must have one of webhook, slack, .* or heartbeat/,
      );
  });

  it.each([
    ["webhook.url", { webhook: { url: "https://hunter2" } }],
    ["webhook.token", { webhook: { url: "https://hunter2", token: "hunter2" } }],
    ["slack.url", { slack: { url: "https://hunter2" } }],
    ["discord.url", { discord: { url: "https://hunter2" } }],
    ["telegram.botToken", { telegram: { botToken: "1:hunter2", chatId: 1 } }],
    ["ntfy.url", { ntfy: { url: "https://hunter2" } }],
    ["ntfy.token", { ntfy: { url: "https://hunter2", token: "hunter2" } }],
    ["email.password", { email: { ...email, password: "hunter2" } }],
    ["heartbeat.url", { heartbeat: { url: "https://hunter2" } }],
  ])("are refused with a secret in plaintext, with the command that encrypts it: %s", (key, entry) => {
    const place = `notify[0].${key}`;
    expect(refusal([entry], [])).toThrow(
      `llm-metrics:${place} is in plaintext, but must be a secret: set it by \`pulumi config set --secret --path '${place}'\``,
    );
    expect(refusal([entry], [])).not.toThrow(/hunter2/);
    refusal([entry])();
  });

  it("are not shown by an error about them, encrypted or not; other values are", () => {
    for (const entry of [
      "https://hunter2",
      { slack: "https://hunter2" },
      { slack: { url: ["hunter2"] } },
      { telegram: { botToken: "hunter2", chatId: 1 } },
      { email: { ...email, password: ["hunter2"] } },
    ]) {
      expect(refusal([entry], [])).toThrow(/is \[secret\], but must/);
      expect(refusal([entry], [])).not.toThrow(/hunter2/);
    }
    expect(refusal([{ email: { ...email, server: "smtp" } }], [])).toThrow('server is "smtp", but');
    expect(refusal([{ slack, groupWait: "soon" }], [])).toThrow('groupWait is "soon", but');
  });

  it("take the name of the job alertmanager, which is free without them", () => {
    const scrapeJobs = [{ ...job, job_name: "alertmanager" }];
    expect(parse({ ...defaults, scrapeJobs }).scrapeJobs).toHaveLength(1);
    expect(() => parse({ ...defaults, scrapeJobs, notify: [{ slack }] }, WITH_RECEIVERS)).toThrow(
      /job_name .* is the name of another job/,
    );
  });
});
