import type { Device } from "./driver";
import { migName } from "./driver/mig";

/** The parts of a container's `docker inspect` that decide about GPUs. */
export interface ContainerConfig {
  Config: { Env?: string[] | null; Labels?: Record<string, string> | null };
  HostConfig: {
    Runtime?: string;
    DeviceRequests?: DeviceRequest[] | null;
    Devices?: { PathOnHost: string }[] | null;
  };
  Mounts?: { Source?: string; Destination: string }[];
}

interface DeviceRequest {
  Driver?: string;
  Count?: number;
  DeviceIDs?: string[] | null;
  Capabilities?: string[][] | null;
}

/** The container label that, with the value `none`, marks a container that only monitors its GPUs. */
export const GPU_LABEL = "llm-metrics.gpu";

/** What gave a container its GPUs: the label `allocation`. */
export type AllocationSource = "device_request" | "cdi" | "runtime" | "device";

/** GPUs that a container may use, as its configuration names them: "all", an index, a UUID, a MIG device such as "0:1", or a device file. */
export interface GpuAllocation {
  source: AllocationSource;
  ids: string[];
}

/** The container runtimes of a Docker host, from `docker info`. */
export interface Runtimes {
  default: string;
  /** Path of each runtime's program, by name. */
  paths: Record<string, string>;
}

/** The capabilities that select moby's NVIDIA driver, and nothing else. */
const DRIVER_CAPABILITIES = ["gpu", "nvidia"];
/** The capabilities that a container can monitor GPUs with, but not use them. */
const MONITORING_CAPABILITIES = ["utility", "compat32"];
/** All capabilities that moby's NVIDIA driver offers. */
const CAPABILITIES = [
  ...DRIVER_CAPABILITIES,
  ...MONITORING_CAPABILITIES,
  ...["compute", "graphics", "video", "display"],
];

const onlyMonitors = (capabilities: string[]) =>
  capabilities.length > 0 && capabilities.every((capability) => MONITORING_CAPABILITIES.includes(capability));

/**
 * Returns the GPUs that a container may use. The environment counts only under NVIDIA's runtime: images based on CUDA's
 * contain `NVIDIA_VISIBLE_DEVICES=all`, which has no effect under other runtimes. Sources: moby `daemon/nvidia_linux.go` for
 * device requests, NVIDIA Container Toolkit `internal/config/image` for the rest.
 *
 * @returns undefined for a container without GPUs
 */
export function gpuAllocation(container: ContainerConfig, runtimes: Runtimes): GpuAllocation | undefined {
  if (container.Config.Labels?.[GPU_LABEL] === "none") return undefined;
  return fromDeviceRequests(container) ?? fromRuntime(container, runtimes) ?? fromDevices(container);
}

function fromDeviceRequests({ HostConfig }: ContainerConfig): GpuAllocation | undefined {
  const requests = (HostConfig.DeviceRequests ?? []).flatMap((request) => fromDeviceRequest(request) ?? []);
  const [first] = requests;
  return first && { source: first.source, ids: requests.flatMap(({ ids }) => ids) };
}

function fromDeviceRequest(request: DeviceRequest): GpuAllocation | undefined {
  const { Driver: driver = "", Count: count = 0 } = request;
  const ids = request.DeviceIDs ?? [];
  const cdiIds = ids.flatMap(cdiDevice);
  if (cdiIds.length > 0) return { source: "cdi", ids: cdiIds };

  const capabilities = (request.Capabilities ?? []).flat();
  if (!["", "nvidia"].includes(driver)) return undefined;
  if (!capabilities.some((capability) => CAPABILITIES.includes(capability))) return undefined;
  if (onlyMonitors(capabilities.filter((capability) => !DRIVER_CAPABILITIES.includes(capability))))
    return undefined;

  if (ids.length > 0) return { source: "device_request", ids };
  if (count < 0) return { source: "device_request", ids: ["all"] };
  // dockerd allocates the first GPUs.
  return count > 0 ? { source: "device_request", ids: [...Array(count).keys()].map(String) } : undefined;
}

/** The name after `nvidia.com/gpu=`, for example "0", "all", a UUID, or "0:1". */
const cdiDevice = (id: string): string[] => /^nvidia\.com\/(?:gpu|pgpu|mig)=(.+)$/.exec(id)?.slice(1) ?? [];

function fromRuntime(container: ContainerConfig, runtimes: Runtimes): GpuAllocation | undefined {
  const name = container.HostConfig.Runtime ?? runtimes.default;
  if (!isNvidiaRuntime(name, runtimes.paths[name])) return undefined;

  const env = parseEnv(container.Config.Env ?? []);
  if (onlyMonitors((env.get("NVIDIA_DRIVER_CAPABILITIES") ?? "").split(",").filter(Boolean)))
    return undefined;
  // Mounts name devices where the environment must not (accept-nvidia-visible-devices-as-volume-mounts).
  const mounted = (container.Mounts ?? []).flatMap(
    ({ Destination }) => /^\/var\/run\/nvidia-container-devices\/([^/]+)$/.exec(Destination)?.[1] ?? [],
  );
  const requested = mounted.length > 0 ? mounted : visibleDevices(env);
  const ids = requested
    .map((id) => id.trim())
    .filter((id) => !["", "void", "none"].includes(id))
    .flatMap((id) => (id.includes("=") ? cdiDevice(id) : [id]));
  return ids.length > 0 ? { source: "runtime", ids } : undefined;
}

function isNvidiaRuntime(name: string, path = ""): boolean {
  const program = path.split("/").pop() ?? "";
  return program.startsWith("nvidia-container-runtime") || /^nvidia(-cdi|-legacy)?$/.test(name);
}

const parseEnv = (entries: string[]): Map<string, string> =>
  new Map(
    entries.map((entry) => {
      const [key = "", ...value] = entry.split("=");
      return [key, value.join("=")];
    }),
  );

/** Images of CUDA before 9.0 do not set NVIDIA_VISIBLE_DEVICES, and get every GPU. */
function visibleDevices(env: Map<string, string>): string[] {
  const isOldCuda = env.has("CUDA_VERSION") && !env.has("NVIDIA_REQUIRE_CUDA");
  return (env.get("NVIDIA_VISIBLE_DEVICES") ?? (isOldCuda ? "all" : "")).split(",");
}

function fromDevices({ HostConfig }: ContainerConfig): GpuAllocation | undefined {
  const ids = (HostConfig.Devices ?? [])
    .map((device) => device.PathOnHost)
    .filter((path) => /^\/dev\/nvidia\d+$/.test(path));
  return ids.length > 0 ? { source: "device", ids } : undefined;
}

/**
 * Returns the devices that the ids of an allocation name. A GPU on which MIG is enabled stands for its MIG devices; "all"
 * stands for every device. Ids of devices that the host does not have are skipped.
 */
export function allocatedDevices(ids: string[], devices: readonly Device[]): Device[] {
  const usable = devices.filter((device) => !device.migEnabled);
  const chosen = ids.flatMap((id) => {
    if (id === "all") return usable;
    return devices
      .filter((device) => hasName(device, id))
      .flatMap((device) =>
        device.migEnabled ? usable.filter(({ mig }) => mig?.parent === device.uuid) : device,
      );
  });
  return [...new Set(chosen)];
}

const hasName = ({ gpu, uuid, minor, mig }: Device, id: string): boolean =>
  [gpu, uuid, `/dev/nvidia${minor ?? ""}`].includes(id) || (mig !== undefined && migName(mig) === id);
