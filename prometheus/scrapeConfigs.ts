import { DISKS_FOLDER, DOCKER_ROOT_FILE, LLM_TARGETS_PATH, SERVERS, target } from "../lib/names";
import { OWN_JOBS, type ExtraScrapeJob } from "../settings";
import { ALERTMANAGER_METRICS, GATEWAY_METRICS, NODE_METRICS, PROMETHEUS_METRICS } from "./catalogue";
import { cadvisorRelabeling, keepMetrics, llmRelabeling } from "./relabeling";

/** An entry of Prometheus's `scrape_configs`. */
export interface ScrapeConfig extends ExtraScrapeJob {
  body_size_limit: string | 0;
  sample_limit: number;
  label_limit: number;
  label_name_length_limit: number;
  label_value_length_limit: number;
}

/**
 * Limits of one scrape. A scrape that exceeds one fails as a whole, so they are generous: 20,000 samples are some 700 containers,
 * and 128 MiB are 300 containers of which each has 4 kB of labels; cAdvisor repeats them in about 70 lines.
 */
const LIMITS = {
  body_size_limit: "128MB",
  sample_limit: 20_000,
  label_limit: 40,
  label_name_length_limit: 200,
  label_value_length_limit: 2_000,
} as const;

/**
 * Limits of a job of the user's own, far above what LLM servers send: vLLM's `vllm:cache_config_info` has about 40 labels, one for
 * each field of its CacheConfig, and `vllm:lora_requests_info` lists the names of all adapters in one label, some 20 characters
 * each (vllm-project/vllm, vllm/v1/metrics/loggers.py). The size of the body limits them together.
 */
const EXTRA_LIMITS = {
  ...LIMITS,
  label_limit: 200,
  label_name_length_limit: 500,
  label_value_length_limit: 65_536,
} as const;

/** The limits and the only target of a job of the stack. */
const scraped = (address: string, host: string) => ({
  ...LIMITS,
  static_configs: [{ targets: [address], labels: { host } }],
});

/**
 * The job that scrapes cAdvisor.
 *
 * @param host value of the label `host`
 * @param hostMetrics whether the metrics of the host are kept too
 */
export function cadvisorJob(host: string, scrapeInterval: string, hostMetrics = true): ScrapeConfig {
  return {
    job_name: OWN_JOBS.cadvisor,
    // cAdvisor's own timestamps would keep the series of a stopped container alive for five minutes.
    honor_timestamps: false,
    scrape_interval: scrapeInterval,
    // cAdvisor measures for this scrape, so that the samples are of its time. Source: google/cadvisor, GetRequestOptions.
    params: { max_age: ["0s"] },
    // The servers are on one host: compression would cost cAdvisor a twentieth of its CPU time.
    enable_compression: false,
    ...scraped(target(SERVERS.cadvisor), host),
    metric_relabel_configs: cadvisorRelabeling(hostMetrics),
  };
}

/** The job that scrapes the exporter, which exposes only metrics of the catalogue. */
export const exporterJob = (host: string): ScrapeConfig => ({
  job_name: OWN_JOBS.exporter,
  ...scraped(target(SERVERS.exporter), host),
});

/**
 * The job that scrapes a dcgm-exporter. Relabeling gives a GPU the same `gpu_uuid` in every job.
 *
 * @param address its host:port
 */
export const dcgmJob = (address: string, host: string): ScrapeConfig => ({
  job_name: OWN_JOBS.dcgm,
  ...scraped(address, host),
  metric_relabel_configs: [
    { source_labels: ["__name__"], regex: "DCGM_FI_.*", action: "keep" },
    { source_labels: ["UUID"], target_label: "gpu_uuid" },
    { source_labels: ["modelName"], target_label: "gpu_model" },
    { regex: "UUID|modelName|device|pci_bus_id|Hostname|DCGM_FI_DRIVER_VERSION", action: "labeldrop" },
  ],
});

/**
 * Limits of a scrape of an LLM server, which is not under our control: real pages have some 100 kB, and up to 150 series that are
 * kept, or 265 with 16 data-parallel engines, none of which has many or long labels.
 */
const LLM_LIMITS = { ...LIMITS, body_size_limit: "10MB", sample_limit: 1_000 } as const;
const ALL_LLM_LIMITS = { ...EXTRA_LIMITS, body_size_limit: LLM_LIMITS.body_size_limit } as const;

/**
 * The job that scrapes LLM servers, which the exporter discovers.
 *
 * @param all whether all of their metrics are kept
 */
