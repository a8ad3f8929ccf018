import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { alertmanagerConfiguration } from "../alertmanager/config";
import { gatewayAccess, type GatewayAccess } from "../caddy/gatewayAccess";
import { EXPORTER_DOCKER_API } from "../exporter/dockerApi";
import type { RequiredResources } from "../host/conflicts";
import type { HostFacts, HostNetwork } from "../host/facts";
import { unavailableMetrics } from "../host/unavailable";
import { ENVIRONMENT_LABEL } from "../lib/names";
import { durationSeconds } from "../lib/units";
import type { ProbeReport } from "../probes/report";
import { REQUIRED_LABELS, REQUIRED_METRICS } from "../prometheus/catalogue";
import { buildConfiguration, type PrometheusConfiguration } from "../prometheus/config";
import type { UnavailableMetric } from "../prometheus/rules";
import { needsLlmForwarder, type Settings } from "../settings";
import { Alertmanager } from "./alertmanager";
import { Cadvisor, CADVISOR_CONTAINERD_API, CADVISOR_DOCKER_API } from "./cadvisor";
import { createNetwork, type Labels, type PartArgs } from "./container";
import { DockerProxy } from "./dockerProxy";
import { Gateway } from "./gateway";
import { DRIVER_REMEDY, Exporter, type GpuPlan } from "./exporter";
import { Grafana } from "./grafana";
import { HealthProbe } from "./healthProbe";
import { LlmForwarder } from "./llmForwarder";
import { NodeExporter } from "./nodeExporter";
import { PrometheusServer } from "./prometheusServer";

export interface ContainerMetricsArgs {
  settings: Settings;
  /** The environment's name: the stack. */
  environment: string;
  /** Facts of the Docker host. */
  host: HostFacts;
  /** How GPUs are measured, or why they are not. */
  gpu: GpuPlan;
  /** The networks of the setting `llmNetworks`; none where LLM servers are not scraped. */
  llmNetworks?: readonly HostNetwork[];
  /** Edits of Prometheus's configuration since it was loaded; "" for none. */
  configurationDrift: string;
}

/** Container metrics of one Docker host: cAdvisor and the exporter measure, Prometheus stores, a gateway publishes. */
export class ContainerMetrics extends pulumi.ComponentResource {
  /** The internal network of the stack. Containers that Prometheus scrapes by the setting `scrapeJobs` join it. */
  readonly network: docker.Network;
  readonly gateway: Gateway;
  readonly cadvisor: Cadvisor;
  readonly prometheus: PrometheusServer;
  /** With the setting dockerAccess "proxy". */
  readonly dockerProxy?: DockerProxy | undefined;
  /** With the settings llmNetworks and llmKeys. */
  readonly llmForwarder?: LlmForwarder | undefined;
  readonly exporter: Exporter;
  /** With the setting hostMetrics. */
  readonly nodeExporter?: NodeExporter | undefined;
  /** With the setting notify. */
  readonly alertmanager?: Alertmanager | undefined;
  /** With the setting grafana. */
  readonly grafana?: Grafana | undefined;
  /** URLs of the servers behind the gateway. */
  readonly urls: GatewayAccess["urls"];
  /** Value of the label `host`. */
  readonly hostLabel: string;
  readonly configuration: PrometheusConfiguration;
  /** The result of the post-deploy checks. */
  readonly report: pulumi.Output<ProbeReport>;

  /** The metrics that the host cannot provide, with the reasons. */
  readonly unavailable: readonly UnavailableMetric[];

  private readonly labels: Labels;
  /** The arguments of all parts. */
  private readonly common: Omit<PartArgs, "image">;

  /** @param name the prefix of every name on the Docker host, so that environments do not conflict */
  constructor(
    private readonly name: string,
    private readonly args: ContainerMetricsArgs,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("llm-metrics:docker:ContainerMetrics", name, {}, opts);
    const { settings, environment, host } = args;
    const access = gatewayAccess(settings);
    this.urls = access.urls;
    this.hostLabel = settings.hostLabel || host.name;
    this.labels = [{ label: ENVIRONMENT_LABEL, value: environment }];
    this.unavailable = unavailableOn(args);
    this.configuration = stackConfiguration(args);

    this.network = createNetwork(this, name, { labels: this.labels, internal: true });
    this.common = { host, network: this.network, labels: this.labels };
    this.gateway = this.createGateway(access);
    this.dockerProxy = this.createDockerProxy();
    this.cadvisor = this.createCadvisor();
    this.llmForwarder = this.createLlmForwarder();
    this.exporter = this.createExporter();
    this.nodeExporter = this.createNodeExporter();
    this.prometheus = this.createPrometheus();
    this.alertmanager = this.createAlertmanager();
    this.grafana = this.createGrafana();
    this.report = this.runChecks(access).report;
    this.registerOutputs({ report: this.report });
  }

