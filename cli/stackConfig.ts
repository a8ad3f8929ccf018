import { readFile } from "node:fs/promises";
import { load } from "js-yaml";

/** A stack's configuration as its file has it, with the defaults of Pulumi.yaml for the keys of this project. */
export async function stackConfig(stack: string): Promise<Record<string, string | undefined>> {
  const read = async <T>(file: string) =>
    (load(await readFile(file, "utf8").catch(() => "{}")) as { config?: Record<string, T> } | null)?.config ??
    {};
  const defaults = Object.entries(await read<{ default: string }>("Pulumi.yaml"));
  return {
    ...Object.fromEntries(defaults.map(([key, value]) => [`llm-metrics:${key}`, value.default])),
    ...(await read<string>(`Pulumi.${stack}.yaml`)),
  };
}

/** The Docker daemon that a stack names, as in DOCKER_HOST; undefined: that of the Docker CLI's current context. */
export const namedDaemon = async (stack: string): Promise<string | undefined> =>
  (await stackConfig(stack))["docker:host"] ?? process.env["DOCKER_HOST"];
