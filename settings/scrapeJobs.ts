import * as z from "zod";
import { OWN_JOBS, TARGETS_FOLDER } from "../lib/names";
import { durationSeconds } from "../lib/units";
import {
  duration,
  flag,
  hostPort,
  isCertificate,
  isKeyOf,
  isPrivateKey,
  labelName,
  notUsable,
  oneOf,
  port,
  regex,
  scrapeInterval,
  text,
  url,
  type Refuse,
} from "./formats";
import { httpClient, moveSecrets, type HttpClient, type Path, type Store } from "./httpClient";

const relabelConfig = z.strictObject({
  source_labels: z.array(labelName).optional(),
  separator: z.string().optional(),
  regex: regex.optional(),
  modulus: z.number().int().positive().optional(),
  target_label: z.string().optional(),
  replacement: z.string().optional(),
  action: oneOf(
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
  ).optional(),
});

const scrapeProtocol = oneOf(
  "PrometheusProto",
  "OpenMetricsText0.0.1",
  "OpenMetricsText1.0.0",
  "PrometheusText0.0.4",
  "PrometheusText1.0.0",
);

/** A limit of one scrape; 0 for none. */
const limit = z.number().int().nonnegative({ error: "must be a whole number, or 0 for no limit" }).optional();

/** A size in Prometheus's own form, such as 64MB; 0 for no limit. */
const bodySize = z.union([z.literal(0), z.string().regex(/^(0|\d+[KMGTPE]?i?B)$/)], {
  error: "must be a size, such as 64MB, or 0 for no limit",
});

const targetsFile = text(
  (file) => file.startsWith(`${TARGETS_FOLDER}/`) && /^[^/]+\.(json|yml|yaml)$/.test(fileName(file)),
  `a file in ${TARGETS_FOLDER}/ of Prometheus's container that ends with .json, .yml or .yaml`,
);
const fileName = (file: string) => file.slice(TARGETS_FOLDER.length + 1);

/** The service discovery that a stack can use. Source: prometheus/prometheus v0.313.5, discovery/. */
const serviceDiscovery = {
  static_configs: z
    .array(
      z.strictObject({
        targets: z.array(z.string()).min(1),
        labels: z.record(labelName, z.string()).optional(),
      }),
    )
    .min(1, { error: "must list at least one group of targets" })
    .optional(),
  file_sd_configs: z
    .array(z.strictObject({ files: z.array(targetsFile).min(1), refresh_interval: duration.optional() }))
    .optional(),
  http_sd_configs: z
    .array(z.strictObject({ url, refresh_interval: duration.optional(), ...httpClient.shape }))
    .optional(),
  dns_sd_configs: z
    .array(
      z.strictObject({
        names: z.array(z.string()).min(1),
        type: oneOf("SRV", "A", "AAAA", "MX", "NS").optional(),
        port: port.optional(),
        refresh_interval: duration.optional(),
      }),
    )
    .optional(),
} as const;

/** Prometheus's scrape_config, in its order. Source: prometheus/prometheus v0.313.5, config/config.go, ScrapeConfig. */
export const extraScrapeJob = z.strictObject({
  job_name: text((name) => name !== "", "a name"),
  honor_labels: flag.optional(),
  honor_timestamps: flag.optional(),
  track_timestamps_staleness: flag.optional(),
  params: z.record(z.string(), z.array(z.string())).optional(),
  scrape_interval: scrapeInterval.optional(),
  scrape_timeout: duration.optional(),
  scrape_protocols: z.array(scrapeProtocol).min(1).optional(),
  fallback_scrape_protocol: scrapeProtocol.optional(),
  scrape_native_histograms: flag.optional(),
  always_scrape_classic_histograms: flag.optional(),
  convert_classic_histograms_to_nhcb: flag.optional(),
  scrape_failure_log_file: notUsable(
    "nothing limits the size of that file; the page /targets of Prometheus shows the last error of each target",
  ),
  metrics_path: text((path) => path.startsWith("/"), "a path that starts with /").optional(),
  scheme: oneOf("http", "https").optional(),
  enable_compression: flag.optional(),
  body_size_limit: bodySize.optional(),
  sample_limit: limit,
  target_limit: limit,
  label_limit: limit,
  label_name_length_limit: limit,
  label_value_length_limit: limit,
  native_histogram_bucket_limit: limit,
  native_histogram_min_bucket_factor: z.number().optional(),
  keep_dropped_targets: limit,
  metric_name_validation_scheme: oneOf("legacy", "utf8").optional(),
  metric_name_escaping_scheme: oneOf("allow-utf-8", "underscores", "dots", "values").optional(),
  extra_scrape_metrics: flag.optional(),
  ...httpClient.shape,
  ...serviceDiscovery,
  relabel_configs: z.array(relabelConfig).optional(),
  metric_relabel_configs: z.array(relabelConfig).optional(),
});

