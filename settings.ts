import { RE2JS } from "re2js";
import { z } from "zod";
import { durationSeconds, sizeMebibytes } from "./prometheus/units";

/**
 * Everything that a stack's configuration decides, checked. The program reads configuration here and nowhere else;
 * `Pulumi.yaml` describes each key and holds its default.
 */
export interface Settings {
  cadvisorImage: string;
  cadvisorPort: number;
  /** Memory limit in MiB. */
  cadvisorMemory: number;
  prometheusImage: string;
  prometheusPort: number;
  /** Memory limit in MiB. */
  prometheusMemory: number;
  /** What cAdvisor and the GPU exporter get of Docker: its socket, or what a proxy passes of its API. */
  dockerAccess: "socket" | "proxy";
  caddyImage: string;
  bindAddress: string;
  /** A Prometheus duration, such as "30s". */
  scrapeInterval: string;
  retentionTime: string;
  retentionSize: string;
  /** Empty: the name that the Docker daemon reports. */
  hostLabel: string;
  /** Whether GPUs are measured: where the host has them, always, or never. */
  gpu: "auto" | "on" | "off";
  gpuExporterImage: string;
  /** Memory limit in MiB. */
  gpuExporterMemory: number;
  /** host:port of a dcgm-exporter that is there already; empty: none. */
  dcgmExporter: string;
  protectData: boolean;
  /** Whether Prometheus may reach other hosts. */
  outbound: boolean;
  scrapeJobs: ExtraScrapeJob[];
  alertmanagers: string[];
}

/** The jobs that the program itself declares; an extra job may not take their names. */
export const OWN_JOBS = { cadvisor: "cadvisor", prometheus: "prometheus", gpu: "gpu", dcgm: "dcgm" } as const;

function isRe2(pattern: string): boolean {
  try {
    RE2JS.compile(pattern);
    return true;
  } catch {
    return false;
  }
}

/** A setting that must satisfy `test`; `remedy` says what is accepted, in words that follow "must be". */
const text = (test: (value: string) => boolean, remedy: string) =>
  z.string({ error: `must be ${remedy}` }).refine(test, { error: `must be ${remedy}` });

const port = z.coerce
  .number({ error: "must be a port number" })
  .refine((p) => Number.isInteger(p) && p >= 1 && p <= 65_535, { error: "must be a port from 1 to 65535" });
const image = text(
  (ref) =>
    /^[a-z0-9][\w.\-:/]*(:[\w][\w.-]{0,127}|@sha256:[a-f0-9]{64})$/.test(ref) &&
    !/:latest$/.test(ref) &&
    !/\/\/|::/.test(ref),
  'an image with a tag other than "latest", or a digest, such as prom/prometheus:v3.13.5',
);
const duration = text((value) => durationSeconds(value) > 0, "a duration above zero, such as 30s, 5m or 15d");
const size = text((value) => sizeMebibytes(value) >= 64, "a size of at least 64MB, such as 512MB or 10GB");
const memory = text(
  (value) => sizeMebibytes(value) >= 32,
  "a memory size of at least 32MB, such as 256MB or 1GB",
).transform((value) => Math.floor(sizeMebibytes(value)));
const hostPort = text(
  (value) =>
    /^([a-zA-Z0-9_.-]+|\[[0-9a-fA-F:]+\]):\d+$/.test(value) && port.safeParse(value.split(":").pop()).success,
  "host:port, such as vllm:8000",
);
const loopback = text(
  (address) => /^127(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/.test(address),
  "an IPv4 loopback address, such as 127.0.0.1: container metrics are not for other hosts to read",
);
const hostLabel = text(
  (label) => /^[\w.-]{0,63}$/.test(label),
  "a host name: up to 63 letters, digits, dots, dashes and underscores",
);

const labelName = text(
  (name) => /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name),
  "a label name: letters, digits and underscores, not starting with a digit",
);
const regex = text(isRe2, "a regular expression of RE2 syntax (no look-ahead, no back-references)");
const relabelRule = z.strictObject({
  source_labels: z.array(labelName).optional(),
  separator: z.string().optional(),
  regex: regex.optional(),
  modulus: z.number().int().positive().optional(),
  target_label: z.string().optional(),
  replacement: z.string().optional(),
  action: z
    .enum([
      "replace",
      "keep",
      "drop",
      "keepequal",
      "dropequal",
      "hashmod",
      "labelmap",
      "labeldrop",
      "labelkeep",
      "lowercase",
      "uppercase",
    ])
    .optional(),
});
const extraScrapeJob = z
  .strictObject({
    job_name: text((name) => name !== "", "a name"),
    scrape_interval: duration.optional(),
    scrape_timeout: duration.optional(),
    metrics_path: text((path) => path.startsWith("/"), "a path that starts with /").optional(),
    scheme: z.enum(["http", "https"], { error: "must be http or https" }).optional(),
    params: z.record(z.string(), z.array(z.string())).optional(),
    honor_labels: z.boolean().optional(),
    fallback_scrape_protocol: z
      .enum(["PrometheusText0.0.4", "PrometheusText1.0.0", "OpenMetricsText0.0.1", "OpenMetricsText1.0.0"])
      .optional(),
    sample_limit: z.number().int().positive().optional(),
    static_configs: z
      .array(
        z.strictObject({
          targets: z.array(hostPort).min(1),
          labels: z.record(labelName, z.string()).optional(),
        }),
      )
      .min(1, { error: "must list at least one group of targets" }),
    relabel_configs: z.array(relabelRule).optional(),
    metric_relabel_configs: z.array(relabelRule).optional(),
  })
  .superRefine((job, ctx) => {
    if (
      job.scrape_timeout &&
      job.scrape_interval &&
      durationSeconds(job.scrape_timeout) > durationSeconds(job.scrape_interval)
    )
      ctx.addIssue({
        code: "custom",
        path: ["scrape_timeout"],
        message: `must not be longer than scrape_interval (${job.scrape_interval})`,
      });
  });

