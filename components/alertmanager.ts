import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { AlertmanagerConfiguration } from "../alertmanager/config";
import { ALERTMANAGER_FOLDER, NOBODY, SERVERS } from "../lib/names";
import { createContainer, createVolume, healthcheck, type PartArgs } from "./container";
import { loadConfiguration } from "./deployStep";

/** Memory limit in MiB: twice what it used with 1,000 alerts. */
const MEMORY = 192;

export interface AlertmanagerArgs extends PartArgs {
  /** URL of its page and its API, through the gateway; messages have links to it. */
  url: string;
  /** Environment variables by which the gateway is reached. */
  gatewayEnvironment: Record<string, pulumi.Input<string>>;
  /** Its configuration. A change is checked, swapped in and loaded without a restart. */
  configuration: AlertmanagerConfiguration;
  /** A network with egress, which no other container joins. */
  egress: docker.Network;
}

/** Alertmanager, which sends alerts to people. Its state, silences and what it has sent, is in a volume. */
export class Alertmanager extends pulumi.ComponentResource {
  readonly container: docker.Container;

  /** @param name also the container's name, and the prefix of its volumes */
  constructor(name: string, args: AlertmanagerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("llm-metrics:docker:Alertmanager", name, {}, opts);
    const { image, url, gatewayEnvironment, configuration, host, network, egress, labels } = args;

    const state = createVolume(this, `${name}-state`, { labels });
    const config = createVolume(this, `${name}-config`, { labels });
    this.container = createContainer(this, name, {
      image,
      memory: MEMORY,
      cpus: "0.5",
      labels,
      networks: [{ network, aliases: [SERVERS.alertmanager.alias] }, { network: egress }],
      command: [
        `--config.file=${ALERTMANAGER_FOLDER}/alertmanager.yml`,
        "--storage.path=/alertmanager",
        // What was sent since the last snapshot is sent again after a crash. The default is 15 minutes.
        "--data.maintenance-interval=10s",
        "--cluster.listen-address=",
        // The metrics of notifications name the receiver that fails.
        "--enable-feature=receiver-name-in-metrics",
        `--web.external-url=${url}`,
        // The gateway removes the path of the URL.
        "--web.route-prefix=/",
      ],
      user: `${NOBODY}:${NOBODY}`,
      volumes: [
        { volumeName: state.name, containerPath: "/alertmanager" },
        { volumeName: config.name, containerPath: ALERTMANAGER_FOLDER },
      ],
      healthcheck: healthcheck(`http://127.0.0.1:${SERVERS.alertmanager.port}/-/healthy`),
    });
    loadConfiguration(
      `${name}-configuration`,
      configuration,
      {
        environment: {
          ...gatewayEnvironment,
          DOCKER_HOST: host.address,
          CONTAINER: name,
          ALERTMANAGER_URL: url,
        },
        triggers: [this.container.id],
      },
      { parent: this },
    );
    this.registerOutputs({});
  }
}
