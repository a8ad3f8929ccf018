import { GarbageError, Nvml, NvmlError } from "../nvml/library";
import { readDriver, type Constants, type DriverReport } from "./devices";
import { XidEvents, type XidError } from "./events";
import { faultOf, type Fault } from "./faults";
import { Sampler, type GpuSample } from "./sampler";
import { DRIVER_ERRORS } from "./values";

/** Why a query of the driver failed: the label `reason` of `gpu_exporter_errors_total`. */
export type DriverFailure = Fault | "missing" | "timeout" | "crashed" | "unparsable";

/** The answer to a query. */
export type Answer = { report: DriverReport; seconds: number } | { failure: DriverFailure; message: string };

/** The samples and errors since the last message of this kind. */
export interface Observations {
  samples: GpuSample[];
  xids: XidError[];
}

/** A message of the process that calls the library. */
export type WorkerMessage = { answer: Answer } | Observations;

const SAMPLE_MILLISECONDS = 1000;

/**
 * After this many queries in a row with a lost GPU, the library is initialized again. Until then, the library can report the GPU as
 * lost even after it was reset or removed.
 */
const RENEW_AFTER = 10;

/** The number of queries after which constant values are read again, as one reading can have failed. */
const CONSTANTS_QUERIES = 20;

/** The library and its connection to the driver. */
class Connection {
  private nvml: Nvml | undefined;
  private initialized = false;
  private sampler: Sampler | undefined;
  private events: XidEvents | undefined;
  private readonly constants: Constants = new Map();
  private queries = 0;
  /** Queries in a row with a GPU that is lost, since the library was initialized. */
  private lost = 0;

  /** @returns nothing while the driver does not answer */
  observe(): Observations {
    const xids = this.events?.poll() ?? [];
    try {
      return { samples: this.sampler?.sample() ?? [], xids };
    } catch {
      // The next query reports the error.
      return { samples: [], xids };
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
      const report = this.read(this.nvml);
      this.sampler ??= new Sampler(this.nvml);
      this.sampler.findGpus();
      return { report, seconds: (performance.now() - start) / 1000 };
    } catch (error) {
      const code = error instanceof NvmlError ? error.code : undefined;
      if (code !== undefined && DRIVER_ERRORS.includes(code)) {
        this.end(this.nvml);
        this.sampler = undefined;
      }
      return { failure: failureOf(error), message: (error as Error).message };
    }
  }

  /** Initializes the library again after queries with a lost GPU. Without persistence mode, that takes seconds for each GPU. */
  renew(): void {
    if (!this.nvml || this.lost < RENEW_AFTER) return;
    this.end(this.nvml);
    this.answer();
    this.lost = 0;
  }

  private read(nvml: Nvml): DriverReport {
    if (this.queries++ % CONSTANTS_QUERIES === 0) this.constants.clear();
    const report = readDriver(nvml, this.constants);
    const isLost = report.faults.some(({ reason }) => reason === "lost" || reason === "reset_required");
    this.lost = isLost ? this.lost + 1 : 0;
    this.events ??= new XidEvents(nvml);
    const gpus = report.devices.filter(({ mig }) => !mig);
    return { ...report, faults: [...report.faults, ...this.events.watch(gpus)] };
  }

  /** A driver that was loaded again answers after another initialization only. */
  private end(nvml: Nvml): void {
    if (!this.initialized) return;
    this.initialized = false;
    this.lost = 0;
    this.constants.clear();
    this.events?.watch([]);
    try {
      nvml.call("nvmlShutdown");
    } catch {
      // The driver is gone.
    }
  }
}

function failureOf(error: unknown): DriverFailure {
  if (error instanceof NvmlError) return faultOf(error);
  return error instanceof GarbageError ? "unparsable" : "failed";
}

/** Answers the queries of the parent process, each of which is a message, and reports samples and errors once a second. */
export function runWorker(): void {
  const connection = new Connection();
  const send = (message: WorkerMessage, sent?: () => void) =>
    process.send?.(message, undefined, undefined, sent);
  const observe = () => {
    const { samples, xids } = connection.observe();
    if (samples.length + xids.length > 0) send({ samples, xids });
  };
  process.on("message", () => {
    const answer = connection.answer();
    // An answer is sent after the samples and errors until then, so that a scrape has both.
    observe();
    send({ answer }, () => {
      connection.renew();
    });
  });
  setInterval(observe, SAMPLE_MILLISECONDS);
  process.on("disconnect", () => {
    process.exit();
  });
}
