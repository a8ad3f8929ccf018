import { fork, type ChildProcess } from "node:child_process";
import { readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import pTimeout from "p-timeout";
import type { DriverReport } from "./devices";
import type { Answer, DriverFailure, Observations, WorkerMessage } from "./worker";

export type { Device, GpuProcess } from "./devices";
export type { XidError } from "./events";
export type { GpuFault } from "./faults";
export type { GpuSample, ProcessTime } from "./sampler";

/** The state of the driver's devices at one time. */
export interface DriverSnapshot extends DriverReport {
  /** How long the driver took. */
  seconds: number;
  /** Why the process that calls the library ended since the last snapshot, if it did. */
  crash?: string;
}

export class DriverError extends Error {
  constructor(
    readonly reason: DriverFailure,
    message: string,
  ) {
    super(message);
  }
}

/** The timeout of a query; the scrapes that wait for it may have shorter ones. */
export const DRIVER_TIMEOUT_SECONDS = 8;
/** The timeout of the first query. Without persistence mode, the driver initializes the GPUs for it, which takes seconds for each GPU. */
const FIRST_TIMEOUT_SECONDS = 60;

/** How long a scrape waits for a driver that did not answer the query before. */
const RETRY_TIMEOUT_SECONDS = 2;

/** A killed process exits within this time, unless it hangs in the kernel. */
const KILL_MILLISECONDS = 200;

/**
 * After this many failed queries in a row, a driver that answered before counts as lost to this container. That happens when the
 * container loses its devices (systemd's daemon-reload resets them with cgroup version 2), and when a new driver is installed, whose
 * library the container does not have. Both last until the container starts again.
 */
const LOST_AFTER = 3;

/**
 * Where the kernel lists the GPUs that the driver serves, by their PCI addresses. A container sees all of them, while NVIDIA's toolkit
 * hides the files of others in /proc/driver/nvidia (libnvidia-container, src/nvc_mount.c).
 */
const PCI_DRIVER = "/sys/bus/pci/drivers/nvidia";

/** The argument with which the exporter's program answers queries of the driver. */
export const WORKER_ARGUMENT = "driver";

/**
 * The NVIDIA driver, queried through its library in a process of its own: a call can hang in the kernel, and a fault of the
 * library ends its process, with all its threads.
 */
export class Driver {
  private inFlight: Promise<DriverSnapshot> | undefined;
  private worker: ChildProcess | undefined;
  /** Queries in a row that were not answered. */
  private timeouts = 0;
  private asking = false;
  private crash: string | undefined;
  private answered = false;
  /** Queries in a row that failed as they do without the devices. */
  private lost = 0;
  /** Receives what happened on the GPUs, each second once the first query was answered. */
  onObservations: (observations: Observations) => void = () => undefined;
  /** Called, with the reason, when only a restart of the container can help. */
  onLost: (reason: string) => void = () => undefined;
  private served: ReadonlySet<string>;

  /**
   * @param program the exporter's program
   * @param env the environment of the process
   * @param pciDriver the folder with the GPUs that the driver serves
   */
  constructor(
    private readonly program: string,
    private readonly env: NodeJS.ProcessEnv = process.env,
    private readonly pciDriver = PCI_DRIVER,
  ) {
    this.served = servedGpus(pciDriver);
  }

  /**
   * Queries the driver. Callers share a query that is in flight, so it has a timeout of its own.
   *
   * @param timeoutSeconds how long this caller waits
   * @throws DriverError with the reason
   */
  snapshot(timeoutSeconds: number): Promise<DriverSnapshot> {
    const seconds = this.timeouts > 0 ? Math.min(RETRY_TIMEOUT_SECONDS, timeoutSeconds) : timeoutSeconds;
    this.inFlight ??= this.query().finally(() => (this.inFlight = undefined));
    return pTimeout(this.inFlight, { milliseconds: seconds * 1000, message: noAnswer(seconds) });
  }

  /** Ends the process. */
  stop(): void {
    this.worker?.kill("SIGKILL");
  }

  /** A container gets the device files of GPUs when it starts, so the library cannot use a GPU that was added later. */
  private watchAdded(): void {
    const served = servedGpus(this.pciDriver);
    const added = [...served].filter((address) => !this.served.has(address));
    this.served = served;
    if (added.length > 0) this.onLost(`the host has more GPUs: ${added.join(", ")}`);
  }

  private async query(): Promise<DriverSnapshot> {
    this.watchAdded();
    if (this.worker?.killed) await sleep(KILL_MILLISECONDS);
    if (this.worker?.killed)
      throw new DriverError("timeout", "a call of NVIDIA's library hangs in the driver and cannot be killed");
    this.worker ??= this.start();
    const answer = await this.ask(this.worker);
    this.timeouts = 0;
    this.watchLoss(answer);
    if ("failure" in answer) throw new DriverError(answer.failure, answer.message);
    const { crash } = this;
    this.crash = undefined;
    return { ...answer.report, seconds: answer.seconds, ...(crash && { crash }) };
  }

  private watchLoss(answer: Answer): void {
    const isLoss = "failure" in answer && ["unknown", "version_mismatch"].includes(answer.failure);
    this.answered ||= !("failure" in answer);
    this.lost = isLoss && this.answered ? this.lost + 1 : 0;
    if (this.lost === LOST_AFTER && "failure" in answer)
      this.onLost(`the driver is lost to this container: ${answer.message}`);
  }

  private start(): ChildProcess {
    const worker = fork(this.program, [WORKER_ARGUMENT], {
      env: this.env,
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    worker.on("exit", (code, signal) => {
      this.worker = undefined;
      if (!this.asking && !worker.killed) this.crash = ended(code, signal);
    });
    worker.on("error", () => {
      // It could not be started, and has no exit then. A query in flight reports the error.
      if (this.worker === worker) this.worker = undefined;
    });
    worker.on("message", (message: WorkerMessage) => {
      if ("samples" in message) this.onObservations(message);
    });
    // The process ends with this one, so it need not keep this one running.
    worker.unref();
    worker.channel?.unref();
    return worker;
  }

  /** Sends a query, and kills the process that does not answer it. */
  private ask(worker: ChildProcess): Promise<Answer> {
    this.asking = true;
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer);
        this.asking = false;
        worker.off("message", onMessage).off("exit", onExit).off("error", onError);
        settle();
      };
      const onMessage = (message: WorkerMessage) => {
        if ("answer" in message)
          end(() => {
            resolve(message.answer);
          });
      };
      const fail = (reason: DriverFailure, message: string) => {
        end(() => {
          reject(new DriverError(reason, message));
        });
      };
      const onExit = (code: number | null, signal: NodeJS.Signals | null) => {
        fail("crashed", ended(code, signal));
      };
      const onError = (error: Error) => {
        fail("failed", `the process that calls NVIDIA's library: ${error.message}`);
      };
      // A new process has to initialize the library, which can take long.
      const longer = Math.min(FIRST_TIMEOUT_SECONDS, DRIVER_TIMEOUT_SECONDS * 2 ** this.timeouts);
      const seconds = this.answered ? longer : FIRST_TIMEOUT_SECONDS;
      const timer = setTimeout(() => {
        this.timeouts++;
        worker.kill("SIGKILL");
        fail("timeout", noAnswer(seconds).message);
      }, seconds * 1000);
      worker.on("message", onMessage).on("exit", onExit).on("error", onError);
      worker.send("query", (error) => {
        if (error) onError(error);
      });
    });
  }
}

/** @returns nothing where no driver is loaded, or GPUs are not on a PCI bus */
function servedGpus(pciDriver: string): ReadonlySet<string> {
  try {
    return new Set(readdirSync(pciDriver).filter((name) => /^[\da-f]+:[\da-f]{2}:/.test(name)));
  } catch {
    return new Set();
  }
}

const ended = (code: number | null, signal: NodeJS.Signals | null): string =>
  `the process that calls NVIDIA's library ended: ${signal ?? `exit status ${code ?? "unknown"}`}`;

const noAnswer = (seconds: number): DriverError =>
  new DriverError("timeout", `no answer from the driver within ${seconds.toFixed(1)} s`);
