import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
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

/**
 * Runs a command.
 *
 * @param urn the resource at which the engine shows the output
 * @throws Error with the exit status and everything that it wrote, in the words of the official plugin
 */
export async function runShell(
  command: string,
  shell: Shell,
  urn = "",
): Promise<{ stdout: string; stderr: string }> {
  const [program = "/bin/sh", ...args] = shell.interpreter?.length ? shell.interpreter : ["/bin/sh", "-c"];
  const child = spawn(program, [...args, command], {
    cwd: shell.dir,
    env: { ...process.env, ...shell.environment },
  });
  child.stdin.on("error", () => undefined); // It may end without reading its input.
  child.stdin.end(shell.stdin ?? "");

  let both = "";
  const { logging = "stdoutAndStderr" } = shell;
  const collect = (name: "stdout" | "stderr", stream: Readable) => {
    stream.on("data", (chunk: Buffer) => (both += chunk.toString()));
    if (logging.toLowerCase().includes(name))
      createInterface({ input: stream }).on("line", (line) => {
        logStatus(line, urn);
      });
    return text(stream);
  };
  const outputs = Promise.all([collect("stdout", child.stdout), collect("stderr", child.stderr)]);
  const status = await new Promise<string>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      resolve(signal ? `signal: ${signal}` : `exit status ${code ?? 0}`);
    });
  });
  const [stdout, stderr] = await outputs;
  if (status !== "exit status 0") throw new Error(`${status}: running ${JSON.stringify(command)}:\n${both}`);
  return { stdout: stdout.replace(/\n$/, ""), stderr: stderr.replace(/\n$/, "") };
}
