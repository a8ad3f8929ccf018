import { available, GarbageError, NvmlError, type Handle, type Nvml, type Struct } from "../nvml/library";
import { CONSTANTS, RETURN } from "../nvml/types";
import { faultOf, type GpuFault } from "./faults";
import { readFields, readHealth, readLimits, type Fields, type Health } from "./health";
import type { MigInstance } from "./mig";
import { clockOffset, processUtilization } from "./samples";
import {
  DRIVER_ERRORS,
  field,
  firstOf,
  hundredth,
  LOST_ERRORS,
  optional,
  readClocks,
  readEccErrors,
  readMigMode,
  thousandth,
  type ByLabel,
} from "./values";

/** A GPU or a MIG device. A value that the driver does not report is undefined. */
export interface Device {
  /** Its index in `nvidia-smi`: "3", or for a MIG device "3:0". It can change when the host boots; the UUID does not. */
  gpu: string;
  uuid: string;
  model: string;
  /** The number in the device file `/dev/nvidia<n>`; for GPUs only. */
  minor?: number | undefined;
  /** Its address on the PCI bus, such as `00000000:01:00.0`; for GPUs only. */
  pciAddress?: string | undefined;
  /** Whether MIG is enabled on the GPU: then containers use its MIG devices. */
  migEnabled: boolean;
  /** For a MIG device: where it is on its GPU. */
  mig?: MigInstance;
  memoryTotalBytes: number | undefined;
  memoryUsedBytes: number | undefined;
  utilizationRatio: number | undefined;
  /** Whether the driver reports the processes on the device. */
  reportsProcesses: boolean;
  /** Whether the driver reports how busy each process keeps the device; it does not for MIG devices. */
  reportsProcessUtilization: boolean;
  memoryUtilizationRatio?: number | undefined;
  powerWatts?: number | undefined;
  powerLimitWatts?: number | undefined;
  temperatureCelsius?: number | undefined;
  clockHertz: ByLabel;
  eccErrors: ByLabel;
  /** Reasons for clocks below the maximum, each active or not. */
  throttleReasons: Record<string, boolean>;
  /** For GPUs only. */
  health?: Health;
}

/** A process that has allocated memory on a device. */
export interface GpuProcess {
  pid: number;
  /** UUID of the device. */
  device: string;
  memoryBytes: number | undefined;
  /** Share of the device's multiprocessors that the process kept busy; undefined where the driver does not report it. */
  utilizationRatio: number | undefined;
}

/** What the driver reports at one time: the devices that answer, and the processes on them. */
export interface DriverReport {
  driverVersion: string;
  cudaVersion: string;
  devices: Device[];
  processes: GpuProcess[];
  faults: GpuFault[];
}

/** More than any host has. */
const MAX_GPUS = 1024;
const MAX_MIG_DEVICES = 64;

/** How old the utilization of a process may be. The driver takes a sample each second, or up to six. */
const UTILIZATION_WINDOW_MICROSECONDS = 2_000_000;

/** The values of a GPU that do not change. */
interface GpuConstants {
  model: string;
  minor: number | undefined;
  pciAddress: string | undefined;
  supportedThrottleReasons: number | undefined;
  limits: Health;
  /** The offset of the clock of its samples; see {@link clockOffset}. */
  clockOffset: number | undefined;
}

/** The values of each GPU that do not change, by its UUID: they are not read in each query. */
export type Constants = Map<string, GpuConstants>;

/**
 * Reads the state of all devices.
 *
 * @param constants the values that are known; missing ones are read and added
 * @throws NvmlError when the driver does not answer, or none of its GPUs does
 * @throws GarbageError when the library returns what no driver returns
 */
export function readDriver(nvml: Nvml, constants: Constants): DriverReport {
  const count = gpuCount(nvml);
  const devices: Device[] = [];
  const processes: GpuProcess[] = [];
  const faults: GpuFault[] = [];
  let failure: NvmlError | undefined;
  for (let gpu = 0; gpu < count; gpu++)
    try {
      const handle = nvml.handle("nvmlDeviceGetHandleByIndex_v2", gpu);
      const found = new Gpu(nvml, handle, gpu, constants).read();
      devices.push(...found.devices);
      processes.push(...found.processes);
      faults.push(...found.faults);
    } catch (error) {
      if (!(error instanceof NvmlError) || DRIVER_ERRORS.includes(error.code)) throw error;
      faults.push({
        gpu: String(gpu),
        up: false,
        reason: faultOf(error),
        message: `the GPU ${gpu} does not answer: ${error.message}`,
      });
      if (!LOST_ERRORS.includes(error.code)) failure ??= error;
    }
  // Only a GPU that is lost shows that the driver itself answers.
  if (failure && devices.length === 0) throw failure;
  return {
    driverVersion: nvml.text("nvmlSystemGetDriverVersion"),
    cudaVersion: cudaVersion(nvml),
    devices,
    processes,
    faults,
  };
}

