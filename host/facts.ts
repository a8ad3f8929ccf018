import * as z from "zod";

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
  /** Whether the host has the kernel log, `/dev/kmsg`. Containers such as those of LXC and Proxmox do not. */
  kernelLog: boolean;
  /** Whether the daemon confines containers by SELinux, so that they cannot open the host's sockets and files. */
  selinux: boolean;
  /** What the kernel does not account for, as the daemon reports it; empty on most hosts. */
  unaccounted: readonly Unaccounted[];
  /** How a container gets access to every GPU; undefined on hosts without NVIDIA's runtime or CDI devices. */
  gpus?: GpuAccess;
}

/** Memory or swap use of containers, or disk traffic of containers without an I/O limit. */
export type Unaccounted = "memory" | "swap" | "disk traffic";

/** A container on the host, running or not. */
export interface HostContainer {
  name: string;
  image: string;
  labels: Record<string, string>;
  running: boolean;
  /** The TCP ports that it publishes; none while it is stopped. */
  ports: { address: string; port: number }[];
}

/** A network of the host. */
export interface HostNetwork {
  id: string;
  name: string;
  /** Such as bridge, or host and null for the networks `host` and `none`. */
  driver: string;
  /** Whether containers can join it: a swarm's is for services alone unless it is attachable, and some only configure others. */
  joinable: boolean;
  /** Whether its containers have IPv4 addresses. */
  hasIpv4: boolean;
  labels: Record<string, string>;
}

/** A listening TCP socket of the host. */
export interface Listener {
  /** An IPv4 address, `0.0.0.0` for all of them, or `::` for all of IPv6 and IPv4. */
  address: string;
  port: number;
  /** Inode of the socket, by which its process is found. */
  inode: string;
}

/** By NVIDIA's container runtime, by the name that Docker has for it, or by a CDI device. */
export type GpuAccess = { runtime: string } | { cdiDevice: string };

/** What the Docker API does not report, as a shell on the machine of the socket reports it. */
export interface MachineFacts {
  /** Address of the daemon, as the machine itself knows it. */
  socket: string;
  /** Id of the socket's group. */
  socketGroup: number;
  /** Whether `/dev/kmsg` is the kernel log. */
  kernelLog: boolean;
}

const OLDEST_ENGINE = [20, 10] as const;
/** The addresses that stand for all addresses of a host. A socket on the second serves IPv4 too, unless a program rules that out. */
export const ALL_IPV4 = "0.0.0.0";
export const ALL_IPV6 = "::";
const DEFAULT_CONTAINERD = "/run/containerd/containerd.sock";

/** The fields of `GET /info` that are used here. Source: docker/docs, Engine API. */
export const dockerInfo = z.object({
  Name: z.string().default(""),
  ServerVersion: z.string().default(""),
  OSType: z.string().default(""),
  OperatingSystem: z.string().default(""),
  KernelVersion: z.string().default(""),
  CgroupVersion: z.string().default("1"),
  MemoryLimit: z.boolean().default(true),
  SwapLimit: z.boolean().default(true),
  DockerRootDir: z.string().default(""),
  BuildahVersion: z.string().optional(),
  DriverStatus: z.array(z.array(z.string())).nullish(),
  SecurityOptions: z.array(z.string()).nullish(),
  Containerd: z.object({ Address: z.string().default("") }).nullish(),
  Runtimes: z.record(z.string(), z.object({ path: z.string().default("") })).nullish(),
  DiscoveredDevices: z.array(z.object({ Source: z.string(), ID: z.string() })).nullish(),
});

/**
 * Reads the answer of the Docker API to `GET /info`.
 *
 * @param address of the daemon, as in DOCKER_HOST
 * @throws Error with the reason and the remedy when the host cannot be monitored
 */
export function parseDockerInfo(
  answer: unknown,
  address: string,
  { socket, socketGroup, kernelLog }: MachineFacts,
): HostFacts {
  const info = dockerInfo.parse(answer);
  requireSupported(info);
  if (!socket.startsWith("unix://"))
    throw unsupported(
      `its own Docker CLI uses the daemon at ${JSON.stringify(socket)}`,
      "cAdvisor needs the socket of a daemon on the same host: set docker:host to ssh://user@host for a daemon on another one.",
    );
  const gpus = gpuAccess(info);
  return {
    name: info.Name,
    rootDirectory: info.DockerRootDir,
    address,
    dockerSocket: socket.slice("unix://".length),
    ...(hasContainerdStore(info) && { containerdSocket: info.Containerd?.Address || DEFAULT_CONTAINERD }),
    socketGroup,
    kernelLog,
    selinux: hasSecurityOption(info, "selinux"),
    unaccounted: unaccounted(info),
    ...(gpus && { gpus }),
  };
}

type DockerInfo = z.infer<typeof dockerInfo>;

const unsupported = (reason: string, remedy: string) =>
  new Error(`this Docker host cannot be monitored, so nothing was changed: ${reason}. ${remedy}`);

const hasSecurityOption = ({ SecurityOptions }: DockerInfo, name: string) =>
  (SecurityOptions ?? []).some((option) => option.split(",").includes(`name=${name}`));

const hasContainerdStore = ({ DriverStatus }: DockerInfo) =>
  DriverStatus?.some(([key, value]) => key === "driver-type" && value?.startsWith("io.containerd."));

