import { migName, type MigInstance } from "./mig";
import { DriverError } from "./nvidiaSmi";
import { child, children, isElement, number, parseXml, text, type Element } from "./xml";

/** A GPU or a MIG device in the output of `nvidia-smi -q -x`. A value that the driver does not report is undefined. */
export interface ParsedDevice {
  uuid: string;
  model: string;
  /** The number in the device file `/dev/nvidia<n>`; for GPUs only. */
  minor?: number | undefined;
  /** Its address on the PCI bus, such as `00000000:01:00.0`; for GPUs only. */
  pciAddress?: string;
  /** Whether MIG is enabled on the GPU: then containers use its MIG devices. */
  migEnabled: boolean;
  /** For a MIG device: where it is on its GPU. */
  mig?: MigInstance;
  memoryTotalBytes: number | undefined;
  memoryUsedBytes: number | undefined;
  utilizationRatio: number | undefined;
  memoryUtilizationRatio?: number | undefined;
  powerWatts?: number | undefined;
  powerLimitWatts?: number | undefined;
  temperatureCelsius?: number | undefined;
  clockHertz: Record<string, number | undefined>;
  eccErrors: Record<string, number | undefined>;
  /** Reasons for clocks below the maximum, each active or not. */
  throttleReasons: Record<string, boolean>;
}

/** A process that has allocated memory on a device. */
export interface ParsedProcess {
  pid: number;
  /** UUID of the device. */
  device: string;
  memoryBytes: number | undefined;
}

export interface ParsedLog {
  driverVersion: string;
  cudaVersion: string;
  devices: ParsedDevice[];
  processes: ParsedProcess[];
}

/**
 * Parses the output of `nvidia-smi -q -x`, of any driver since R418.
 *
 * @throws DriverError for anything but a complete document
 */
export function parseLog(xml: string): ParsedLog {
  const log = logElement(xml);
  const gpus = children(log, "gpu").filter((gpu) => text(gpu, "uuid").startsWith("GPU-"));
  return {
    driverVersion: text(log, "driver_version"),
    cudaVersion: text(log, "cuda_version"),
    devices: gpus.flatMap((gpu) => [parseGpu(gpu), ...parseMigDevices(gpu)]),
    processes: gpus.flatMap(parseProcesses),
  };
}

function logElement(xml: string): Element {
  try {
    const log = parseXml(xml)["nvidia_smi_log"];
    if (isElement(log)) return log;
    throw new Error("no element nvidia_smi_log");
  } catch (error) {
    throw new DriverError("unparsable", `nvidia-smi -q -x: ${(error as Error).message}`);
  }
}

function parseGpu(gpu: Element): ParsedDevice {
  return {
    uuid: text(gpu, "uuid"),
    model: text(gpu, "product_name"),
    minor: number(gpu, "minor_number", ""),
    pciAddress: text(gpu, "pci.pci_bus_id"),
    migEnabled: isMigEnabled(gpu),
    ...parseUse(gpu),
    memoryUtilizationRatio: number(gpu, "utilization.memory_util", "%"),
    // R530 renamed power_readings and power_limit; R545 split the draw into instant and average.
    powerWatts: firstWatts(gpu, [
      "gpu_power_readings.instant_power_draw",
      "gpu_power_readings.power_draw",
      "power_readings.power_draw",
    ]),
    powerLimitWatts: firstWatts(gpu, [
      "gpu_power_readings.current_power_limit",
      "gpu_power_readings.power_limit",
      "power_readings.enforced_power_limit",
      "power_readings.power_limit",
    ]),
    temperatureCelsius: number(gpu, "temperature.gpu_temp", "C"),
    clockHertz: {
      graphics: number(gpu, "clocks.graphics_clock", "MHz"),
      sm: number(gpu, "clocks.sm_clock", "MHz"),
      memory: number(gpu, "clocks.mem_clock", "MHz"),
      video: number(gpu, "clocks.video_clock", "MHz"),
    },
    eccErrors: parseEccErrors(child(child(gpu, "ecc_errors"), "volatile")),
    throttleReasons: parseThrottleReasons(gpu),
  };
}

function parseMigDevices(gpu: Element): ParsedDevice[] {
  if (!isMigEnabled(gpu)) return [];
  return children(child(gpu, "mig_devices"), "mig_device").map((device) => {
    const mig = {
      parent: text(gpu, "uuid"),
      index: number(device, "index", "") ?? 0,
      gpuInstance: text(device, "gpu_instance_id"),
      computeInstance: text(device, "compute_instance_id"),
    };
    return {
      // Before R550 only `nvidia-smi -L` lists the UUID; the name of the instance stands in for it until then.
      uuid: text(device, "uuid") || migName(mig),
      model: `${text(gpu, "product_name")} MIG`,
      migEnabled: false,
      mig,
      ...parseUse(device),
      clockHertz: {},
      eccErrors: parseEccErrors(child(child(device, "ecc_error_count"), "volatile_count")),
      throttleReasons: {},
    };
  });
}

function parseProcesses(gpu: Element): ParsedProcess[] {
  const migDevices = parseMigDevices(gpu);
  return children(child(gpu, "processes"), "process_info").flatMap((process) => {
    const pid = number(process, "pid", "");
    if (pid === undefined) return [];
    const gpuInstance = text(process, "gpu_instance_id");
    const computeInstance = text(process, "compute_instance_id");
    const migDevice = migDevices.find(
      ({ mig }) => mig?.gpuInstance === gpuInstance && mig.computeInstance === computeInstance,
    );
    const device = migDevice?.uuid ?? text(gpu, "uuid");
    return { pid, device, memoryBytes: number(process, "used_memory", "MiB") };
  });
}

const isMigEnabled = (gpu: Element) => text(gpu, "mig_mode.current_mig") === "Enabled";

const parseUse = (device: Element) => ({
  memoryTotalBytes: number(device, "fb_memory_usage.total", "MiB"),
  memoryUsedBytes: number(device, "fb_memory_usage.used", "MiB"),
  utilizationRatio: number(device, "utilization.gpu_util", "%"),
});

/** Each generation of drivers has its own counters: single and double bit, SRAM and DRAM, parity and SECDED. */
function parseEccErrors(counters: Element): ParsedDevice["eccErrors"] {
  const sum = (tags: string[]) => {
    const counts = tags.map((tag) => number(counters, tag, "")).filter((count) => count !== undefined);
    return counts.length > 0 ? counts.reduce((a, b) => a + b, 0) : undefined;
  };
  return {
    corrected: sum(["single_bit.total", "sram_correctable", "dram_correctable"]),
    uncorrected: sum([
      "double_bit.total",
      "sram_uncorrectable",
      "sram_uncorrectable_parity",
      "sram_uncorrectable_secded",
      "dram_uncorrectable",
    ]),
  };
}

/** R535 renamed throttle reasons to event reasons. */
function parseThrottleReasons(gpu: Element): Record<string, boolean> {
  const reasons = { ...child(gpu, "clocks_throttle_reasons"), ...child(gpu, "clocks_event_reasons") };
  return Object.fromEntries(
    Object.entries(reasons).flatMap(([tag, value]) => {
      const reason = /^clocks_(?:throttle|event)_reason_(\w+)$/.exec(tag)?.[1];
      return reason && (value === "Active" || value === "Not Active") ? [[reason, value === "Active"]] : [];
    }),
  );
}

const firstWatts = (gpu: Element, paths: string[]): number | undefined =>
  paths.map((path) => number(gpu, path, "W")).find((watts) => watts !== undefined);
