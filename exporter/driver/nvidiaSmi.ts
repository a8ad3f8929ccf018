import { execFile, type ChildProcess, type ExecFileException } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

/** Why a query of the driver failed: the label `reason` of `gpu_exporter_errors_total`. */
type DriverFailure = "missing" | "timeout" | "failed" | "unparsable";

export class DriverError extends Error {
  constructor(
    readonly reason: DriverFailure,
    message: string,
  ) {
    super(message);
  }
}

interface CommandResult {
  stdout: string;
  stderr: string;
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
    return new Promise((resolve, reject) => {
      const fail = (reason: DriverFailure, message: string) => {
        reject(new DriverError(reason, `${[this.program, ...args].join(" ")}: ${message}`));
      };
      const env = { ...process.env, PATH: [process.env["PATH"], DRIVER_FOLDER].filter(Boolean).join(":") };
      const options = { env, maxBuffer: MAX_OUTPUT_LENGTH, killSignal: "SIGKILL" } as const;
      const child = execFile(this.program, args, options, (error, stdout, stderr) => {
        clearTimeout(timer);
        if (error) fail(...failure(error, stderr + stdout));
        else resolve({ stdout, stderr });
      });
      child.on("exit", () => this.hanging.delete(child));
      // The timeout of execFile would wait until a process that hangs in the kernel exits.
      const timer = setTimeout(() => {
        this.hanging.add(child);
        child.kill("SIGKILL");
        fail("timeout", `no answer within ${timeoutSeconds.toFixed(1)} s`);
      }, timeoutSeconds * 1000);
    });
  }
}

function failure({ code, signal, message }: ExecFileException, output: string): [DriverFailure, string] {
  if (code === "ENOENT") return ["missing", message];
  if (code === "ERR_CHILD_PROCESS_STDIO_MAXBUFFER")
    return ["unparsable", `more than ${MAX_OUTPUT_LENGTH} characters`];
  if (typeof code === "string") return ["failed", message];
  return ["failed", `exit status ${code ?? signal ?? "unknown"}: ${output.trim().slice(0, 300)}`];
}
