import { createPrivateKey, X509Certificate } from "node:crypto";
import { isIPv4 } from "node:net";
import { RE2JS } from "re2js";
import { z } from "zod";
import { durationSeconds, sizeMebibytes } from "../lib/units";

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
  /** Image of Caddy, which the gateway and the proxy run. */
  caddyImage: string;
  /** The host's address that the gateway listens on; another one than loopback only with TLS and a login. */
  bindAddress: string;
  /** The gateway's certificate with its chain, as PEM; empty: none. */
  tlsCertificate: string;
  /** Its private key, as PEM; a secret. */
  tlsKey: string;
  /** Names and addresses for which the gateway makes certificates by an authority of its own. */
  tlsNames: string[];
  /** Who may log in: bcrypt hashes of passwords by user; a secret. */
  users: Record<string, string>;
  /** The authority whose certificates let clients in, as PEM; empty: none. */
  clientCa: string;
  /** Whether cAdvisor's API passes the gateway: on loopback only, always, or never. */
  cadvisorApi: "auto" | "on" | "off";
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
export const OWN_JOBS = {
  cadvisor: "cadvisor",
  prometheus: "prometheus",
  gateway: "gateway",
  gpu: "gpu",
  dcgm: "dcgm",
} as const;

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
const address = text(
  (value) => isIPv4(value),
  "an IPv4 loopback address, such as 127.0.0.1, or another IPv4 address of the host",
);
/** Whether only this host reaches an address. */
export const isLoopback = (value: string): boolean => value.startsWith("127.");

const succeeds = (check: () => unknown): boolean => {
  try {
    return Boolean(check());
  } catch {
    return false;
  }
};
const isCertificate = (pem: string) => succeeds(() => new X509Certificate(pem));
const isPrivateKey = (pem: string) => succeeds(() => createPrivateKey(pem));
const certificate = text(
  (pem) => pem === "" || isCertificate(pem),
  "a certificate as PEM (-----BEGIN CERTIFICATE-----)",
);
const privateKey = text(
  (pem) => pem === "" || isPrivateKey(pem),
  "a private key as PEM, without a passphrase",
);
const dnsName = text(
  (name) => isIPv4(name) || /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/.test(name),
  "a host name in lower case or an IPv4 address, such as metrics.example.org",
);
/** The lines of an htpasswd file. What is cheaper than 2^10 rounds is guessed fast, what is dearer than 2^14 keeps the gateway busy. */
const users = text(
  (lines) =>
    userLines(lines).every((line) => /^[\w.@-]{1,64}:\$2[aby]\$1[0-4]\$[./A-Za-z0-9]{53}$/.test(line)),
  "lines of an htpasswd file with bcrypt hashes of 10 to 14 rounds, as `htpasswd -nBC 12 NAME` writes them",
).transform((lines) =>
  Object.fromEntries(userLines(lines).map((line) => line.split(":") as [string, string])),
);
const userLines = (lines: string) => lines.split("\n").filter((line) => line.trim() !== "");
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
    bindAddress: address,
    tlsCertificate: certificate,
    tlsKey: privateKey,
    tlsNames: z.array(dnsName, { error: "must be a list of host names" }),
    users,
    clientCa: certificate,
    cadvisorApi: z.enum(["auto", "on", "off"], { error: "must be auto, on or off" }),
    scrapeInterval: duration.refine((text) => !(durationSeconds(text) > 120), {
      error: "must be 2m at most, as Prometheus takes samples for gone after five minutes",
    }),
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
    refuseOpenDoor(settings, refuse);
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

