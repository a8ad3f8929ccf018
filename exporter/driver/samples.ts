import { NvmlError, type Handle, type Nvml, type Struct } from "../nvml/library";
import { CONSTANTS, RETURN } from "../nvml/types";
import { optional } from "./values";

/** A sample of how busy a process kept the multiprocessors. */
export interface ProcessUtilization {
  pid: number;
  /** In microseconds, by the clock of the driver. */
  time: number;
  ratio: number;
}

/**
 * Returns samples that are newer than a time, the oldest first, without the invalid ones that drivers sometimes return: of more than
 * 100 %, or of no process (Syllo/nvtop, issue 110).
 *
 * @returns undefined where the driver does not report them
 */
export function processUtilization(
  nvml: Pick<Nvml, "list">,
  handle: Handle,
  since: number,
): ProcessUtilization[] | undefined {
  return samplesOf(() =>
    nvml.list(
      "nvmlDeviceGetProcessUtilization",
      "nvmlProcessUtilizationSample_t",
      [handle],
      ["list", "count"],
      [BigInt(since)],
    ),
  )
    ?.map(({ pid, timeStamp, smUtil }) => ({
      pid: Number(pid),
      time: Number(timeStamp),
      ratio: Number(smUtil) / 100,
    }))
    .filter(({ pid, ratio }) => pid !== 0 && ratio <= 1)
    .sort((a, b) => a.time - b.time);
}

/** Returns the samples of a GPU's use that are newer than a time, the oldest first; undefined where the driver has none. */
export function gpuSamples(
  nvml: Pick<Nvml, "list">,
  handle: Handle,
  since: number,
): { time: number; ratio: number }[] | undefined {
  const samples = samplesOf(() =>
    nvml.list(
      "nvmlDeviceGetSamples",
      "nvmlSample_t",
      [handle, CONSTANTS.NVML_GPU_UTILIZATION_SAMPLES, BigInt(since)],
      ["type", "count", "list"],
    ),
  );
  return (
    samples
      // The value is an unsigned int, the lower half of the union.
      ?.map(({ timeStamp, sampleValue = 0 }) => ({
        time: Number(timeStamp),
        ratio: Number(BigInt.asUintN(32, BigInt(sampleValue))) / 100,
      }))
      .filter(({ time }) => time > since)
      .sort((a, b) => a.time - b.time)
  );
}

/** A time before the year 2000 is of a clock that counts from the boot. */
const FIRST_MICROSECONDS = Date.UTC(2000) * 1000;

/**
 * Returns the difference between the driver's clock and this program's, in microseconds. Most drivers count from 1970; some, such as
 * that of GB10, from the boot (polarsignals/gpu-metrics-agent, PR 36).
 *
 * @returns undefined while there is no sample
 */
export function clockOffset(nvml: Pick<Nvml, "list">, handle: Handle, now: number): number | undefined {
  const samples = gpuSamples(nvml, handle, 0);
  if (!samples) return 0;
  const newest = samples.at(-1)?.time;
  if (newest === undefined) return undefined;
  return newest < FIRST_MICROSECONDS ? newest - now : 0;
}

/**
 * Returns a list of samples, which is empty where there is no new one.
 *
 * @returns undefined where the driver does not report them
 */
const samplesOf = (list: () => Struct[]): Struct[] | undefined =>
  optional(() => {
    try {
      return list();
    } catch (error) {
      if (error instanceof NvmlError && error.code === RETURN.NVML_ERROR_NOT_FOUND) return [];
      throw error;
    }
  });
