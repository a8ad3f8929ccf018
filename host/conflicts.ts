import type { HostContainer } from "./facts";
import type { Host } from "./read";

/** What a stack is about to take on its host. */
export interface Wanted {
  /** Names of its containers. */
  containerNames: string[];
  /** The ports that it publishes, by the setting that decides about each. */
  ports: Record<string, { address: string; port: number }>;
  /** Whether a container of the host is the stack's own. */
  own: (container: HostContainer) => boolean;
}

/**
 * Makes sure that nothing foreign has what the stack is about to take, before anything is changed.
 *
 * @throws Error that names each container or process in the way, and what to do
 */
export async function requireFree(
  { containers, listeners, processOf }: Omit<Host, "facts">,
  wanted: Wanted,
): Promise<void> {
  const foreign = containers.filter((container) => !wanted.own(container));
  const names = foreign
    .filter(({ name }) => wanted.containerNames.includes(name))
    .map(
      ({ name, image }) =>
        `the name ${name} is taken by a container of ${image} that is not this stack's: rename it (docker rename ${name} OTHER) or choose another stack name`,
    );
  const ports = await Promise.all(
    Object.entries(wanted.ports).map(async ([setting, { address, port }]) => {
      const meets = (one: { address: string; port: number }) =>
        one.port === port && (one.address === address || one.address === "0.0.0.0");
      const publishes = (container: HostContainer) => container.ports.some(meets);
      if (containers.some((container) => wanted.own(container) && publishes(container))) return [];
      const other = foreign.find(publishes);
      const listener = listeners.find(meets);
      const who = other
        ? `the container ${other.name}`
        : listener && `the process ${(await processOf(listener)) ?? "of somebody else"}`;
      return who
        ? [`${address}:${port} is taken by ${who}: stop it, or set llm-metrics:${setting} to a free port`]
        : [];
    }),
  );
  const problems = [...names, ...ports.flat()];
  if (problems.length > 0)
    throw new Error(
      `something else has what this stack needs, and nothing was changed:\n${problems.map((p) => `  - ${p}`).join("\n")}`,
    );
}
