import { isIPv4 } from "node:net";
import { z } from "zod";

/** The facts of a Docker host that decide about a deployment. */
export interface HostFacts {
  /** The host's name, as its daemon reports it. */
  name: string;
  /** Docker's root directory, where the writable layers are. */
  rootDirectory: string;
  /** Address of the daemon for programs on this machine, as in DOCKER_HOST. */
  address: string;
  /** Path of the Docker API's socket on the host. */
  dockerSocket: string;
  /** Path of containerd's socket, on hosts whose images are in the containerd image store; else undefined. */
  containerdSocket?: string;
  /** Id of the group of the Docker API's socket. */
  socketGroup: number;
  /** How a container gets access to every GPU; undefined on hosts without NVIDIA's runtime or CDI devices. */
  gpus?: GpuAccess;
}

/** A container on the host, running or not. */
export interface HostContainer {
  name: string;
  image: string;
  labels: Record<string, string>;
  /** The TCP ports that it publishes on IPv4; none while it is stopped. */
  ports: { address: string; port: number }[];
}

/** A listening TCP socket of the host. */
export interface Listener {
  /** An IPv4 address; `0.0.0.0` for all of them. */
  address: string;
  port: number;
  /** Inode of the socket, by which its process is found. */
  inode: string;
}

/** By NVIDIA's container runtime, by the name that Docker has for it, or by a CDI device. */
export type GpuAccess = { runtime: string } | { cdiDevice: string };

const OLDEST_ENGINE = [20, 10] as const;
const DEFAULT_CONTAINERD = "/run/containerd/containerd.sock";

/** The fields of `GET /info` that are used here. Source: docker/docs, Engine API. */
export const dockerInfo = z.object({
  Name: z.string().default(""),
  ServerVersion: z.string().default(""),
  OSType: z.string().default(""),
  DockerRootDir: z.string().default(""),
  DriverStatus: z.array(z.array(z.string())).nullish(),
  SecurityOptions: z.array(z.string()).nullish(),
  Containerd: z.object({ Address: z.string().default("") }).nullish(),
  Runtimes: z.record(z.string(), z.object({ path: z.string().default("") })).nullish(),
  DiscoveredDevices: z.array(z.object({ Source: z.string(), ID: z.string() })).nullish(),
});

/**
 * Reads the answer of the Docker API to `GET /info`.
 *
 * @throws Error with the reason and the remedy when the host cannot be monitored
 */
export function parseDockerInfo(
  answer: unknown,
  { address, socket, socketGroup }: Pick<HostFacts, "address" | "socketGroup"> & { socket: string },
): HostFacts {
  const info = dockerInfo.parse(answer);
  const [major = 0, minor = 0] = info.ServerVersion.split(".").map(Number);
  const security = info.SecurityOptions ?? [];
  const unsupported = (reason: string, remedy: string) =>
    new Error(`this Docker host cannot be monitored: ${reason}. ${remedy}`);

  if (info.OSType !== "linux")
    throw unsupported(
      `its containers run on ${info.OSType}`,
      "cAdvisor reads Linux cgroups: use a Linux host.",
    );
  if (major < OLDEST_ENGINE[0] || (major === OLDEST_ENGINE[0] && minor < OLDEST_ENGINE[1]))
    throw unsupported(
      `its engine is ${info.ServerVersion}`,
      `Upgrade it to ${OLDEST_ENGINE.join(".")} or newer.`,
    );
  if (security.some((option) => option.includes("name=rootless")))
    throw unsupported(
      "its daemon is rootless, so no container can read the host's cgroups",
      "Use a daemon that runs as root.",
    );
  if (security.some((option) => option.includes("name=userns")))
    throw unsupported(
      "its daemon remaps users (userns-remap), so no container can read the Docker socket",
      "Remove userns-remap from daemon.json.",
    );

  if (!socket.startsWith("unix://"))
    throw unsupported(
      `its own Docker CLI uses the daemon at ${JSON.stringify(socket)}`,
      "cAdvisor needs the socket of a daemon on the same host: set docker:host to ssh://user@host for a daemon on another one.",
    );

  const containerdStore = info.DriverStatus?.some(
    ([key, value]) => key === "driver-type" && value?.startsWith("io.containerd."),
  );
  const gpus = gpuAccess(info);
  return {
    name: info.Name,
    rootDirectory: info.DockerRootDir,
    address,
    dockerSocket: socket.slice("unix://".length),
    ...(containerdStore && { containerdSocket: info.Containerd?.Address || DEFAULT_CONTAINERD }),
    socketGroup,
    ...(gpus && { gpus }),
  };
}

