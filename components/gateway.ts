import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { gatewayConfig, GATEWAY_FOLDER, PAGE_FOLDER } from "../caddy/gateway";
import type { GatewayAccess, ProbeAccess } from "../caddy/gatewayAccess";
import { pageFiles, pageVersion } from "../dashboard/bundle";
import { SERVERS } from "../lib/names";
import { isLoopback } from "../settings";
import {
  caddyInputs,
  createContainer,
  createNetwork,
  createVolume,
  fixedAddresses,
  healthcheck,
  type Labels,
  type PartArgs,
} from "./container";
import { installFiles } from "./deployStep";

/** Memory limit in MiB: six times what 50 simultaneous responses used. */
const MEMORY = 128;

/** The image has Caddy. */
export interface GatewayArgs extends PartArgs {
  /** The address and the ports of the host. */
  publish: { address: string; cadvisor: number; prometheus: number };
  /** How clients reach it and log in. */
  access: GatewayAccess;
}

/** The reverse proxy in front of cAdvisor and Prometheus: the only container that publishes ports. It serves the page, and forwards reads only. */
export class Gateway extends pulumi.ComponentResource {
  readonly container: docker.Container;
  /** Environment variables by which the programs of commands/ reach the servers behind it. */
  readonly clientEnvironment: Record<string, pulumi.Input<string>>;

  /** @param name also the container's name, and that of the network of its published ports */
  constructor(name: string, args: GatewayArgs, opts?: pulumi.ComponentResourceOptions) {
    super("llm-metrics:docker:Gateway", name, {}, opts);
    const { image, host, publish, access, labels } = args;
    const { files } = access;

    const network = this.createPublishedNetwork(name, publish.address, labels);
    const volume = files && createVolume(this, `${name}-files`, { labels });
    const page = createVolume(this, `${name}-page`, { labels });
    this.container = createContainer(this, name, {
      ...caddyInputs(
        gatewayConfig(access.options),
        files && `until [ -d ${GATEWAY_FOLDER}/${files.folder} ]; do sleep 0.2; done`,
      ),
      image,
      memory: MEMORY,
      labels,
      networks: [{ network: args.network, aliases: [SERVERS.gateway.alias] }, { network }],
      ports: (["cadvisor", "prometheus"] as const).map((server) => ({
        internal: SERVERS[server].port,
        external: publish[server],
        ip: publish.address,
      })),
      volumes: [
        { volumeName: page.name, containerPath: PAGE_FOLDER, readOnly: true },
        ...(volume ? [{ volumeName: volume.name, containerPath: GATEWAY_FOLDER }] : []),
      ],
      healthcheck: healthcheck(`http://127.0.0.1:${SERVERS.gateway.port}/healthz`),
    });
    const installation = { host, image, container: this.container };
    if (files)
      installFiles(this, `${name}-install`, {
        ...installation,
        volume: `${name}-files`,
        environment: { FOLDER: files.folder },
        secrets: files.content,
      });
    // A changed page is there without a restart.
    installFiles(this, `${name}-install-page`, {
      ...installation,
      volume: `${name}-page`,
      environment: { PAGE: pageVersion(pageFiles()) },
    });
    this.clientEnvironment = files ? clientEnvironment(name, access.probe) : {};
    this.registerOutputs({});
  }

  /** The network of the published ports, without NAT. */
  private createPublishedNetwork(name: string, address: string, labels: Labels): docker.Network {
    const args = {
      labels,
      options: {
        "com.docker.network.bridge.enable_ip_masquerade": "false",
        "com.docker.network.bridge.host_binding_ipv4": address,
      },
      // Clients on loopback are on the host itself, so responses need no router, and there is none.
      ...(isLoopback(address) && { ipamConfigs: [withoutRouter(name)] }),
    };
    return createNetwork(this, name, args, { aliases: [{ name: `${name}-door` }] });
  }
}

const clientEnvironment = (
  name: string,
  { address, ca, login }: ProbeAccess,
): Record<string, pulumi.Input<string>> => ({
  GATEWAY: name,
  GATEWAY_ADDRESS: address,
  ...(ca && { GATEWAY_CA: ca }),
  ...(login && { GATEWAY_LOGIN: pulumi.secret(login) }),
});

/** Addresses of a network whose default router does not exist, so that its containers reach no other network. */
function withoutRouter(networkName: string): docker.types.input.NetworkIpamConfig {
  const { subnet, at } = fixedAddresses(networkName);
  return { subnet, gateway: at(1), auxAddress: { DefaultGatewayIPv4: at(6) } };
}
