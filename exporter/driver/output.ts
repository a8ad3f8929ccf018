import { XMLParser } from "fast-xml-parser";
import { SyntaxValidator } from "fast-xml-validator";
import { DriverError } from "./nvidiaSmi";

/** A GPU or a MIG device, as `nvidia-smi -q -x` describes it. What the driver does not tell is undefined. */
export interface DeviceReading {
  uuid: string;
  model: string;
  /** Number in the name of the file `/dev/nvidia<n>`; of GPUs only. */
  minor?: number;
  /** Whether the GPU is divided: then its MIG devices are what can be used. */
  divided: boolean;
  /** Of a MIG device: its GPU, and its numbers there. */
  mig?: { parent: string; index: number; gpuInstance: string; computeInstance: string };
  memoryTotalBytes: number | undefined;
  memoryUsedBytes: number | undefined;
  utilizationRatio: number | undefined;
  memoryUtilizationRatio: number | undefined;
  powerWatts: number | undefined;
  powerLimitWatts: number | undefined;
  temperatureCelsius: number | undefined;
  clockHertz: Record<string, number>;
  eccErrors: Record<string, number>;
  /** Reasons for clocks below the highest, each active or not. */
  throttleReasons: Record<string, boolean>;
}

/** A process that holds a part of a device. */
export interface GpuProcess {
  pid: number;
  /** UUID of the device. */
  device: string;
  memoryBytes: number | undefined;
}

export interface Log {
  driverVersion: string;
  cudaVersion: string;
  devices: DeviceReading[];
  processes: GpuProcess[];
}

type Node = Record<string, unknown>;

const parser = new XMLParser({
  ignoreAttributes: true,
  parseTagValue: false,
  processEntities: false,
  // Long lists that nobody reads here.
  stopNodes: ["*.supported_clocks"],
  isArray: (name) => ["gpu", "mig_device", "process_info"].includes(name),
});

/**
 * Reads the answer of `nvidia-smi -q -x`, of any driver since R418.
 *
 * @throws DriverError when it is not a whole document of that kind
 */
export function parseLog(xml: string): Log {
  const log = parsed(xml)["nvidia_smi_log"];
  if (!isNode(log)) throw new DriverError("unparsable", "nvidia-smi -q -x: no nvidia_smi_log");
  const gpus = nodes(log, "gpu").filter((gpu) => text(gpu, "uuid").startsWith("GPU-"));
  return {
    driverVersion: text(log, "driver_version"),
    cudaVersion: text(log, "cuda_version"),
    devices: gpus.flatMap((gpu) => [gpuReading(gpu), ...migReadings(gpu)]),
    processes: gpus.flatMap(processesOf),
  };
}

/**
 * The parser takes half a document for a whole one, so it is validated first. Names of processes are left out before: they
 * are whatever a process calls itself, nvidia-smi does not escape them, and nobody reads them here.
 */
function parsed(xml: string): Node {
  try {
    const nameless = xml.replace(/<process_name>[^]*?<\/process_name>(?=\s*<used_memory>)/g, "");
    SyntaxValidator.validate(nameless);
    return parser.parse(nameless) as Node;
  } catch (error) {
    throw new DriverError("unparsable", `nvidia-smi -q -x: ${(error as Error).message}`);
  }
}

function gpuReading(gpu: Node): DeviceReading {
  const minor = number(gpu, "minor_number", "");
  return {
    uuid: text(gpu, "uuid"),
    model: text(gpu, "product_name"),
    ...(minor !== undefined && { minor }),
    divided: isDivided(gpu),
    ...memory(gpu),
    utilizationRatio: percent(gpu, "utilization.gpu_util"),
    memoryUtilizationRatio: percent(gpu, "utilization.memory_util"),
    // R530 renamed power_readings and power_limit; R545 divided the draw into instant and average.
    powerWatts: first(
      ["gpu_power_readings.instant_power_draw", "gpu_power_readings.power_draw", "power_readings.power_draw"],
      (at) => number(gpu, at, "W"),
    ),
    powerLimitWatts: first(
      [
        "gpu_power_readings.current_power_limit",
        "gpu_power_readings.power_limit",
        "power_readings.enforced_power_limit",
        "power_readings.power_limit",
      ],
      (at) => number(gpu, at, "W"),
    ),
    temperatureCelsius: number(gpu, "temperature.gpu_temp", "C"),
    clockHertz: known({
      graphics: megahertz(gpu, "clocks.graphics_clock"),
      sm: megahertz(gpu, "clocks.sm_clock"),
      memory: megahertz(gpu, "clocks.mem_clock"),
      video: megahertz(gpu, "clocks.video_clock"),
    }),
    eccErrors: eccErrors(gpu),
    throttleReasons: throttleReasons(gpu),
  };
}

