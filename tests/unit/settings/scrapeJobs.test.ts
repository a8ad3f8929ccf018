import { readFileSync } from "node:fs";
import { load } from "js-yaml";
import { httpClient } from "../../../settings/httpClient";
import { extraScrapeJob } from "../../../settings/scrapeJobs";
import {
  CERTIFICATE,
  FULL_JOB,
  JOB,
  KEY,
  OTHER_KEY,
  settings,
  WITH_JOB_SECRETS,
} from "../../support/settings";

const bad: [key: string, values: { scrapeJobs: unknown }][] = [
  ["scrapeJobs", { scrapeJobs: "vllm" }],
  ["scrapeJobs[0].job_name", { scrapeJobs: [{ static_configs: JOB.static_configs }] }],
  ["scrapeJobs[0].job_name", { scrapeJobs: [{ ...JOB, job_name: "cadvisor" }] }],
  ["scrapeJobs[1].job_name", { scrapeJobs: [JOB, JOB] }],
  ["scrapeJobs[0].static_configs", { scrapeJobs: [{ job_name: "vllm" }] }],
  [
    "scrapeJobs[0].static_configs[0].targets[0]",
    { scrapeJobs: [{ ...JOB, static_configs: [{ targets: ["vllm"] }] }] },
  ],
  [
    "scrapeJobs[0].static_configs[0].targets[0]",
    { scrapeJobs: [{ ...JOB, static_configs: [{ targets: ["vllm:99999"] }] }] },
  ],
  ["scrapeJobs[0].scrape_intervall", { scrapeJobs: [{ ...JOB, scrape_intervall: "5s" }] }],
  ["scrapeJobs[0].scrape_interval", { scrapeJobs: [{ ...JOB, scrape_interval: "soon" }] }],
  ["scrapeJobs[0].scrape_timeout", { scrapeJobs: [{ ...JOB, scrape_timeout: "40s" }] }],
  ["scrapeJobs[0].scheme", { scrapeJobs: [{ ...JOB, scheme: "ftp" }] }],
  ["scrapeJobs[0].metrics_path", { scrapeJobs: [{ ...JOB, metrics_path: "metrics" }] }],
  [
    "scrapeJobs[0].relabel_configs[0].regex",
    { scrapeJobs: [{ ...JOB, relabel_configs: [{ regex: "(?=x)" }] }] },
  ],
  [
    "scrapeJobs[0].metric_relabel_configs[0].regex",
    { scrapeJobs: [{ ...JOB, metric_relabel_configs: [{ regex: "(" }] }] },
  ],
  [
    "scrapeJobs[0].relabel_configs[0].action",
    { scrapeJobs: [{ ...JOB, relabel_configs: [{ action: "remove" }] }] },
  ],
  [
    "scrapeJobs[0].relabel_configs[0].source_labels[0]",
    { scrapeJobs: [{ ...JOB, relabel_configs: [{ source_labels: ["a-b"] }] }] },
  ],
  ["scrapeJobs[0].scrape_interval", { scrapeJobs: [{ ...JOB, scrape_interval: "10m" }] }],
  ["scrapeJobs[0].label_limit", { scrapeJobs: [{ ...JOB, label_limit: -1 }] }],
  ["scrapeJobs[0].body_size_limit", { scrapeJobs: [{ ...JOB, body_size_limit: "much" }] }],
  ["scrapeJobs[0].scrape_protocols[0]", { scrapeJobs: [{ ...JOB, scrape_protocols: ["OpenMetrics"] }] }],
  [
    "scrapeJobs[0].dns_sd_configs[0].type",
    { scrapeJobs: [{ ...JOB, dns_sd_configs: [{ names: ["a"], type: "TXT" }] }] },
  ],
];

test.each(bad)("a bad %s is refused by its name: %j", (key, values) => {
  const refusal = () => settings(values);
  expect(refusal).toThrow(`llm-metrics:${key} is `);
  expect(refusal).toThrow("nothing was changed");
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
  expect(() => settings({ scrapeJobs: [{ ...JOB, ...changes }] })).toThrow(message);
});

