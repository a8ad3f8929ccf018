import { createHash } from "node:crypto";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { HostFacts } from "../host/facts";
import { NETWORKS_LABEL, NOBODY } from "../lib/names";

/** Labels of Docker resources. */
export type Labels = { label: string; value: string }[];

/** Arguments that all parts of a stack share. */
export interface PartArgs {
  /** Image reference, with a tag or digest. */
  image: string;
  host: HostFacts;
  /** The stack's network, which the part joins under its alias in `SERVERS`. */
  network: docker.Network;
  labels: Labels;
}

/** A network of the stack, or one that exists. */
export type NetworkReference = docker.Network | { id: string; name: string };

/** The inputs of a container of the stack, in addition to docker.ContainerArgs. */
export interface StackContainerArgs extends Omit<
  docker.ContainerArgs,
  "name" | "labels" | "networksAdvanced"
> {
  image: string;
  /** Memory limit in MiB. */
  memory: number;
  /** CPU limit, such as "0.5". */
  cpus: string;
  networks: { network: NetworkReference; aliases?: string[]; ipv4Address?: string }[];
  labels: Labels;
}

/**
 * Creates a hardened container and its image. The container has the component's name, no capabilities but those in `args`, a
 * read-only root filesystem, limits and bounded logs.
 */
export function createContainer(
  parent: pulumi.Resource,
  name: string,
  { networks, labels, ...args }: StackContainerArgs,
): docker.Container {
  const image = new docker.RemoteImage(`${name}-image`, { name: args.image, keepLocally: true }, { parent });
  return new docker.Container(
    `${name}-container`,
    {
      readOnly: true,
      securityOpts: NO_NEW_PRIVILEGES,
      capabilities: onlyCapabilities(),
      // "unless-stopped" would not start again what a daemon finds running after a crash: it counts as stopped manually.
      restart: "always",
      logDriver: "json-file",
      logOpts: { "max-size": "10m", "max-file": "3" },
      memorySwap: args.memory,
      networksAdvanced: networks.map(({ network, ...endpoint }) => ({ name: network.name, ...endpoint })),
      labels: [...labels, networksLabel(networks.map(({ network }) => network))],
      name,
      ...args,
    },
    { parent, dependsOn: image, deleteBeforeReplace: true, replaceOnChanges: ["healthcheck"] },
  );
}

export const NO_NEW_PRIVILEGES = ["no-new-privileges:true"];

/** Drops every capability but the named ones, in the form `CAP_NAME` that the provider reads back. */
export function onlyCapabilities(...adds: string[]): docker.types.input.ContainerCapabilities {
  return { drops: ["ALL"], ...(adds.length > 0 && { adds }) };
}

/** A network that was removed and created again has another id, and only a container that is replaced joins it. */
const networksLabel = (networks: NetworkReference[]) => ({
  label: NETWORKS_LABEL,
  value: pulumi.all(networks.map(({ id }) => id)).apply((ids) => ids.map((id) => id.slice(0, 12)).join(".")),
});

/** A health check that sends a GET request to a URL inside the container. */
export function healthcheck(url: string): docker.types.input.ContainerHealthcheck {
  return {
    tests: ["CMD", "wget", "-q", "--spider", url],
    interval: "30s",
    timeout: "5s",
    retries: 3,
    startPeriod: "30s",
  };
}

/** Security options of a container that reads sockets or files of the host, which SELinux denies to a confined container. */
export const readsHost = ({ selinux }: HostFacts): string[] => [
  ...NO_NEW_PRIVILEGES,
  ...(selinux ? ["label=disable"] : []),
];

/** Seconds between two looks at a mounted socket, each of which starts two processes. */
const LOOK_INTERVAL = 5;
/** Seconds that a daemon has to serve its new socket before its client is started again. */
const GRACE = 5;

/**
 * A line of a shell script that, in the background, ends the container's main process soon after a mounted socket was removed from its
 * folder, which leaves it without links. A daemon that restarts makes a new socket, and a container that is started again mounts
 * that one; the restart policy starts it, as soon as the daemon runs. Until then, its client would get no answers
 * (google/cadvisor issue 2306).
 *
 * @param socket its path in the container
 * @param isServed a command that fails until the daemon serves its new socket; by default, nothing is waited for
 */
export const exitOnDeadSocket = (socket: string, isServed = ":"): string =>
  [
    `{ while [ "$(stat -c %h ${socket})" != 0 ]; do sleep ${LOOK_INTERVAL}; done`,
    `until ${isServed}; do sleep ${LOOK_INTERVAL}; done`,
    `sleep ${GRACE}`,
    `echo "${socket} is not the socket of a running daemon: exiting, to mount the new one" >&2`,
    "kill $$; } &",
  ].join("; ");

const CADDY_FILE = "/dev/shm/caddy.json";

/**
 * The inputs of a container that runs Caddy. Its configuration (caddyserver.com/docs/json) is an environment variable, so that
 * a preview shows its changes; a shell writes it to a file in memory, as the root filesystem is read-only.
 *
 * @param before a shell command that runs first
 */
export const caddyInputs = (config: pulumi.Input<object>, before: pulumi.Input<string> = ":") => ({
  envs: [pulumi.interpolate`CONFIG=${pulumi.jsonStringify(config, undefined, 2)}`],
  command: [
    "sh",
    "-c",
    pulumi.interpolate`${before}; printf %s "$CONFIG" > ${CADDY_FILE}; exec caddy run --config ${CADDY_FILE}`,
  ],
  user: `${NOBODY}:${NOBODY}`,
  // The program file in the official image has this capability, and does not start where it is out of the bounding set. As
  // user nobody, and with no-new-privileges, the process does not get it.
  capabilities: onlyCapabilities("CAP_NET_BIND_SERVICE"),
  cpus: "0.5",
});

/** Creates a bridge network of that name, or of the name in `args`. */
export const createNetwork = (
  parent: pulumi.Resource,
  name: string,
  args: docker.NetworkArgs,
  opts: pulumi.CustomResourceOptions = {},
): docker.Network =>
  new docker.Network(
    `${name}-network`,
    { name, driver: "bridge", ...args },
    { parent, deleteBeforeReplace: true, ...opts },
  );

/** Addresses of a network that the program chooses, so that a container can have a fixed one. */
export interface FixedAddresses {
  subnet: string;
  /** The address with this number, from 1 to 6. */
  at: (number: number) => string;
}

/** Addresses for a small network, from the range of RFC 2544, which is not routed. Each network name has addresses of its own. */
export function fixedAddresses(networkName: string): FixedAddresses {
  const place = createHash("sha256").update(networkName).digest().readUInt16BE() % 16_384;
  const at = (number: number) => {
    const offset = place * 8 + number;
    return `198.${18 + (offset >> 16)}.${(offset >> 8) & 255}.${offset & 255}`;
  };
  return { subnet: `${at(0)}/29`, at };
}

/** Creates a volume of that name. */
export const createVolume = (
  parent: pulumi.Resource,
  name: string,
  args: docker.VolumeArgs,
  opts: pulumi.CustomResourceOptions = {},
): docker.Volume =>
  new docker.Volume(name, { name, ...args }, { parent, deleteBeforeReplace: true, ...opts });
