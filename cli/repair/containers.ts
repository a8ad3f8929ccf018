import { docker } from "../../host/docker";
import { log } from "../../lib/log";
import { ENVIRONMENT_LABEL } from "../../lib/names";
import type { State } from "../state";

/** How the Docker CLI names what a resource type is. */
export const KINDS: Record<string, string> = {
  "docker:index/container:Container": "container",
  "docker:index/network:Network": "network",
  "docker:index/volume:Volume": "volume",
};

/** The names of a stack's containers that a filter of `docker ps` matches. */
export async function containersOf(stack: string, filter: string, env: NodeJS.ProcessEnv): Promise<string[]> {
  const filters = ["--filter", `label=${ENVIRONMENT_LABEL}=${stack}`, "--filter", filter];
  return (await docker(["ps", "--format", "{{.Names}}", ...filters], { env })).split("\n").filter(Boolean);
}

/** Unpauses the containers of a stack. Returns what was repaired, as all repairs do. */
export async function unpauseContainers(stack: string, env: NodeJS.ProcessEnv): Promise<string[]> {
  const paused = await containersOf(stack, "status=paused", env);
  for (const container of paused) await docker(["unpause", container], { env });
  return paused.map((container) => `the container ${container} was paused, and runs again`);
}

/**
 * Connects each container to the networks that it was created with, by the same aliases and addresses: a refresh does not see that it
 * is disconnected. What was removed, a refresh sees.
 */
export async function reconnectContainers({ deployment }: State, env: NodeJS.ProcessEnv): Promise<string[]> {
  const resources = deployment?.resources ?? [];
  const created = (kind: string) => resources.filter(({ type, id }) => KINDS[type] === kind && id);
  const existing = async (list: string[]) =>
    new Set((await docker([...list, "--quiet", "--no-trunc"], { env })).split("\n"));
  const containers = await existing(["ps", "--all"]);
  const ids = created("container").flatMap(({ id = "" }) => (containers.has(id) ? id : []));
  if (ids.length === 0) return [];
  const inspected = JSON.parse(await docker(["container", "inspect", ...ids], { env })) as {
    Id: string;
    NetworkSettings: { Networks: Record<string, { Aliases: string[] | null }> };
  }[];
  const networks = await networkNames(env);
  const repaired: string[] = [];
  for (const { Id, NetworkSettings } of inspected) {
    const inputs = created("container").find(({ id }) => id === Id)?.inputs;
    for (const { name, aliases = [], ipv4Address } of inputs?.networksAdvanced ?? []) {
      const endpoint = NetworkSettings.Networks[name];
      if (endpoint && aliases.every((alias) => endpoint.Aliases?.includes(alias))) continue;
      const own = created("network").find((one) => one.inputs?.name === name)?.id;
      const network = [...networks.keys()].find((id) => (own ? id === own : networks.get(id) === name));
      if (!network) continue;
      const container = inputs?.name ?? Id;
      try {
        if (endpoint) await docker(["network", "disconnect", network, Id], { env });
        const flags = aliases.flatMap((alias) => ["--alias", alias]);
        if (ipv4Address) flags.push("--ip", ipv4Address);
        await docker(["network", "connect", ...flags, network, Id], { env });
        // It listens on the address that it had when it started.
        if (container.endsWith("-llm-forwarder")) await docker(["restart", Id], { env });
        repaired.push(`the container ${container} was not on its network ${name}, and is again`);
      } catch (error) {
        // As with a container that exits each time it is started, at the wrong moment.
        log(
          `the container ${container} is not on its network ${name}, and cannot be connected: ${(error as Error).message}`,
        );
      }
    }
  }
  return repaired;
}

/** The names of Docker's networks, by their ids. */
async function networkNames(env: NodeJS.ProcessEnv): Promise<Map<string, string>> {
  const list = await docker(["network", "ls", "--no-trunc", "--format", "{{.ID}} {{.Name}}"], { env });
  return new Map(
    list
      .split("\n")
      .filter(Boolean)
      .map((line) => line.split(" ") as [string, string]),
  );
}

/** Logs why containers of a stack exit each time they are started. */
export async function logRestartingContainers(stack: string, env: NodeJS.ProcessEnv): Promise<void> {
  for (const container of await containersOf(stack, "status=restarting", env))
    log(
      `the container ${container} exits each time it is started; the end of its log:\n` +
        (await containerLog(container, ["--tail", "5"], env)).trim().replace(/^(.{300}).+$/gm, "$1…"),
    );
}

/** What a container wrote, to standard output and standard error. */
export const containerLog = (container: string, flags: string[], env: NodeJS.ProcessEnv): Promise<string> =>
  docker(["logs", ...flags, container], { env, stderr: true });