/** NVIDIA's runtime under any name, else the CDI device that stands for every GPU. */
export function gpuAccess({
  Runtimes,
  DiscoveredDevices,
}: z.infer<typeof dockerInfo>): GpuAccess | undefined {
  const runtimes = Object.entries(Runtimes ?? {});
  const nvidia = runtimes.find(
    ([name, { path }]) => name === "nvidia" || /(^|\/)nvidia-container-runtime[^/]*$/.test(path),
  );
  if (nvidia) return { runtime: nvidia[0] };
  const cdi = DiscoveredDevices?.find(({ Source, ID }) => Source === "cdi" && ID === "nvidia.com/gpu=all");
  return cdi && { cdiDevice: cdi.ID };
}

/** The fields of `GET /containers/json` that are used here. Source: docker/docs, Engine API. */
const dockerContainers = z.array(
  z.object({
    Names: z.array(z.string()),
    Image: z.string(),
    Labels: z.record(z.string(), z.string()).nullish(),
    Ports: z
      .array(z.object({ IP: z.string().default(""), PublicPort: z.number().optional(), Type: z.string() }))
      .nullish(),
  }),
);

/** Reads the answer of the Docker API to `GET /containers/json`. */
export function parseContainers(answer: unknown): HostContainer[] {
  return dockerContainers.parse(answer).map(({ Names, Image, Labels, Ports }) => ({
    // A name that a link gave it has a second slash.
    name: Names.map((name) => name.slice(1)).find((name) => !name.includes("/")) ?? "",
    image: Image,
    labels: Labels ?? {},
    ports: (Ports ?? []).flatMap(({ IP, PublicPort: port, Type }) =>
      port && Type === "tcp" && isIPv4(IP) ? { address: IP, port } : [],
    ),
  }));
}

/** The names of the host's networks, from the answer to `GET /networks`. Source: docker/docs, Engine API. */
export const parseNetworks = (answer: unknown): string[] =>
  z
    .array(z.object({ Name: z.string() }))
    .parse(answer)
    .map(({ Name }) => Name);

/** The names of the host's volumes, from the answer to `GET /volumes`. Source: docker/docs, Engine API. */
export const parseVolumes = (answer: unknown): string[] =>
  (z.object({ Volumes: z.array(z.object({ Name: z.string() })).nullish() }).parse(answer).Volumes ?? []).map(
    ({ Name }) => Name,
  );

/** The sockets that listen on IPv4, from lines of `/proc/net/tcp` and `/proc/net/tcp6`. Source: proc(5). */
export function parseListeners(lines: string[]): Listener[] {
  const LISTEN = "0A";
  return lines.flatMap((line) => {
    const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
    const [, ipv6, ipv4 = "", port = ""] = /^(\w{24})?(\w{8}):(\w{4})$/.exec(local) ?? [];
    const mapped = !ipv6 || ipv6.endsWith("FFFF0000") || /^0+$/.test(ipv6 + ipv4);
    if (state !== LISTEN || !mapped) return [];
    // The address is in the byte order of the machine, which is the same on x86 and ARM.
    const address = Buffer.from(ipv4, "hex").reverse().join(".");
    return [{ address, port: parseInt(port, 16), inode }];
  });
}
