import { available, NvmlError, type Handle, type Nvml, type Struct } from "../nvml/library";
import { CONSTANTS, RETURN } from "../nvml/types";

/** Errors of the driver as a whole: the library has to be initialized again. */
export const DRIVER_ERRORS: readonly number[] = [
  RETURN.NVML_ERROR_UNINITIALIZED,
  RETURN.NVML_ERROR_DRIVER_NOT_LOADED,
  RETURN.NVML_ERROR_LIB_RM_VERSION_MISMATCH,
];

/** Errors of a GPU that does not answer. */
export const LOST_ERRORS: readonly number[] = [
  RETURN.NVML_ERROR_GPU_IS_LOST,
  RETURN.NVML_ERROR_RESET_REQUIRED,
];

/** Errors that concern more than the value that was queried. */
const SERIOUS_ERRORS: readonly number[] = [...DRIVER_ERRORS, ...LOST_ERRORS];

/**
 * Returns undefined for what the driver, the GPU, or the permissions of this process do not allow to read.
 *
 * @throws NvmlError when the GPU or the driver is lost
 */
export function optional<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof NvmlError) || SERIOUS_ERRORS.includes(error.code)) throw error;
    return undefined;
  }
}

/** The first of several ways to read a value that this driver and this GPU offer. */
export function firstOf<T>(...ways: (() => T)[]): T | undefined {
  for (const way of ways) {
    const value = optional(way);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** The MIG mode of a GPU, and the mode after its next reset; each 1 for enabled, or 0. */
export interface MigMode {
  current: number | undefined;
  pending: number | undefined;
}

/** Reads the MIG mode of a GPU. */
export function readMigMode(nvml: Pick<Nvml, "uints">, handle: Handle): MigMode {
  const [current, pending] = optional(() => nvml.uints("nvmlDeviceGetMigMode", 2, handle)) ?? [];
  return { current, pending };
}

/** Whether MIG is enabled on a GPU. */
export const isMigEnabled = (nvml: Pick<Nvml, "uints">, handle: Handle): boolean =>
  readMigMode(nvml, handle).current === CONSTANTS.NVML_DEVICE_MIG_ENABLE;

/** Values by the value of a label. */
export type ByLabel = Record<string, number | undefined>;

/** Reads the clocks, by a function of the library that returns them in megahertz. */
export function readClocks(
  nvml: Nvml,
  handle: Handle,
  name: "nvmlDeviceGetClockInfo" | "nvmlDeviceGetMaxClockInfo",
): ByLabel {
  const hertz = (type: number) => {
    const megahertz = optional(() => nvml.uint(name, handle, type));
    return megahertz === undefined ? undefined : megahertz * 1e6;
  };
  return {
    graphics: hertz(CONSTANTS.NVML_CLOCK_GRAPHICS),
    sm: hertz(CONSTANTS.NVML_CLOCK_SM),
    memory: hertz(CONSTANTS.NVML_CLOCK_MEM),
    video: hertz(CONSTANTS.NVML_CLOCK_VIDEO),
  };
}

/** Reads the memory errors that one of ECC's counters has. */
export function readEccErrors(nvml: Nvml, handle: Handle, counter: number): ByLabel {
  const errors = (type: number) =>
    optional(() => nvml.ulong("nvmlDeviceGetTotalEccErrors", handle, type, counter));
  return {
    corrected: errors(CONSTANTS.NVML_MEMORY_ERROR_TYPE_CORRECTED),
    uncorrected: errors(CONSTANTS.NVML_MEMORY_ERROR_TYPE_UNCORRECTED),
  };
}

/** Reads an integer from a structure, if there is one. */
export const field = (struct: Struct | undefined, name: string): number | undefined =>
  struct && available(struct[name] as number | bigint);

export const hundredth = (percent: number | undefined): number | undefined =>
  percent === undefined ? undefined : percent / 100;

export const thousandth = (milli: number | undefined): number | undefined =>
  milli === undefined ? undefined : milli / 1000;