/** A scrape job of the setting `scrapeJobs`, in Prometheus's own terms. */
export type ExtraScrapeJob = z.infer<typeof extraScrapeJob>;

/** A relabeling step, in Prometheus's own terms and order. Without an action it is `replace`. */
export type RelabelConfig = z.infer<typeof relabelConfig>;

/** Why a key of a job that Prometheus may know is no setting here; undefined for other keys. */
export const whyNoDiscovery = (key: string): string | undefined =>
  key.endsWith("_sd_configs")
    ? `of Prometheus's service discovery, a stack has ${Object.keys(serviceDiscovery).join(", ")}: its network reaches ` +
      "no cloud's API, and Prometheus has no access to Docker's"
    : undefined;

/**
 * Refuses what Prometheus would accept or read late: names in use, timeouts that are too long, jobs without targets.
 *
 * @param free the names of own jobs that the stack does not have
 */
export function checkScrapeJobs(
  jobs: readonly ExtraScrapeJob[],
  defaultInterval: string,
  free: readonly string[],
  refuse: Refuse,
): void {
  const names: string[] = Object.values(OWN_JOBS).filter((name) => !free.includes(name));
  for (const [index, job] of jobs.entries()) {
    const refuseIn: Refuse = (path, message) => {
      refuse(["scrapeJobs", index, ...path], message);
    };
    if (names.includes(job.job_name))
      refuseIn(["job_name"], "is the name of another job: choose one that is not in use");
    names.push(job.job_name);
    const interval = job.scrape_interval ?? defaultInterval;
    if (job.scrape_timeout && durationSeconds(job.scrape_timeout) > durationSeconds(interval))
      refuseIn(["scrape_timeout"], `must not be longer than the scrape interval (${interval})`);
    checkTargets(job, refuseIn);
    checkClientKey(job, refuseIn);
    for (const [place, discovery] of (job.http_sd_configs ?? []).entries())
      checkClientKey(discovery, (path, message) => {
        refuseIn(["http_sd_configs", place, ...path], message);
      });
  }
}

/** With relabeling, a target can be any text: exporters such as blackbox_exporter get it as a parameter. */
function checkTargets(job: ExtraScrapeJob, refuse: Refuse): void {
  const kinds = Object.keys(serviceDiscovery) as (keyof typeof serviceDiscovery)[];
  if (!kinds.some((kind) => job[kind]?.length))
    refuse(["static_configs"], `must be set, or ${kinds.slice(1).join(", ")}`);
  if (job.relabel_configs?.length) return;
  for (const [group, { targets }] of (job.static_configs ?? []).entries())
    for (const [index, target] of targets.entries()) {
      const { error } = hostPort.safeParse(target);
      if (error)
        refuse(
          ["static_configs", group, "targets", index],
          error.issues.map(({ message }) => message).join(),
        );
    }
}

/** Prometheus reports a key of another certificate with each scrape, and not before. */
function checkClientKey({ tls_config: { cert, key } = {} }: HttpClient, refuse: Refuse): void {
  if ((cert === undefined) !== (key === undefined))
    refuse(["tls_config", cert ? "key" : "cert"], "must be set, as its counterpart is");
  if (!cert || !key || !isCertificate(cert) || !isPrivateKey(key)) return;
  if (!isKeyOf(cert, key)) refuse(["tls_config", "key"], "must be the key of cert");
}

/** Moves the secrets of a job, and of its service discovery, into files. */
export const moveJobSecrets = (job: ExtraScrapeJob, store: Store): ExtraScrapeJob => ({
  ...moveSecrets(job, store),
  ...(job.http_sd_configs && {
    http_sd_configs: job.http_sd_configs.map((discovery, index) =>
      moveSecrets(discovery, store, ["http_sd_configs", index]),
    ),
  }),
});

/** Where the secrets of a job are. */
export function secretPaths(job: ExtraScrapeJob): Path[] {
  const paths: Path[] = [];
  moveJobSecrets(job, (path) => {
    paths.push(path);
    return "";
  });
  return paths.filter((path) => path.at(-1) !== "cert");
}
