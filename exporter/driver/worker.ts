import { GarbageError, Nvml, NvmlError } from "../nvml/library";
import { DRIVER_ERRORS, readDriver, type DriverReport } from "./devices";
import { Sampler, type GpuSample } from "./sampler";

/** Why a query of the driver failed: the label `reason` of `gpu_exporter_errors_total`. */
export type DriverFailure = "missing" | "timeout" | "failed" | "unparsable";

/** The answer to a query. */
export type Answer =
  { report: DriverReport; seconds: number } | { failure: Exclude<DriverFailure, "timeout">; message: string };

/** A message of the process that calls the library. */
export type WorkerMessage = { answer: Answer } | { samples: GpuSample[] };

const SAMPLE_MILLISECONDS = 1000;

/** The library and its connection to the driver. */
class Connection {
  private nvml: Nvml | undefined;
  private initialized = false;
  private sampler: Sampler | undefined;

  /** @returns nothing while the driver does not answer */
  sample(): GpuSample[] {
    try {
      return this.sampler?.sample() ?? [];
    } catch {
      // The next query reports the error.
      return [];
    }
  }

  answer(): Answer {
    const start = performance.now();
    try {
      this.nvml ??= Nvml.load();
    } catch (error) {
      return { failure: "missing", message: (error as Error).message };
    }
    try {
      if (!this.initialized) this.nvml.call("nvmlInit_v2");
      this.initialized = true;
      this.sampler ??= new Sampler(this.nvml);
      const report = readDriver(this.nvml);
      return { report, seconds: (performance.now() - start) / 1000 };
    } catch (error) {
      if (error instanceof NvmlError && DRIVER_ERRORS.includes(error.code)) this.end(this.nvml);
      const failure = error instanceof GarbageError ? "unparsable" : "failed";
      return { failure, message: (error as Error).message };
    }
  }

  /** A driver that was loaded again answers after another initialization only. */
  private end(nvml: Nvml): void {
    if (!this.initialized) return;
    this.initialized = false;
    this.sampler = undefined;
    try {
      nvml.call("nvmlShutdown");
    } catch {
      // The driver is gone.
    }
  }
}

/** Answers the queries of the parent process, of which each message is one, and sends it a sample each second. */
export function runWorker(): void {
  const connection = new Connection();
  const send = (message: WorkerMessage) => process.send?.(message);
  const sample = () => {
    const samples = connection.sample();
    if (samples.length > 0) send({ samples });
  };
  process.on("message", () => {
    const answer = connection.answer();
    // What a query reports and what was counted until then belong together.
    sample();
    send({ answer });
  });
  setInterval(sample, SAMPLE_MILLISECONDS);
  process.on("disconnect", () => {
    process.exit();
  });
}
