import * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { dump } from "js-yaml";
import { CONFIG_FOLDER } from "../prometheus/config";
import { HARDENED, healthcheck, onlyCapabilities, onNetworks } from "./container";
import { program } from "./command";

/** The port that Prometheus listens on inside its container. */
const PORT = 9090;

export interface PrometheusServerArgs {
  /** Name of the container; the volumes derive theirs from it. */
  containerName: string;
  /** Image reference, with a tag or digest. */
  image: string;
  /** URL under which the UI and the API are reached. */
  url: string;
  /** How the gateway is reached, as the programs of probes/ want it in their environment. */
  door: Record<string, pulumi.Input<string>>;
  /** Memory limit in MiB. */
  memory: number;
  /** The files of its configuration, by name. A change is checked, swapped in and loaded without a restart. */
  config: Record<string, string>;
  /** What somebody changed of these files by hand; "" when nothing. The declared ones are loaded again then. */
  editedConfig: string;
  /** Whether destroying the volume with the samples is refused. */
  protectData: boolean;
  /** Address of the Docker daemon, as in DOCKER_HOST. */
  dockerHost: string;
  /** The network that it joins, under the alias `prometheus`. */
  network: docker.Network;
  /** A network with a way out, which it joins too. */
  outbound?: docker.Network;
  /** Labels of the container and the volumes. */
  labels: { label: string; value: string }[];
}

/** Prometheus, with its samples and its configuration in volumes of their own. */
export class PrometheusServer extends pulumi.ComponentResource {
  /** The container. */
  readonly container: docker.Container;
  /** The volume with the samples. */
  readonly data: docker.Volume;
  /** The step that loads the configuration; what asks about metrics depends on it. */
  readonly configuration: command.local.Command;

  constructor(name: string, args: PrometheusServerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("llm-metrics:docker:PrometheusServer", name, {}, opts);

    const image = new docker.RemoteImage(
      `${name}-image`,
      { name: args.image, keepLocally: true },
      { parent: this },
    );
    this.data = new docker.Volume(
      `${name}-data`,
      { name: `${args.containerName}-data`, labels: args.labels },
      { parent: this, protect: args.protectData, deleteBeforeReplace: true },
    );
    const config = new docker.Volume(
      `${name}-config`,
      { name: `${args.containerName}-config`, labels: args.labels },
      { parent: this, deleteBeforeReplace: true },
    );
    this.container = new docker.Container(
      `${name}-container`,
      {
        ...HARDENED,
        name: args.containerName,
        image: args.image,
        command: [
          `--config.file=${CONFIG_FOLDER}/prometheus.yml`,
          "--storage.tsdb.path=/prometheus",
          // How long targets of a changed configuration may wait until they are taken over; by default it is 5 s. It is in no
          // help text; source: cmd/prometheus/main.go.
          "--scrape.discovery-reload-interval=1s",
          `--web.external-url=${args.url}`,
        ],
        user: "65534:65534",
        ...onNetworks(
          [
            { network: args.network, aliases: ["prometheus"] },
            ...(args.outbound ? [{ network: args.outbound }] : []),
          ],
          args.labels,
        ),
        volumes: [
          { volumeName: this.data.name, containerPath: "/prometheus" },
          { volumeName: config.name, containerPath: CONFIG_FOLDER },
        ],
        capabilities: onlyCapabilities(),
        memory: args.memory,
        memorySwap: args.memory,
        cpus: "1.0",
        healthcheck: healthcheck(`http://127.0.0.1:${PORT}/-/healthy`),
        destroyGraceSeconds: 30,
      },
      { parent: this, dependsOn: image, deleteBeforeReplace: true, replaceOnChanges: ["healthcheck"] },
    );
    this.configuration = new command.local.Command(
      `${name}-configuration`,
      {
        ...program("loadConfig", {
          ...args.door,
          DOCKER_HOST: args.dockerHost,
          CONTAINER: args.containerName,
          PROMETHEUS_URL: args.url,
          // Read by nobody: it makes a preview show the edit, and the step run again.
          ...(args.editedConfig && { EDITED_BY_HAND: args.editedConfig }),
        }),
        stdin: dump(args.config, { lineWidth: -1 }),
        triggers: [this.container.id],
      },
      {
        parent: this,
        deleteBeforeReplace: true,
        // The edit that was repaired last stays in the state, so that the next update finds no difference.
        ignoreChanges: args.editedConfig ? [] : ["environment.EDITED_BY_HAND"],
      },
    );

    this.registerOutputs({});
  }
}
