import { z } from "zod";
import { durationSeconds } from "../lib/units";
import { duration, hostPort, labelName, oneOf, regex, text, type Refuse } from "./formats";

/** The names of the scrape jobs that the program itself declares; a job of the setting `scrapeJobs` cannot have one of them. */
export const OWN_JOBS = {
  cadvisor: "cadvisor",
  prometheus: "prometheus",
  gateway: "gateway",
  gpu: "gpu",
  dcgm: "dcgm",
} as const;

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

/** The part of Prometheus's scrape_config that the setting `scrapeJobs` accepts. */
export const extraScrapeJob = z.strictObject({
  job_name: text((name) => name !== "", "a name"),
  scrape_interval: duration.optional(),
  scrape_timeout: duration.optional(),
  metrics_path: text((path) => path.startsWith("/"), "a path that starts with /").optional(),
  scheme: oneOf("http", "https").optional(),
  params: z.record(z.string(), z.array(z.string())).optional(),
  honor_labels: z.boolean().optional(),
  fallback_scrape_protocol: oneOf(
    "PrometheusText0.0.4",
    "PrometheusText1.0.0",
    "OpenMetricsText0.0.1",
    "OpenMetricsText1.0.0",
  ).optional(),
  sample_limit: z.number().int().positive().optional(),
  static_configs: z
    .array(
      z.strictObject({
        targets: z.array(hostPort).min(1),
        labels: z.record(labelName, z.string()).optional(),
      }),
    )
    .min(1, { error: "must list at least one group of targets" }),
  relabel_configs: z.array(relabelConfig).optional(),
  metric_relabel_configs: z.array(relabelConfig).optional(),
});

/** A scrape job of the setting `scrapeJobs`, in Prometheus's own terms. */
export type ExtraScrapeJob = z.infer<typeof extraScrapeJob>;

/** A relabeling step, in Prometheus's own terms and order. Without an action it is `replace`. */
export type RelabelConfig = z.infer<typeof relabelConfig>;

/** Refuses job names that are used twice and timeouts longer than their interval. */
export function checkScrapeJobs(
  jobs: readonly ExtraScrapeJob[],
  scrapeInterval: string,
  refuse: Refuse,
): void {
  const names: string[] = Object.values(OWN_JOBS);
  for (const [index, job] of jobs.entries()) {
    if (names.includes(job.job_name))
      refuse(["scrapeJobs", index, "job_name"], "is the name of another job: choose one that is not in use");
    names.push(job.job_name);
    const interval = job.scrape_interval ?? scrapeInterval;
    if (job.scrape_timeout && durationSeconds(job.scrape_timeout) > durationSeconds(interval))
      refuse(
        ["scrapeJobs", index, "scrape_timeout"],
        `must not be longer than the scrape interval (${interval})`,
      );
  }
}
