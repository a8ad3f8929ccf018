import pTimeout from "p-timeout";
import { parseList, type ListedDevice } from "./list";
import { parseLog, type ParsedDevice, type ParsedLog, type ParsedProcess } from "./log";
import { DriverError, NvidiaSmi } from "./nvidiaSmi";
import { parsePmon } from "./pmon";

/** A GPU or a MIG device that the driver has reported since the exporter started. */
export interface Device extends ParsedDevice {
  /** Its index in `nvidia-smi`: "3", or for a MIG device "3:0". It can change when the host boots; the UUID does not. */
  gpu: string;
  /** Whether the driver reports how busy each process keeps the device; it does not for MIG devices. */
  reportsProcessUtilization: boolean;
}

export interface GpuProcess extends ParsedProcess {
  /** Share of the device's multiprocessors that the process kept busy; undefined where the driver does not report it. */
  utilizationRatio: number | undefined;
}

/** The devices that answer, and the processes on them. */
interface LogResult extends ParsedLog {
  /** The driver's message about GPUs that do not answer. */
  warning?: string;
}

/** The state of the driver's devices at one time. */
export interface DriverSnapshot extends LogResult {
  devices: Device[];
  processes: GpuProcess[];
  /** How long `nvidia-smi` took, with its failed runs. */
  seconds: number;
}

/** Seconds until a query ends. */
type Remaining = () => number;

/** The timeout of a query; the scrapes that wait for it may have shorter ones. */
export const DRIVER_TIMEOUT_SECONDS = 8;

const LOG_ARGS = ["-q", "-x"];

/** The NVIDIA driver, queried through `nvidia-smi`. */
export class Driver {
  private inFlight: Promise<DriverSnapshot> | undefined;
  private list: ListedDevice[] = [];
  /** UUIDs of the devices for which `list` was read. */
  private listedFor = "";
  /** UUIDs of the GPUs that have answered so far. */
  private readonly gpus = new Set<string>();

  constructor(private readonly nvidiaSmi = new NvidiaSmi()) {}

  /**
   * Queries the driver. Callers share a query that is in flight, so it has a timeout of its own.
   *
   * @param timeoutSeconds how long this caller waits
   * @throws DriverError with the reason
   */
  snapshot(timeoutSeconds: number): Promise<DriverSnapshot> {
    this.inFlight ??= this.query().finally(() => (this.inFlight = undefined));
    return pTimeout(this.inFlight, {
      milliseconds: timeoutSeconds * 1000,
      message: new DriverError("timeout", `no answer from nvidia-smi within ${timeoutSeconds.toFixed(1)} s`),
    });
  }

  private async query(): Promise<DriverSnapshot> {
    const start = performance.now();
    const elapsed = () => (performance.now() - start) / 1000;
    const remaining = () => Math.max(0.1, DRIVER_TIMEOUT_SECONDS - elapsed());

    const [log, pmon] = await Promise.all([
      this.queryLog(remaining),
      // Not every driver and GPU supports pmon, so its failure is not one of the query.
      this.nvidiaSmi.run(["pmon", "-c", "1", "-s", "u"], remaining() * 0.5).catch(() => ({ stdout: "" })),
    ]);
    for (const { uuid, mig } of log.devices) if (!mig) this.gpus.add(uuid);
    await this.refreshList(log.devices, remaining);
    const seconds = elapsed();

    const utilization = parsePmon(pmon.stdout);
    const devices = new Map(
      log.devices.map((parsed) => {
        const listed = this.listed(parsed);
        const reportsProcessUtilization = !parsed.mig && utilization.gpus.has(listed.gpu);
        return [parsed.uuid, { ...parsed, ...listed, reportsProcessUtilization }];
      }),
    );
    const processes = log.processes.flatMap((process) => {
      const device = devices.get(process.device);
      if (!device) return [];
      const utilizationRatio = utilization.ratios.get(`${device.gpu} ${process.pid}`);
      return { ...process, device: device.uuid, utilizationRatio };
    });
    return { ...log, devices: [...devices.values()], processes, seconds };
  }

  /** Queries all GPUs at once. When that fails, queries each GPU, so that a lost GPU does not hide the others. */
  private async queryLog(remaining: Remaining): Promise<LogResult> {
    try {
      return await this.queryAllGpus(remaining);
    } catch (error) {
      if (!(error instanceof DriverError) || ["missing", "timeout"].includes(error.reason)) throw error;
      return this.queryEachGpu(remaining, error);
    }
  }

  private async queryAllGpus(remaining: Remaining): Promise<LogResult> {
    const { stdout, stderr } = await this.nvidiaSmi.run(LOG_ARGS, remaining() * 0.6);
    // Warnings about a lost GPU precede the document, or are on standard error.
    const start = Math.max(0, stdout.indexOf("<?xml"));
    const warning = (stderr + stdout.slice(0, start)).trim();
    return { ...parseLog(stdout.slice(start)), ...(warning && { warning }) };
  }

  /** @throws `failure`, the error of the query for all GPUs, when no GPU answers */
  private async queryEachGpu(remaining: Remaining, failure: DriverError): Promise<LogResult> {
    const logs: ParsedLog[] = [];
    for (const uuid of await this.knownGpus(remaining))
      try {
        const { stdout } = await this.nvidiaSmi.run([...LOG_ARGS, "-i", uuid], remaining());
        logs.push(parseLog(stdout));
      } catch {
        // The warning has the reason.
      }
    const [first] = logs;
    if (!first) throw failure;
    return {
      ...first,
      devices: logs.flatMap(({ devices }) => devices),
      processes: logs.flatMap(({ processes }) => processes),
      warning: failure.message,
    };
  }

  /** UUIDs of the GPUs that have answered so far; before the first answer, of the GPUs that `nvidia-smi -L` lists. */
  private async knownGpus(remaining: Remaining): Promise<string[]> {
    if (this.gpus.size > 0) return [...this.gpus];
    const { stdout } = await this.nvidiaSmi.run(["-L"], remaining()).catch(() => ({ stdout: "" }));
    return parseList(stdout).flatMap(({ uuid }) => (uuid.startsWith("GPU-") ? uuid : []));
  }

  /** Reads `nvidia-smi -L` when the set of devices that answer has changed. */
  private async refreshList(devices: ParsedDevice[], remaining: Remaining): Promise<void> {
    const uuids = devices.map(({ uuid }) => uuid).join();
    if (uuids === this.listedFor) return;
    try {
      const { stdout } = await this.nvidiaSmi.run(["-L"], remaining());
      this.list = parseList(stdout);
      this.listedFor = uuids;
    } catch (error) {
      if (this.list.length === 0) throw error;
    }
  }

  /** Index, UUID and model of a device in the list. */
  private listed({ uuid, model, mig }: ParsedDevice): ListedDevice {
    if (!mig) return this.list.find((device) => device.uuid === uuid) ?? { gpu: "", uuid, model };
    const parent = this.list.find((device) => device.uuid === mig.parent);
    const gpu = `${parent?.gpu ?? ""}:${mig.index}`;
    return this.list.find((device) => device.gpu === gpu) ?? { gpu, uuid, model };
  }
}