/** The number of GPUs, with those that do not answer. */
export function gpuCount(nvml: Pick<Nvml, "uint">): number {
  const count = nvml.uint("nvmlDeviceGetCount_v2");
  if (count > MAX_GPUS) throw new GarbageError(`nvmlDeviceGetCount_v2: ${count} GPUs`);
  return count;
}

/** The second version reads it from the CUDA library, which is in containers with the driver capability `compute` only. */
function cudaVersion(nvml: Nvml): string {
  const version = firstOf(
    () => nvml.uint("nvmlSystemGetCudaDriverVersion_v2"),
    () => nvml.uint("nvmlSystemGetCudaDriverVersion"),
  );
  return version === undefined ? "" : `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`;
}

export function uuidOf(nvml: Pick<Nvml, "text">, handle: Handle): string {
  const uuid = nvml.text("nvmlDeviceGetUUID", handle);
  if (!/^[\w/-]+$/.test(uuid)) throw new GarbageError(`nvmlDeviceGetUUID: ${JSON.stringify(uuid)}`);
  return uuid;
}

/** One GPU with its MIG devices. */
class Gpu {
  private denied: GpuFault | undefined;

  constructor(
    private readonly nvml: Nvml,
    private readonly handle: Handle,
    private readonly index: number,
    private readonly constants: Constants,
  ) {}

  read(): { devices: Device[]; processes: GpuProcess[]; faults: GpuFault[] } {
    const gpu = this.readGpu();
    const utilization = gpu.migEnabled ? undefined : this.readProcessUtilization(gpu.uuid);
    gpu.reportsProcessUtilization = utilization !== undefined;
    const migDevices = gpu.migEnabled ? this.readMigDevices(gpu) : [];
    const devices = [gpu, ...migDevices.map(({ device }) => device)];
    const handles = [this.handle, ...migDevices.map(({ handle }) => handle)];
    const processes = this.readProcesses(handles, devices, utilization);
    return { devices, processes, faults: this.denied ? [this.denied] : [] };
  }

  private readGpu(): Device {
    const { nvml, handle } = this;
    const uuid = uuidOf(nvml, handle);
    const { model, minor, pciAddress, limits, supportedThrottleReasons } = this.readConstants(uuid);
    const mig = readMigMode(nvml, handle);
    const fields = readFields(nvml, handle);
    return {
      gpu: String(this.index),
      uuid,
      model,
      minor,
      pciAddress,
      migEnabled: mig.current === CONSTANTS.NVML_DEVICE_MIG_ENABLE,
      ...this.readMemory(handle),
      ...this.readUtilization(),
      reportsProcesses: false,
      reportsProcessUtilization: false,
      powerWatts: this.readPower(fields),
      powerLimitWatts: thousandth(
        firstOf(
          () => nvml.uint("nvmlDeviceGetEnforcedPowerLimit", handle),
          () => nvml.uint("nvmlDeviceGetPowerManagementLimit", handle),
        ),
      ),
      temperatureCelsius: optional(() =>
        nvml.uint("nvmlDeviceGetTemperature", handle, CONSTANTS.NVML_TEMPERATURE_GPU),
      ),
      clockHertz: readClocks(nvml, handle, "nvmlDeviceGetClockInfo"),
      eccErrors: readEccErrors(nvml, handle, CONSTANTS.NVML_VOLATILE_ECC),
      throttleReasons: this.readThrottleReasons(supportedThrottleReasons),
      health: { ...readHealth(nvml, handle, fields, mig), ...limits },
    };
  }

