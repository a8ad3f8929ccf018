import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createServer } from "node:net";
import type { HostContainer } from "./dockerInfo";

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
export async function requireFree(containers: HostContainer[], wanted: Wanted): Promise<void> {
  const foreign = containers.filter((container) => !wanted.own(container));
  const names = foreign
    .filter(({ name }) => wanted.containerNames.includes(name))
    .map(
      ({ name, image }) =>
        `the name ${name} is taken by a container of ${image} that is not this stack's: rename it (docker rename ${name} OTHER) or choose another stack name`,
    );
  const ports = await Promise.all(
    Object.entries(wanted.ports).map(async ([setting, { address, port }]) => {
      const publishes = (container: HostContainer) =>
        container.ports.some(
          (one) => one.port === port && (one.address === address || one.address === "0.0.0.0"),
        );
      if (containers.some((container) => wanted.own(container) && publishes(container))) return [];
      const other = foreign.find(publishes);
      const who = other
        ? `the container ${other.name}`
        : (await isFree(address, port))
          ? undefined
          : (processOn(port) ?? "another process");
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

function isFree(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on("error", (error: NodeJS.ErrnoException) => {
      resolve(error.code !== "EADDRINUSE");
    });
    server.listen(port, address, () =>
      server.close(() => {
        resolve(true);
      }),
    );
  });
}

/** The process that listens on a TCP port, as far as this user may see. Source: proc(5), /proc/net/tcp. */
function processOn(port: number): string | undefined {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const LISTEN = "0A";
  const inodes = readLines("/proc/net/tcp")
    .concat(readLines("/proc/net/tcp6"))
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local = "", , state]) => local.endsWith(`:${hex}`) && state === LISTEN)
    .map((columns) => `socket:[${columns[9] ?? ""}]`);
  const holds = (pid: string) =>
    list(`/proc/${pid}/fd`).some((fd) => inodes.includes(link(`/proc/${pid}/fd/${fd}`)));
  const pid = list("/proc").find((entry) => /^\d+$/.test(entry) && holds(entry));
  return pid && `the process ${readLines(`/proc/${pid}/comm`)[0] ?? "?"} (pid ${pid})`;
}

const orNothing = <T>(read: () => T, nothing: T): T => {
  try {
    return read();
  } catch {
    return nothing; // It ended, or is somebody else's.
  }
};
const list = (folder: string) => orNothing(() => readdirSync(folder), []);
const link = (file: string) => orNothing(() => readlinkSync(file), "");
const readLines = (file: string) => orNothing(() => readFileSync(file, "utf8").split("\n"), []);
