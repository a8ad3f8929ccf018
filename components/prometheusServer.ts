import type * as command from "@pulumi/command";
import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { APPLIED, CONFIG_FOLDER, NOBODY, SERVERS } from "../lib/names";
import type { PrometheusConfiguration } from "../prometheus/config";
import { createContainer, createVolume, healthcheck, type PartArgs } from "./container";
import { loadConfiguration } from "./deployStep";

export interface PrometheusServerArgs extends PartArgs {
  /** Memory limit in MiB. */
  memory: number;
  /** URL of the UI and the API, through the gateway. */
  url: string;
  /** Environment variables by which the gateway is reached. */
  gatewayEnvironment: Record<string, pulumi.Input<string>>;
  /** Its configuration. A change is checked, swapped in and loaded without a restart. */
  configuration: PrometheusConfiguration;
  /** Edits of the files since they were loaded; "" for none. With edits, the configuration is loaded again. */
  configurationDrift: string;
  /** Whether the volume with the samples is protected from deletion. */
  protectData: boolean;
  /** A network with egress, which it joins too. */
  outbound?: docker.Network | undefined;
}

const CONFIG_FILE = `${CONFIG_FOLDER}/prometheus.yml`;

/**
 * Docker fills the new volume of the configuration with the image's example, which scrapes `localhost:9090`. Until this program's
 * configuration is loaded, Prometheus scrapes nothing, and deletes no samples of a volume that an earlier stack kept.
 */
const START_SCRIPT = [
  `[ -e ${CONFIG_FOLDER}/${APPLIED} ] || echo "storage: {tsdb: {retention: {time: 100y}}}" > ${CONFIG_FILE}`,
  'exec prometheus "$@"',
].join("\n");

/** Prometheus, with volumes for its samples and its configuration. */
export class PrometheusServer extends pulumi.ComponentResource {
  readonly container: docker.Container;
  /** The volume with the samples. */
  readonly data: docker.Volume;
  /** The step that loads the configuration; resources that query metrics depend on it. */
  readonly configuration: command.local.Command;

  /** @param name also the container's name, and the prefix of its volumes */
  constructor(name: string, args: PrometheusServerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("llm-metrics:docker:PrometheusServer", name, {}, opts);
    const { image, memory, network, outbound, protectData, labels } = args;

    this.data = createVolume(this, `${name}-data`, { labels }, { protect: protectData });
    const config = createVolume(this, `${name}-config`, { labels });
    this.container = createContainer(this, name, {
      image,
      memory,
      cpus: "1.0",
      labels,
      networks: [
        { network, aliases: [SERVERS.prometheus.alias] },
        ...(outbound ? [{ network: outbound }] : []),
      ],
      entrypoints: ["sh", "-c", START_SCRIPT, "prometheus"],
      command: [
        `--config.file=${CONFIG_FILE}`,
        "--storage.tsdb.path=/prometheus",
        // The delay until targets of a changed configuration are scraped, 5 s by default. The flag is not in the help text;
        // source: cmd/prometheus/main.go.
        "--scrape.discovery-reload-interval=1s",
        // After a restart, an alert whose time is shorter than this waits for its whole time again. Alertmanager takes an alert for
        // resolved after 4 minutes without news of it, and the default is 10 minutes. Source: rules/group.go, RestoreForState.
        "--rules.alert.for-grace-period=1m",
        `--web.external-url=${args.url}`,
      ],
      user: `${NOBODY}:${NOBODY}`,
      volumes: [
        { volumeName: this.data.name, containerPath: "/prometheus" },
        { volumeName: config.name, containerPath: CONFIG_FOLDER },
      ],
      healthcheck: healthcheck(`http://127.0.0.1:${SERVERS.prometheus.port}/-/healthy`),
      destroyGraceSeconds: 30,
    });
    this.configuration = this.loadConfiguration(name, args);
    this.registerOutputs({});
  }

  private loadConfiguration(
    name: string,
    { host, url, gatewayEnvironment, configuration, configurationDrift }: PrometheusServerArgs,
  ): command.local.Command {
    return loadConfiguration(
      `${name}-configuration`,
      configuration,
      {
        environment: {
          ...gatewayEnvironment,
          DOCKER_HOST: host.address,
          CONTAINER: name,
          PROMETHEUS_URL: url,
          // No program reads it: it makes a preview show the drift, and the step run again.
          ...(configurationDrift && { CONFIGURATION_DRIFT: configurationDrift }),
        },
        triggers: [this.container.id],
      },
      {
        parent: this,
        // The last drift that was undone stays in the state, so that the next update finds no difference.
        ignoreChanges: configurationDrift ? [] : ["environment.CONFIGURATION_DRIFT"],
      },
    );
  }
}
