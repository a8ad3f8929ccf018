import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { CURRENT_KEYS, forwarderConfig, KEYS_FOLDER, STACK_ADDRESS } from "../caddy/llmForwarder";
import type { HostNetwork } from "../host/facts";
import { SERVERS } from "../lib/names";
import {
  caddyInputs,
  createContainer,
  createNetwork,
  createVolume,
  fixedAddresses,
  healthcheck,
  type PartArgs,
} from "./container";
import { installFiles } from "./deployStep";

const { alias, port } = SERVERS.llmForwarder;

/** Memory limit in MiB. */
const MEMORY = 64;

/** The image has Caddy. The forwarder listens on the stack's network alone. */
export interface LlmForwarderArgs extends PartArgs {
  /** The networks of the user's that it joins. */
  networks: readonly HostNetwork[];
  /** The keys of LLM servers, by the name of the container. */
  keys: Record<string, string>;
}

/**
 * The proxy to LLM servers on networks of their own, and to those that require a key. It joins these networks and has the keys, so
 * that Prometheus does neither, and returns the metrics of LLM servers only.
 */
export class LlmForwarder extends pulumi.ComponentResource {
  readonly container: docker.Container;
  /** The network that it shares with the exporter alone. */
  readonly link: docker.Network;
  /** The exporter's address on that network. */
  readonly exporterAddress: string;
  /** The names of the networks that it joins, and of the containers whose keys it has. */
  readonly networks: readonly string[];
  readonly keyed: readonly string[];

  /** @param name also the container's name, that of the network, and the prefix of its volume */
  constructor(name: string, args: LlmForwarderArgs, opts?: pulumi.ComponentResourceOptions) {
    super("llm-metrics:docker:LlmForwarder", name, {}, opts);
    const { image, network, networks, labels } = args;
    this.networks = networks.map((one) => one.name);
    this.keyed = Object.keys(args.keys).sort();

    const addresses = fixedAddresses(name);
    this.exporterAddress = addresses.at(2);
    // The host has no address on it.
    this.link = createNetwork(this, name, {
      labels,
      internal: true,
      options: { "com.docker.network.bridge.inhibit_ipv4": "true" },
      ipamConfigs: [{ subnet: addresses.subnet, gateway: addresses.at(1) }],
    });
    const keys = this.keyed.length > 0 ? createVolume(this, `${name}-keys`, { labels }) : undefined;
    this.container = createContainer(this, name, {
      ...caddyInputs(this.config(args), this.start(network, keys)),
      image,
      memory: MEMORY,
      labels,
      networks: [
        { network, aliases: [alias] },
        { network: this.link, ipv4Address: addresses.at(3) },
        ...networks.map((one) => ({ network: one })),
      ],
      // Otherwise its kernel forwards packets between these networks.
      sysctls: { "net.ipv4.ip_forward": "0" },
      ...(keys && { volumes: [{ volumeName: keys.name, containerPath: KEYS_FOLDER, readOnly: true }] }),
      healthcheck: healthcheck(`http://127.0.0.1:${port}/healthz`),
    });
    if (keys)
      installFiles(this, `${name}-install`, {
        host: args.host,
        image,
        container: this.container,
        volume: `${name}-keys`,
        environment: { FOLDER: CURRENT_KEYS },
        secrets: args.keys,
      });
    this.registerOutputs({});
  }

  private config({ network }: LlmForwarderArgs): pulumi.Output<object> {
    const exporter = `${this.exporterAddress}:${SERVERS.exporter.port}`;
    return subnetOf(network).apply((clients) => forwarderConfig({ clients, exporter, keyed: this.keyed }));
  }

  /** Finds the address on the stack's network. Its name would not do: containers on the other networks can have it too. */
  private start(network: docker.Network, keys?: docker.Volume): pulumi.Output<string> {
    const waits = keys ? [`until [ -d ${KEYS_FOLDER}/${CURRENT_KEYS} ]; do sleep 0.2; done`] : [];
    return subnetOf(network).apply((subnet) =>
      [
        ...waits,
        `route="$(ip -4 route show ${subnet})"`,
        'address="${route##* src }"',
        `export ${STACK_ADDRESS}="\${address%% *}"`,
        // Without an address, Caddy would listen on all networks.
        `[ -n "$${STACK_ADDRESS}" ] || { echo "not on the network of the stack: npm run up connects it" >&2; exit 1; }`,
      ].join("; "),
    );
  }
}

type Subnets = docker.types.output.NetworkIpamConfig[];

/** The IPv4 subnet that Docker chose for a network. */
const subnetOf = ({ name, ipamConfigs }: docker.Network): pulumi.Output<string> =>
  pulumi.all([name, ipamConfigs]).apply(([network, configs]: [string, Subnets | undefined]) => {
    const subnet = (configs ?? []).map((config) => config.subnet ?? "").find((one) => one.includes("."));
    if (!subnet)
      throw new Error(
        `the state of the network ${network} has no IPv4 subnet: run \`npm run up\`, which refreshes it`,
      );
    return subnet;
  });