/** A scrape job from the setting `scrapeJobs`: the part of Prometheus's scrape_config that is accepted there. */
export type ExtraScrapeJob = z.infer<typeof extraScrapeJob>;

/** A step of Prometheus's relabeling, in its own words and order. An absent action means `replace`. */
export type RelabelRule = z.infer<typeof relabelRule>;

const schema = z
  .strictObject({
    cadvisorImage: image,
    cadvisorPort: port,
    cadvisorMemory: memory,
    prometheusImage: image,
    prometheusPort: port,
    prometheusMemory: memory,
    dockerAccess: z.enum(["socket", "proxy"], { error: "must be socket or proxy" }),
    caddyImage: image,
    bindAddress: loopback,
    scrapeInterval: duration,
    retentionTime: duration,
    retentionSize: size,
    hostLabel,
    gpu: z.enum(["auto", "on", "off"], { error: "must be auto, on or off" }),
    gpuExporterImage: image,
    gpuExporterMemory: memory,
    dcgmExporter: z.union([z.literal(""), hostPort], {
      error: "must be host:port, such as dcgm-exporter:9400",
    }),
    protectData: z.boolean({ error: "must be true or false" }),
    outbound: z.boolean({ error: "must be true or false" }),
    scrapeJobs: z.array(extraScrapeJob, { error: "must be a list of scrape jobs" }),
    alertmanagers: z.array(hostPort, { error: "must be a list of host:port" }),
  })
  .superRefine((settings, ctx) => {
    const refuse = (path: (string | number)[], message: string) => {
      ctx.addIssue({ code: "custom", path, message });
    };
    if (settings.cadvisorPort === settings.prometheusPort)
      refuse(["prometheusPort"], `is also cadvisorPort: give each its own`);
    const names = [...Object.values(OWN_JOBS), ...settings.scrapeJobs.map((job) => job.job_name)];
    settings.scrapeJobs.forEach((job, i) => {
      if (names.indexOf(job.job_name) !== i + Object.keys(OWN_JOBS).length)
        refuse(["scrapeJobs", i, "job_name"], "is the name of another job: choose one that is not taken");
      const interval = job.scrape_interval ?? settings.scrapeInterval;
      if (job.scrape_timeout && durationSeconds(job.scrape_timeout) > durationSeconds(interval))
        refuse(
          ["scrapeJobs", i, "scrape_timeout"],
          `must not be longer than the scrape interval (${interval})`,
        );
    });
  });

/** The keys of a stack's configuration, without the project's name. */
export const SETTING_KEYS = Object.keys(schema.shape);

/**
 * Checks a stack's configuration.
 *
 * @param raw each key's value as `pulumi config` holds it; lists and booleans as JSON text or as values
 * @throws Error that lists every bad key with its value and what would be accepted
 */
export function parseSettings(raw: Record<string, unknown>): Settings {
  const values = Object.fromEntries(Object.entries(raw).map(([key, value]) => [key, fromText(key, value)]));
  const result = schema.safeParse(values);
  if (result.success) return result.data;
  const problems = result.error.issues.flatMap((issue) =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map(
          (key) => `${keyPath([...issue.path, key])} is not a setting: remove it, or correct its spelling`,
        )
      : [`${keyPath(issue.path)} is ${shown(values, issue.path)}, but ${issue.message}`],
  );
  throw new Error(
    `these settings are refused, and nothing was changed:\n${[...new Set(problems)].map((p) => `  - ${p}`).join("\n")}`,
  );
}

const STRUCTURED = new Set(["scrapeJobs", "alertmanagers", "protectData", "outbound"]);

/** Lists and booleans come as JSON text from `pulumi config`. */
function fromText(key: string, value: unknown): unknown {
  if (!STRUCTURED.has(key) || typeof value !== "string") return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
}

const keyPath = (path: readonly PropertyKey[]) =>
  path
    .map((part, i) =>
      typeof part === "number" ? `[${part}]` : i ? `.${String(part)}` : `llm-metrics:${String(part)}`,
    )
    .join("");

/** The value at a path, as the error shows it. */
function shown(values: unknown, path: readonly PropertyKey[]): string {
  const value = path.reduce((at, part) => (at as Record<PropertyKey, unknown> | undefined)?.[part], values);
  return value === undefined ? "missing" : JSON.stringify(value);
}
