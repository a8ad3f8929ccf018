import type { Device } from "./driver";
import { migName } from "./driver/mig";

/** The parts of a container's `docker inspect` that decide about GPUs. */
export interface ContainerConfig {
  Config: { Env?: string[] | null; Labels?: Record<string, string> | null };
  HostConfig: {
    Runtime?: string;
    DeviceRequests?: DeviceRequest[] | null;
    Devices?: { PathOnHost: string }[] | null;
    Annotations?: Record<string, string> | null;
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

/** GPUs that a container may use. */
export interface GpuAllocation {
  source: AllocationSource;
  /** The names of the GPUs in the container's configuration, each once. {@link FORMS} has their forms. */
  ids: string[];
}

/** The container runtimes of a Docker host, from `docker info`. */
export interface Runtimes {
  default: string;
  /** Path of each runtime's program, by name. */
  paths: Record<string, string>;
}

/** moby's drivers of NVIDIA GPUs. Without a driver, the capabilities select one. */
const DRIVERS = ["nvidia", "nvidia.cdi", "nvidia.runtime-hook"];
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
 * contain `NVIDIA_VISIBLE_DEVICES=all`, which has no effect under other runtimes. Sources: moby `daemon/devices_nvidia_linux.go`
 * (before version 29 `daemon/nvidia_linux.go`) and `daemon/cdi.go` for device requests, NVIDIA Container Toolkit
 * `internal/config/image` for the rest.
 *
 * @returns undefined for a container without GPUs
 */
export function gpuAllocation(container: ContainerConfig, runtimes: Runtimes): GpuAllocation | undefined {
  if (container.Config.Labels?.[GPU_LABEL] === "none") return undefined;
  return fromDeviceRequests(container) ?? fromRuntime(container, runtimes) ?? fromDevices(container);
}

/** @returns undefined without ids */
const allocation = (source: AllocationSource, ids: string[]): GpuAllocation | undefined =>
  ids.length > 0 ? { source, ids: [...new Set(ids)] } : undefined;

function fromDeviceRequests({ HostConfig }: ContainerConfig): GpuAllocation | undefined {
  const requests = (HostConfig.DeviceRequests ?? []).flatMap((request) => fromDeviceRequest(request) ?? []);
  const source = requests[0]?.source ?? "device_request";
  return allocation(
    source,
    requests.flatMap(({ ids }) => ids),
  );
}

function fromDeviceRequest(request: DeviceRequest): GpuAllocation | undefined {
  const requested = request.DeviceIDs ?? [];
  if (request.Driver === "cdi" || requested.some(isCdiName)) return allocation("cdi", deviceIds(requested));

  const capabilities = requestedCapabilities(request);
  if (!capabilities) return undefined;
  if (onlyMonitors(capabilities.filter((capability) => !DRIVER_CAPABILITIES.includes(capability))))
    return undefined;
  return allocation("device_request", deviceIds(requested.length > 0 ? requested : counted(request.Count)));
}

/**
 * The capabilities that moby selects: the first list of which its driver offers all. A request that names the driver may have
 * others.
 *
 * @returns undefined for a request that NVIDIA's driver does not serve
 */
function requestedCapabilities({ Driver, Capabilities }: DeviceRequest): string[] | undefined {
  const offered = (Capabilities ?? []).find((list) => list.every((one) => CAPABILITIES.includes(one)));
  if (!Driver) return offered;
  return DRIVERS.includes(Driver) ? (offered ?? []) : undefined;
}

/** dockerd allocates the first GPUs, and all for a negative count. */
const counted = (count = 0): string[] => (count < 0 ? ["all"] : [...Array(count).keys()].map(String));

function fromRuntime(container: ContainerConfig, runtimes: Runtimes): GpuAllocation | undefined {
  const name = container.HostConfig.Runtime ?? runtimes.default;
  if (!isNvidiaRuntime(name, runtimes.paths[name])) return undefined;

  const env = parseEnv(container.Config.Env ?? []);
  if (onlyMonitors((env.get("NVIDIA_DRIVER_CAPABILITIES") ?? "").split(",").filter(Boolean)))
    return undefined;
  const requests = [annotated(container), mounted(container)].map(deviceIds);
  const ids = requests.find((one) => one.length > 0) ?? deviceIds(visibleDevices(env));
  return allocation("runtime", ids);
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

/** CDI names in annotations (`docker run --annotation`), which the runtime prefers to the environment. */
const annotated = ({ HostConfig }: ContainerConfig): string[] =>
  Object.entries(HostConfig.Annotations ?? {})
    .filter(([key]) => key.startsWith("cdi.k8s.io/"))
    .flatMap(([, names]) => names.split(","));

/**
 * Mounts of /dev/null, whose destinations name devices where the environment must not
 * (accept-nvidia-visible-devices-as-volume-mounts).
 */
const mounted = ({ Mounts = [] }: ContainerConfig): string[] =>
  Mounts.filter(({ Source }) => Source === "/dev/null").flatMap(({ Destination }) => {
    const [, name] = /^\/var\/run\/nvidia-container-devices\/(.+?)\/*$/.exec(Destination) ?? [];
    if (name === undefined || name.startsWith("imex/")) return [];
    // cdi/<vendor>/<class>=<device> or cdi/<vendor>/<class>/<device>
    return name.replace(/^cdi\/([^/=]+\/[^/=]+)[/=]/, "$1=");
  });

/**
 * The requested devices in the environment. Docker Swarm writes those of a task to `DOCKER_RESOURCE_<kind>`, which the toolkit
 * reads instead of `NVIDIA_VISIBLE_DEVICES` where its setting `swarm-resource` says so; a number there is a count. Images of
 * CUDA before 9.0 set no variable, and get every GPU.
 */
function visibleDevices(env: Map<string, string>): string[] {
  const swarm = [...env].filter(([key, value]) => /^DOCKER_RESOURCE_.*GPU/.test(key) && !/^\d*$/.test(value));
  if (swarm.length > 0) return swarm.flatMap(([, value]) => value.split(","));
  const isOldCuda = env.has("CUDA_VERSION") && !env.has("NVIDIA_REQUIRE_CUDA");
  return (env.get("NVIDIA_VISIBLE_DEVICES") ?? (isOldCuda ? "all" : "")).split(",");
}

function fromDevices({ HostConfig }: ContainerConfig): GpuAllocation | undefined {
  const paths = (HostConfig.Devices ?? []).map((device) => device.PathOnHost.replace(/(.)\/+$/, "$1"));
  return allocation(
    "device",
    paths.flatMap((path) => {
      // Docker adds every device in a folder. /dev/dxg stands for all GPUs in WSL.
      if (path === "/dev" || path === "/dev/dxg") return "all";
      return /^\/dev\/nvidia\d+$/.test(path) ? path : [];
    }),
  );
}

/**
 * Returns the ids in a list of requested devices: none with "void", or with "none" before "all". CDI names of other vendors, and
 * of the devices for management containers, are no GPUs that a container uses. Sources: NVIDIA Container Toolkit
 * `internal/config/image/devices.go` and `pkg/nvcdi`.
 */
function deviceIds(requested: string[]): string[] {
  const names = requested.map((name) => name.trim()).filter(Boolean);
  if (names.includes("void")) return [];
  const [special] = names.filter((name) => name === "all" || name === "none");
  if (special) return special === "all" ? ["all"] : [];
  return names
    .map((name) => (isCdiName(name) ? cdiDevice(name) : name))
    .filter((id) => id !== "" && id !== "none");
}

const isCdiName = (name: string): boolean => name.includes("=");

/**
 * The name after `nvidia.com/gpu=`. The toolkit's runtime uses the vendor `runtime.nvidia.com`, the device plugin of Kubernetes
 * `k8s.device-plugin.nvidia.com`. The class `pgpu` is of GPUs for virtual machines, which the driver of the host does not know.
 *
 * @returns "" for a device that is no NVIDIA GPU
 */
const cdiDevice = (name: string): string =>
  /^(?:runtime\.|k8s\.device-plugin\.)?nvidia\.com\/(?:gpu|mig)=(.+)$/.exec(name)?.[1] ?? "";

/** A form of ids, in lower case, and whether an id of this form names a device. */
interface Form {
  pattern: RegExp;
  names: (device: Device, parts: string[]) => boolean;
}

/**
 * The forms in which Docker, CDI and NVIDIA's programs accept ids. libnvidia-container (`src/cli/common.c`) ignores case and accepts
 * indexes, UUIDs and PCI addresses; `nvidia-ctk cdi generate` (`pkg/nvcdi/namer.go`) names devices by index, type and index, or UUID.
 */
const FORMS: Form[] = [
  // "3", or "gpu3".
  { pattern: /^(?:gpu)?0*(\d+)$/, names: ({ gpu }, [index]) => gpu === index },
  // A MIG device: "3:0", or "mig3:0".
  {
    pattern: /^(?:mig)?0*(\d+):0*(\d+)$/,
    names: ({ gpu }, [parent, index]) => gpu === `${parent}:${index}`,
  },
  // A UUID. libnvidia-container 1.0 accepted its beginning, which Docker Swarm's users still write.
  { pattern: /^(gpu-.+)$/, names: ({ uuid }, [start = ""]) => uuid.toLowerCase().startsWith(start) },
  // The UUID of a Jetson's GPU.
  {
    pattern: /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/,
    names: ({ uuid }, [id]) => uuid.toLowerCase() === id,
  },
  // The UUID of a MIG device, or its name in R450: MIG-GPU-<uuid>/1/0.
  {
    pattern: /^(mig-.+)$/,
    names: ({ uuid, mig }, [name]) => [uuid, mig && migName(mig)].some((one) => one?.toLowerCase() === name),
  },
  // A PCI address: "0000:01:00.0". The domain is required, zeros at its beginning are not.
  {
    pattern: /^([0-9a-f]{1,8}):([0-9a-f]{1,2}):([0-9a-f]{1,2})(?:\.0)?$/,
    names: ({ pciAddress }, [domain = "", bus = "", slot = ""]) =>
      pciAddress?.toLowerCase() ===
      `${domain.padStart(8, "0")}:${bus.padStart(2, "0")}:${slot.padStart(2, "0")}.0`,
  },
  // A device file.
  { pattern: /^\/dev\/nvidia(\d+)$/, names: ({ minor }, [number]) => String(minor) === number },
];

/** Returns the devices that the ids of an allocation name, each once. Ids that name none are skipped: see {@link unmatchedIds}. */
export const allocatedDevices = (ids: string[], devices: readonly Device[]): Device[] => [
  ...new Set(ids.flatMap((id) => devicesOf(id, devices))),
];

/** Returns the ids of an allocation that name no device of the host. "all" stands for the devices that there are. */
export const unmatchedIds = (ids: string[], devices: readonly Device[]): string[] =>
  ids.filter((id) => !isAll(id) && devicesOf(id, devices).length === 0);

const isAll = (id: string): boolean => id.toLowerCase() === "all";

/** A GPU on which MIG is enabled stands for its MIG devices. */
function devicesOf(id: string, devices: readonly Device[]): Device[] {
  const usable = devices.filter(({ migEnabled }) => !migEnabled);
  if (isAll(id)) return usable;
  const device = devices.find((one) => hasName(one, id.toLowerCase()));
  if (!device?.migEnabled) return device ? [device] : [];
  return usable.filter(({ mig }) => mig?.parent === device.uuid);
}

const hasName = (device: Device, id: string): boolean =>
  FORMS.some(({ pattern, names }) => {
    const match = pattern.exec(id);
    return match !== null && names(device, match.slice(1));
  });
