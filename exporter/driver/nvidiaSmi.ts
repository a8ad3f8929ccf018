import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

/** Why the driver gave no answer; a label of `gpu_exporter_errors_total`. */
export type DriverFailure = "missing" | "timeout" | "failed" | "unparsable";

export class DriverError extends Error {
  constructor(
    readonly reason: DriverFailure,
    message: string,
  ) {
    super(message);
  }
}

export interface Answer {
  stdout: string;
  stderr: string;
  seconds: number;
}

/** Milliseconds in which a killed process is gone, unless the kernel keeps it. */
const TO_DIE = 200;

/** More than the longest answer seen: 8 GPUs with their clocks take 0.4 MB. */
const MOST_OUTPUT = 32 * 1024 ** 2;

/** Where `nvidia-smi` is on hosts whose driver has a folder of its own, as in the PATH of NVIDIA's images; CDI keeps the place. */
const DRIVER_FOLDER = "/usr/local/nvidia/bin";

/** Runs `nvidia-smi`, each time for a bounded time. */
export class NvidiaSmi {
  /** Killed, and still there: the kernel keeps a process that hangs in the driver. */
  private readonly hanging = new Set<ChildProcess>();

  constructor(private readonly program = "nvidia-smi") {}

  /**
   * @param seconds after which it is killed
   * @returns what it wrote, warnings included (it exits 0 too when it has to leave out a GPU that does not answer), and how
   *   long it took
   * @throws DriverError also while an earlier run hangs, so that runs do not pile up
   */
  async run(args: string[], seconds: number): Promise<Answer> {
    if (this.hanging.size > 0) await sleep(TO_DIE);
    if (this.hanging.size > 0)
      throw new DriverError("timeout", `${this.program} hangs in the driver and cannot be killed`);
    const start = performance.now();
    return new Promise((resolve, reject) => {
      const child = spawn(this.program, args, {
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, PATH: [process.env["PATH"], DRIVER_FOLDER].filter(Boolean).join(":") },
      });
      const written = { stdout: "", stderr: "" };
      const give = (reason: DriverFailure, message: string) => {
        clearTimeout(timer);
        reject(new DriverError(reason, `${[this.program, ...args].join(" ")}: ${message}`));
      };
      const kill = () => {
        this.hanging.add(child);
        child.kill("SIGKILL");
      };
      const timer = setTimeout(() => {
        kill();
        give("timeout", `no answer within ${seconds.toFixed(1)} s`);
      }, seconds * 1000);
      for (const name of ["stdout", "stderr"] as const)
        child[name].setEncoding("utf8").on("data", (chunk: string) => {
          written[name] += chunk;
          if (written[name].length <= MOST_OUTPUT) return;
          kill();
          give("unparsable", `more than ${MOST_OUTPUT} characters`);
        });
      child.on("exit", () => this.hanging.delete(child));
      child.on("error", (error: NodeJS.ErrnoException) => {
        give(error.code === "ENOENT" ? "missing" : "failed", error.message);
      });
      child.on("close", (status, signal) => {
        if (status !== 0)
          give(
            "failed",
            `exit status ${status ?? signal ?? "?"}: ${(written.stderr + written.stdout).trim().slice(0, 300)}`,
          );
        clearTimeout(timer);
        resolve({ ...written, seconds: (performance.now() - start) / 1000 });
      });
    });
  }
}
