import type { Device } from "./driver";

/** What `docker inspect` says of a container, as far as it decides about GPUs. */
export interface ContainerConfig {
  Config: { Env?: string[] | null; Labels?: Record<string, string> | null };
  HostConfig: {
    Runtime?: string;
    DeviceRequests?:
      | {
          Driver?: string;
          Count?: number;
          DeviceIDs?: string[] | null;
          Capabilities?: string[][] | null;
        }[]
      | null;
    Devices?: { PathOnHost: string }[] | null;
  };
  Mounts?: { Source?: string; Destination: string }[];
}

/** The container label by which a container says, with the value `none`, that it only looks at its GPUs. */
export const GPU_LABEL = "llm-metrics.gpu";

/** How a container came to its GPUs; the label `allocation`. */
export type Source = "device_request" | "cdi" | "runtime" | "device";

/** GPUs that a container may use, as it was told: "all", an index, a UUID, a MIG place such as "0:1", or a device file. */
export interface GpuAllocation {
  source: Source;
  ids: string[];
}

/** What the Docker host has of runtimes; see `docker info`. */
export interface Runtimes {
  default: string;
  /** Path of each runtime's program, by name. */
  paths: Record<string, string>;
}

/** The capabilities that moby's NVIDIA driver offers; the first two select it and no more. */
const NVIDIA = ["gpu", "nvidia", "compute", "compat32", "graphics", "utility", "video", "display"];
/** Those that let a container look at GPUs, not use them. */
const LOOKING_ONLY = new Set(["utility", "compat32"]);

const onlyLooks = (capabilities: string[]) =>
  capabilities.length > 0 && capabilities.every((capability) => LOOKING_ONLY.has(capability));

/**
 * Which GPUs a container may use. The environment is believed only under NVIDIA's runtime: images made from CUDA's contain
 * `NVIDIA_VISIBLE_DEVICES=all`, which means nothing under another one. Sources: moby `daemon/nvidia_linux.go` for device
 * requests, NVIDIA Container Toolkit `internal/config/image` for the rest.
 *
 * @returns undefined for a container without GPUs
 */
export function gpuAllocation(container: ContainerConfig, runtimes: Runtimes): GpuAllocation | undefined {
  if (container.Config.Labels?.[GPU_LABEL] === "none") return undefined;
  return fromDeviceRequests(container) ?? fromRuntime(container, runtimes) ?? fromDevices(container);
}

function fromDeviceRequests({ HostConfig: host }: ContainerConfig): GpuAllocation | undefined {
  const requests = (host.DeviceRequests ?? []).flatMap(requested);
  const [first] = requests;
  return first && { source: first.source, ids: requests.flatMap((request) => request.ids) };
}

type DeviceRequest = NonNullable<ContainerConfig["HostConfig"]["DeviceRequests"]>[number];

function requested({ Driver = "", Count = 0, DeviceIDs, Capabilities }: DeviceRequest): GpuAllocation[] {
  const ids = DeviceIDs ?? [];
  const cdi = ids.flatMap(cdiDevice);
  if (cdi.length > 0) return [{ source: "cdi", ids: cdi }];

  const capabilities = (Capabilities ?? []).flat();
  if (!["", "nvidia"].includes(Driver) || !capabilities.some((one) => NVIDIA.includes(one))) return [];
  if (onlyLooks(capabilities.filter((one) => !NVIDIA.slice(0, 2).includes(one)))) return [];
  if (ids.length > 0) return [{ source: "device_request", ids }];
  if (Count < 0) return [{ source: "device_request", ids: ["all"] }];
  // dockerd gives the first ones.
  return Count > 0 ? [{ source: "device_request", ids: [...Array(Count).keys()].map(String) }] : [];
}

/** The name after `nvidia.com/gpu=`, for example "0", "all", a UUID, or "0:1". */
const cdiDevice = (id: string): string[] => /^nvidia\.com\/(?:gpu|pgpu|mig)=(.+)$/.exec(id)?.slice(1) ?? [];

function fromRuntime(
  { Config: config, HostConfig: host, Mounts: mounts = [] }: ContainerConfig,
  runtimes: Runtimes,
): GpuAllocation | undefined {
  const name = host.Runtime ?? runtimes.default;
  const program = (runtimes.paths[name] ?? "").split("/").pop() ?? "";
  if (!program.startsWith("nvidia-container-runtime") && !/^nvidia(-cdi|-legacy)?$/.test(name))
    return undefined;

  const env = new Map(
    (config.Env ?? []).map((entry) => {
      const [key = "", ...value] = entry.split("=");
      return [key, value.join("=")];
    }),
  );
  if (onlyLooks((env.get("NVIDIA_DRIVER_CAPABILITIES") ?? "").split(",").filter(Boolean))) return undefined;
  // Volumes name devices where the environment may not (accept-nvidia-visible-devices-as-volume-mounts).
  const mounted = mounts.flatMap(
    ({ Destination }) => /^\/var\/run\/nvidia-container-devices\/([^/]+)$/.exec(Destination)?.[1] ?? [],
  );
  const asked =
    mounted.length > 0 ? mounted : (env.get("NVIDIA_VISIBLE_DEVICES") ?? byOldImage(env)).split(",");
  const ids = asked
    .map((id) => id.trim())
    .filter((id) => !["", "void", "none"].includes(id))
    .flatMap((id) => (id.includes("=") ? cdiDevice(id) : [id]));
  return ids.length > 0 ? { source: "runtime", ids } : undefined;
}

/** Images of CUDA before 9.0 do not say what they want, and get everything. */
const byOldImage = (env: Map<string, string>): string =>
  env.has("CUDA_VERSION") && !env.has("NVIDIA_REQUIRE_CUDA") ? "all" : "";

function fromDevices({ HostConfig: host }: ContainerConfig): GpuAllocation | undefined {
  const ids = (host.Devices ?? [])
    .map((device) => device.PathOnHost)
    .filter((path) => /^\/dev\/nvidia\d+$/.test(path));
  return ids.length > 0 ? { source: "device", ids } : undefined;
}

/**
 * The devices that ids of an allocation mean. "all" is every GPU, or its MIG devices where it is divided.
 * An id that means no device of the host is passed over.
 */
export function allocated(ids: string[], devices: readonly Device[]): Device[] {
  const usable = devices.filter((device) => !device.divided);
  const chosen = ids.flatMap((id) => {
    if (id === "all") return usable;
    const named = devices.filter(
      ({ gpu, uuid, minor, mig }) =>
        gpu === id ||
        uuid === id ||
        `/dev/nvidia${minor ?? ""}` === id ||
        (mig && `MIG-${mig.parent}/${mig.gpuInstance}/${mig.computeInstance}` === id),
    );
    return named.flatMap((device) =>
      device.divided ? usable.filter(({ mig }) => mig?.parent === device.uuid) : device,
    );
  });
  return [...new Set(chosen)];
}
