import type { Handle, Nvml } from "../nvml/library";
import { gpuCount, uuidOf } from "./devices";
import { clockOffset, gpuSamples, processUtilization } from "./samples";
import { isMigEnabled, optional } from "./values";

/** What a GPU did since its last sample. A value that the driver does not report is undefined. */
export interface GpuSample {
  uuid: string;
  /** Seconds since the last sample. */
  seconds: number;
  /** Time in which a kernel ran. */
  busySeconds: number | undefined;
  /** Energy that the GPU consumed. */
  joules: number | undefined;
  /** The processes that the driver found running. */
  processes: ProcessTime[] | undefined;
}

/** The time in which a process kept the multiprocessors busy, as the driver's samples have it. */
export interface ProcessTime {
  pid: number;
  seconds: number;
}

/** What was last seen of a GPU. Times are in microseconds, by the clock of the driver. */
interface LastSeen {
  at: number;
  /** The newest sample of the GPU's utilization. */
  gpu: number;
  /** The newest sample of a process. */
  processes: number;
  millijoules: number | undefined;
}

/** The longest period of one sample. After a long idle time without samples, the next one does not cover all of that time. */
const MAX_INTERVAL_MICROSECONDS = 1_500_000;

/** The shortest period of a sample. The driver's own samples and its counter of energy are too coarse for a shorter one. */
const MIN_MICROSECONDS = 500_000;

/** The driver can return a sample of a process that is older than the newest sample of the GPU by this time. */
const MAX_DELAY_MICROSECONDS = 500_000;

/** The driver takes a sample every sixth of a second, so the newest one is a twelfth of a second old on average. */
const MEAN_AGE_MICROSECONDS = 83_000;

const SECOND_MICROSECONDS = 1_000_000;

/** Takes samples of what the GPUs and the processes on them do. */
export class Sampler {
  private readonly lastSeen = new Map<string, LastSeen>();
  private gpus: { uuid: string; handle: Handle; hasMig: boolean }[] = [];
  /** The time of the driver's samples, less that of this program, in microseconds. */
  private offset: number | undefined;
  private time = 0;

  /** @param now the time in microseconds since 1970 */
  constructor(
    private readonly nvml: Pick<Nvml, "uint" | "ulong" | "handle" | "text" | "list" | "struct" | "uints">,
    private readonly now = () => Date.now() * 1000,
  ) {}

  /** Finds the GPUs that answer. They seldom change, so that each sample need not ask for them. */
  findGpus(): void {
    const { nvml } = this;
    this.gpus = [...Array(gpuCount(nvml)).keys()].flatMap((index) =>
      unlessLost(() => {
        const handle = nvml.handle("nvmlDeviceGetHandleByIndex_v2", index);
        return [{ uuid: uuidOf(nvml, handle), handle, hasMig: isMigEnabled(nvml, handle) }];
      }),
    );
  }

  /**
   * Returns a sample of each of these GPUs that still answers, unless its last sample was less than half a second ago. All values of the
   * first sample of a GPU are zero.
   */
  sample(): GpuSample[] {
    const time = this.now();
    if (time < this.time) {
      // The clock was set back: the last samples seem newer than those that follow.
      this.offset = undefined;
      this.startAt(time);
    }
    this.time = time;
    return this.gpus.flatMap((gpu) => unlessLost(() => this.sampleGpu(gpu)));
  }