  private readConstants(uuid: string): GpuConstants {
    const { nvml, handle } = this;
    const constants = this.constants.get(uuid) ?? {
      model: nvml.text("nvmlDeviceGetName", handle),
      minor: optional(() => nvml.uint("nvmlDeviceGetMinorNumber", handle)),
      pciAddress: optional(
        () => nvml.struct("nvmlDeviceGetPciInfo_v3", "nvmlPciInfo_t", [handle])["busId"] as string,
      ),
      supportedThrottleReasons: this.readReasons("Supported"),
      limits: readLimits(nvml, handle),
      clockOffset: clockOffset(nvml, handle, Date.now() * 1000),
    };
    // Without samples, the offset is unknown and is read again.
    if (constants.clockOffset !== undefined) this.constants.set(uuid, constants);
    return constants;
  }

  private readMigDevices(gpu: Device): { handle: Handle; device: Device }[] {
    const { nvml } = this;
    const count = optional(() => nvml.uint("nvmlDeviceGetMaxMigDeviceCount", this.handle)) ?? 0;
    if (count > MAX_MIG_DEVICES) throw new GarbageError(`nvmlDeviceGetMaxMigDeviceCount: ${count}`);
    return [...Array(count).keys()].flatMap((index) => {
      // There are fewer devices than the GPU could have.
      const handle = optional(() => nvml.handle("nvmlDeviceGetMigDeviceHandleByIndex", this.handle, index));
      const device =
        handle === undefined ? undefined : optional(() => this.readMigDevice(gpu, handle, index));
      return handle !== undefined && device ? { handle, device } : [];
    });
  }

  private readMigDevice(gpu: Device, handle: Handle, index: number): Device {
    const { nvml } = this;
    return {
      gpu: `${gpu.gpu}:${index}`,
      uuid: uuidOf(nvml, handle),
      model: optional(() => nvml.text("nvmlDeviceGetName", handle)) ?? `${gpu.model} MIG`,
      migEnabled: false,
      mig: {
        parent: gpu.uuid,
        index,
        gpuInstance: String(nvml.uint("nvmlDeviceGetGpuInstanceId", handle)),
        computeInstance: String(nvml.uint("nvmlDeviceGetComputeInstanceId", handle)),
      },
      ...this.readMemory(handle),
      utilizationRatio: undefined,
      reportsProcesses: false,
      reportsProcessUtilization: false,
      clockHertz: {},
      eccErrors: readEccErrors(nvml, handle, CONSTANTS.NVML_VOLATILE_ECC),
      throttleReasons: {},
    };
  }

  /** Version 2, of R510, does not count what the driver reserves as used. */
  private readMemory(handle: Handle): Pick<Device, "memoryTotalBytes" | "memoryUsedBytes"> {
    const memory = firstOf(
      () =>
        this.nvml.struct("nvmlDeviceGetMemoryInfo_v2", "nvmlMemory_v2_t", [handle], CONSTANTS.nvmlMemory_v2),
      () => this.nvml.struct("nvmlDeviceGetMemoryInfo", "nvmlMemory_t", [handle]),
    );
    return { memoryTotalBytes: field(memory, "total"), memoryUsedBytes: field(memory, "used") };
  }

  private readUtilization(): Pick<Device, "utilizationRatio" | "memoryUtilizationRatio"> {
    const rates = optional(() =>
      this.nvml.struct("nvmlDeviceGetUtilizationRates", "nvmlUtilization_t", [this.handle]),
    );
    return {
      utilizationRatio: hundredth(field(rates, "gpu")),
      memoryUtilizationRatio: hundredth(field(rates, "memory")),
    };
  }

  private readPower({ power }: Fields): number | undefined {
    return thousandth(power ?? optional(() => this.nvml.uint("nvmlDeviceGetPowerUsage", this.handle)));
  }

  /** R535 renamed throttle reasons to event reasons. */
  private readReasons(what: "Current" | "Supported"): number | undefined {
    const { nvml, handle } = this;
    return firstOf(
      () => nvml.ulong(`nvmlDeviceGet${what}ClocksEventReasons`, handle),
      () => nvml.ulong(`nvmlDeviceGet${what}ClocksThrottleReasons`, handle),
    );
  }

  private readThrottleReasons(supported: number | undefined): Record<string, boolean> {
    const active = this.readReasons("Current");
    if (active === undefined) return {};
    return Object.fromEntries(
      Object.entries(THROTTLE_REASONS)
        .filter(([, bit]) => supported === undefined || supported & bit)
        .map(([reason, bit]) => [reason, (active & bit) !== 0]),
    );
  }

