import type Docker from "dockerode";
import { agentOverCommand, remoteShell } from "../../../host/ssh";
import { configuration } from "../configuration";

let connected: Docker | undefined;

/**
 * The Docker daemon that the stack's configuration names by docker:host, else DOCKER_HOST, else the local socket; over ssh, as
 * the Docker CLI reaches it.
 *
 * @throws Error when that is neither a unix socket nor reached by ssh
 */
export async function engine(): Promise<Docker> {
  // Loaded when it is needed: a preview does without, and starts sooner.
  return (connected ??= connect((await import("dockerode")).default));
}

function connect(client: typeof Docker): Docker {
  const { host = process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock" } = configuration as {
    host?: string;
  };
  const shell = remoteShell(host);
  return shell.length > 0
    ? new client({
        protocol: "http",
        host: "docker",
        agent: agentOverCommand([...shell, "docker", "system", "dial-stdio"]),
      } as Docker.DockerOptions)
    : new client({ socketPath: host.slice("unix://".length) });
}

/** Why a request failed, in the words of the Docker client of the official plugin. */
export function reason(error: unknown): string {
  const { message } = error as Error;
  return message.replace(/^\(HTTP code \d+\) .*? - (.*?)\s*$/s, "Error response from daemon: $1");
}

/** Says in an error what could not be done. */
export async function doing<T>(what: string, request: Promise<T>): Promise<T> {
  try {
    return await request;
  } catch (error) {
    throw new Error(`${what}: ${reason(error)}`, { cause: error });
  }
}

/** What a request resolves to, or undefined where the daemon answers with one of the codes; the default is that there is no such thing. */
export async function unless<T>(request: Promise<T>, codes = [404]): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (codes.includes((error as { statusCode?: number }).statusCode ?? 0)) return undefined;
    throw error;
  }
}

/** A list of labels, as the plugin's inputs have it, and the map that the daemon has. */
export interface Label {
  label: string;
  value: string;
}
export const labelMap = (labels: Label[] = []): Record<string, string> =>
  Object.fromEntries(labels.map(({ label, value }) => [label, value]));
export const labelList = (labels: Record<string, string> | null | undefined): Label[] =>
  Object.entries(labels ?? {}).map(([label, value]) => ({ label, value }));

/** Repeats a deletion while the thing is still in use, for up to 30 s as the official plugin does. */
export async function deleteWhenUnused(remove: () => Promise<unknown>, inUse: RegExp): Promise<void> {
  for (const end = Date.now() + 30_000; ;) {
    try {
      await unless(remove());
      return;
    } catch (error) {
      if (!inUse.test(reason(error)) || Date.now() > end) throw new Error(reason(error), { cause: error });
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}
