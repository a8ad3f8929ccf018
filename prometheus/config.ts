import { dump } from "js-yaml";
import type { Settings } from "../settings";
import { GATEWAY_RULES, GPU_RULES, monitoringAlerts, rulesFile } from "./rules";
import {
  cadvisorJob,
  dcgmJob,
  extraJob,
  gatewayJob,
  gpuJob,
  prometheusJob,
  type ScrapeJob,
} from "./scrapeConfigs";

/** Where Prometheus's container has its configuration. */
export const CONFIG_FOLDER = "/etc/prometheus";

/** Where it has a copy of each file as it was loaded last, by which edits by hand are told. */
export const APPLIED_FOLDER = `${CONFIG_FOLDER}/applied`;

/** `prometheus.yml`, in Prometheus's own words and order. */
export interface PrometheusConfig {
  global: {
    scrape_interval: string;
    evaluation_interval: string;
    extra_scrape_metrics: boolean;
    external_labels: Record<string, string>;
  };
  storage: { tsdb: { retention: { time: string; size: string } } };
  rule_files: string[];
  alerting?: { alertmanagers: { static_configs: { targets: string[] }[] }[] };
  scrape_configs: ScrapeJob[];
}

/** What the configuration needs to know beside the settings. */
export interface Surroundings {
  /** The environment's name, which becomes the external label `environment`. */
  environment: string;
  /** Value of the label `host`. */
  host: string;
  /** cAdvisor's host:port, as Prometheus reaches it. */
  cadvisorTarget: string;
  /** The gateway's. */
  gatewayTarget: string;
  /** The GPU exporter's, where there is one. */
  gpuTarget?: string;
}

/** The configuration that the settings ask for. */
export function prometheusConfig(settings: Settings, surroundings: Surroundings): PrometheusConfig {
  const { environment, host, cadvisorTarget, gatewayTarget, gpuTarget } = surroundings;
  return {
    global: {
      scrape_interval: settings.scrapeInterval,
      evaluation_interval: settings.scrapeInterval,
      // Tells how near each job is to its limits: scrape_sample_limit, scrape_body_size_bytes.
      extra_scrape_metrics: true,
      external_labels: { environment },
    },
    storage: { tsdb: { retention: { time: settings.retentionTime, size: settings.retentionSize } } },
    rule_files: [`${CONFIG_FOLDER}/${rules(settings, surroundings).name}`],
    ...(settings.alertmanagers.length > 0 && {
      alerting: { alertmanagers: [{ static_configs: [{ targets: settings.alertmanagers }] }] },
    }),
    scrape_configs: [
      cadvisorJob(cadvisorTarget, host, settings.scrapeInterval),
      prometheusJob(host),
      gatewayJob(gatewayTarget, host),
      ...(gpuTarget ? [gpuJob(gpuTarget, host)] : []),
      ...(settings.dcgmExporter ? [dcgmJob(settings.dcgmExporter, host)] : []),
      ...settings.scrapeJobs.map((job) => extraJob(job, host)),
    ],
  };
}

/** The files of Prometheus's configuration folder, by name: `prometheus.yml`, and the rules that it names. */
export function configFiles(settings: Settings, surroundings: Surroundings): Record<string, string> {
  const { name, text } = rules(settings, surroundings);
  return { "prometheus.yml": toYaml(prometheusConfig(settings, surroundings)), [name]: text };
}

const rules = ({ scrapeInterval }: Settings, { host, gpuTarget }: Surroundings) =>
  rulesFile([monitoringAlerts(host, scrapeInterval), ...GATEWAY_RULES, ...(gpuTarget ? GPU_RULES : [])]);

/** The YAML of a configuration or a part of one; the same object always gives the same text. */
export function toYaml(config: PrometheusConfig | Pick<PrometheusConfig, "scrape_configs">): string {
  return dump(config, { lineWidth: -1, noRefs: true, skipInvalid: true });
}
