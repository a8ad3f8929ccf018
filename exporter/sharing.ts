import type { GpuSample, ProcessTime } from "./driver";

/** What a GPU did in a time. A value that the driver does not report is undefined. */
type Work = Pick<GpuSample, "seconds" | "busySeconds" | "joules">;

/** What a GPU did, and which processes did it. */
export interface SharedWork {
  busySeconds: number | undefined;
  joules: number | undefined;
  /** The part of the energy that no process is charged with. */
  idleJoules: number | undefined;
  /** The parts of the processes, which add up to the GPU's, unless the driver names none. */
  processes: ProcessWork[];
}

export interface ProcessWork {
  pid: number;
  busySeconds: number | undefined;
  joules: number | undefined;
}

/** For how many samples the processes of another one stand for those of work without any. */
const MAX_MISSING = 10;

/** A longer time is of a clock that was set. */
const MAX_SECONDS = 5;

/** How much a second counts in the mean of the idle power. */
const WEIGHT = 1 / 8;

/**
 * Shares the time in which a GPU was busy, and its energy, among the processes that ran. In the time without work, the GPU consumes
 * what it consumes in seconds in which nothing runs; the rest of the energy is that of the processes.
 *
 * The driver's samples of use are up to a second old, its counter of energy is up to 100 ms old, and a sample of use that ends after
 * the work names no process. So what is left over in a sample belongs to the processes of the samples before it, or after it.
 */
export class Sharing {
  /** The processes that were named last, unless nothing has run since. */
  private owners: ProcessTime[] = [];
  /** For how many samples no process was named. */
  private missing = 0;
  /** Work that waits for a process. */
  private unowned: Work | undefined;
  /** A sample without work, which has energy of the next one if that one has work. */
  private idle: Work | undefined;
  private idleWatts: number | undefined;

  /** @returns what can be shared now */
  add({ processes, ...work }: GpuSample): SharedWork {
    if (!processes) return { ...this.all(work), idleJoules: undefined, processes: [] };
    const isNamed = processes.length > 0;
    const isIdle = !isNamed && !work.busySeconds;
    this.missing = isNamed ? 0 : this.missing + 1;
    if (isNamed) this.owners = processes;
    else if (this.missing > MAX_MISSING) this.owners = [];
    const { owners } = this;
    if (isIdle) this.owners = [];
    if (owners.length > 0) {
      const all = this.all(work);
      return share(all, this.idleJoules(all), owners);
    }
    if (this.missing > MAX_MISSING && (this.unowned || !isIdle)) {
      const all = this.all(work);
      return share(all, all.joules, []);
    }
    if (isIdle) return this.addIdle(work);
    this.unowned = this.all(work);
    return nothing(work);
  }

  /** What waits, and this. */
  private all(work: Work): Work {
    const all = [this.unowned, this.idle].reduce<Work>((a, b) => (b ? sum(a, b) : a), work);
    this.unowned = this.idle = undefined;
    return all;
  }

  private addIdle(work: Work): SharedWork {
    const { idle } = this;
    this.idle = work;
    if (!this.unowned) this.missing = 0;
    if (!idle) return nothing(work);
    this.learn(idle);
    return share(idle, idle.joules, []);
  }

  private learn({ seconds, joules }: Work): void {
    if (joules === undefined || seconds <= 0 || seconds > MAX_SECONDS) return;
    const watts = joules / seconds;
    this.idleWatts =
      this.idleWatts === undefined ? watts : this.idleWatts + WEIGHT * (watts - this.idleWatts);
  }

  /** Until the idle power is known, the energy of a sample with work is all of its processes. */
  private idleJoules({ seconds, busySeconds = 0, joules }: Work): number | undefined {
    if (joules === undefined) return undefined;
    if (this.idleWatts === undefined) return busySeconds > 0 ? 0 : joules;
    return Math.min(joules, this.idleWatts * Math.max(0, seconds - busySeconds));
  }
}

function share({ busySeconds, joules }: Work, idleJoules: number | undefined, owners: ProcessTime[]) {
  const total = owners.reduce((all, { seconds }) => all + seconds, 0);
  const part = (value: number | undefined, seconds: number) => value && (value * seconds) / total;
  const active = joules && joules - (idleJoules ?? 0);
  return {
    ...{ busySeconds, joules, idleJoules },
    processes: owners.map(({ pid, seconds }) => ({
      pid,
      busySeconds: part(busySeconds, seconds),
      joules: part(active, seconds),
    })),
  };
}

const nothing = ({ busySeconds, joules }: Work): SharedWork => {
  const zero = { busySeconds: busySeconds && 0, joules: joules && 0 };
  return { ...zero, idleJoules: zero.joules, processes: [] };
};

const plus = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? undefined : a + b;

const sum = (a: Work, b: Work): Work => ({
  seconds: a.seconds + b.seconds,
  busySeconds: plus(a.busySeconds, b.busySeconds),
  joules: plus(a.joules, b.joules),
});
