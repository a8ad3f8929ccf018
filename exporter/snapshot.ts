import { allocated } from "./allocation";
import type { Container, Containers } from "./containers";
import type { Device, Driver, Process, Reading } from "./driver";
import { DriverError } from "./driver/nvidiaSmi";
import { within } from "./within";

/** What a container holds of a device. */
export interface ContainerUse {
  container: Container;
  device: Device;
  /** How it came to the device; "none" for use that nothing allowed, as by a privileged container. */
  allocation: string;
  use: Use | undefined;
}

/** Sums over processes. A sum with an unknown part is unknown. */
export interface Use {
  processes: number;
  memoryBytes: number | undefined;
  utilizationRatio: number | undefined;
}

/** Everything that one scrape tells. */
export interface Snapshot {
  reading: Reading | undefined;
  /** Each device that was ever seen, and whether it answers now. */
  devices: { device: Device; up: boolean }[];
  /** Undefined when Docker does not answer: then no process can be told to be the host's. */
  containers: ContainerUse[] | undefined;
  /** What processes outside of containers hold of each device that answers, by UUID. */
  host: Map<string, Use> | undefined;
  errors: { stage: "driver" | "docker" | "processes"; reason: string; message: string }[];
}

/** Brings the driver's view, pids on devices, and Docker's view, containers, together. */
export class Collector {
  /** The devices that answered last, by UUID: GPUs that fall off the bus are remembered. */
  private known = new Map<string, Device>();

  constructor(
    private readonly driver: Driver,
    private readonly containers: Containers,
  ) {}

  /** @param seconds to wait at most for the driver and for Docker, which are asked at the same time */
  async snapshot(seconds: number): Promise<Snapshot> {
    const errors: Snapshot["errors"] = [];
    const [reading, listed] = await Promise.all([
      this.driver.read(seconds).catch((error: unknown) => {
        const reason = error instanceof DriverError ? error.reason : "failed";
        errors.push({ stage: "driver", reason, message: (error as Error).message });
        return undefined;
      }),
      within(this.containers.list(), seconds, () => new Error("Docker gave no answer")).catch(
        (error: unknown) => {
          errors.push({ stage: "docker", reason: "failed", message: (error as Error).message });
          return undefined;
        },
      ),
    ]);
    const running = listed?.containers;
    for (const message of listed?.failures ?? [])
      errors.push({ stage: "docker", reason: "container", message });
    if (reading?.complaint) errors.push({ stage: "driver", reason: "device", message: reading.complaint });
    if (reading) this.remember(reading);

    const owners = running && reading && (await this.owners(reading.processes, errors));
    const answering = new Set(reading?.devices.map(({ uuid }) => uuid));
    return {
      reading,
      devices: [...this.known.values()].map((device) => ({ device, up: answering.has(device.uuid) })),
      containers: running && this.uses([...running.values()], answering, owners),
      host: owners && hostUse(reading.devices, owners),
      errors,
    };
  }

  /** MIG devices come and go with the division of their GPU; GPUs go only by a fault. */
  private remember({ devices }: Reading): void {
    const answering = new Set(devices.map(({ uuid }) => uuid));
    const lost = [...this.known.values()].filter(
      ({ uuid, mig }) => !answering.has(mig?.parent ?? uuid) && !answering.has(uuid),
    );
    this.known = new Map([...devices, ...lost].map((device) => [device.uuid, device]));
  }

  private async owners(processes: Process[], errors: Snapshot["errors"]): Promise<Owned[] | undefined> {
    try {
      const owned = await Promise.all(
        processes.map(async (process) => ({ process, owner: await this.containers.ownerOf(process.pid) })),
      );
      return owned.filter((one): one is Owned => one.owner !== undefined);
    } catch (error) {
      errors.push({ stage: "processes", reason: "failed", message: (error as Error).message });
      return undefined;
    }
  }

  private uses(running: Container[], answering: Set<string>, owners: Owned[] | undefined): ContainerUse[] {
    const devices = [...this.known.values()];
    return running.flatMap((container) => {
      const own = owners
        ?.filter(({ owner }) => owner !== "host" && owner.id === container.id)
        .map(({ process }) => process);
      const allowed = allocated(container.allocation?.ids ?? [], devices);
      const used = devices.filter(({ uuid }) => own?.some((process) => process.device === uuid));
      return [...new Set([...allowed, ...used])].map((device) => ({
        container,
        device,
        allocation: allowed.includes(device) ? (container.allocation?.source ?? "none") : "none",
        use: own && answering.has(device.uuid) ? sum(device, own) : undefined,
      }));
    });
  }
}

/** A process, and whose it is. */
interface Owned {
  process: Process;
  owner: Container | "host";
}

const hostUse = (devices: Device[], owners: Owned[]): Map<string, Use> => {
  const own = owners.filter(({ owner }) => owner === "host").map(({ process }) => process);
  return new Map(devices.map((device) => [device.uuid, sum(device, own)]));
};

/** What processes hold of a device. */
function sum(device: Device, processes: Process[]): Use {
  const there = processes.filter((process) => process.device === device.uuid);
  const total = (values: (number | undefined)[]) =>
    values.reduce((a, b) => (a === undefined || b === undefined ? undefined : a + b), 0);
  return {
    processes: there.length,
    memoryBytes: total(there.map((process) => process.memoryBytes)),
    utilizationRatio: device.tellsShares
      ? total(there.map((process) => process.utilizationRatio))
      : undefined,
  };
}
