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
  const conflicts = await Promise.all(
    Object.entries(required.ports).map(async ([setting, endpoint]) => {
      const publisher = containers.find(({ ports }) => ports.some((port) => overlaps(port, endpoint)));
      if (publisher && own.containers.includes(publisher.name)) return [];
      const listener = listeners.find((one) => overlaps(one, endpoint));
      if (!publisher && !listener) return [];
      const process = listener && (await processOf(listener));
      const user = publisher
        ? `the container ${publisher.name}`
        : `the process ${process ?? "of another user"}`;
      return [
        `${endpoint.address}:${endpoint.port} is in use by ${user}: stop it, or set llm-metrics:${setting} to a free port`,
      ];
    }),
  );
  return conflicts.flat();
}

const ALL_ADDRESSES = "0.0.0.0";

const overlaps = (a: Endpoint, b: Endpoint): boolean =>
  a.port === b.port && (a.address === b.address || [a.address, b.address].includes(ALL_ADDRESSES));
