import { CONFIG_FOLDER, SERVERS, target } from "../lib/names";
import { secretStore } from "../lib/secretFiles";
import { certificateDetails, moveJobSecrets, needsLlmForwarder, type Settings } from "../settings";
import {
  containerRules,
  gatewayRules,
  gpuRules,
  hostRules,
  llmRules,
  monitoringRules,
  RULES_FILE,
  rulesYaml,
  scrapeLimitRules,
  unavailableRules,
  withSettings,
  type RuleGroup,
  type UnavailableMetric,
} from "./rules";
import {
  alertmanagerJob,
  cadvisorJob,
  dcgmJob,
  extraJob,
  gatewayJob,
  exporterJob,
  hostJob,
  llmForwarderJob,
  llmJob,
  prometheusJob,
  type ScrapeConfig,
} from "./scrapeConfigs";
import { toYaml } from "./yaml";

/** `prometheus.yml`, in Prometheus's own terms and order. */
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
  scrape_configs: ScrapeConfig[];
}

/** What the configuration depends on besides the settings. */
export interface PrometheusContext {
  /** Value of the external label `environment`. */
  environment: string;
  /** Value of the label `host`. */
  host: string;
  /** Whether GPUs are measured. */
  gpu: boolean;
  /** Docker's root directory. Default: Docker's own. */
  dockerRoot?: string;
  /** The metrics that the host cannot provide. Default: none. */
  unavailable?: readonly UnavailableMetric[];
}

/** The configuration of a Prometheus. */
export interface PrometheusConfiguration {
  config: PrometheusConfig;
  rules: RuleGroup[];
  /** The files of the configuration folder, by name: `prometheus.yml` and its rule file. */
  files: Record<string, string>;
  /** The files with the secrets of scrape jobs, by their path in the configuration folder. */
  secretFiles: Record<string, string>;
}

/** Builds the configuration from the settings. The same settings always produce the same text. */
export function buildConfiguration(settings: Settings, context: PrometheusContext): PrometheusConfiguration {
  const rules = buildRules(settings, context);
  const { files: secretFiles, store } = secretStore(CONFIG_FOLDER);
  const scrapeJobs = settings.scrapeJobs.map((job) =>
    moveJobSecrets(job, (path, secret) => store([job.job_name, ...path], secret)),
  );
  const config = buildConfig({ ...settings, scrapeJobs }, context);
  return {
    config,
    rules,
    files: { "prometheus.yml": toYaml(config), [RULES_FILE]: rulesYaml(rules) },
    secretFiles,
  };
}

function buildRules(settings: Settings, context: PrometheusContext): RuleGroup[] {
  const { scrapeInterval, tlsCertificate, alerts, prometheusMemory } = settings;
  const { host, gpu, unavailable = [] } = context;
  const certificate = tlsCertificate
    ? { host, expires: certificateDetails(tlsCertificate).expires }
    : undefined;
  const rules = [
    monitoringRules(host, scrapeInterval, alerts, prometheusMemory),
    containerRules(scrapeInterval, alerts),
    scrapeLimitRules(buildScrapeConfigs(settings, context), scrapeInterval, alerts),
    gatewayRules(certificate, alerts),
  ];
  if (settings.hostMetrics === "on") rules.push(hostRules(alerts));
  if (gpu) rules.push(gpuRules(alerts));
  if (settings.llmServers !== "off") rules.push(llmRules(scrapeInterval, alerts));
  if (unavailable.length > 0) rules.push(unavailableRules(host, unavailable));
  return withSettings(rules, alerts);
}

function buildConfig(settings: Settings, context: PrometheusContext): PrometheusConfig {
  const { scrapeInterval } = settings;
  const alertmanagers = alertmanagerTargets(settings);
  return {
    global: {
      scrape_interval: scrapeInterval,
      evaluation_interval: scrapeInterval,
      // Adds metrics that show how close each job is to its limits: scrape_sample_limit, scrape_body_size_bytes.
      extra_scrape_metrics: true,
      external_labels: { environment: context.environment },
    },
    storage: { tsdb: { retention: { time: settings.retentionTime, size: settings.retentionSize } } },
    rule_files: [RULES_FILE],
    ...(alertmanagers.length > 0 && {
      alerting: { alertmanagers: [{ static_configs: [{ targets: alertmanagers }] }] },
    }),
    scrape_configs: buildScrapeConfigs(settings, context),
  };
}

/** The stack's own Alertmanager, where the settings have receivers, and those that exist already. */
const alertmanagerTargets = ({ notify, alertmanagers }: Settings): string[] =>
  notify.length > 0 ? [target(SERVERS.alertmanager), ...alertmanagers] : alertmanagers;

function buildScrapeConfigs(
  settings: Settings,
  { host, dockerRoot = "/var/lib/docker" }: PrometheusContext,
): ScrapeConfig[] {
  const hostMetrics = settings.hostMetrics === "on";
  const jobs = [
    cadvisorJob(host, settings.scrapeInterval, hostMetrics),
    prometheusJob(host),
    gatewayJob(host),
    exporterJob(host),
  ];
  if (hostMetrics) jobs.push(hostJob(host, dockerRoot));
  if (settings.llmServers !== "off") jobs.push(llmJob(host, settings.llmServers === "all"));
  if (needsLlmForwarder(settings)) jobs.push(llmForwarderJob(host));
  if (settings.notify.length > 0) jobs.push(alertmanagerJob(host));
  if (settings.dcgmExporter) jobs.push(dcgmJob(settings.dcgmExporter, host));
  return [...jobs, ...settings.scrapeJobs.map((job) => extraJob(job, host))];
}