function migReadings(gpu: Node): DeviceReading[] {
  if (!isDivided(gpu)) return [];
  const parent = text(gpu, "uuid");
  return nodes(child(gpu, "mig_devices"), "mig_device").map((mig) => {
    const place = {
      parent,
      index: number(mig, "index", "") ?? 0,
      gpuInstance: text(mig, "gpu_instance_id"),
      computeInstance: text(mig, "compute_instance_id"),
    };
    return {
      // Before R550 only `nvidia-smi -L` tells the UUID; this stands for it until that has been asked.
      uuid: known({ uuid: text(mig, "uuid") || undefined }).uuid ?? migPlace(place),
      model: `${text(gpu, "product_name")} MIG`,
      divided: false,
      mig: place,
      ...memory(mig),
      utilizationRatio: percent(mig, "utilization.gpu_util"),
      memoryUtilizationRatio: undefined,
      powerWatts: undefined,
      powerLimitWatts: undefined,
      temperatureCelsius: undefined,
      clockHertz: {},
      eccErrors: eccErrors({
        ecc_errors: { volatile: child(child(mig, "ecc_error_count"), "volatile_count") },
      }),
      throttleReasons: {},
    };
  });
}

function processesOf(gpu: Node): GpuProcess[] {
  const migs = migReadings(gpu);
  return nodes(child(gpu, "processes"), "process_info").flatMap((process) => {
    const pid = number(process, "pid", "");
    if (pid === undefined) return [];
    const [gi, ci] = [text(process, "gpu_instance_id"), text(process, "compute_instance_id")];
    const mig = migs.find(({ mig }) => mig?.gpuInstance === gi && mig.computeInstance === ci);
    return { pid, device: mig?.uuid ?? text(gpu, "uuid"), memoryBytes: mebibytes(process, "used_memory") };
  });
}

const isDivided = (gpu: Node) => text(gpu, "mig_mode.current_mig") === "Enabled";

const migPlace = ({ parent, gpuInstance, computeInstance }: NonNullable<DeviceReading["mig"]>) =>
  // The name that NVIDIA gave MIG devices in R450.
  `MIG-${parent}/${gpuInstance}/${computeInstance}`;

const memory = (node: Node) => ({
  memoryTotalBytes: mebibytes(node, "fb_memory_usage.total"),
  memoryUsedBytes: mebibytes(node, "fb_memory_usage.used"),
});

/** Errors since the driver was loaded, in the words of each generation: single/double bit, SRAM/DRAM, parity/SECDED. */
function eccErrors(gpu: Node): Record<string, number> {
  const counts = child(child(gpu, "ecc_errors"), "volatile");
  const sum = (paths: string[]) => {
    const found = paths.map((at) => number(counts, at, "")).filter((count) => count !== undefined);
    return found.length > 0 ? found.reduce((a, b) => a + b, 0) : undefined;
  };
  return known({
    corrected: sum(["single_bit.total", "sram_correctable", "dram_correctable"]),
    uncorrected: sum([
      "double_bit.total",
      "sram_uncorrectable",
      "sram_uncorrectable_parity",
      "sram_uncorrectable_secded",
      "dram_uncorrectable",
    ]),
  });
}

/** R535 renamed the throttle reasons to event reasons. */
function throttleReasons(gpu: Node): Record<string, boolean> {
  const reasons = { ...child(gpu, "clocks_throttle_reasons"), ...child(gpu, "clocks_event_reasons") };
  return Object.fromEntries(
    Object.entries(reasons).flatMap(([key, value]) => {
      const reason = /^clocks_(?:throttle|event)_reason_(\w+)$/.exec(key)?.[1];
      return reason && (value === "Active" || value === "Not Active") ? [[reason, value === "Active"]] : [];
    }),
  );
}

