import { DriverError, NvidiaSmi } from "./nvidiaSmi";
import {
  parseList,
  parseLog,
  parseProcessUtilization,
  type DeviceReading,
  type GpuProcess,
  type ListedDevice,
  type Log,
} from "./output";

/** A GPU or a MIG device that the driver has shown since the exporter started. */
export interface Device extends DeviceReading {
  /** Index, as in `nvidia-smi`: "3", or for a MIG device "3:0". It can change when the host boots; the UUID does not. */
  gpu: string;
}

export interface Process extends GpuProcess {
  /** Share of the device's multiprocessors that it kept busy; undefined where the driver does not tell. */
  utilizationRatio: number | undefined;
}

/** What the driver told. */
export interface Reading {
  driverVersion: string;
  cudaVersion: string;
  /** The devices that answer. */
  devices: Device[];
  processes: Process[];
  /** What the driver complained of, while it answered for other GPUs. */
  complaint?: string;
}

/** The NVIDIA driver, asked through `nvidia-smi`. */
export class Driver {
  private underway: Promise<Reading> | undefined;
  private listed: ListedDevice[] = [];
  private listedFor = "";
  /** The GPUs that have answered so far. */
  private readonly uuids = new Set<string>();

  constructor(private readonly nvidiaSmi = new NvidiaSmi()) {}

  /**
   * Asks the driver. Who asks while an answer is under way gets that answer.
   *
   * @param seconds to wait at most
   * @throws DriverError with the reason
   */
  async read(seconds: number): Promise<Reading> {
    this.underway ??= this.ask(seconds).finally(() => (this.underway = undefined));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new DriverError("timeout", `nvidia-smi gave no answer within ${seconds.toFixed(1)} s`));
      }, seconds * 1000);
    });
    return Promise.race([this.underway, late]).finally(() => {
      clearTimeout(timer);
    });
  }

  private async ask(seconds: number): Promise<Reading> {
    const end = Date.now() + seconds * 1000;
    const left = () => Math.max(0.1, (end - Date.now()) / 1000);
    const [{ log, complaint }, utilization] = await Promise.all([
      this.log(left),
      // Not every driver and GPU can tell it, and nothing else depends on it.
      this.nvidiaSmi.run(["pmon", "-c", "1", "-s", "u"], left()).then(
        ({ stdout }) => parseProcessUtilization(stdout),
        () => new Map<string, number>(),
      ),
    ]);
    for (const { uuid, mig } of log.devices) if (!mig) this.uuids.add(uuid);

    const names = await this.names(log.devices, left);
    const devices = log.devices.map((device) => ({ ...device, ...names(device) }));
    const processes = log.processes.flatMap(({ device, ...process }) => {
      const at = log.devices.findIndex(({ uuid }) => uuid === device);
      const of = devices[at];
      return of
        ? { ...process, device: of.uuid, utilizationRatio: utilization.get(`${of.gpu} ${process.pid}`) }
        : [];
    });
    const { driverVersion, cudaVersion } = log;
    return { driverVersion, cudaVersion, devices, processes, ...(complaint && { complaint }) };
  }

  /** All GPUs at once; when that fails and GPUs are known, each by itself, so that a lost one does not hide the others. */
  private async log(left: () => number): Promise<{ log: Log; complaint?: string }> {
    const query = ["-q", "-x"];
    try {
      const { stdout, stderr } = await this.nvidiaSmi.run(query, left() * 0.7);
      // Complaints of a lost GPU stand before the document, or on standard error.
      const start = Math.max(0, stdout.indexOf("<?xml"));
      const complaint = (stderr + stdout.slice(0, start)).trim();
      return { log: parseLog(stdout.slice(start)), ...(complaint && { complaint }) };
    } catch (error) {
      if (!(error instanceof DriverError) || error.reason === "missing") throw error;
      const logs: Log[] = [];
      if (error.reason !== "timeout")
        for (const uuid of this.uuids)
          await this.nvidiaSmi
            .run([...query, "-i", uuid], left())
            .then(({ stdout }) => logs.push(parseLog(stdout)))
            .catch(() => undefined);
      const [some] = logs;
      if (!some) throw error;
      const log = {
        ...some,
        devices: logs.flatMap((one) => one.devices),
        processes: logs.flatMap((one) => one.processes),
      };
      return { log, complaint: error.message };
    }
  }

  /** Index, UUID and model of each device, from a list that is asked for again when other devices answer. */
  private async names(devices: DeviceReading[], left: () => number) {
    const answering = devices.map(({ uuid }) => uuid).join();
    if (answering !== this.listedFor) {
      this.listed = await this.nvidiaSmi.run(["-L"], left()).then(
        ({ stdout }) => {
          this.listedFor = answering;
          return parseList(stdout);
        },
        (error: unknown) => {
          if (this.listed.length === 0) throw error;
          return this.listed;
        },
      );
    }
    const gpu = (uuid: string) => this.listed.find((listed) => listed.uuid === uuid);
    return ({ uuid, model, mig }: DeviceReading): ListedDevice => {
      const place = mig && `${gpu(mig.parent)?.gpu ?? ""}:${mig.index}`;
      return (
        this.listed.find((listed) => (place ? listed.gpu === place : listed.uuid === uuid)) ?? {
          gpu: place ?? "",
          uuid,
          model,
        }
      );
    };
  }
}