export const llmJob = (host: string, all: boolean): ScrapeConfig => ({
  job_name: OWN_JOBS.llm,
  // A server could send samples of any time.
  honor_timestamps: false,
  // In newer formats, Python's client requests that `vllm:` is stored as `vllm_`.
  scrape_protocols: ["PrometheusText0.0.4"],
  fallback_scrape_protocol: "PrometheusText0.0.4",
  // One series instead of one for each bucket.
  convert_classic_histograms_to_nhcb: true,
  ...(all ? ALL_LLM_LIMITS : LLM_LIMITS),
  // A server could redirect Prometheus to another one.
  follow_redirects: false,
  http_sd_configs: [
    { url: `http://${target(SERVERS.exporter)}${LLM_TARGETS_PATH}`, refresh_interval: "10s" },
  ],
  relabel_configs: [
    { target_label: "host", replacement: host },
    // Marks the servers that are scraped through the forwarder.
    {
      source_labels: ["__address__"],
      regex: target(SERVERS.llmForwarder),
      target_label: "forwarder",
      replacement: SERVERS.llmForwarder.alias,
    },
  ],
  metric_relabel_configs: llmRelabeling(all),
});

/** The job that shows whether the forwarder to LLM servers runs: it exposes no metrics of its own. */
export const llmForwarderJob = (host: string): ScrapeConfig => ({
  job_name: OWN_JOBS.llmForwarder,
  metrics_path: "/healthz",
  // An empty response has no content type.
  fallback_scrape_protocol: "PrometheusText0.0.4",
  ...scraped(target(SERVERS.llmForwarder), host),
});

/** The job that scrapes Prometheus itself, on its own port inside the container. */
export function prometheusJob(host: string): ScrapeConfig {
  return {
    job_name: OWN_JOBS.prometheus,
    ...scraped(`127.0.0.1:${SERVERS.prometheus.port}`, host),
    metric_relabel_configs: [keepMetrics(PROMETHEUS_METRICS)],
  };
}

/** The job that scrapes the stack's Alertmanager. */
export const alertmanagerJob = (host: string): ScrapeConfig => ({
  job_name: OWN_JOBS.alertmanager,
  ...scraped(target(SERVERS.alertmanager), host),
  metric_relabel_configs: [keepMetrics(Object.keys(ALERTMANAGER_METRICS))],
});

/**
 * The job that scrapes node_exporter.
 *
 * @param dockerRoot Docker's root directory, the mount point of whose disk is a file in the container
 */
export const hostJob = (host: string, dockerRoot: string): ScrapeConfig => ({
  job_name: OWN_JOBS.host,
  ...scraped(target(SERVERS.nodeExporter), host),
  metric_relabel_configs: [
    keepMetrics(Object.keys(NODE_METRICS)),
    {
      source_labels: ["mountpoint"],
      regex: DOCKER_ROOT_FILE,
      target_label: "mountpoint",
      replacement: dockerRoot.replaceAll("$", "$$$$"),
    },
    {
      source_labels: ["mountpoint"],
      regex: `${DISKS_FOLDER}(/.+)`,
      target_label: "mountpoint",
      replacement: "$1",
    },
    { regex: "device_error", action: "labeldrop" },
  ],
});

/** The job that scrapes the gateway's own metrics. Caddy counts a request once per handler; the first handler's count is kept. */
export const gatewayJob = (host: string): ScrapeConfig => ({
  job_name: OWN_JOBS.gateway,
  ...scraped(target(SERVERS.gateway), host),
  metric_relabel_configs: [
    keepMetrics(Object.keys(GATEWAY_METRICS)),
    { source_labels: ["__name__", "handler"], regex: "caddy_http_.*;headers|[^;]*;", action: "keep" },
    { regex: "handler", action: "labeldrop" },
  ],
});

/** A job of the setting `scrapeJobs`, with the label `host` and with limits where the job sets none of its own. */
export function extraJob(job: ExtraScrapeJob, host: string): ScrapeConfig {
  const discovered = job.file_sd_configs ?? job.http_sd_configs ?? job.dns_sd_configs;
  return {
    ...job,
    body_size_limit: job.body_size_limit ?? EXTRA_LIMITS.body_size_limit,
    sample_limit: job.sample_limit ?? EXTRA_LIMITS.sample_limit,
    label_limit: job.label_limit ?? EXTRA_LIMITS.label_limit,
    label_name_length_limit: job.label_name_length_limit ?? EXTRA_LIMITS.label_name_length_limit,
    label_value_length_limit: job.label_value_length_limit ?? EXTRA_LIMITS.label_value_length_limit,
    static_configs: job.static_configs?.map(({ targets, labels }) => ({
      targets,
      labels: { host, ...labels },
    })),
    relabel_configs: discovered
      ? [hostWhereMissing(host), ...(job.relabel_configs ?? [])]
      : job.relabel_configs,
  };
}

/** Gives targets of service discovery the label `host`, unless they have it. */
const hostWhereMissing = (host: string) => ({
  source_labels: ["host"],
  regex: "",
  target_label: "host",
  replacement: host,
});
