import { readFileSync } from "node:fs";
import { load } from "js-yaml";
import { parseSettings, SECRET_KEYS, type Settings } from "../../settings";

/** The settings that Pulumi.yaml gives by default, with the named ones changed. */
export function settings(
  changes: Partial<Record<keyof Settings, unknown>> = {},
  encrypted?: readonly string[],
): Settings {
  const { config } = load(readFileSync("Pulumi.yaml", "utf8")) as {
    config: Record<string, { default: unknown }>;
  };
  const defaults = Object.fromEntries(Object.entries(config).map(([key, entry]) => [key, entry.default]));
  return parse({ ...defaults, ...changes }, encrypted);
}

/** Parses settings by their keys without the namespace. By default, those are encrypted that have to be. */
export const parse = (
  values: Record<string, unknown>,
  encrypted: readonly string[] = SECRET_KEYS,
): Settings =>
  parseSettings(
    Object.fromEntries(Object.entries(values).map(([key, value]) => [`llm-metrics:${key}`, value])),
    encrypted.map((key) => `llm-metrics:${key}`),
  );

/** A certificate of metrics.example.org and 192.0.2.7, for tests alone; its key; one that expired; and another key. */
export const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBoTCCAUegAwIBAgIUBUDKA+5W+gqP6vq+5UEToXlH9YwwCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHbWV0cmljczAgFw0yNjExMjQxNjMyMjVaGA8yMTI2MTAzMTE2
MzIyNVowEjEQMA4GA1UEAwwHbWV0cmljczBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABP8StDc6Ll6sYiGoPQ3D4cmWeUEeGmdtulDGAKybunXxn21TNW+E5EJd7G8w
9NgAroJUDKYUqhfVvBcwg8DGieyjeTB3MB0GA1UdDgQWBBQg8pMWQucviZgHpcIr
ASe7ufjy1jAfBgNVHSMEGDAWgBQg8pMWQucviZgHpcIrASe7ufjy1jAPBgNVHRMB
Af8EBTADAQH/MCQGA1UdEQQdMBuCE21ldHJpY3MuZXhhbXBsZS5vcmeHBMAAAgcw
CgYIKoZIzj0EAwIDSAAwRQIgNtisq8ipGtKE5cCKal7OECCgg8xo/B15UYZ1IvRP
0GgCIQCQw5N/7y6OUuHtW+HgJRxF3iuh9HHJJl9bDK2Rw14uqA==
-----END CERTIFICATE-----
`;
export const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjUo/53De4HZiktd9
XYeqGUBwYeDJAwXRJwjudTJjgmuhRANCAAT/ErQ3Oi5erGIhqD0Nw+HJlnlBHhpn
bbpQxgCsm7p18Z9tUzVvhORCXexvMPTYAK6CVAymFKoX1bwXMIPAxons
-----END PRIVATE KEY-----
`;
export const EXPIRED_CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBZzCCAQ2gAwIBAgIUTO3P5yCRrImcuwf9Srq4IevPt48wCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHbWV0cmljczAeFw0yMDAxMDEwMDAwMDBaFw0yMDEyMzEwMDAw
MDBaMBIxEDAOBgNVBAMMB21ldHJpY3MwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AAT/ErQ3Oi5erGIhqD0Nw+HJlnlBHhpnbbpQxgCsm7p18Z9tUzVvhORCXexvMPTY
AK6CVAymFKoX1bwXMIPAxonso0EwPzAeBgNVHREEFzAVghNtZXRyaWNzLmV4YW1w
bGUub3JnMB0GA1UdDgQWBBQg8pMWQucviZgHpcIrASe7ufjy1jAKBggqhkjOPQQD
AgNIADBFAiEAoq23Qyz17jzQ2ueGHw4kcQ6clTa16vwEx0bu2+x+3VACICt/6fXs
MUoKJO3lhUZfGV+BzViXf1MMNAOWyfNGAAnr
-----END CERTIFICATE-----
`;
export const OTHER_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgcvrSqeERaWtt0cA/
FBFp4a4rXQeYh6+pBOpOnmXzLSWhRANCAAQoLhkTCHWWhCgX8PgYlKeGnXjmFHhP
l4zs5OrzpHDp8wjic0/HJlvnWd1AHx91V0l5dob/EtleOyz411ookv5Z
-----END PRIVATE KEY-----
`;
/** The bcrypt hash of a password, for tests alone. */
export const HASH = "$2b$10$rF2eDtwjyA7ksuUEThr2rO35/.8lMNEh4PIFrXW0Tj2kZOe2G4LwK";