  private sampleGpu({ uuid, handle, hasMig }: Sampler["gpus"][number]): GpuSample[] {
    const now = this.driverTime(handle);
    const seen = this.lastSeen.get(uuid);
    if (seen && now >= seen.at && now - seen.at < MIN_MICROSECONDS) return [];
    const last = seen ?? firstSeen(now);
    const millijoules = optional(() => this.nvml.ulong("nvmlDeviceGetTotalEnergyConsumption", handle));
    // After the clock was set back, earlier samples have times in the future. A clock that counts from the boot is never set.
    const gpu = this.gpuTime(handle, last.gpu, this.offset === 0 ? now + SECOND_MICROSECONDS : Infinity);
    // With MIG, the driver's times of processes are not those of the MIG devices.
    const newest = gpu?.newest ?? now - MEAN_AGE_MICROSECONDS;
    const processes = hasMig ? undefined : this.processTimes(handle, last, newest);
    this.lastSeen.set(uuid, {
      at: now,
      gpu: newest,
      processes: Math.max(last.processes, processes?.newest ?? 0),
      millijoules: millijoules ?? last.millijoules,
    });
    // The counter starts again when the driver is loaded.
    const consumed = millijoules === undefined ? undefined : millijoules - (last.millijoules ?? millijoules);
    return [
      {
        uuid,
        seconds: (now - last.at) / 1e6,
        busySeconds: gpu?.seconds ?? this.busySince(handle, now - last.at, processes?.times ?? []),
        joules: consumed === undefined ? undefined : Math.max(0, consumed) / 1000,
        processes: processes?.times,
      },
    ];
  }

  private driverTime(handle: Handle): number {
    if (this.offset === undefined) {
      this.offset = clockOffset(this.nvml, handle, this.time);
      // The times that were seen before are those of the other clock.
      if (this.offset) this.startAt(this.time + this.offset);
    }
    return this.time + (this.offset ?? 0);
  }

  /** Samples count from this time on. The counter of energy goes on. */
  private startAt(time: number): void {
    for (const [uuid, { millijoules }] of this.lastSeen)
      this.lastSeen.set(uuid, firstSeen(time, millijoules));
  }

  /** Where the driver has no samples of the GPU: the sum of the use of processes, or else the current utilization for the period. */
  private busySince(handle: Handle, microseconds: number, processes: ProcessTime[]): number | undefined {
    if (processes.length > 0) return processes.reduce((sum, { seconds }) => sum + seconds, 0);
    const rates = optional(() =>
      this.nvml.struct("nvmlDeviceGetUtilizationRates", "nvmlUtilization_t", [handle]),
    );
    return rates && (Math.min(100, Number(rates["gpu"])) / 100) * (microseconds / 1e6);
  }

  /** Adds up the samples, of a sixth of a second or longer, that the driver has taken. */
  private gpuTime(
    handle: Handle,
    since: number,
    until: number,
  ): { seconds: number; newest: number } | undefined {
    const samples = gpuSamples(this.nvml, handle, since)?.filter(({ time }) => time <= until);
    if (!samples) return undefined;
    let [seconds, newest] = [0, since];
    for (const { time, ratio } of samples) {
      seconds += (Math.min(1, ratio) * Math.min(time - newest, MAX_INTERVAL_MICROSECONDS)) / 1e6;
      newest = time;
    }
    return { seconds, newest };
  }

  /**
   * The driver attributes each of its samples to the process that runs at that moment. For each process, it returns the average over all
   * samples since a time, and the time of the process's last sample. Samples after the newest of these times are still to come.
   */
  private processTimes(
    handle: Handle,
    last: LastSeen,
    newest: number,
  ): { times: ProcessTime[]; newest: number } | undefined {
    const since = Math.max(last.processes, last.gpu - MAX_DELAY_MICROSECONDS);
    const samples = processUtilization(this.nvml, handle, since)?.filter(
      ({ time }) => time > since && time <= newest + SECOND_MICROSECONDS,
    );
    if (!samples) return undefined;
    const interval = Math.min(newest - since, MAX_INTERVAL_MICROSECONDS);
    const times = new Map(samples.map(({ pid, ratio }) => [pid, (ratio * interval) / 1e6]));
    return {
      times: [...times].map(([pid, seconds]) => ({ pid, seconds })).filter(({ seconds }) => seconds > 0),
      newest: Math.max(0, ...samples.map(({ time }) => time)),
    };
  }
}

const firstSeen = (at: number, millijoules?: number): LastSeen => ({
  at,
  gpu: at,
  processes: at,
  millijoules,
});

/** @returns nothing of a GPU that does not answer: the exporter's query of all values reports the error */
function unlessLost<T>(read: () => T[]): T[] {
  try {
    return read();
  } catch {
    return [];
  }
}
