import type { Attributes, EmulatedGpu, EmulatedHost, EmulatedProcess } from "./host";

const MIB = 1024 ** 2;

/**
 * Describes a host for the emulated library: a line for each GPU, MIG device and process, with its attributes between tabs. A device
 * supports what it has an attribute for.
 */
export function description({ driver, gpus, processes, fault, delay, bootClock }: EmulatedHost): string {
  const release = Number(driver.split(".")[0]);
  return [
    line("host", { driver, cuda: 12_040, fault, delay, bootClock: bootClock && 1 }),
    ...gpus.map((gpu, i) => line("gpu", { ...gpuAttributes(gpu, i, release, processes), ...gpu.attributes })),
    ...gpus.flatMap((gpu, i) =>
      migAttributes(gpu, i, processes).map((attributes) => line("mig", attributes)),
    ),
    ...processes.map(({ memory, type = "C", load, ...process }) =>
      line("process", { ...process, ...load, type, memory: memory === undefined ? undefined : memory * MIB }),
    ),
    "",
  ].join("\n");
}

const line = (kind: string, attributes: Attributes): string =>
  [
    kind,
    ...Object.entries(attributes).flatMap(([name, value]) => (value === undefined ? [] : `${name}=${value}`)),
  ].join("\t");

function gpuAttributes(
  gpu: EmulatedGpu,
  i: number,
  release: number,
  processes: EmulatedProcess[],
): Attributes {
  const { consumer = false, mig } = gpu;
  const bus = (i + 1).toString(16).toUpperCase().padStart(2, "0");
  const used = gpu.usedMiB ?? memory(processes.filter((process) => process.gpu === i));
  return {
    id: gpu.uuid,
    uuid: gpu.uuid,
    name: gpu.model,
    minor: i,
    bus: `00000000:${bus}:00.0`,
    total: gpu.memoryMiB * MIB,
    used: used * MIB,
    reserved: release >= 510 ? 551 * MIB : undefined,
    temperature: 41,
    powerAverage: release < 530 ? 123_450 : 120_000,
    powerInstant: 123_450,
    powerLimit: 650_000,
    energyPower: 123_450,
    clockGraphics: 1980,
    clockSm: 1980,
    clockMemory: 2619,
    clockVideo: 1545,
    throttleReasons: 0x4,
    supportedThrottleReasons: 0x5,
    memoryTemperature: 52,
    performanceState: 0,
    powerLimitDefault: 700_000,
    powerLimitMin: 200_000,
    powerLimitMax: 700_000,
    bar1Total: 128 * 1024 * MIB,
    bar1Used: 2 * MIB,
    maxClockGraphics: 1980,
    maxClockSm: 1980,
    maxClockMemory: 2619,
    maxClockVideo: 1545,
    encoder: 0,
    decoder: 7,
    pcieReplays: 3,
    pcieGeneration: 1,
    pcieGenerationMax: 5,
    pcieWidth: 16,
    pcieWidthMax: 16,
    throttledSwPowerCap: 12_500_000_000,
    throttledSyncBoost: 0,
    throttledSwThermal: 500_000_000,
    throttledHwThermal: 0,
    throttledHwPowerBrake: 0,
    xids: (gpu.xids ?? []).join(","),
    // A GPU with MIG does not report its own utilization.
    ...(!mig && { gpuUtilization: gpu.utilization ?? utilization(processes, i), memoryUtilization: 3 }),
    ...(!consumer && { mig: mig ? 1 : 0, ...DATA_CENTER }),
    ...(gpu.lost && { lost: gpu.lost === "before" ? 2 : 1 }),
  };
}

/** What only a GPU for data centers reports. */
const DATA_CENTER = {
  eccCorrected: 0,
  eccUncorrected: 0,
  eccCorrectedLifetime: 17,
  eccUncorrectedLifetime: 1,
  remappedCorrected: 0,
  remappedUncorrected: 1,
  remappedPending: 0,
  remappedFailure: 0,
  recoveryAction: 0,
  links: 18,
  activeLinks: 18,
  linkCrcFlit: 2,
  linkCrcData: 0,
  linkReplay: 0,
  linkRecovery: 0,
  linkSentKib: 4_000_000,
  linkReceivedKib: 3_000_000,
  fabricState: 3,
};

const migAttributes = (
  { mig = [], model }: EmulatedGpu,
  gpu: number,
  processes: EmulatedProcess[],
): Attributes[] =>
  mig.map(({ profile, uuid, gpuInstance, memoryMiB }, m) => ({
    gpu,
    uuid,
    name: `${model} MIG ${profile}`,
    gpuInstance,
    computeInstance: 0,
    total: memoryMiB * MIB,
    used: memory(processes.filter((process) => process.gpu === gpu && process.mig === m)) * MIB,
    eccUncorrected: 0,
  }));

/** A GPU is as busy as its processes make it. */
function utilization(processes: EmulatedProcess[], gpu: number): number {
  const own = processes.filter((process) => process.gpu === gpu);
  return Math.min(
    100,
    own.reduce((sum, { sm = 0 }) => sum + sm, 0),
  );
}

const memory = (processes: EmulatedProcess[]): number =>
  processes.reduce((sum, { memory = 0 }) => sum + memory, 0);