/** The settings that are encrypted where a scrape job has a secret. */
export const WITH_JOB_SECRETS: readonly string[] = [...SECRET_KEYS, "scrapeJobs"];

/** The settings that are encrypted where a receiver has a secret. */
export const WITH_RECEIVERS: readonly string[] = [...SECRET_KEYS, "notify"];

/** A receiver of each kind, with everything that it takes. */
export const RECEIVERS = {
  webhook: { url: "https://hooks.example.org/secret-of-webhook", token: "secret-token-of-webhook" },
  slack: { url: "https://hooks.example.org/services/secret-of-slack", channel: "#alerts" },
  discord: { url: "https://discord.example.org/api/webhooks/1/secret-of-discord" },
  telegram: { botToken: "123456:secret-of-telegram", chatId: -1001234567890 },
  ntfy: { url: "https://ntfy.example.org/secret-of-ntfy", token: "secret-token-of-ntfy" },
  email: {
    server: "smtp.example.org:587",
    from: "monitoring@example.org",
    to: "ann@example.org, bob@example.org",
    username: "monitoring",
    password: "secret-of-email",
    requireTls: true,
  },
  heartbeat: { url: "https://heartbeat.example.org/secret-of-heartbeat" },
};

/** A scrape job with the keys that every job has. */
export const JOB = { job_name: "vllm", static_configs: [{ targets: ["vllm:8000"] }] };

/** A scrape job with every key that a stack can use, and with a secret wherever Prometheus takes one. */
export const FULL_JOB = {
  job_name: "full",
  honor_labels: true,
  honor_timestamps: false,
  track_timestamps_staleness: true,
  params: { "match[]": ["up"] },
  scrape_interval: "15s",
  scrape_timeout: "5s",
  scrape_protocols: ["OpenMetricsText1.0.0", "PrometheusText0.0.4"],
  fallback_scrape_protocol: "PrometheusText0.0.4",
  scrape_native_histograms: false,
  always_scrape_classic_histograms: true,
  convert_classic_histograms_to_nhcb: false,
  metrics_path: "/metrics",
  scheme: "https",
  enable_compression: false,
  body_size_limit: "10MB",
  sample_limit: 100,
  target_limit: 10,
  label_limit: 0,
  label_name_length_limit: 0,
  label_value_length_limit: 0,
  native_histogram_bucket_limit: 100,
  native_histogram_min_bucket_factor: 1.1,
  keep_dropped_targets: 5,
  metric_name_validation_scheme: "utf8",
  metric_name_escaping_scheme: "allow-utf-8",
  extra_scrape_metrics: true,
  oauth2: {
    client_id: "prometheus",
    client_secret: "secret-of-oauth2",
    scopes: ["read"],
    token_url: "https://login:8443/token",
    endpoint_params: { resource: "metrics" },
    tls_config: { ca: CERTIFICATE, cert: CERTIFICATE, key: KEY },
  },
  tls_config: {
    ca: CERTIFICATE,
    cert: CERTIFICATE,
    key: KEY,
    server_name: "llm",
    insecure_skip_verify: false,
    min_version: "TLS12",
    max_version: "TLS13",
  },
  follow_redirects: false,
  enable_http2: false,
  proxy_url: "http://proxy:3128",
  no_proxy: "10.0.0.0/8",
  proxy_connect_header: { "X-Proxy": ["a"] },
  http_headers: { "X-Api-Key": { values: ["a"], secrets: ["secret-of-a-header", "secret-2"] } },
  static_configs: [{ targets: ["vllm:8000", "[fd00::1]:8000"], labels: { model: "m" } }],
  file_sd_configs: [{ files: ["/etc/prometheus/targets/*.json"], refresh_interval: "1m" }],
  http_sd_configs: [
    {
      url: "http://discovery:8080/targets",
      refresh_interval: "1m",
      basic_auth: { username: "prometheus", password: "secret-of-basic-auth" },
    },
    { url: "http://discovery:8080/more", authorization: { credentials: "secret-of-discovery" } },
  ],
  dns_sd_configs: [{ names: ["vllm"], type: "A", port: 8000, refresh_interval: "10s" }],
  relabel_configs: [
    {
      source_labels: ["__address__"],
      separator: ";",
      regex: "(.*)",
      modulus: 2,
      target_label: "shard",
      action: "hashmod",
    },
  ],
  metric_relabel_configs: [{ regex: "x.*", action: "labeldrop" }],
};
