import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { logStatus } from "./engineLog";

/** How a command is run. */
export interface Shell {
  stdin?: string;
  environment?: Record<string, string>;
  dir?: string;
  /** Default: `/bin/sh -c`. */
  interpreter?: string[];
  /** What of its output the engine shows while it runs. Default: both. */
  logging?: "stdout" | "stderr" | "stdoutAndStderr" | "none";
}

/** What a command wrote, without the last line break. */
export interface Written {
  stdout: string;
  stderr: string;
}

const running = new Set<ChildProcess>();

/** Kills the commands that run. */
export function cancel(): void {
  for (const child of running) child.kill("SIGKILL");
}

/**
 * Runs a command.
 *
 * @param urn the resource at which the engine shows the output
 * @throws Error with the exit status and everything that it wrote, in the words of the official plugin
 */
export async function runShell(command: string, shell: Shell, urn = ""): Promise<Written> {
  const failure = (why: string, wrote = "") =>
    new Error(`${why}: running ${JSON.stringify(command)}:\n${wrote}`);
  if (shell.dir && !existsSync(shell.dir)) throw failure(`chdir ${shell.dir}: no such file or directory`);
  const [program = "/bin/sh", ...args] = shell.interpreter?.length ? shell.interpreter : ["/bin/sh", "-c"];
  const child = spawn(program, [...args, command], {
    cwd: shell.dir,
    env: { ...process.env, ...shell.environment },
  });
  running.add(child);
  child.stdin.on("error", () => undefined); // It may end without reading its input.
  child.stdin.end(shell.stdin ?? "");

  const { logging = "stdoutAndStderr" } = shell;
  const wrote = { stdout: "", stderr: "", both: "" };
  let shown = Promise.resolve();
  const collect = (name: "stdout" | "stderr", stream: Readable) => {
    stream.setEncoding("utf8").on("data", (text: string) => {
      wrote[name] += text;
      wrote.both += text;
    });
    if (logging.toLowerCase().includes(name))
      createInterface({ input: stream }).on("line", (line) => {
        shown = shown.then(() => logStatus(line, urn));
      });
  };
  collect("stdout", child.stdout);
  collect("stderr", child.stderr);

  const status = await new Promise<string>((resolve) => {
    child.on("error", (error: NodeJS.ErrnoException) => {
      resolve(error.code === "ENOENT" ? notFound(program) : error.message);
    });
    child.on("close", (code, signal) => {
      resolve(signal ? `signal: ${SIGNALS[signal] ?? signal}` : `exit status ${code ?? 0}`);
    });
  }).finally(() => running.delete(child));
  await shown;
  if (status !== "exit status 0") throw failure(status, wrote.both);
  return { stdout: wrote.stdout.replace(/\n$/, ""), stderr: wrote.stderr.replace(/\n$/, "") };
}

const notFound = (program: string): string =>
  program.includes("/")
    ? `fork/exec ${program}: no such file or directory`
    : `exec: "${program}": executable file not found in $PATH`;

/** How Go names the signals that end a command. */
const SIGNALS: Partial<Record<NodeJS.Signals, string>> = {
  SIGABRT: "aborted",
  SIGHUP: "hangup",
  SIGINT: "interrupt",
  SIGKILL: "killed",
  SIGSEGV: "segmentation fault",
  SIGTERM: "terminated",
};
