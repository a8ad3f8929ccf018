/** A host with NVIDIA GPUs, as the emulated library reports it. */
export interface EmulatedHost {
  /** The driver's version. Its first number decides which functions the library has. */
  driver: string;
  gpus: EmulatedGpu[];
  processes: EmulatedProcess[];
  fault?: Fault;
  /** Milliseconds that counting the GPUs takes. */
  delay?: number;
  /** The driver counts the time from the boot. */
  bootClock?: true;
}

export interface EmulatedGpu {
  model: string;
  uuid: string;
  memoryMiB: number;
  /** Memory in use. Default: the sum over the processes. */
  usedMiB?: number;
  /** Percent of the time. Default: the sum of its processes. */
  utilization?: number;
  /** A consumer GPU has no ECC and no MIG. */
  consumer?: boolean;
  /** MIG is enabled, with these devices. */
  mig?: { profile: string; uuid: string; gpuInstance: number; memoryMiB: number }[];
  /** The GPU fell off the bus: before the library was initialized, so that it has no handle, or later, so that calls fail. */
  lost?: "before" | "later";
  /** Other values of attributes in the description; undefined for one that is not supported, "!4" for the error 4. */
  attributes?: Attributes;
  /** The XIDs of all its errors so far. */
  xids?: number[];
}

/** The attributes of a device or a process in the description. */
export type Attributes = Record<string, string | number | undefined>;

export interface EmulatedProcess {
  pid: number;
  /** Position of its GPU. */
  gpu: number;
  /** Position of its MIG device. */
  mig?: number;
  /** MiB; undefined where the driver does not report it. */
  memory: number | undefined;
  /** Percent of the multiprocessors; undefined for an idle process. */
  sm?: number;
  /** When it is busy, instead of always by `sm`. Only one process of a GPU runs at a time. */
  load?: Load;
  /** C for compute, G for graphics, M for compute by MPS. Default: C. */
  type?: "C" | "G" | "CG" | "M";
}

/** A process that keeps its GPU busy for a part of each period since 1970. Times are in milliseconds. */
export interface Load {
  period: number;
  from: number;
  until: number;
}

/**
 * hang: each call takes a minute. crash: each call ends the process. no-driver: the driver is not loaded. mismatch: the library is of
 * another version than the driver. unknown: each call fails with an unknown error, as without the devices. garbage: text that no driver returns. garbage-count: numbers of GPUs, MIG devices and
 * processes that no host has. no-permission: no process is listed. no-mig-permission: the processes of MIG devices are not
 * listed by the handle of their GPU.
 */
export type Fault =
  | "hang"
  | "crash"
  | "no-driver"
  | "mismatch"
  | "unknown"
  | "garbage"
  | "garbage-count"
  | "no-permission"
  | "no-mig-permission";

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