/** A device in the list of `nvidia-smi -L`: `gpu` is its index, "3", or for a MIG device "3:0". */
export interface ListedDevice {
  gpu: string;
  uuid: string;
  model: string;
}

/** Reads the answer of `nvidia-smi -L`; lines that are not of a device are passed over. */
export function parseList(text: string): ListedDevice[] {
  let gpu = { index: "", model: "" };
  return text.split("\n").flatMap((line) => {
    const whole = /^GPU (\d+): (.+?) \(UUID: (GPU-[^)\s]+)\)/.exec(line);
    if (whole) {
      const [, index = "", model = "", uuid = ""] = whole;
      gpu = { index, model };
      return { gpu: index, uuid, model };
    }
    const [, profile, index, uuid] =
      /^\s+(MIG \S+)\s+Device\s+(\d+): \(UUID: (MIG-[^)\s]+)\)/.exec(line) ?? [];
    return profile && uuid
      ? { gpu: `${gpu.index}:${index ?? ""}`, uuid, model: `${gpu.model} ${profile}` }
      : [];
  });
}

/**
 * Reads the answer of `nvidia-smi pmon -c 1 -s u`: the share of a GPU's multiprocessors that a process kept busy, from 0 to 1.
 * A process that did nothing has a dash. Columns differ between drivers, so they are found by the header.
 *
 * @returns the GPUs that it tells about, by index, and the shares by "index pid"; nothing of what it does not cover (MIG, WSL)
 */
export function parseProcessUtilization(text: string): { gpus: Set<string>; shares: Map<string, number> } {
  const [gpus, shares] = [new Set<string>(), new Map<string, number>()];
  const lines = text.split("\n").map((line) => line.trim().split(/\s+/));
  const header = lines.find((words) => words[0] === "#" && words.includes("pid"))?.slice(1) ?? [];
  const [gpuAt = -1, pidAt = -1, smAt = -1] = ["gpu", "pid", "sm"].map((name) => header.indexOf(name));
  if (gpuAt < 0 || pidAt < 0 || smAt < 0) return { gpus, shares };
  for (const words of lines) {
    const [gpu = "", pid = "", sm = ""] = [words[gpuAt], words[pidAt], words[smAt]];
    const share = sm === "-" ? 0 : Number(sm) / 100;
    if (!/^\d+$/.test(gpu) || !(share >= 0)) continue;
    gpus.add(gpu);
    // A process with a compute and a graphics context has a line for each, with the same number.
    if (/^\d+$/.test(pid)) shares.set(`${gpu} ${pid}`, Math.max(shares.get(`${gpu} ${pid}`) ?? 0, share));
  }
  return { gpus, shares };
}

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const child = (node: Node, key: string): Node => (isNode(node[key]) ? node[key] : {});

const nodes = (node: Node, key: string): Node[] => (Array.isArray(node[key]) ? node[key].filter(isNode) : []);

/** The text at a path of tags, or "". */
function text(node: Node, path: string): string {
  const value = path.split(".").reduce<unknown>((at, key) => (isNode(at) ? at[key] : undefined), node);
  return typeof value === "string" ? value.trim() : "";
}

/** The number at a path when it has that unit; undefined for N/A, [Not Supported], [Insufficient Permissions] and the like. */
function number(node: Node, path: string, unit: string): number | undefined {
  const [, digits, found] = /^(-?\d+(?:\.\d+)?) ?(\S*)$/.exec(text(node, path)) ?? [];
  return digits !== undefined && found === unit ? Number(digits) : undefined;
}

const scaled = (value: number | undefined, factor: number) =>
  value === undefined ? undefined : value * factor;
const mebibytes = (node: Node, path: string) => scaled(number(node, path, "MiB"), 1024 ** 2);
const megahertz = (node: Node, path: string) => scaled(number(node, path, "MHz"), 1e6);
function percent(node: Node, path: string): number | undefined {
  const value = number(node, path, "%");
  return value === undefined ? undefined : value / 100;
}

const first = <T>(paths: string[], read: (path: string) => T | undefined): T | undefined =>
  paths.map(read).find((value) => value !== undefined);

/** The entries that have a value. */
const known = <T>(values: Record<string, T | undefined>): Record<string, T> =>
  Object.fromEntries(Object.entries(values).filter((entry): entry is [string, T] => entry[1] !== undefined));
