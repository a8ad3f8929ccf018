import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

/** Why a query of the driver failed: the label `reason` of `gpu_exporter_errors_total`. */
export type DriverFailure = "missing" | "timeout" | "failed" | "unparsable";

export class DriverError extends Error {
  constructor(
    readonly reason: DriverFailure,
    message: string,
  ) {
    super(message);
  }
}

export interface CommandResult {
  stdout: string;
  stderr: string;
  /** How long the command took. */
  seconds: number;
}

/** A killed process exits within this time, unless it hangs in the kernel. */
const KILL_MILLISECONDS = 200;

/** 8 GPUs with their clocks, the longest output seen, take 0.4 MB. */
const MAX_OUTPUT_LENGTH = 32 * 1024 ** 2;

/** Hosts whose driver has a folder of its own have `nvidia-smi` there. NVIDIA's images add it to PATH, and CDI mounts it there too. */
const DRIVER_FOLDER = "/usr/local/nvidia/bin";

/** Runs `nvidia-smi`, each time with a timeout. */
export class NvidiaSmi {
  /** Processes that were killed and have not exited: the kernel keeps a process that hangs in the driver. */
  private readonly hanging = new Set<ChildProcess>();

  constructor(private readonly program = "nvidia-smi") {}

  /**
   * Runs `nvidia-smi` with some arguments, and kills it after the timeout.
   *
   * @returns its output; nvidia-smi also exits with 0, after a warning, when a GPU does not answer
   * @throws DriverError when it fails, and while an earlier process hangs, so that processes do not pile up
   */
  async run(args: string[], timeoutSeconds: number): Promise<CommandResult> {
    if (this.hanging.size > 0) await sleep(KILL_MILLISECONDS);
    if (this.hanging.size > 0)
      throw new DriverError("timeout", `${this.program} hangs in the driver and cannot be killed`);
    const start = performance.now();
    return new Promise((resolve, reject) => {
      const child = spawn(this.program, args, {
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, PATH: [process.env["PATH"], DRIVER_FOLDER].filter(Boolean).join(":") },
      });
      const output = { stdout: "", stderr: "" };
      const fail = (reason: DriverFailure, message: string) => {
        clearTimeout(timer);
        reject(new DriverError(reason, `${[this.program, ...args].join(" ")}: ${message}`));
      };
      const kill = () => {
        this.hanging.add(child);
        child.kill("SIGKILL");
      };
      const timer = setTimeout(() => {
        kill();
        fail("timeout", `no answer within ${timeoutSeconds.toFixed(1)} s`);
      }, timeoutSeconds * 1000);
      for (const name of ["stdout", "stderr"] as const)
        child[name].setEncoding("utf8").on("data", (chunk: string) => {
          output[name] += chunk;
          if (output[name].length <= MAX_OUTPUT_LENGTH) return;
          kill();
          fail("unparsable", `more than ${MAX_OUTPUT_LENGTH} characters`);
        });
      child.on("exit", () => this.hanging.delete(child));
      child.on("error", (error: NodeJS.ErrnoException) => {
        fail(error.code === "ENOENT" ? "missing" : "failed", error.message);
      });
      child.on("close", (status, signal) => {
        const seconds = (performance.now() - start) / 1000;
        if (status === 0) {
          clearTimeout(timer);
          resolve({ ...output, seconds });
        } else {
          const text = (output.stderr + output.stdout).trim().slice(0, 300);
          fail("failed", `exit status ${status ?? signal ?? "unknown"}: ${text}`);
        }
      });
    });
  }
}
