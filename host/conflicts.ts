import { isIPv6 } from "node:net";
import { ALL_IPV4, ALL_IPV6 } from "./facts";
import type { HostUsage } from "./read";

/** A published TCP port. */
interface Endpoint {
  address: string;
  port: number;
}

/** Names of Docker resources, by their kind. */
export interface ResourceNames {
  containers: readonly string[];
  networks: readonly string[];
  volumes: readonly string[];
}

/** The names and ports that a stack needs on its host. */
export interface RequiredResources extends ResourceNames {
  /** Its published ports, by the setting of each. */
  ports: Record<string, Endpoint>;
}

/**
 * Checks that nothing else on the host has a name or a port that the stack needs, before anything is changed.
 *
 * @param own the resources in the stack's state
 * @throws Error that lists each conflict with its remedy
 */
export async function requireNoConflicts(
  required: RequiredResources,
  own: ResourceNames,
  usage: HostUsage,
): Promise<void> {
  const names = nameConflicts(required, own, usage);
  const ports = await portConflicts(required, own, usage);
  if (names.length + ports.length === 0) return;
  const lines = [
    ...names.map(({ description }) => description),
    ...ports,
    ...(names.length > 0 ? [nameRemedy(names)] : []),
  ];
  throw new Error(
    `the Docker host has what this stack needs already, and nothing was changed:\n${lines.map((line) => `  - ${line}`).join("\n")}`,
  );
}

interface NameConflict {
  description: string;
  /** The command that removes the resource. */
  removal: string;
}

/**
 * Docker would hand an existing volume or network of the name to the stack without a word, and a later destroy would remove it
 * with the samples of the stack that it belongs to.
 */
function nameConflicts(required: RequiredResources, own: ResourceNames, usage: HostUsage): NameConflict[] {
  const foreign = (kind: keyof ResourceNames, existing: readonly string[]) =>
    required[kind].filter((name) => existing.includes(name) && !own[kind].includes(name));
  const containers = usage.containers.map(({ name }) => name);
  const image = (name: string) => usage.containers.find((one) => one.name === name)?.image ?? "";
  return [
    ...foreign("containers", containers).map((name) => ({
      description: `the container ${name} (image ${image(name)}) exists`,
      removal: `docker rm --force ${name}`,
    })),
    ...foreign("networks", usage.networks).map((name) => ({
      description: `the network ${name} exists`,
      removal: `docker network rm ${name}`,
    })),
    ...foreign("volumes", usage.volumes).map((name) => ({
      description: `the volume ${name} exists, with its content`,
      removal: `docker volume rm ${name}`,
    })),
  ];
}

const nameRemedy = (conflicts: NameConflict[]) =>
  "resources that exist and are not in this stack's state belong to another checkout or state of the stack: deploy from there, " +
  `choose another stack name, or remove them: ${conflicts.map(({ removal }) => removal).join("; ")}`;

async function portConflicts(
  required: RequiredResources,
  own: ResourceNames,
  { containers, listeners, processOf }: HostUsage,
): Promise<string[]> {
  const isOwn = ({ name }: { name: string }) => own.containers.includes(name);
  const others = containers.filter((container) => !isOwn(container));
  // Docker listens on the ports that it publishes, by a process of its own; on IPv6, it does not serve IPv4 too (IPV6_V6ONLY).
  const published = containers.flatMap(({ ports }) => ports);
  const processes = listeners.filter((listener) => !published.some((port) => isSame(port, listener)));

  const conflicts = Object.entries(required.ports).map(async ([setting, endpoint]) => {
    const user = await userOf(endpoint);
    return user
      ? `${endpoint.address}:${endpoint.port} is in use by ${user}: stop it, or set llm-metrics:${setting} to a free port`
      : [];
  });
  return (await Promise.all(conflicts)).flat();

  async function userOf(endpoint: Endpoint): Promise<string | undefined> {
    for (const { name, ports } of others) {
      const port = ports.find((one) => !isIPv6(one.address) && overlaps(one, endpoint));
      if (port) return `the container ${name}${at(port, endpoint)}`;
    }
    const listener = processes.find((one) => overlaps(one, endpoint));
    if (!listener) return undefined;
    const process = (await processOf(listener)) ?? "of another user";
    return `the process ${process}${at(listener, endpoint)}`;
  }
}

/** At which address a port is in use, unless that is the very address, or all of IPv4. */
function at(used: Endpoint, { address }: Endpoint): string {
  if ([address, ALL_IPV4].includes(used.address)) return "";
  return ` on ${isIPv6(used.address) ? `[${used.address}]` : used.address}`;
}

const isSame = (a: Endpoint, b: Endpoint): boolean => a.port === b.port && a.address === b.address;

/** An address that stands for all others overlaps each of them. A socket on `::` serves IPv4 too, unless a program rules that out. */
const overlaps = (a: Endpoint, b: Endpoint): boolean =>
  isSame(a, b) || (a.port === b.port && [a.address, b.address].some((one) => ALL.includes(one)));

const ALL = [ALL_IPV4, ALL_IPV6];
