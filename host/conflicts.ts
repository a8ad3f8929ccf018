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
  const conflicts = [...nameConflicts(required, own, usage), ...(await portConflicts(required, own, usage))];
  if (conflicts.length > 0)
    throw new Error(
      `the Docker host has what this stack needs already, and nothing was changed:\n${conflicts.map((c) => `  - ${c}`).join("\n")}`,
    );
}

/**
 * Docker would hand an existing volume or network of the name to the stack without a word, and a later destroy would remove it
 * with the samples of the stack that it belongs to.
 */
function nameConflicts(required: RequiredResources, own: ResourceNames, usage: HostUsage): string[] {
  const foreign = (kind: keyof ResourceNames, existing: readonly string[]) =>
    required[kind].filter((name) => existing.includes(name) && !own[kind].includes(name));
  const describe = (what: string, remove: string) =>
    `${what} exists and is not in this stack's state: it belongs to another checkout or state of this stack. ` +
    `Deploy from there, choose another stack name, or remove it: ${remove}`;
  return [
    ...foreign(
      "containers",
      usage.containers.map(({ name }) => name),
    ).map((name) => {
      const image = usage.containers.find((container) => container.name === name)?.image ?? "";
      return describe(`the container ${name} (image ${image})`, `docker rm --force ${name}`);
    }),
    ...foreign("networks", usage.networks).map((name) =>
      describe(`the network ${name}`, `docker network rm ${name}`),
    ),
    ...foreign("volumes", usage.volumes).map((name) =>
      describe(`the volume ${name}, with its content,`, `docker volume rm ${name}`),
    ),
  ];
}

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
