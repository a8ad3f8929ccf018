import { OWN_JOBS, type ExtraScrapeJob } from "../settings";
import { GATEWAY_METRICS, PROMETHEUS_METRICS } from "./catalogue";
import { cadvisorRelabeling, keepMetrics } from "./relabeling";

/** A job of Prometheus's `scrape_configs`, in its own words. */
export interface ScrapeJob extends ExtraScrapeJob {
  honor_timestamps?: boolean;
  body_size_limit: string;
  sample_limit: number;
  label_limit: number;
  label_name_length_limit: number;
  label_value_length_limit: number;
  static_configs: { targets: string[]; labels: Record<string, string> }[];
}

/**
 * Bounds on one scrape; beyond any of them Prometheus refuses the whole scrape, so they leave room: 20,000 samples are
 * some 700 containers.
 */
const LIMITS = {
  body_size_limit: "64MB",
  sample_limit: 20_000,
  label_limit: 40,
  label_name_length_limit: 200,
  label_value_length_limit: 2_000,
} as const;

/**
 * The job that scrapes cAdvisor.
 *
 * @param target cAdvisor's host:port
 * @param host value of the label `host`
 */
export function cadvisorJob(target: string, host: string, scrapeInterval: string): ScrapeJob {
  return {
    job_name: OWN_JOBS.cadvisor,
    // cAdvisor's own timestamps would keep the series of a stopped container alive for five minutes.
    honor_timestamps: false,
    scrape_interval: scrapeInterval,
    ...LIMITS,
    static_configs: [{ targets: [target], labels: { host } }],
    metric_relabel_configs: cadvisorRelabeling(),
  };
}

/**
 * The job that scrapes the GPU exporter, which serves nothing but the catalogue.
 *
 * @param target the exporter's host:port
 */
export const gpuJob = (target: string, host: string): ScrapeJob => ({
  job_name: OWN_JOBS.gpu,
  ...LIMITS,
  static_configs: [{ targets: [target], labels: { host } }],
});

/**
 * The job that scrapes a dcgm-exporter: its GPUs are told by the same label `gpu_uuid` as everybody's.
 *
 * @param target its host:port
 */
export const dcgmJob = (target: string, host: string): ScrapeJob => ({
  job_name: OWN_JOBS.dcgm,
  ...LIMITS,
  static_configs: [{ targets: [target], labels: { host } }],
  metric_relabel_configs: [
    { source_labels: ["__name__"], regex: "DCGM_FI_.*", action: "keep" },
    { source_labels: ["UUID"], target_label: "gpu_uuid" },
    { source_labels: ["modelName"], target_label: "gpu_model" },
    { regex: "UUID|modelName|device|pci_bus_id|Hostname|DCGM_FI_DRIVER_VERSION", action: "labeldrop" },
  ],
});

/** The job by which Prometheus watches itself, on its own port inside the container. */
export function prometheusJob(host: string): ScrapeJob {
  return {
    job_name: OWN_JOBS.prometheus,
    ...LIMITS,
    static_configs: [{ targets: ["127.0.0.1:9090"], labels: { host } }],
    metric_relabel_configs: [keepMetrics(PROMETHEUS_METRICS)],
  };
}

/**
 * The job that scrapes the gateway's own metrics. Caddy counts a request at every step of its way; the first is enough.
 *
 * @param target the gateway's host:port
 */
export const gatewayJob = (target: string, host: string): ScrapeJob => ({
  job_name: OWN_JOBS.gateway,
  ...LIMITS,
  static_configs: [{ targets: [target], labels: { host } }],
  metric_relabel_configs: [
    keepMetrics(Object.keys(GATEWAY_METRICS)),
    { source_labels: ["__name__", "handler"], regex: "caddy_http_.*;headers|[^;]*;", action: "keep" },
    { regex: "handler", action: "labeldrop" },
  ],
});

/** A job of the setting `scrapeJobs`, with the label `host` and the limits that it does not set itself. */
export function extraJob(job: ExtraScrapeJob, host: string): ScrapeJob {
  return {
    ...job,
    ...LIMITS,
    sample_limit: job.sample_limit ?? LIMITS.sample_limit,
    static_configs: job.static_configs.map(({ targets, labels }) => ({
      targets,
      labels: { host, ...labels },
    })),
  };
}