  private createGateway(access: GatewayAccess): Gateway {
    const { settings } = this.args;
    return new Gateway(
      `${this.name}-gateway`,
      {
        image: settings.caddyImage,
        publish: {
          address: settings.bindAddress,
          cadvisor: settings.cadvisorPort,
          prometheus: settings.prometheusPort,
        },
        access,
        ...this.common,
      },
      { parent: this },
    );
  }

  private createDockerProxy(): DockerProxy | undefined {
    const { settings, host } = this.args;
    if (settings.dockerAccess !== "proxy") return undefined;
    return new DockerProxy(
      `${this.name}-docker-proxy`,
      {
        networkName: `${this.name}-docker`,
        image: settings.caddyImage,
        host,
        allowed: {
          docker: { cadvisor: CADVISOR_DOCKER_API, exporter: EXPORTER_DOCKER_API },
          ...(host.containerdSocket && { containerd: CADVISOR_CONTAINERD_API }),
        },
        labels: this.labels,
      },
      { parent: this },
    );
  }

  private createCadvisor(): Cadvisor {
    const { settings } = this.args;
    return new Cadvisor(
      `${this.name}-cadvisor`,
      {
        image: settings.cadvisorImage,
        memory: settings.cadvisorMemory,
        proxy: this.dockerProxy,
        ...this.common,
      },
      { parent: this },
    );
  }

  private createLlmForwarder(): LlmForwarder | undefined {
    const { settings, llmNetworks = [] } = this.args;
    if (!needsLlmForwarder(settings)) return undefined;
    return new LlmForwarder(
      `${this.name}-llm-forwarder`,
      {
        image: settings.caddyImage,
        ...this.common,
        networks: llmNetworks,
        keys: settings.llmKeys,
      },
      { parent: this },
    );
  }

  private createExporter(): Exporter {
    const { settings, gpu } = this.args;
    return new Exporter(
      `${this.name}-exporter`,
      {
        image: settings.exporterImage,
        memory: settings.exporterMemory,
        access: gpu.access,
        llmNetwork: settings.llmServers === "off" ? undefined : this.network,
        llmForwarder: this.llmForwarder,
        proxy: this.dockerProxy,
        ...this.common,
      },
      {
        parent: this,
        aliases: [{ type: "llm-metrics:docker:GpuExporter", name: `${this.name}-gpu-exporter` }],
      },
    );
  }

  private createNodeExporter(): NodeExporter | undefined {
    const { settings } = this.args;
    if (settings.hostMetrics === "off") return undefined;
    return new NodeExporter(
      `${this.name}-node-exporter`,
      {
        image: settings.nodeExporterImage,
        disks: this.hostDisks(),
        ...this.common,
      },
      { parent: this },
    );
  }

  /** The directories of the setting `hostDisks`, without Docker's root directory, which is measured anyway. */
  private hostDisks(): string[] {
    const { settings, host } = this.args;
    return settings.hostDisks.filter((disk) => disk !== host.rootDirectory);
  }

  private createPrometheus(): PrometheusServer {
    const { settings, configurationDrift } = this.args;
    return new PrometheusServer(
      `${this.name}-prometheus`,
      {
        image: settings.prometheusImage,
        memory: settings.prometheusMemory,
        url: this.urls.prometheus,
        gatewayEnvironment: this.gateway.clientEnvironment,
        configuration: this.configuration,
        configurationDrift,
        protectData: settings.protectData,
        outbound: settings.outbound ? this.createEgress(`${this.name}-outbound`) : undefined,
        ...this.common,
      },
      { parent: this },
    );
  }

  /** A network through which a container reaches other hosts. */
  private createEgress(name: string): docker.Network {
    return createNetwork(this, name, { labels: this.labels, internal: false });
  }

  private createAlertmanager(): Alertmanager | undefined {
    const { settings } = this.args;
    if (settings.notify.length === 0) return undefined;
    const name = `${this.name}-alertmanager`;
    return new Alertmanager(
      name,
      {
        image: settings.alertmanagerImage,
        url: this.urls.alertmanager,
        gatewayEnvironment: this.gateway.clientEnvironment,
        configuration: alertmanagerConfiguration(settings.notify),
        egress: this.createEgress(name),
        ...this.common,
      },
      { parent: this },
    );
  }

