import type { Accounting, GpuTotals, Totals } from "./accounting";
import { allocatedDevices, unmatchedIds, type AllocationSource } from "./allocation";
import { ownerOf, type Container, type Containers, type ListedContainers } from "./containers";
import {
  DriverError,
  type Device,
  type Driver,
  type DriverSnapshot,
  type GpuFault,
  type GpuProcess,
} from "./driver";
import type { ScrapeError } from "./errorLog";

/** A device that a container may use, or uses. */
export interface ContainerUsage {
  container: Container;
  device: Device;
  /**
   * "none" for a device that the container's configuration does not name; privileged containers can use such devices. Undefined for
   * one that it used before, of which only the totals are left.
   */
  allocation: AllocationSource | "none" | undefined;
  /** Whether the device answers. */
  up: boolean;
  /** Undefined when the device does not answer, or the driver does not report its processes. */
  usage: Usage | undefined;
  totals: Totals | undefined;
}

/** A container whose allocation names devices that the host does not have. */
export interface UnmatchedAllocation {
  container: Container;
  /** The ids that name no device. */
  ids: string[];
}

/** Sums over processes. A sum with an unknown value is unknown. */
export interface Usage {
  processes: number;
  memoryBytes: number | undefined;
  utilizationRatio: number | undefined;
}

/** A device that has answered since the exporter started. */
export interface DeviceState {
  device: Device;
  /** Whether it answers now. */
  up: boolean;
  totals: GpuTotals | undefined;
  /** The number of its errors, by XID. */
  xids: ReadonlyMap<number, number>;
  faults: GpuFault[];
}

/** How the devices of a host change. */
export type Change = "added" | "removed" | "mig";

/** The GPUs of a scrape, and which containers use them. */
export interface GpuSnapshot {
  /** Undefined when the driver does not answer. */
  driver: DriverSnapshot | undefined;
  /** Why the driver does not answer. */
  driverFault: string | undefined;
  /** Each device since the exporter started. */
  devices: DeviceState[];
  /** The GPUs that the driver lists, and that have never answered. */
  unidentified: GpuFault[];
  /** Since the exporter started. */
  changes: Readonly<Record<Change, number>>;
  /** A line for the log for each change since the last scrape. */
  changeMessages: string[];
  /** Undefined when Docker does not answer. */
  containers: ContainerUsage[] | undefined;
  unmatched: UnmatchedAllocation[];
  /** The usage of processes outside of containers, by the UUID of each device that answers. Undefined without Docker's answer. */
  host: Map<string, Usage> | undefined;
}

/** The processes of each container, by its id, and those of the host, by "host". */
type OwnedProcesses = ReadonlyMap<string, GpuProcess[]>;

/** Joins the driver's view, processes on devices, with Docker's view, containers. */
export class Gpus {
  /** The devices by UUID, with their last values: a GPU that fell off the bus stays. */
  private devices = new Map<string, Device>();
  /** The UUIDs that the driver listed last. */
  private listed: ReadonlySet<string> | undefined;
  private readonly changes: Record<Change, number> = { added: 0, removed: 0, mig: 0 };
  private driverFault: string | undefined;

  constructor(
    private readonly driver: Driver,
    private readonly containers: Containers,
    private readonly accounting: Accounting,
  ) {
    driver.onObservations = ({ samples, xids }) => {
      accounting.add(samples);
      accounting.addErrors(xids);
    };
  }

