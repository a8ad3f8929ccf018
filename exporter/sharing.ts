import type { GpuSample, ProcessTime } from "./driver";

/** The work of a GPU in a period. A value that the driver does not report is undefined. */
type Work = Pick<GpuSample, "seconds" | "busySeconds" | "joules">;

/** The work of a GPU, shared among processes. */
export interface SharedWork {
  busySeconds: number | undefined;
  joules: number | undefined;
  /** The part of the energy that no process is charged with. */
  idleJoules: number | undefined;
  /** The shares of the processes, which add up to the work of the GPU, unless the driver names no process. */
  processes: ProcessWork[];
}

export interface ProcessWork {
  pid: number;
  busySeconds: number | undefined;
  joules: number | undefined;
}

/** The number of samples for which work without a process is shared among the processes of an earlier or later sample. */
const MAX_MISSING = 10;

/** A longer period means that the clock was set. */
const MAX_SECONDS = 5;

/** The weight of a sample in the moving average of the idle power. */
const WEIGHT = 1 / 8;

/**
 * Shares the time in which a GPU was busy, and its energy, among the processes that ran. In the time without work, the GPU consumes its
 * idle power, measured in seconds in which nothing runs; the rest of the energy is that of the processes.
 *
 * The driver's samples of use are up to a second old, its counter of energy is up to 100 ms old, and a sample of use that ends after
 * the work names no process. So work that a sample attributes to no process belongs to the processes of the samples before or after it.
 */
export class Sharing {
  /** The processes that the last samples named, unless nothing has run since. */
  private owners: ProcessTime[] = [];
  /** The number of samples in a row that named no process. */
  private missing = 0;
  /** Work that waits for a process. */
  private unowned: Work | undefined;
  /** A sample without work. If the next sample has work, this one can contain energy of that work. */
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

  /** This work, and the work that waits. */
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

  /** Until the idle power is known, the processes of a sample with work are charged for all of its energy. */
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
  a === undefined || b === undefined ? (a ?? b) : a + b;

const sum = (a: Work, b: Work): Work => ({
  seconds: a.seconds + b.seconds,
  busySeconds: plus(a.busySeconds, b.busySeconds),
  joules: plus(a.joules, b.joules),
});
