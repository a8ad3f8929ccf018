/** A host with NVIDIA GPUs, as the emulated `nvidia-smi` reports it. */
export interface EmulatedHost {
  /** The driver's version. Its first number decides the format of the output. */
  driver: string;
  gpus: EmulatedGpu[];
  processes: EmulatedProcess[];
  fault?: Fault;
  /** Milliseconds that each command takes. */
  delay?: number;
}

export interface EmulatedGpu {
  model: string;
  uuid: string;
  memoryMiB: number;
  /** Memory in use. Default: the sum over the processes. */
  usedMiB?: number;
  utilization?: number;
  /** A consumer GPU has no ECC and no MIG, and reports N/A in many fields. */
  consumer?: boolean;
  /** MIG is enabled, with these devices. */
  mig?: { profile: string; uuid: string; gpuInstance: number; memoryMiB: number }[];
  /** The GPU fell off the bus. */
  lost?: boolean;
}

export interface EmulatedProcess {
  pid: number;
  /** Position of its GPU. */
  gpu: number;
  /** Position of its MIG device. */
  mig?: number;
  /** MiB, or the driver's text for an unknown value, such as "N/A". */
  memory: number | string;
  /** Percent of the multiprocessors; undefined for an idle process. */
  sm?: number;
  graphics?: boolean;
}

/**
 * hang: no output for a minute. no-driver: the driver is not loaded. garbage: output that is no XML. truncated: half of the
 * output. lost-fatal: a lost GPU makes the command fail, so that only queries of single GPUs succeed.
 */
export type Fault = "hang" | "no-driver" | "garbage" | "truncated" | "lost-fatal";

/** An H100 whose UUID contains its number. */
export const h100 = (n: number, changes: Partial<EmulatedGpu> = {}): EmulatedGpu => ({
  model: "NVIDIA H100 80GB HBM3",
  uuid: gpuUuid(n),
  memoryMiB: 81_559,
  ...changes,
});

export const gpuUuid = (n: number): string => `GPU-${String(n).padStart(8, "0")}-1111-2222-3333-444444444444`;
export const migUuid = (n: number): string => `MIG-${String(n).padStart(8, "0")}-5555-6666-7777-888888888888`;

/** An A100 with two MIG devices. */
export const a100Mig = (n: number): EmulatedGpu => ({
  model: "NVIDIA A100-SXM4-40GB",
  uuid: gpuUuid(n),
  memoryMiB: 40_960,
  mig: [
    { profile: "3g.20gb", uuid: migUuid(n * 10), gpuInstance: 1, memoryMiB: 19_968 },
    { profile: "1g.5gb", uuid: migUuid(n * 10 + 1), gpuInstance: 9, memoryMiB: 4864 },
  ],
});