  private createGrafana(): Grafana | undefined {
    const { settings } = this.args;
    if (settings.grafana === "off") return undefined;
    return new Grafana(
      `${this.name}-grafana`,
      {
        image: settings.grafanaImage,
        url: this.urls.grafana,
        caddyImage: settings.caddyImage,
        scrapeInterval: settings.scrapeInterval,
        ...this.common,
      },
      { parent: this },
    );
  }

  /** The post-deploy checks, which run again when a container was replaced. */
  private runChecks({ probe }: GatewayAccess): HealthProbe {
    const { settings, environment, host, gpu } = this.args;
    const { cadvisor, prometheus, gateway, exporter, dockerProxy } = this;
    const { llmForwarder, nodeExporter, alertmanager, grafana } = this;
    const parts = [
      cadvisor,
      prometheus,
      gateway,
      exporter,
      dockerProxy,
      llmForwarder,
      nodeExporter,
      alertmanager,
      grafana,
    ].filter((part) => part !== undefined);
    return new HealthProbe(
      `${this.name}-probe`,
      {
        expectation: {
          environment,
          cadvisorUrl: this.urls.cadvisor,
          prometheusUrl: this.urls.prometheus,
          containers: {
            cadvisor: `${this.name}-cadvisor`,
            prometheus: `${this.name}-prometheus`,
            gateway: `${this.name}-gateway`,
            exporter: `${this.name}-exporter`,
          },
          login: probe.login !== undefined,
          scrapeIntervalSeconds: durationSeconds(settings.scrapeInterval),
          startTimeoutSeconds: 60,
          metrics: this.requiredMetrics(),
          labels: [...REQUIRED_LABELS],
          scrapeJobs: settings.scrapeJobs.map((job) => job.job_name),
          unavailable: [...this.unavailable],
          gpu: gpu.access ? { measured: true } : { measured: false, reason: gpu.reason },
          ...(settings.llmServers !== "off" && {
            llmServers: { ...(llmForwarder && { forwarder: `${this.name}-llm-forwarder` }) },
          }),
          ...(nodeExporter && {
            host: {
              exporter: `${this.name}-node-exporter`,
              disks: [host.rootDirectory, ...this.hostDisks()],
            },
          }),
          ...(alertmanager && {
            alertmanager: { url: this.urls.alertmanager, container: `${this.name}-alertmanager` },
          }),
          ...(grafana && { grafana: { url: this.urls.grafana, container: `${this.name}-grafana` } }),
        },
        environment: { ...this.gateway.clientEnvironment, DOCKER_HOST: host.address },
        triggers: parts.map((part) => part.container.id),
      },
      { parent: this, dependsOn: parts },
    );
  }

  /** The metrics that the checks require of every container. */
  private requiredMetrics(): string[] {
    const isAvailable = (name: string) => !this.unavailable.some(({ metric }) => metric === name);
    return Object.keys(REQUIRED_METRICS).filter(isAvailable);
  }
}

/** The configuration of Prometheus that {@link ContainerMetrics} loads. */
export const stackConfiguration = (
  args: Omit<ContainerMetricsArgs, "configurationDrift">,
): PrometheusConfiguration => {
  const { settings, environment, host, gpu } = args;
  return buildConfiguration(settings, {
    environment,
    host: settings.hostLabel || host.name,
    gpu: gpu.access !== undefined,
    dockerRoot: host.rootDirectory,
    unavailable: unavailableOn(args),
  });
};

/** The metrics that the host cannot provide; those of GPUs, where no container gets them. */
const unavailableOn = ({ host, gpu }: Pick<ContainerMetricsArgs, "host" | "gpu">): UnavailableMetric[] =>
  unavailableMetrics(host, !gpu.access && gpu.failed ? `${gpu.reason}. ${DRIVER_REMEDY}` : undefined);

/** The names and ports that {@link ContainerMetrics} of that name needs on its host. */
export function requiredResources(name: string, settings: Settings): RequiredResources {
  const { bindAddress: address } = settings;
  const named = (...parts: string[]) => parts.map((part) => `${name}-${part}`);
  return {
    containers: named(
      "alertmanager",
      "cadvisor",
      "docker-proxy",
      "gateway",
      "exporter",
      "llm-forwarder",
      "node-exporter",
      "grafana",
      "prometheus",
    ),
    networks: [name, ...named("alertmanager", "gateway", "docker", "llm-forwarder", "outbound")],
    volumes: named(
      "alertmanager-config",
      "alertmanager-state",
      "prometheus-data",
      "prometheus-config",
      "gateway-files",
      "exporter-program",
      "llm-forwarder-keys",
      "gateway-page",
      "grafana-files",
      "docker-proxy-containerd",
    ),
    ports: {
      cadvisorPort: { address, port: settings.cadvisorPort },
      prometheusPort: { address, port: settings.prometheusPort },
    },
  };
}
