import { docker } from "../host/docker";
import { Mismatch } from "../lib/retry";
import { gpuAllocation, type ContainerConfig } from "../exporter/allocation";

/** Id and name of each running container that may use GPUs. */
export async function gpuContainers(): Promise<{ id: string; name: string }[]> {
  const running = await runningContainers();
  if (running.length === 0) return [];
  const [info, inspected] = await Promise.all([
    docker(["info", "--format", "{{json .}}"]),
    docker(["inspect", ...running.map(({ id }) => id)]),
  ]).catch((error: unknown) => {
    // A container can exit between the two commands.
    throw new Mismatch(
      (error as Error).message,
      "an answer about each running container",
      "Run `npm run up` again.",
    );
  });
  const { DefaultRuntime, Runtimes } = JSON.parse(info) as {
    DefaultRuntime: string;
    Runtimes: Record<string, { path?: string }>;
  };
  const paths = Object.fromEntries(Object.entries(Runtimes).map(([name, { path = "" }]) => [name, path]));
  const configs = JSON.parse(inspected) as (ContainerConfig & { Id: string })[];
  return running.filter(({ id }) => {
    const config = configs.find(({ Id }) => Id === id);
    return config && gpuAllocation(config, { default: DefaultRuntime, paths });
  });
}

/** Id and name of each running container. */
export async function runningContainers(): Promise<{ id: string; name: string }[]> {
  const lines = (await docker(["ps", "--no-trunc", "--format", "{{.ID}} {{.Names}}"]))
    .split("\n")
    .filter(Boolean);
  return lines.map((line) => {
    const [id = "", name = ""] = line.split(" ");
    return { id, name };
  });
}