  /**
   * Reads the processes of a GPU. With MIG, only some users can read all processes by the GPU's handle, so those of each MIG device
   * are read too.
   *
   * @param utilization of the processes on the GPU itself
   */
  private readProcesses(
    handles: Handle[],
    devices: Device[],
    utilization: Map<number, number> | undefined,
  ): GpuProcess[] {
    const [gpu, ...migDevices] = devices;
    const lists = handles.map((handle) => this.listProcesses(handle));
    // With MIG, the driver can deny the list of the GPU alone (NVIDIA/nvidia-container-toolkit, issue 842).
    if (lists.slice(1).some(Boolean)) this.denied = undefined;
    for (const [i, device] of devices.entries()) device.reportsProcesses = [lists[i], lists[0]].some(Boolean);
    const found = new Map<string, GpuProcess>();
    for (const listed of lists.flatMap((list) => list ?? [])) {
      const mig = migDevices.find(
        ({ mig }) =>
          mig?.gpuInstance === String(listed["gpuInstanceId"]) &&
          mig.computeInstance === String(listed["computeInstanceId"]),
      );
      const device = (mig ?? gpu)?.uuid ?? "";
      const pid = Number(listed["pid"]);
      // A process with a compute and a graphics context is in both lists.
      const key = `${device} ${pid}`;
      const memoryBytes =
        available(listed["usedGpuMemory"] as number | bigint) ?? found.get(key)?.memoryBytes;
      const utilizationRatio = mig ? undefined : utilization && (utilization.get(pid) ?? 0);
      found.set(key, { pid, device, memoryBytes, utilizationRatio });
    }
    return [...found.values()];
  }

  /**
   * Version 1, before R450, knows no MIG. Version 3 returns the same as 2, but for the first releases of R535, whose structure is
   * longer.
   *
   * @returns undefined where the driver reports none of their types
   */
  private listProcesses(handle: Handle): Struct[] | undefined {
    const list = (name: string, type: "nvmlProcessInfo_v1_t" | "nvmlProcessInfo_v2_t") => {
      try {
        return this.nvml.list(name, type, [handle]);
      } catch (error) {
        if (error instanceof NvmlError && error.code === RETURN.NVML_ERROR_NO_PERMISSION) this.deny(error);
        throw error;
      }
    };
    const lists = ["Compute", "Graphics", "MPSCompute"].map((type) => {
      const name = `nvmlDeviceGet${type}RunningProcesses`;
      return firstOf(
        () => list(`${name}_v2`, "nvmlProcessInfo_v2_t"),
        () => list(`${name}_v3`, "nvmlProcessInfo_v2_t"),
        () => list(name, "nvmlProcessInfo_v1_t"),
      );
    });
    return lists.some(Boolean) ? lists.flatMap((one) => one ?? []) : undefined;
  }

  private deny(error: NvmlError): void {
    this.denied ??= {
      gpu: String(this.index),
      up: true,
      reason: faultOf(error),
      message: `the driver does not show the processes on the GPU ${this.index}: ${error.message}`,
    };
  }

  /** @returns the share of the multiprocessors that each process kept busy; undefined where the driver does not report it */
  private readProcessUtilization(uuid: string): Map<number, number> | undefined {
    const now = Date.now() * 1000 + (this.readConstants(uuid).clockOffset ?? 0);
    const since = now - UTILIZATION_WINDOW_MICROSECONDS;
    const samples = processUtilization(this.nvml, this.handle, since);
    return samples && new Map(samples.map(({ pid, ratio }) => [pid, ratio]));
  }
}

/** The names that nvidia-smi uses, and the bits in NVML. */
const THROTTLE_REASONS = {
  gpu_idle: CONSTANTS.nvmlClocksEventReasonGpuIdle,
  applications_clocks_setting: CONSTANTS.nvmlClocksEventReasonApplicationsClocksSetting,
  sw_power_cap: CONSTANTS.nvmlClocksEventReasonSwPowerCap,
  hw_slowdown: CONSTANTS.nvmlClocksThrottleReasonHwSlowdown,
  sync_boost: CONSTANTS.nvmlClocksEventReasonSyncBoost,
  sw_thermal_slowdown: CONSTANTS.nvmlClocksEventReasonSwThermalSlowdown,
  hw_thermal_slowdown: CONSTANTS.nvmlClocksThrottleReasonHwThermalSlowdown,
  hw_power_brake_slowdown: CONSTANTS.nvmlClocksThrottleReasonHwPowerBrakeSlowdown,
  display_clocks_setting: CONSTANTS.nvmlClocksEventReasonDisplayClockSetting,
};
