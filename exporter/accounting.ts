import { readFileSync } from "node:fs";
import { idsOf } from "./cgroup";
import { ownerOf, type ListedContainers } from "./containers";
import type { GpuSample, XidError } from "./driver";

/** What has been counted since the exporter started. A value that the driver does not report is undefined. */
export interface Totals {
  usageSeconds: number | undefined;
  joules: number | undefined;
}

/** The totals of a GPU. */
export interface GpuTotals extends Totals {
  /** Consumed while no process ran; undefined where the driver does not report what processes do. */
  idleJoules: number | undefined;
  /** Of processes outside of containers. */
  host: Totals | undefined;
}

/** What processes with the same containers around them did on a GPU, until it is known to whom it belongs. */
interface Pending extends Totals {
  uuid: string;
  /** The ids of the containers around the processes, the outermost first. */
  ids: string[];
}

const ZERO: Totals = { usageSeconds: 0, joules: 0 };

/** For how many samples the energy of a busy GPU waits for the times of its processes, which come less often. */
const MAX_WAITING = 3;

/**
 * Counts how long containers keep GPUs busy, and the energy that they consume. The energy of a GPU in a second is shared among the
 * processes that ran in that second, in proportion to the time in which each kept the multiprocessors busy. Where none ran, it is
 * idle energy. So all shares add up to the GPU's energy.
 */
export class Accounting {
  private readonly gpus = new Map<string, GpuTotals>();
  /** The number of each GPU's errors, by XID. */
  private readonly xids = new Map<string, Map<number, number>>();
  private readonly containers = new Map<string, Map<string, Totals>>();
  private pending = new Map<string, Pending>();
  /** The energy of each GPU that waits for the times of its processes, and for how many samples. */
  private readonly waiting = new Map<string, { joules: number; samples: number }>();
  /** The ids of the containers around each process, read in the last scrape or since. */
  private readonly cgroups = new Map<number, string[]>();

  /** @param proc path of the host's procfs */
  constructor(private readonly proc = "/proc") {}

  /** Adds a sample of each GPU. */
  add(samples: GpuSample[]): void {
    for (const sample of samples) this.addSample(sample);
  }

  private addSample({ uuid, busySeconds, joules: consumed, processes }: GpuSample): void {
    const gpu = this.gpus.get(uuid);
    const ran = (processes ?? []).reduce((sum, { seconds }) => sum + seconds, 0);
    const isWaiting = processes !== undefined && ran === 0 && (busySeconds ?? 0) > 0;
    const joules = consumed && this.withWaiting(uuid, consumed, isWaiting);
    this.gpus.set(uuid, {
      usageSeconds: plus(gpu?.usageSeconds ?? 0, busySeconds),
      joules: plus(gpu?.joules ?? 0, joules),
      idleJoules: processes && plus(gpu?.idleJoules ?? 0, joules === undefined || ran === 0 ? joules : 0),
      host: processes && (gpu?.host ?? ZERO),
    });
    for (const { pid, seconds } of processes ?? []) {
      const ids = this.cgroupOf(pid);
      const key = [uuid, ...ids].join(" ");
      const { usageSeconds, joules: before } = this.pending.get(key) ?? ZERO;
      this.pending.set(key, {
        uuid,
        ids,
        usageSeconds: plus(usageSeconds, seconds),
        joules: plus(before, joules === undefined ? undefined : (joules * seconds) / ran),
      });
    }
  }

  /** @returns the energy to count now, with that of the samples before; 0 where it waits */
  private withWaiting(uuid: string, consumed: number, isWaiting: boolean): number {
    const { joules, samples } = this.waiting.get(uuid) ?? { joules: 0, samples: 0 };
    this.waiting.delete(uuid);
    if (!isWaiting || samples === MAX_WAITING) return joules + consumed;
    this.waiting.set(uuid, { joules: joules + consumed, samples: samples + 1 });
    return 0;
  }

  /** A process that has ended has no cgroup; it counts as one of the host. */
  private cgroupOf(pid: number): string[] {
    const known = this.cgroups.get(pid);
    if (known) return known;
    let ids: string[] = [];
    try {
      ids = idsOf(readFileSync(`${this.proc}/${pid}/cgroup`, "utf8"));
    } catch {
      // It has ended.
    }
    this.cgroups.set(pid, ids);
    return ids;
  }

  /** Remembers the ids of the containers around a process until the next scrape. */
  remember(pid: number, ids: string[]): void {
    this.cgroups.set(pid, ids);
  }

  /** Adds what is pending to the containers that were just listed, and forgets those that do not run any more. */
  settle(listed: Pick<ListedContainers, "containers" | "unknown">): void {
    const unknown = new Map<string, Pending>();
    for (const [key, one] of this.pending) {
      const owner = ownerOf(one.ids, listed);
      if (owner === undefined) unknown.set(key, one);
      else if (owner === "host") this.addToHost(one);
      else this.addToContainer(owner.id, one);
    }
    this.pending = unknown;
    this.cgroups.clear();
    const running = new Set(listed.containers.filter(({ state }) => state.running).map(({ id }) => id));
    for (const id of this.containers.keys())
      if (!running.has(id) && !listed.unknown.has(id)) this.containers.delete(id);
  }

  private addToHost({ uuid, ...totals }: Pending): void {
    const gpu = this.gpus.get(uuid);
    if (gpu) this.gpus.set(uuid, { ...gpu, host: sum(gpu.host ?? ZERO, totals) });
  }

  private addToContainer(id: string, { uuid, ...totals }: Pending): void {
    const own = this.containers.get(id) ?? new Map<string, Totals>();
    own.set(uuid, sum(own.get(uuid) ?? ZERO, totals));
    this.containers.set(id, own);
  }

  /** Counts errors. */
  addErrors(errors: XidError[]): void {
    for (const { uuid, xid } of errors) {
      const counts = this.xids.get(uuid) ?? new Map<number, number>();
      counts.set(xid, (counts.get(xid) ?? 0) + 1);
      this.xids.set(uuid, counts);
    }
  }

  /** The errors of a GPU since the exporter started, by XID. */
  errorsOf(uuid: string): ReadonlyMap<number, number> {
    return this.xids.get(uuid) ?? new Map<number, number>();
  }

  /** @returns undefined before the first sample */
  ofGpu(uuid: string): GpuTotals | undefined {
    return this.gpus.get(uuid);
  }

  /** @returns the totals of a container on a GPU; undefined where the driver does not report what processes do */
  ofContainer(id: string, uuid: string): Totals | undefined {
    const gpu = this.gpus.get(uuid);
    if (!gpu?.host) return undefined;
    const { usageSeconds, joules } = this.containers.get(id)?.get(uuid) ?? ZERO;
    return { usageSeconds, joules: gpu.joules === undefined ? undefined : joules };
  }
}

const plus = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? undefined : a + b;

const sum = (a: Totals, b: Totals): Totals => ({
  usageSeconds: plus(a.usageSeconds, b.usageSeconds),
  joules: plus(a.joules, b.joules),
});
