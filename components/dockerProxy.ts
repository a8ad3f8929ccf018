import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import {
  CONTAINERD_SOCKET,
  DOCKER_SOCKET,
  FILTERED_FOLDER,
  PROXY_PORTS,
  proxyConfig,
  type AllowedRequests,
} from "../caddy/dockerProxy";
import type { HostFacts } from "../host/facts";
import { NOBODY, target } from "../lib/names";
import {
  caddyInputs,
  createContainer,
  createNetwork,
  createVolume,
  exitOnDeadSocket,
  healthcheck,
  readsHost,
  type PartArgs,
} from "./container";

const ALIAS = "docker-proxy";
/** Memory limit in MiB. Idle, the process uses 10 besides its program file. */
const MEMORY = 64;

/** The image has Caddy. */
export interface DockerProxyArgs extends Omit<PartArgs, "network"> {
  /** Name of the network between the proxy and its clients. */
  networkName: string;
  /** The requests that it forwards. */
  allowed: AllowedRequests;
}

/**
 * A filter for the Docker API and containerd. It mounts their sockets in place of the containers that read them, forwards the
 * reads that these need, and rejects every other request. A socket that is mounted read-only restricts nothing: its client can
 * still create a privileged container.
 */
export class DockerProxy extends pulumi.ComponentResource {
  readonly container: docker.Container;
  /** The network for the proxy and its clients alone; it is internal. */
  readonly network: docker.Network;
  /** host:port of the Docker API on that network, by client. */
  readonly address = {
    cadvisor: target({ alias: ALIAS, port: PROXY_PORTS.cadvisor }),
    exporter: target({ alias: ALIAS, port: PROXY_PORTS.exporter }),
  };
  /** The volume with the filtered `containerd.sock`, on hosts with the containerd image store. */
  readonly containerd?: docker.Volume;

  /** @param name also the container's name */
  constructor(name: string, args: DockerProxyArgs, opts?: pulumi.ComponentResourceOptions) {
    super("llm-metrics:docker:DockerProxy", name, {}, opts);
    const { host, allowed, labels } = args;

    this.network = createNetwork(this, name, {
      name: args.networkName,
      internal: true,
      // The host has no address on it, so that its users cannot send the proxy what only root and the group docker may.
      options: { "com.docker.network.bridge.inhibit_ipv4": "true" },
      labels,
    });
    if (host.containerdSocket)
      this.containerd = createVolume(this, `${name}-containerd`, {
        // In memory and owned by the proxy's user, so that no socket outlives the proxy.
        driverOpts: { type: "tmpfs", device: "tmpfs", o: `uid=${NOBODY},gid=${NOBODY},mode=0755,size=64k` },
        labels,
      });
    this.container = createContainer(this, name, {
      ...caddyInputs(proxyConfig(allowed), exitOnDeadSockets(host)),
      image: args.image,
      memory: MEMORY,
      labels,
      networks: [{ network: this.network, aliases: [ALIAS] }],
      groupAdds: socketGroups(host),
      securityOpts: readsHost(host),
      volumes: [
        { hostPath: host.dockerSocket, containerPath: DOCKER_SOCKET, readOnly: true },
        ...containerdVolumes(host, this.containerd),
      ],
      healthcheck: healthcheck(`http://127.0.0.1:${PROXY_PORTS.cadvisor}/_ping`),
    });
    this.registerOutputs({ address: this.address });
  }
}

/**
 * Docker reports containerd among its components while it is connected to containerd, and learns only then that a container has
 * ended. The version is one of the requests that the proxy forwards.
 */
const CONTAINERD_ANSWERS = `wget -qO- http://127.0.0.1:${PROXY_PORTS.cadvisor}/version | grep -q '"Name":"containerd"'`;

const exitOnDeadSockets = ({ containerdSocket }: HostFacts): string =>
  [
    exitOnDeadSocket(DOCKER_SOCKET),
    ...(containerdSocket ? [exitOnDeadSocket(CONTAINERD_SOCKET, CONTAINERD_ANSWERS)] : []),
    ":", // caddyInputs goes on with a semicolon, which cannot follow `&`.
  ].join("\n");

/** containerd's socket has root's group, unless its administrator set another one. */
const socketGroups = ({ socketGroup, containerdSocket }: HostFacts): string[] =>
  [...new Set([socketGroup, ...(containerdSocket ? [0] : [])])].map(String);

const containerdVolumes = (
  { containerdSocket }: HostFacts,
  filtered?: docker.Volume,
): docker.types.input.ContainerVolume[] =>
  containerdSocket && filtered
    ? [
        { hostPath: containerdSocket, containerPath: CONTAINERD_SOCKET, readOnly: true },
        { volumeName: filtered.name, containerPath: FILTERED_FOLDER },
      ]
    : [];