  /** @param listed undefined when Docker does not answer */
  snapshot(
    driver: DriverSnapshot | undefined,
    listed: ListedContainers | undefined,
    errors: ScrapeError[],
  ): GpuSnapshot {
    const changeMessages = driver ? this.countChanges(driver) : [];
    if (driver) this.updateDevices(driver);
    if (listed) this.accounting.settle(listed);
    const running = listed?.containers.filter(({ state }) => state.running);
    const unmatched = this.unmatched(running ?? []);
    for (const one of unmatched) errors.push(unmatchedError(one));

    const answering = new Set(driver?.devices.map(({ uuid }) => uuid));
    const processes = driver && listed && this.ownedProcesses(driver.processes, listed, errors);
    return {
      driver,
      driverFault: this.driverFault,
      devices: [...this.devices.values()].map((device) => ({
        device,
        up: answering.has(device.uuid),
        totals: this.accounting.ofGpu(device.uuid),
        xids: this.accounting.errorsOf(device.uuid),
        faults: driver?.faults.filter((fault) => isOf(fault, device, answering)) ?? [],
      })),
      unidentified: this.unidentified(driver, answering),
      changes: { ...this.changes },
      changeMessages,
      containers: running?.flatMap((container) => this.containerUsage(container, answering, processes)),
      unmatched,
      host: processes && hostUsage(driver.devices, processes),
    };
  }

  async queryDriver(timeoutSeconds: number, errors: ScrapeError[]): Promise<DriverSnapshot | undefined> {
    try {
      const snapshot = await this.driver.snapshot(timeoutSeconds);
      for (const { message } of snapshot.faults) errors.push({ stage: "driver", reason: "device", message });
      if (snapshot.crash) errors.push({ stage: "driver", reason: "crashed", message: snapshot.crash });
      this.driverFault = undefined;
      return snapshot;
    } catch (error) {
      const reason = error instanceof DriverError ? error.reason : "failed";
      errors.push({ stage: "driver", reason, message: (error as Error).message });
      this.driverFault = reason;
      return undefined;
    }
  }

  /** The driver lists a GPU that does not answer, so such a GPU is neither added nor removed. */
  private countChanges({ devices, faults }: DriverSnapshot): string[] {
    const before = this.listed;
    const silent = new Set(faults.filter(({ up }) => !up).map(({ gpu }) => gpu));
    const lost = [...this.devices.values()].filter(({ gpu }) => silent.has(gpu.split(":")[0] ?? ""));
    const now = new Map([...lost, ...devices].map((device) => [device.uuid, device]));
    this.listed = new Set(now.keys());
    if (!before) return [];
    const found = [...now.values()].filter(({ uuid }) => !before.has(uuid));
    const gone = [...this.devices.values()].filter(({ uuid }) => before.has(uuid) && !now.has(uuid));
    const count = (change: Change, changed: Device[], what: string) => {
      if (changed.length === 0) return [];
      this.changes[change] += changed.length;
      return [`${what}: ${changed.map(({ gpu, uuid }) => `${gpu} (${uuid})`).join(", ")}`];
    };
    const isMig = ({ mig }: Device) => mig !== undefined;
    const isGpu = (device: Device) => !isMig(device);
    return [
      ...count("added", found.filter(isGpu), "the driver lists more GPUs"),
      ...count("removed", gone.filter(isGpu), "the driver no longer lists GPUs"),
      ...count("mig", [...found, ...gone].filter(isMig), "MIG devices were created or removed"),
    ];
  }

  /** Without the UUID, a GPU is one that answered before, if its index is that of one that does not answer now. */
  private unidentified(driver: DriverSnapshot | undefined, answering: ReadonlySet<string>): GpuFault[] {
    const devices = [...this.devices.values()];
    return (driver?.faults ?? []).filter(
      (fault) => !devices.some((device) => isOf(fault, device, answering)),
    );
  }

  /** MIG devices can be created and removed while their GPU answers. GPUs disappear only by a fault. */
  private updateDevices({ devices }: DriverSnapshot): void {
    const answering = new Set(devices.map(({ uuid }) => uuid));
    const lost = [...this.devices.values()].filter(({ uuid, mig }) =>
      [uuid, mig?.parent ?? uuid].every((one) => !answering.has(one)),
    );
    this.devices = new Map([...devices, ...lost].map((device) => [device.uuid, device]));
  }

