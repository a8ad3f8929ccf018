import Docker from "dockerode";

/** The Docker daemon that the stack's configuration names by docker:host, else DOCKER_HOST, else the local socket. */
export const engine = connect();

function connect(): Docker {
  const config = JSON.parse(process.env["PULUMI_CONFIG"] ?? "{}") as Record<string, string>;
  const host = config["docker:host"] ?? process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock";
  if (!host.startsWith("unix://"))
    throw new Error(`the airgap plugin reaches unix:// sockets only, not ${host}; use the official plugin`);
  return new Docker({ socketPath: host.slice("unix://".length) });
}

/** What a request resolves to, or undefined where the daemon answers that there is no such thing. */
export async function found<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 404) return undefined;
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
export const labelList = (labels: Record<string, string> | null | undefined): Label[] | undefined => {
  const list = Object.entries(labels ?? {}).map(([label, value]) => ({ label, value }));
  return list.length > 0 ? list : undefined;
};

/** Repeats a deletion while the thing is still in use, for up to 20 s as the official plugin does. */
export async function deleteWhenUnused(remove: () => Promise<unknown>, inUse: RegExp): Promise<void> {
  for (const end = Date.now() + 20_000; ;) {
    try {
      await found(remove());
      return;
    } catch (error) {
      if (!inUse.test((error as Error).message) || Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}
