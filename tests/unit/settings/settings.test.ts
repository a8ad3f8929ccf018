import { readFileSync } from "node:fs";
import { load } from "js-yaml";
import { durationSeconds, sizeMebibytes } from "../../../lib/units";
import { IMAGE_REQUIREMENTS, parseSettings, SETTING_KEYS } from "../../../settings";
import { CERTIFICATE, EXPIRED_CERTIFICATE, HASH, JOB, KEY, OTHER_KEY, parse } from "../../support/settings";

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
    Object.entries({ ...defaults, scrapeJobs: [JOB], alertmanagers: ["alertmanager:9093"] }).map(
      ([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)],
    ),
  );
  expect(parse(asText)).toMatchObject({
    scrapeJobs: [JOB],
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
  ["llmNetworks", { llmNetworks: "chat_default" }],
  ["llmNetworks[0]", { llmNetworks: ["a b"] }],
  ["llmNetworks[0]", { llmNetworks: ["a,b"] }],
  ["llmNetworks[1]", { llmNetworks: ["chat_default", "chat_default"] }],
  ["llmKeys", { llmKeys: ["key"] }],
  ["llmKeys.chat", { llmKeys: { chat: "two words" } }],
  ["llmKeys.chat", { llmKeys: { chat: "a\r\nX: b" } }],
  ["llmKeys.chat", { llmKeys: { chat: "" } }],
  ["llmKeys.a,b", { llmKeys: { "a,b": "key" } }],
  ["llmKeys.../chat", { llmKeys: { "../chat": "key" } }],
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
  ["grafana", { grafana: "true" }],
  ["grafanaImage", { grafanaImage: "grafana/grafana:11.6.1" }],
  ["grafanaImage", { grafanaImage: "grafana/grafana:13.2.3-distroless" }],
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
  ["hostMetrics", { hostMetrics: "auto" }],
  ["hostDisks", { hostDisks: "/data" }],
  ["hostDisks[0]", { hostDisks: ["data"] }],
  ["hostDisks[0]", { hostDisks: ["/"] }],
  ["hostDisks[0]", { hostDisks: ["/data/"] }],
  ["hostDisks[0]", { hostDisks: ["/data/../etc"] }],
  ["hostDisks[0]", { hostDisks: ["/a:b"] }],
  ["hostDisks[0]", { hostDisks: ["/etc"] }],
  ["hostDisks[0]", { hostDisks: ["/proc/1"] }],
  ["hostDisks[0]", { hostDisks: ["/run"] }],
  ["hostDisks[0]", { hostDisks: ["/var"] }],
  ["hostDisks[1]", { hostDisks: ["/data", "/var/run/x"] }],
  ["hostDisks[2]", { hostDisks: ["/data", "/srv", "/data"] }],
  ["protectData", { protectData: "maybe" }],
  ["outbound", { outbound: 1 }],
  ["alertmanagers[0]", { alertmanagers: ["alertmanager"] }],
  ["alertmanagers", { alertmanagers: "alertmanager:9093" }],
  ["scrapePort", { scrapePort: 1 }],
];

test.each(bad)("a bad %s is refused by its name: %j", (key, values) => {
  const refusal = () => parse({ ...defaults, ...values });
  expect(refusal).toThrow(`llm-metrics:${key} is `);
  expect(refusal).toThrow("nothing was changed");
});

describe("Keys of LLM servers", () => {
  const llmKeys = { "chat-vllm-1": "sk-secret" };

  it("are accepted by the name of the container, also as the text that Pulumi hands over", () => {
    expect(parse({ ...defaults, llmKeys }).llmKeys).toEqual(llmKeys);
    expect(parse({ ...defaults, llmKeys: JSON.stringify(llmKeys) }).llmKeys).toEqual(llmKeys);
  });

  it("are refused in plaintext, and shown in no error", () => {
    const plaintext = () => parse({ ...defaults, llmKeys }, []);
    expect(plaintext).toThrow("`pulumi config set --secret --path 'llmKeys.NAME'`");
    expect(plaintext).not.toThrow("sk-secret");
    const refused = () => parse({ ...defaults, llmKeys: { chat: "sk-secret with a space" } });
    expect(refused).toThrow("llm-metrics:llmKeys.chat is [secret], but must be");
    expect(refused).not.toThrow("sk-secret");
    expect(() => parse(defaults, [])).not.toThrow();
  });
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

test("an unknown setting is refused with the nearest one", () => {
  expect(() => parse({ ...defaults, scrapeInterwal: "30s" })).toThrow("did you mean scrapeInterval?");
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

describe("The setting llmServers", () => {
  it("takes the name of the job llm-servers, which is free without it", () => {
    const scrapeJobs = [{ ...JOB, job_name: "llm-servers" }];
    expect(parse({ ...defaults, scrapeJobs, llmServers: "off" }).scrapeJobs).toHaveLength(1);
    expect(() => parse({ ...defaults, scrapeJobs })).toThrow(/job_name .* is the name of another job/);
  });
});

describe("The setting llmNetworks", () => {
  it("takes the name of the job llm-forwarder, which is free without it", () => {
    const scrapeJobs = [{ ...JOB, job_name: "llm-forwarder" }];
    expect(parse({ ...defaults, scrapeJobs }).scrapeJobs).toHaveLength(1);
    expect(() => parse({ ...defaults, scrapeJobs, llmNetworks: ["chat_default"] })).toThrow(
      /job_name .* is the name of another job/,
    );
  });
});

describe("The setting hostMetrics", () => {
  it("takes the name of the job host, which is free without it", () => {
    const scrapeJobs = [{ ...JOB, job_name: "host" }];
    expect(parse({ ...defaults, scrapeJobs, hostMetrics: "off" }).scrapeJobs).toHaveLength(1);
    expect(() => parse({ ...defaults, scrapeJobs })).toThrow(/job_name .* is the name of another job/);
    // A job of the user's for a node_exporter of their own keeps its name.
    expect(parse({ ...defaults, scrapeJobs: [{ ...JOB, job_name: "node" }] }).scrapeJobs).toHaveLength(1);
  });

  it("accepts any directory but those of the system", () => {
    const hostDisks = ["/data", "/mnt/models", "/var/lib/containerd", "/home", "/srv/a b", "/runs"];
    expect(parse({ ...defaults, hostDisks }).hostDisks).toEqual(hostDisks);
  });
});
