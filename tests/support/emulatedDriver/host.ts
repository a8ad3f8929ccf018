/** A host with NVIDIA GPUs, as the emulated `nvidia-smi` describes it. */
export interface EmulatedHost {
  /** The driver's version; its first number decides in which words it answers. */
  driver: string;
  gpus: EmulatedGpu[];
  processes: EmulatedProcess[];
  /** What is wrong with the driver, if anything. */
  fault?: Fault;
  /** Milliseconds that each answer takes. */
  delay?: number;
}

export interface EmulatedGpu {
  model: string;
  uuid: string;
  memoryMiB: number;
  /** In use by anybody; unset: by the processes. */
  usedMiB?: number;
  utilization?: number;
  /** A consumer GPU has no ECC, no MIG, and many fields that are N/A. */
  consumer?: boolean;
  /** MIG devices that it is divided into. */
  mig?: { profile: string; uuid: string; gpuInstance: number; memoryMiB: number }[];
  /** Fell off the bus. */
  lost?: boolean;
}

export interface EmulatedProcess {
  pid: number;
  /** Position of its GPU. */
  gpu: number;
  /** Position of its MIG device. */
  mig?: number;
  /** A number of MiB, or what the driver says instead, such as "N/A". */
  memory: number | string;
  /** Percent of the multiprocessors; unset: it did nothing. */
  sm?: number;
  graphics?: boolean;
}

/**
 * hang: no answer for a minute. no-driver: it cannot talk to the driver. garbage: it writes something else.
 * truncated: half an answer. lost-fatal: a lost GPU ends it, so that only questions for one GPU are answered.
 */
export type Fault = "hang" | "no-driver" | "garbage" | "truncated" | "lost-fatal";

/** A GPU of 80 GB, with a UUID made from its number. */
export const h100 = (n: number, changes: Partial<EmulatedGpu> = {}): EmulatedGpu => ({
  model: "NVIDIA H100 80GB HBM3",
  uuid: gpuUuid(n),
  memoryMiB: 81_559,
  ...changes,
});

export const gpuUuid = (n: number): string => `GPU-${String(n).padStart(8, "0")}-1111-2222-3333-444444444444`;
export const migUuid = (n: number): string => `MIG-${String(n).padStart(8, "0")}-5555-6666-7777-888888888888`;

/** An A100, divided. */
export const a100Mig = (n: number): EmulatedGpu => ({
  model: "NVIDIA A100-SXM4-40GB",
  uuid: gpuUuid(n),
  memoryMiB: 40_960,
  mig: [
    { profile: "3g.20gb", uuid: migUuid(n * 10), gpuInstance: 1, memoryMiB: 19_968 },
    { profile: "1g.5gb", uuid: migUuid(n * 10 + 1), gpuInstance: 9, memoryMiB: 4864 },
  ],
});
