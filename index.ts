import { isDeepStrictEqual } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { ContainerMetrics, requiredResources, stackConfiguration } from "./components/containerMetrics";
import { failedGpu, gpuPlan } from "./components/exporter";
import { requireAccepted } from "./host/configurationCheck";
import { requireNoConflicts } from "./host/conflicts";
import { gpuTrial } from "./host/gpuTrial";
import { loadedConfiguration, type LoadedConfiguration } from "./host/loadedConfiguration";
import { llmNetworks } from "./host/llmNetworks";
import { ownResources, type OwnResources } from "./host/ownResources";
import { readHost, type Host } from "./host/read";
import { describeUnavailable } from "./host/unavailable";
import type { PrometheusConfiguration } from "./prometheus/config";
import { configurationDiff } from "./prometheus/configurationDiff";
import { toYaml } from "./prometheus/yaml";
import { parseSettings, type Settings } from "./settings";

const NO_RECEIVER =
  "alerts are sent to no receiver, and only Prometheus shows them: set llm-metrics:notify (docs/settings.md)";

/** The program: it checks settings and host before it declares resources. docs/outputs.md describes the outputs. */
export = () => program().catch(fail);

async function program(): Promise<Record<string, unknown>> {
  const settings = parseSettings(pulumi.runtime.allConfig(), encryptedKeys());
  const environment = pulumi.getStack();
  const name = `${pulumi.getProject()}-${environment}`;
  const dockerHost = new pulumi.Config("docker").get("host") ?? process.env["DOCKER_HOST"];

  const [host, loaded, own] = await Promise.all([
    readHost(dockerHost),
    loadedConfiguration(`${name}-prometheus`, dockerHost),
    ownResources(),
  ]);
  const gpu = gpuPlan(settings.gpu, host.facts, await gpuFailure(name, settings, host, own));
  const args = {
    settings,
    environment,
    host: host.facts,
    gpu,
    llmNetworks: settings.llmServers === "off" ? [] : llmNetworks(settings.llmNetworks, host.networks),
    configurationDrift: loaded.drift,
  };
  await requireNoConflicts(requiredResources(name, settings), own, host.usage);
  await requireAccepted(stackConfiguration(args).files, loaded, {
    running: host.usage.containers.find((container) => container.name === `${name}-prometheus`),
    image: settings.prometheusImage,
    address: host.facts.address,
  });
  if (settings.notify.length + settings.alertmanagers.length === 0) void pulumi.log.info(NO_RECEIVER);
  if (!gpu.access) void pulumi.log.info(`GPUs are not measured: ${gpu.reason}`);

  const stack = new ContainerMetrics(name, args);
  const { gateway, cadvisor, prometheus, configuration } = stack;
  const { exporter, dockerProxy, llmForwarder, nodeExporter, alertmanager, grafana } = stack;
  for (const what of describeUnavailable(stack.unavailable))
    void pulumi.log.info(`not available on this host: ${what}`);
  logConfigurationChanges(loaded, configuration);
  const { scrape_configs } = configuration.config;
  return {
    cadvisorUrl: stack.urls.cadvisor,
    prometheusUrl: stack.urls.prometheus,
    // Pulumi warns about outputs without a value.
    ...(grafana && { grafanaUrl: stack.urls.grafana }),
    networkName: stack.network.name,
    networkId: stack.network.id,
    containerNames: {
      cadvisor: cadvisor.container.name,
      prometheus: prometheus.container.name,
      gateway: gateway.container.name,
      exporter: exporter.container.name,
      // The name of this output when only hosts with GPUs had an exporter.
      gpuExporter: gpu.access && exporter.container.name,
      dockerProxy: dockerProxy?.container.name,
      llmForwarder: llmForwarder?.container.name,
      nodeExporter: nodeExporter?.container.name,
      alertmanager: alertmanager?.container.name,
      grafana: grafana?.container.name,
    },
    images: {
      cadvisor: settings.cadvisorImage,
      prometheus: settings.prometheusImage,
      gateway: settings.caddyImage,
      exporter: settings.exporterImage,
      gpuExporter: gpu.access && settings.exporterImage,
      dockerProxy: dockerProxy && settings.caddyImage,
      llmForwarder: llmForwarder && settings.caddyImage,
      nodeExporter: nodeExporter && settings.nodeExporterImage,
      alertmanager: alertmanager && settings.alertmanagerImage,
      grafana: grafana && settings.grafanaImage,
    },
    hostLabel: stack.hostLabel,
    scrapeInterval: settings.scrapeInterval,
    jobNames: scrape_configs.map((job) => job.job_name),
    cadvisorScrapeConfig: toYaml({ scrape_configs: scrape_configs.slice(0, 1) }),
    probeReport: stack.report,
  };
}

/**
 * Why a container with GPUs does not start on the host; undefined where one starts, or none is needed. An update tries, unless the
 * exporter runs. A preview starts nothing: it takes what the last update found.
 */
async function gpuFailure(
  stackName: string,
  { gpu, exporterImage: image }: Settings,
  { facts, usage }: Host,
  own: OwnResources,
): Promise<string | undefined> {
  const access = facts.gpus;
  const exporter = `${stackName}-exporter`;
  const runs = usage.containers.some(({ name, running }) => name === exporter && running);
  if (gpu === "off" || !access || (runs && isDeepStrictEqual(own.gpuAccess, access))) return undefined;
  if (pulumi.runtime.isDryRun()) {
    void pulumi.log.info("the update will find out whether a container with GPUs starts");
    // With "on", the driver may have been loaded since, and a refused preview would keep `pulumi up` from trying.
    const isExpected = gpu === "auto" && own.gpuReason === failedGpu(access);
    return isExpected ? "as the last update found" : undefined;
  }
  const failure = await gpuTrial({ access, image, name: `${stackName}-gpu-trial`, address: facts.address });
  if (failure) void pulumi.log.warn(`${failedGpu(access)}: ${failure}`);
  return failure;
}

/** Shows the changed lines of Prometheus's configuration, which Pulumi shows as one text. */
function logConfigurationChanges(
  { text, drift }: LoadedConfiguration,
  { files }: PrometheusConfiguration,
): void {
  if (drift)
    void pulumi.log.warn(`the configuration of Prometheus was edited; an update undoes it:\n${drift}`);
  const changes = text && configurationDiff(text, Object.values(files).join(""));
  if (changes) void pulumi.log.info(`the configuration of Prometheus changes:\n${changes}`);
}

/** The keys whose values are encrypted, as Pulumi's language host reports them; the SDK has no public function for it. */
const encryptedKeys = () => JSON.parse(process.env["PULUMI_CONFIG_SECRET_KEYS"] ?? "[]") as string[];

/**
 * Ends the program with the message of an error. Its stack goes to the debug log: Pulumi prints stacks by util.inspect, which in
 * Node 20 hangs at a line such as `node_modules/@pulumi/resource.ts:1598`.
 */
function fail(error: unknown): never {
  const { message, stack = "" } = error instanceof Error ? error : new Error(String(error));
  void pulumi.log.debug(stack);
  throw Object.assign(new pulumi.RunError(message), { stack: "" });
}
