import { readFileSync } from "node:fs";
import { idsOf } from "./cgroup";
import { ownerOf, type ListedContainers } from "./containers";
import type { GpuSample, XidError } from "./driver";
import { Sharing } from "./sharing";

/** What has been counted since the exporter started. A value that the driver does not report is undefined. */
export interface Totals {
  usageSeconds: number | undefined;
  joules: number | undefined;
}

/** The totals of a GPU. */
export interface GpuTotals extends Totals {
  /** Energy of the time in which no process ran; undefined where the driver does not report the use of each process. */
  idleJoules: number | undefined;
  /** Of processes outside of containers. */
  host: Totals | undefined;
}

/** What processes with the same containers around them did on a GPU, until the container to which it belongs is known. */
interface Pending extends Totals {
  uuid: string;
  /** The ids of the containers around the processes, the outermost first. */
  ids: string[];
}

const ZERO: Totals = { usageSeconds: 0, joules: 0 };

/**
 * Counts how long containers keep GPUs busy, and the energy that they consume. The times of containers and of the host add up to the
 * time in which a GPU was busy. Their energy and the idle energy add up to the energy of the GPU.
 */
export class Accounting {
  private readonly gpus = new Map<string, GpuTotals>();
  /** The number of each GPU's errors, by XID. */
  private readonly xids = new Map<string, Map<number, number>>();
  private readonly containers = new Map<string, Map<string, Totals>>();
  /** What processes outside of containers did on each GPU. */
  private readonly hosts = new Map<string, Totals>();
  private pending = new Map<string, Pending>();
  private readonly sharing = new Map<string, Sharing>();
  /** The ids of the containers around each process, read in the last scrape or since. */
  private readonly cgroups = new Map<number, string[]>();

  /** @param proc path of the host's procfs */
  constructor(private readonly proc = "/proc") {}

  /** Adds a sample of each GPU. */
  add(samples: GpuSample[]): void {
    for (const sample of samples) this.addSample(sample);
  }

  private addSample(sample: GpuSample): void {
    const { uuid } = sample;
    const sharing = this.sharing.get(uuid) ?? new Sharing();
    this.sharing.set(uuid, sharing);
    const { busySeconds, joules, idleJoules, processes } = sharing.add(sample);
    const gpu = this.gpus.get(uuid);
    this.gpus.set(uuid, {
      usageSeconds: count(gpu?.usageSeconds, busySeconds),
      joules: count(gpu?.joules, joules),
      idleJoules: count(gpu?.idleJoules, idleJoules),
      host: sample.processes && (this.hosts.get(uuid) ?? ZERO),
    });
    for (const { pid, ...work } of processes) {
      const ids = this.cgroupOf(pid);
      const key = [uuid, ...ids].join(" ");
      const before = this.pending.get(key);
      this.pending.set(key, {
        uuid,
        ids,
        usageSeconds: count(before?.usageSeconds, work.busySeconds),
        joules: count(before?.joules, work.joules),
      });
    }
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
    const host = sum(this.hosts.get(uuid) ?? ZERO, totals);
    this.hosts.set(uuid, host);
    const gpu = this.gpus.get(uuid);
    if (gpu?.host) this.gpus.set(uuid, { ...gpu, host });
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
    const gpu = this.gpus.get(uuid);
    return gpu && { ...gpu, idleJoules: gpu.host && gpu.idleJoules };
  }

  /** Whether a container has used a GPU. */
  hasUsed(id: string, uuid: string): boolean {
    return this.containers.get(id)?.has(uuid) ?? false;
  }

  /** @returns the totals of a container on a GPU; undefined where the driver does not report what processes do */
  ofContainer(id: string, uuid: string): Totals | undefined {
    const gpu = this.gpus.get(uuid);
    if (!gpu?.host) return undefined;
    const { usageSeconds, joules } = this.containers.get(id)?.get(uuid) ?? ZERO;
    return { usageSeconds, joules: gpu.joules === undefined ? undefined : joules };
  }
}

/** A counter goes on after a value that the driver did not report once, and is absent where it never did. */
const count = (total: number | undefined, value: number | undefined): number | undefined =>
  value === undefined ? total : (total ?? 0) + value;

const sum = (a: Totals, b: Totals): Totals => ({
  usageSeconds: count(a.usageSeconds, b.usageSeconds),
  joules: count(a.joules, b.joules),
});
