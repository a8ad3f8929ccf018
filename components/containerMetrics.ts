import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { CONTAINER_METRICS, REQUIRED_LABELS } from "../prometheus/catalogue";
import { configFiles, prometheusConfig, toYaml } from "../prometheus/config";
import { durationSeconds } from "../lib/units";
import { gatewayAccess } from "../caddy/gatewayAccess";
import type { ProbeReport } from "../probes/report";
import type { Settings } from "../settings";
import { EXPORTER_DOCKER_API } from "../exporter/containers";
import { Cadvisor, CADVISOR_CONTAINERD_API, CADVISOR_DOCKER_API } from "./cadvisor";
import { DockerProxy } from "./dockerProxy";
import { Gateway } from "./gateway";
import { GpuExporter, type GpuPlan } from "./gpuExporter";
import { HealthProbe } from "./healthProbe";
import type { HostFacts } from "../host/facts";
import { PrometheusServer } from "./prometheusServer";
import type { Wanted } from "../host/conflicts";

export interface ContainerMetricsArgs {
  /** The checked configuration of the stack. */
  settings: Settings;
  /** The environment's name: the stack. */
  environment: string;
  /** Facts of the Docker host. */
  host: HostFacts;
  /** Whether GPUs are measured. */
  gpu: GpuPlan;
  /** What somebody changed by hand in Prometheus's configuration; "" when nothing. */
  editedConfig: string;
}

/** The label that says of which environment a container, network or volume is. */
const ENVIRONMENT_LABEL = "llm-metrics.environment";

/** What {@link ContainerMetrics} of that name takes on its host. */
export const wanted = (name: string, environment: string, settings: Settings): Wanted => ({
  containerNames: ["cadvisor", "docker-proxy", "gateway", "gpu-exporter", "prometheus"].map(
    (part) => `${name}-${part}`,
  ),
  ports: {
    cadvisorPort: { address: settings.bindAddress, port: settings.cadvisorPort },
    prometheusPort: { address: settings.bindAddress, port: settings.prometheusPort },
  },
  own: (container) =>
    container.name.startsWith(`${name}-`) && container.labels[ENVIRONMENT_LABEL] === environment,
});

/** The container metrics of one Docker host: cAdvisor and, where there are GPUs, the GPU exporter measure, Prometheus keeps, and a probe shows that it works. */
export class ContainerMetrics extends pulumi.ComponentResource {
  /** The network that all containers are on, which leads nowhere; a container of yours that Prometheus has to scrape joins it. */
  readonly network: docker.Network;
  readonly gateway: Gateway;
  /** URLs of what the gateway serves. */
  readonly urls: { cadvisor: string; prometheus: string };
  readonly cadvisor: Cadvisor;
  readonly prometheus: PrometheusServer;
  /** What passes reads to Docker, unless the sockets are given away. */
  readonly dockerProxy?: DockerProxy;
  /** Where GPUs are measured. */
  readonly gpuExporter?: GpuExporter;
  /** Value of the label `host`. */
  readonly hostLabel: string;
  /** The scrape job of cAdvisor, as YAML for a Prometheus that is there already. */
  readonly cadvisorScrapeConfig: string;
  /** Names of the scrape jobs. */
  readonly jobNames: string[];
  /** What the probe saw. */
  readonly report: pulumi.Output<ProbeReport>;

