import { createHash } from "node:crypto";
import * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { GatewayAccess } from "../caddy/gatewayAccess";
import { gatewayConfig, GATEWAY_FOLDER, GATEWAY_PORTS } from "../caddy/gateway";
import { isLoopback } from "../settings";
import { caddy } from "./caddyContainer";
import { healthcheck, onNetworks } from "./container";
import { program } from "./command";

export interface GatewayArgs {
  /** Name of the container; its network and its volume derive theirs from it. */
  containerName: string;
  /** Image reference of Caddy, with a tag or digest. */
  image: string;
  /** Host address and ports. */
  publish: { address: string; cadvisor: number; prometheus: number };
  /** Who is let in. */
  access: GatewayAccess;
  /** Address of the Docker daemon, as in DOCKER_HOST. */
  dockerHost: string;
  /** The network that it joins, under the alias `gateway`. */
  network: docker.Network;
  /** Labels of the container, the network and the volume. */
  labels: { label: string; value: string }[];
}

/** The one door: Caddy is the only container with ports on the host, and passes to the others what reads. */
export class Gateway extends pulumi.ComponentResource {
  /** The container. */
  readonly container: docker.Container;
  /** host:port of its own metrics on the stack's network. */
  readonly target = `gateway:${GATEWAY_PORTS.metrics}`;

  constructor(name: string, args: GatewayArgs, opts?: pulumi.ComponentResourceOptions) {
    super("llm-metrics:docker:Gateway", name, {}, opts);
    const { containerName, publish, labels } = args;
    const { files, plan } = args.access;

    const image = new docker.RemoteImage(
      `${name}-image`,
      { name: args.image, keepLocally: true },
      { parent: this },
    );
    const networkName = `${containerName}-door`;
    const door = new docker.Network(
      `${name}-door`,
      {
        name: networkName,
        driver: "bridge",
        labels,
        options: {
          "com.docker.network.bridge.enable_ip_masquerade": "false",
          "com.docker.network.bridge.host_binding_ipv4": publish.address,
        },
        // What comes in through loopback comes from the host itself, so the answers need no router, and there is none.
        ...(isLoopback(publish.address) && { ipamConfigs: [deadEnd(networkName)] }),
      },
      { parent: this, deleteBeforeReplace: true },
    );
    const volume =
      files &&
      new docker.Volume(
        `${name}-files`,
        { name: `${containerName}-files`, labels },
        { parent: this, deleteBeforeReplace: true },
      );
    this.container = new docker.Container(
      `${name}-container`,
      {
        ...caddy(
          gatewayConfig(plan),
          MEMORY,
          files && `until [ -d ${GATEWAY_FOLDER}/${files.folder} ]; do sleep 0.2; done`,
        ),
        name: containerName,
        image: args.image,
        ...onNetworks([{ network: args.network, aliases: ["gateway"] }, { network: door }], labels),
        ports: [
          { internal: GATEWAY_PORTS.cadvisor, external: publish.cadvisor, ip: publish.address },
          { internal: GATEWAY_PORTS.prometheus, external: publish.prometheus, ip: publish.address },
        ],
        ...(volume && { volumes: [{ volumeName: volume.name, containerPath: GATEWAY_FOLDER }] }),
        healthcheck: healthcheck(`http://127.0.0.1:${GATEWAY_PORTS.metrics}/healthz`),
      },
      { parent: this, dependsOn: image, deleteBeforeReplace: true, replaceOnChanges: ["healthcheck"] },
    );
    if (files)
      new command.local.Command(
        `${name}-install`,
        {
          ...program("installFiles", {
            DOCKER_HOST: args.dockerHost,
            VOLUME: `${containerName}-files`,
            IMAGE: args.image,
            FOLDER: files.folder,
          }),
          stdin: pulumi.secret(JSON.stringify(files.content)),
          triggers: [this.container.id],
        },
        { parent: this, additionalSecretOutputs: ["stdin"] },
      );
    this.registerOutputs({ target: this.target });
  }
}

/** MiB: six times what it took for 50 answers at once. */
const MEMORY = 128;

/**
 * Addresses of a network whose containers are told a router that is not there, so that nothing of them reaches another
 * network, whoever routes back. They come from the range of RFC 2544, which is routed nowhere; each name has its own.
 */
function deadEnd(networkName: string): docker.types.input.NetworkIpamConfig {
  const place = createHash("sha256").update(networkName).digest().readUInt16BE() % 16_384;
  const address = (last: number) => {
    const offset = place * 8 + last;
    return `198.${18 + (offset >> 16)}.${(offset >> 8) & 255}.${offset & 255}`;
  };
  return {
    subnet: `${address(0)}/29`,
    gateway: address(1),
    auxAddress: { DefaultGatewayIPv4: address(6) },
  };
}