test.each([
  [
    "an expression that is none",
    { ...JOB, metric_relabel_configs: [{ source_labels: ["a"], regex: "(a", target_label: "b" }] },
    /regex is "\(a", but must be a regular expression/,
  ],
  [
    "a timeout longer than the interval",
    { ...JOB, scrape_timeout: "59s", scrape_interval: "58s" },
    /must not be longer than the scrape interval/,
  ],
])("%s in a scrape job is rejected with the reason", (_, scrapeJob, reason) => {
  expect(() => settings({ scrapeJobs: [scrapeJob] })).toThrow(reason);
});

test("two jobs of one name are rejected with the reason", () => {
  expect(() => settings({ scrapeJobs: [JOB, JOB] })).toThrow(/is the name of another job/);
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

  it("are all accepted in one JOB, unless they name files of the host", () => {
    const [parsed] = settings({ scrapeJobs: [FULL_JOB] }, WITH_JOB_SECRETS).scrapeJobs;
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
    expect(() => settings({ scrapeJobs: [{ ...JOB, ...changes }] })).toThrow(message);
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
    const refusal = () => settings({ scrapeJobs: [{ ...JOB, ...changes }] }, WITH_JOB_SECRETS);
    expect(refusal).toThrow(`llm-metrics:scrapeJobs[0].${key} is `);
    expect(refusal).toThrow(message);
  });

  it("include an interval of 2m at most, with the reason of the stack's own", () => {
    expect(() => settings({ scrapeJobs: [{ ...JOB, scrape_interval: "10m" }] })).toThrow(
      'scrapeJobs[0].scrape_interval is "10m", but must be 2m at most, as Prometheus treats a series without samples for five minutes as gone',
    );
    settings({ scrapeJobs: [{ ...JOB, scrape_interval: "2m" }] });
  });

  it("accept other texts than host:port as targets where relabeling makes them parameters, as for blackbox_exporter", () => {
    const probe = { ...JOB, static_configs: [{ targets: ["https://example.org/health"] }] };
    expect(() => settings({ scrapeJobs: [probe] })).toThrow("targets[0] is");
    const relabel_configs = [{ source_labels: ["__address__"], target_label: "__param_target" }];
    settings({ scrapeJobs: [{ ...probe, relabel_configs }] });
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
    const [parsed] = settings({ scrapeJobs: [{ ...JOB, ...changes }] }, WITH_JOB_SECRETS).scrapeJobs;
    expect(parsed).toEqual({ ...JOB, ...changes });
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
    const refusal = () => settings({ scrapeJobs: [{ ...JOB, ...changes }] }, WITH_JOB_SECRETS);
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
      expect(settings({ scrapeJobs }, WITH_JOB_SECRETS).scrapeJobs).toHaveLength(jobs.length);
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
    const scrapeJobs = [{ ...JOB, ...changes }];
    const refusal = () => settings({ scrapeJobs });
    expect(refusal).toThrow(
      `llm-metrics:${place} is in plaintext, but must be a secret: set it by \`pulumi config set --secret --path '${place}'\``,
    );
    expect(refusal).not.toThrow(/hunter2|BEGIN/);
    settings({ scrapeJobs }, WITH_JOB_SECRETS);
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
        const refusal = () => settings({ scrapeJobs: [{ ...JOB, ...changes }] }, encrypted);
        expect(refusal).toThrow(/is \[secret\], but must/);
        expect(refusal).not.toThrow(/hunter2/);
      }
  });

  it("are not shown by an error about what has them in it", () => {
    const refusal = () =>
      settings({ scrapeJobs: { job_name: "vllm", authorization: { credentials: "hunter2" } } });
    expect(refusal).toThrow(/scrapeJobs is .*"authorization":"\[secret\]".*, but must be a list/);
    expect(refusal).not.toThrow(/hunter2/);
  });

  it("include a key that must be of the client's certificate", () => {
    const withKey = (tls_config: object) => () =>
      settings({ scrapeJobs: [{ ...JOB, tls_config }] }, WITH_JOB_SECRETS);
    expect(withKey({ cert: CERTIFICATE, key: OTHER_KEY })).toThrow(
      /tls_config.key .* must be the key of cert/,
    );
    expect(withKey({ cert: CERTIFICATE })).toThrow(/tls_config.key is missing, but must be set/);
    expect(withKey({ key: KEY })).toThrow(/tls_config.cert is missing, but must be set/);
    withKey({ cert: CERTIFICATE, key: KEY })();
  });
});
