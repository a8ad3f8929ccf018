import { within } from "../within";
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
  /** Whether the driver tells how busy each process keeps it; it does not of MIG devices. */
  tellsShares: boolean;
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
  /** How long `nvidia-smi` took. */
  seconds: number;
  /** What the driver complained of, while it answered for other GPUs. */
  complaint?: string;
}

/** Seconds that the driver has for an answer, whoever asks. */
export const PATIENCE = 8;

/** The NVIDIA driver, asked through `nvidia-smi`. */
export class Driver {
  private underway: Promise<Reading> | undefined;
  private listed: ListedDevice[] = [];
  private listedFor = "";
  /** The GPUs that have answered so far. */
  private readonly uuids = new Set<string>();

  constructor(private readonly nvidiaSmi = new NvidiaSmi()) {}

  /**
   * Asks the driver. Who asks while an answer is under way gets that answer; the patience of who asked first is not that
   * of the others.
   *
   * @param seconds to wait at most
   * @throws DriverError with the reason
   */
  read(seconds: number): Promise<Reading> {
    this.underway ??= this.ask(PATIENCE).finally(() => (this.underway = undefined));
    const late = () => new DriverError("timeout", `nvidia-smi gave no answer within ${seconds.toFixed(1)} s`);
    return within(this.underway, seconds, late);
  }

  private async ask(seconds: number): Promise<Reading> {
    const end = Date.now() + seconds * 1000;
    const left = () => Math.max(0.1, (end - Date.now()) / 1000);
    const [{ log, complaint, seconds: logSeconds }, pmon] = await Promise.all([
      this.log(left),
      // Not every driver and GPU can tell it, so it must not keep the rest from being told.
      this.nvidiaSmi
        .run(["pmon", "-c", "1", "-s", "u"], left() * 0.5)
        .catch(() => ({ stdout: "", seconds: 0 })),
    ]);
    const { gpus, shares } = parseProcessUtilization(pmon.stdout);
    for (const { uuid, mig } of log.devices) if (!mig) this.uuids.add(uuid);

    const { names, seconds: listSeconds } = await this.names(log.devices, left);
    const devices = log.devices.map((device) => {
      const named = { ...device, ...names(device) };
      return { ...named, tellsShares: !device.mig && gpus.has(named.gpu) };
    });
    const processes = log.processes.flatMap(({ device, ...process }) => {
      const at = log.devices.findIndex(({ uuid }) => uuid === device);
      const of = devices[at];
      return of
        ? { ...process, device: of.uuid, utilizationRatio: shares.get(`${of.gpu} ${process.pid}`) }
        : [];
    });
    const { driverVersion, cudaVersion } = log;
    return {
      driverVersion,
      cudaVersion,
      devices,
      processes,
      seconds: Math.max(logSeconds, pmon.seconds) + listSeconds,
      ...(complaint && { complaint }),
    };
  }

  /** All GPUs at once; when that fails and GPUs are known, each by itself, so that a lost one does not hide the others. */
  private async log(left: () => number): Promise<{ log: Log; seconds: number; complaint?: string }> {
    const query = ["-q", "-x"];
    try {
      const { stdout, stderr, seconds } = await this.nvidiaSmi.run(query, left() * 0.6);
      // Complaints of a lost GPU stand before the document, or on standard error.
      const start = Math.max(0, stdout.indexOf("<?xml"));
      const complaint = (stderr + stdout.slice(0, start)).trim();
      return { log: parseLog(stdout.slice(start)), seconds, ...(complaint && { complaint }) };
    } catch (error) {
      if (!(error instanceof DriverError) || error.reason === "missing") throw error;
      const answers: { log: Log; seconds: number }[] = [];
      if (error.reason !== "timeout")
        for (const uuid of await this.knownUuids(left))
          await this.nvidiaSmi
            .run([...query, "-i", uuid], left())
            .then(({ stdout, seconds }) => answers.push({ log: parseLog(stdout), seconds }))
            .catch(() => undefined);
      const [some] = answers;
      if (!some) throw error;
      const log = {
        ...some.log,
        devices: answers.flatMap((one) => one.log.devices),
        processes: answers.flatMap((one) => one.log.processes),
      };
      return { log, seconds: answers.reduce((sum, one) => sum + one.seconds, 0), complaint: error.message };
    }
  }

  /** The GPUs that have answered so far; when none has yet, those that are listed. */
  private async knownUuids(left: () => number): Promise<string[]> {
    if (this.uuids.size > 0) return [...this.uuids];
    const { stdout } = await this.nvidiaSmi.run(["-L"], left()).catch(() => ({ stdout: "" }));
    return parseList(stdout).flatMap(({ uuid }) => (uuid.startsWith("GPU-") ? uuid : []));
  }

  /** Index, UUID and model of each device, from a list that is asked for again when other devices answer. */
  private async names(devices: DeviceReading[], left: () => number) {
    const answering = devices.map(({ uuid }) => uuid).join();
    let seconds = 0;
    if (answering !== this.listedFor)
      try {
        const answer = await this.nvidiaSmi.run(["-L"], left());
        this.listed = parseList(answer.stdout);
        this.listedFor = answering;
        seconds = answer.seconds;
      } catch (error) {
        if (this.listed.length === 0) throw error;
      }
    const gpu = (uuid: string) => this.listed.find((listed) => listed.uuid === uuid);
    const names = ({ uuid, model, mig }: DeviceReading): ListedDevice => {
      const place = mig && `${gpu(mig.parent)?.gpu ?? ""}:${mig.index}`;
      return (
        this.listed.find((listed) => (place ? listed.gpu === place : listed.uuid === uuid)) ?? {
          gpu: place ?? "",
          uuid,
          model,
        }
      );
    };
    return { names, seconds };
  }
}