  /** @param name the prefix of every name on the Docker host, so that two environments do not meet */
  constructor(
    name: string,
    { settings, environment, host, gpu, editedConfig }: ContainerMetricsArgs,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super("llm-metrics:docker:ContainerMetrics", name, {}, opts);
    const labels = [{ label: ENVIRONMENT_LABEL, value: environment }];
    const dockerHost = host.address;
    this.hostLabel = settings.hostLabel || host.name;

    const network = (networkName: string, internal: boolean) =>
      new docker.Network(
        `${networkName}-network`,
        { name: networkName, driver: "bridge", labels, internal },
        { parent: this, deleteBeforeReplace: true },
      );
    this.network = network(name, true);
    const access = gatewayAccess(settings);
    this.urls = access.urls;
    this.gateway = new Gateway(
      `${name}-gateway`,
      {
        containerName: `${name}-gateway`,
        image: settings.caddyImage,
        publish: {
          address: settings.bindAddress,
          cadvisor: settings.cadvisorPort,
          prometheus: settings.prometheusPort,
        },
        access,
        dockerHost,
        network: this.network,
        labels,
      },
      { parent: this },
    );
    const { ca, login } = access.probe;
    const door = {
      ...(access.files && { GATEWAY: `${name}-gateway`, GATEWAY_ADDRESS: access.probe.address }),
      ...(ca && { GATEWAY_CA: ca }),
      ...(login && { GATEWAY_LOGIN: pulumi.secret(login) }),
    };
    if (settings.dockerAccess === "proxy")
      this.dockerProxy = new DockerProxy(
        `${name}-docker-proxy`,
        {
          containerName: `${name}-docker-proxy`,
          networkName: `${name}-docker`,
          image: settings.caddyImage,
          host,
          allowed: {
            docker: {
              cadvisor: CADVISOR_DOCKER_API,
              ...(gpu.access && { gpuExporter: EXPORTER_DOCKER_API }),
            },
            ...(host.containerdSocket && { containerd: CADVISOR_CONTAINERD_API }),
          },
          labels,
        },
        { parent: this },
      );
    const reached = this.dockerProxy && { proxy: this.dockerProxy };
    this.cadvisor = new Cadvisor(
      `${name}-cadvisor`,
      {
        containerName: `${name}-cadvisor`,
        image: settings.cadvisorImage,
        memory: settings.cadvisorMemory,
        host,
        network: this.network,
        ...reached,
        labels,
      },
      { parent: this },
    );
    if (gpu.access)
      this.gpuExporter = new GpuExporter(
        `${name}-gpu-exporter`,
        {
          containerName: `${name}-gpu-exporter`,
          image: settings.gpuExporterImage,
          memory: settings.gpuExporterMemory,
          access: gpu.access,
          host,
          dockerHost,
          network: this.network,
          ...reached,
          labels,
        },
        { parent: this },
      );
    const surroundings = {
      environment,
      host: this.hostLabel,
      cadvisorTarget: this.cadvisor.target,
      gatewayTarget: this.gateway.target,
      ...(this.gpuExporter && { gpuTarget: this.gpuExporter.target }),
    };
    const config = prometheusConfig(settings, surroundings);
    this.prometheus = new PrometheusServer(
      `${name}-prometheus`,
      {
        containerName: `${name}-prometheus`,
        image: settings.prometheusImage,
        url: this.urls.prometheus,
        door,
        memory: settings.prometheusMemory,
        config: configFiles(settings, surroundings),
        editedConfig,
        protectData: settings.protectData,
        dockerHost,
        network: this.network,
        ...(settings.outbound && { outbound: network(`${name}-outbound`, false) }),
        labels,
      },
      { parent: this },
    );
    const probe = new HealthProbe(
      `${name}-probe`,
      {
        expectation: {
          cadvisorUrl: this.urls.cadvisor,
          prometheusUrl: this.urls.prometheus,
          containers: {
            cadvisor: `${name}-cadvisor`,
            prometheus: `${name}-prometheus`,
            gateway: `${name}-gateway`,
          },
          login: login !== undefined,
          scrapeIntervalSeconds: durationSeconds(settings.scrapeInterval),
          patienceSeconds: 60,
          metrics: CONTAINER_METRICS.filter((metric) => metric.everyContainer).map((metric) => metric.name),
          labels: [...REQUIRED_LABELS],
          config: toYaml(config),
          gpu: gpu.access
            ? { measured: true, exporter: `${name}-gpu-exporter` }
            : { measured: false, reason: gpu.reason },
        },
        dockerHost,
        door,
        triggers: [this.cadvisor, this.prometheus, this.gateway, this.gpuExporter, this.dockerProxy].flatMap(
          (part) => part?.container.id ?? [],
        ),
      },
      {
        parent: this,
        dependsOn: [
          this.cadvisor,
          this.prometheus,
          this.gateway,
          ...(this.gpuExporter ? [this.gpuExporter] : []),
        ],
      },
    );

    this.cadvisorScrapeConfig = toYaml({ scrape_configs: config.scrape_configs.slice(0, 1) });
    this.jobNames = config.scrape_configs.map((job) => job.job_name);
    this.report = probe.report;
    this.registerOutputs({ report: this.report });
  }
}