/** The hosts that cannot be monitored. docs/hosts.md lists them. */
function requireSupported(info: DockerInfo): void {
  const { OSType, ServerVersion, DockerRootDir, BuildahVersion } = info;
  // Podman answers the same requests, with versions of its own. Source: containers/podman, pkg/api/handlers/types.go.
  if (BuildahVersion !== undefined)
    throw unsupported(
      `its API is that of Podman ${ServerVersion}`,
      "Use Docker Engine: set docker:host or DOCKER_HOST to the socket of its daemon.",
    );
  if (OSType !== "linux")
    throw unsupported(
      `its containers run on ${OSType || "an unknown system"}`,
      "cAdvisor reads Linux cgroups: use a Linux host.",
    );
  const [major = 0, minor = 0] = ServerVersion.split(".").map(Number);
  if (major < OLDEST_ENGINE[0] || (major === OLDEST_ENGINE[0] && minor < OLDEST_ENGINE[1]))
    throw unsupported(`its engine is ${ServerVersion}`, `Upgrade it to ${OLDEST_ENGINE.join(".")} or newer.`);
  if (hasSecurityOption(info, "rootless"))
    throw unsupported(
      "its daemon is rootless, so no container can read the host's cgroups",
      "Use a daemon that runs as root.",
    );
  if (hasSecurityOption(info, "userns"))
    throw unsupported(
      "its daemon remaps users (userns-remap), so no container can read the Docker socket",
      "Remove userns-remap from daemon.json.",
    );
  // AppArmor confines that daemon, and denies the start of containers with no-new-privileges. Source: snapd, LP#1908448.
  if (DockerRootDir.startsWith("/var/snap/"))
    throw unsupported(
      `its Docker is a snap (root directory ${DockerRootDir}), which starts no container with no-new-privileges`,
      "Replace the snap by Docker Engine: docs.docker.com/engine/install.",
    );
}

/** The first kernel that counts disk traffic with cgroup v1 only where a limit is set. */
const LAZY_THROTTLING = [6, 18] as const;

function unaccounted({ MemoryLimit, SwapLimit, CgroupVersion, KernelVersion }: DockerInfo): Unaccounted[] {
  const [major = 0, minor = 0] = KernelVersion.split(".").map(Number);
  const isLazy = major > LAZY_THROTTLING[0] || (major === LAZY_THROTTLING[0] && minor >= LAZY_THROTTLING[1]);
  return [
    ...(MemoryLimit ? [] : ["memory" as const]),
    ...(MemoryLimit && !SwapLimit ? ["swap" as const] : []),
    ...(CgroupVersion === "1" && isLazy ? ["disk traffic" as const] : []),
  ];
}

/** NVIDIA's runtime under any name, else the CDI device that stands for every GPU. */
function gpuAccess({ Runtimes, DiscoveredDevices }: DockerInfo): GpuAccess | undefined {
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
    State: z.string().default(""),
    Ports: z
      .array(z.object({ IP: z.string().default(""), PublicPort: z.number().optional(), Type: z.string() }))
      .nullish(),
  }),
);

/** Reads the answer of the Docker API to `GET /containers/json`. */
export function parseContainers(answer: unknown): HostContainer[] {
  return dockerContainers.parse(answer ?? []).map(({ Names, Image, Labels, State, Ports }) => ({
    // A name that a link gave it has a second slash.
    name: Names.map((name) => name.slice(1)).find((name) => !name.includes("/")) ?? "",
    image: Image,
    labels: Labels ?? {},
    running: State === "running",
    ports: (Ports ?? []).flatMap(({ IP, PublicPort: port, Type }) =>
      port && Type === "tcp" ? { address: IP || ALL_IPV4, port } : [],
    ),
  }));
}

/** The fields of `GET /networks` that are used here. Source: docker/docs, Engine API. */
const dockerNetworks = z.array(
  z.object({
    Id: z.string().default(""),
    Name: z.string(),
    Driver: z.string().default(""),
    Scope: z.string().default(""),
    Attachable: z.boolean().default(false),
    ConfigOnly: z.boolean().default(false),
    IPAM: z.object({ Config: z.array(z.object({ Subnet: z.string().default("") })).nullish() }).nullish(),
    Labels: z.record(z.string(), z.string()).nullish(),
  }),
);

/** Reads the answer of the Docker API to `GET /networks`. */
export function parseNetworks(answer: unknown): HostNetwork[] {
  return dockerNetworks.parse(answer ?? []).map(({ Id, Name, Driver, Scope, Attachable, ...rest }) => ({
    id: Id,
    name: Name,
    driver: Driver,
    joinable: (Scope !== "swarm" || Attachable) && !rest.ConfigOnly,
    hasIpv4: (rest.IPAM?.Config ?? []).some(({ Subnet }) => Subnet.includes(".")),
    labels: rest.Labels ?? {},
  }));
}

/** The names of the host's volumes, from the answer to `GET /volumes`. Source: docker/docs, Engine API. */
export const parseVolumes = (answer: unknown): string[] =>
  (
    z.object({ Volumes: z.array(z.object({ Name: z.string() })).nullish() }).parse(answer ?? {}).Volumes ?? []
  ).map(({ Name }) => Name);

/** The sockets that listen on IPv4, from lines of `/proc/net/tcp` and `/proc/net/tcp6`. Source: proc(5). */
export function parseListeners(lines: string[]): Listener[] {
  const LISTEN = "0A";
  return lines.flatMap((line) => {
    const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
    const [, ipv6, ipv4 = "", port = ""] = /^(\w{24})?(\w{8}):(\w{4})$/.exec(local) ?? [];
    const isAny = ipv6 !== undefined && /^0+$/.test(ipv6 + ipv4);
    const isMapped = !ipv6 || ipv6.endsWith("FFFF0000");
    if (state !== LISTEN || !(isAny || isMapped)) return [];
    // The address is in the byte order of the machine, which is the same on x86 and ARM.
    const address = isAny ? ALL_IPV6 : Buffer.from(ipv4, "hex").reverse().join(".");
    return [{ address, port: parseInt(port, 16), inode }];
  });
}