/** Refuses a door that more can go through than the settings seem to log, or nobody. */
function refuseOpenDoor(
  settings: Pick<Settings, "bindAddress" | "tlsCertificate" | "tlsKey" | "tlsNames" | "users" | "clientCa">,
  refuse: (path: string[], message: string) => void,
): void {
  const { bindAddress, tlsCertificate, tlsKey, tlsNames, clientCa } = settings;
  const tls = tlsCertificate !== "" || tlsNames.length > 0;
  const hasUsers = Object.keys(settings.users).length > 0;
  if (!isLoopback(bindAddress) && !(tls && (hasUsers || clientCa)))
    refuse(
      ["bindAddress"],
      "must be an IPv4 loopback address, such as 127.0.0.1, as long as the gateway has no TLS (set tlsCertificate and tlsKey, or tlsNames) or no login (set users, or clientCa)",
    );
  if ((hasUsers || clientCa) && !tls)
    refuse([hasUsers ? "users" : "clientCa"], "needs TLS: set tlsCertificate and tlsKey, or tlsNames");
  if (clientCa && !hasUsers && !tlsKey)
    refuse(
      ["clientCa"],
      "needs users too, or tlsKey: the health probe logs in by a password that is derived from them",
    );
  if (tlsCertificate && tlsNames.length > 0)
    refuse(["tlsNames"], "is for a gateway without tlsCertificate: choose one of them");
  if ((tlsCertificate === "") !== (tlsKey === ""))
    refuse([tlsKey ? "tlsCertificate" : "tlsKey"], "must be set, as its counterpart is");
  if (!isCertificate(tlsCertificate) || !isPrivateKey(tlsKey)) return;
  const own = certificateOf(tlsCertificate);
  if (own.expires < Date.now() / 1000)
    refuse(
      ["tlsCertificate"],
      `must not have expired, as this one has on ${new Date(own.expires * 1000).toISOString()}`,
    );
  if (own.names.length === 0) refuse(["tlsCertificate"], "must have a subject alternative name");
  if (!new X509Certificate(tlsCertificate).checkPrivateKey(createPrivateKey(tlsKey)))
    refuse(["tlsKey"], "must be the key of tlsCertificate");
}

/** The names and addresses that the first certificate of a PEM is for, and when it expires, in Unix seconds. */
export function certificateOf(pem: string): { names: string[]; expires: number } {
  const { subjectAltName = "", validTo } = new X509Certificate(pem);
  return {
    names: [...subjectAltName.matchAll(/(?:DNS|IP Address):([^,\s]+)/g)].map(([, name = ""]) => name),
    expires: Date.parse(validTo) / 1000,
  };
}

/** The keys of a stack's configuration, without the project's name. */
export const SETTING_KEYS = Object.keys(schema.shape);

/**
 * Checks a stack's configuration.
 *
 * @param raw each key's value as `pulumi config` holds it; lists and booleans as JSON text or as values
 * @param inClear the keys that are not encrypted, though they have to be
 * @throws Error that lists every bad key with its value and what would be accepted
 */
export function parseSettings(raw: Record<string, unknown>, inClear: string[] = []): Settings {
  const values = Object.fromEntries(Object.entries(raw).map(([key, value]) => [key, fromText(key, value)]));
  const result = schema.safeParse(values);
  if (result.success && inClear.length === 0) return result.data;
  const open = inClear.map(
    (key) =>
      `llm-metrics:${key} is in clear, but must be a secret: set it by \`pulumi config set --secret ${key}\``,
  );
  const problems = (result.error?.issues ?? []).flatMap((issue) =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map(
          (key) => `${keyPath([...issue.path, key])} is not a setting: remove it, or correct its spelling`,
        )
      : [`${keyPath(issue.path)} is ${shown(values, issue.path)}, but ${issue.message}`],
  );
  throw new Error(
    `these settings are refused, and nothing was changed:\n${[...open, ...new Set(problems)].map((p) => `  - ${p}`).join("\n")}`,
  );
}

const STRUCTURED = new Set(["scrapeJobs", "alertmanagers", "protectData", "outbound", "tlsNames"]);

/** The keys whose values are encrypted and shown to nobody. Pulumi itself insists on that (`secret: true`) only for keys that every stack sets. */
export const SECRET_KEYS: readonly string[] = ["tlsKey", "users"];

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
  if (value === undefined) return "missing";
  if (SECRET_KEYS.includes(String(path[0]))) return value === "" ? '""' : "[secret]";
  const text = JSON.stringify(value);
  return text.length > 200 ? `${text.slice(0, 60)}…` : text;
}
