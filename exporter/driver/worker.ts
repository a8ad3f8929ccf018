import { GarbageError, Nvml, NvmlError } from "../nvml/library";
import { DRIVER_ERRORS, readDriver, type DriverReport } from "./devices";

/** Why a query of the driver failed: the label `reason` of `gpu_exporter_errors_total`. */
export type DriverFailure = "missing" | "timeout" | "failed" | "unparsable";

/** The answer to a query. */
export type Answer =
  { report: DriverReport; seconds: number } | { failure: Exclude<DriverFailure, "timeout">; message: string };

/** The library and its connection to the driver. */
class Connection {
  private nvml: Nvml | undefined;
  private initialized = false;

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
    try {
      nvml.call("nvmlShutdown");
    } catch {
      // The driver is gone.
    }
  }
}

/** Answers the queries of the parent process: each message is one. */
export function runWorker(): void {
  const connection = new Connection();
  process.on("message", () => {
    process.send?.(connection.answer());
  });
  process.on("disconnect", () => {
    process.exit();
  });
}