  /** Before the driver's first answer, no device is known and no id can be judged. */
  private unmatched(containers: Container[]): UnmatchedAllocation[] {
    const devices = [...this.devices.values()];
    if (devices.length === 0) return [];
    return containers
      .map((container) => ({ container, ids: unmatchedIds(container.allocation?.ids ?? [], devices) }))
      .filter(({ ids }) => ids.length > 0);
  }

  private ownedProcesses(
    processes: GpuProcess[],
    listed: ListedContainers,
    errors: ScrapeError[],
  ): OwnedProcesses | undefined {
    const owned = new Map<string, GpuProcess[]>();
    try {
      for (const process of processes) {
        const ids = this.containers.idsAround(process.pid);
        if (!ids) continue;
        this.accounting.remember(process.pid, ids);
        const owner = ownerOf(ids, listed);
        if (!owner) continue;
        const key = owner === "host" ? owner : owner.id;
        const own = owned.get(key) ?? [];
        own.push(process);
        owned.set(key, own);
      }
      return owned;
    } catch (error) {
      errors.push({ stage: "processes", reason: "failed", message: (error as Error).message });
      return undefined;
    }
  }

  private containerUsage(
    container: Container,
    answering: Set<string>,
    processes: OwnedProcesses | undefined,
  ): ContainerUsage[] {
    const { allocation } = container;
    const devices = [...this.devices.values()];
    const own = processes && (processes.get(container.id) ?? []);
    const allocated = allocatedDevices(allocation?.ids ?? [], devices);
    const uses = (device: Device) => own?.some((process) => process.device === device.uuid) ?? false;
    // The container's counters stay when its processes have ended.
    const used = devices.filter(
      (device) => uses(device) || this.accounting.hasUsed(container.id, device.uuid),
    );
    const sourceOf = (device: Device) => {
      if (allocation && allocated.includes(device)) return allocation.source;
      return uses(device) ? "none" : undefined;
    };
    return [...new Set([...allocated, ...used])].map((device) => ({
      container,
      device,
      allocation: sourceOf(device),
      up: answering.has(device.uuid),
      usage: own && answering.has(device.uuid) && device.reportsProcesses ? sum(device, own) : undefined,
      totals: this.accounting.ofContainer(container.id, device.uuid),
    }));
  }
}

/** Whether a fault is of a device: the index of one that is lost can be that of another one now. */
const isOf = (fault: GpuFault, { gpu, uuid }: Device, answering: ReadonlySet<string>): boolean =>
  fault.gpu === gpu && fault.up === answering.has(uuid);

/** At most this many ids are in the log: an environment can have thousands. */
const MAX_LOGGED_IDS = 5;

function unmatchedError({ container, ids }: UnmatchedAllocation): ScrapeError {
  const shown = ids.slice(0, MAX_LOGGED_IDS).map((id) => JSON.stringify(id.slice(0, 100)));
  const others = ids.length > shown.length ? ` and ${ids.length - shown.length} more` : "";
  const message = `the container ${container.labels.name.slice(0, 100)} requests ${shown.join(", ")}${others}, which no GPU or MIG device of this host matches; compare nvidia-smi -L`;
  return { stage: "allocation", reason: "unmatched", message };
}

function hostUsage(devices: Device[], owned: OwnedProcesses): Map<string, Usage> {
  const own = owned.get("host") ?? [];
  const known = devices.filter(({ reportsProcesses }) => reportsProcesses);
  return new Map(known.map((device) => [device.uuid, sum(device, own)]));
}

/** The sums over those of the processes that use a device. */
function sum(device: Device, all: GpuProcess[]): Usage {
  const processes = all.filter((process) => process.device === device.uuid);
  const total = (values: (number | undefined)[]) =>
    values.reduce((a, b) => (a === undefined || b === undefined ? undefined : a + b), 0);
  return {
    processes: processes.length,
    memoryBytes: total(processes.map((process) => process.memoryBytes)),
    utilizationRatio: device.reportsProcessUtilization
      ? total(processes.map((process) => process.utilizationRatio))
      : undefined,
  };
}
