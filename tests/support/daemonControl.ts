import { spawn } from "node:child_process";
import { open, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "../../lib/run";
import { docker } from "./docker";
import { eventually } from "./eventually";

/** Where the files of the daemon of the tests are; see daemons.ts. */
export const DAEMON_FOLDER = process.env["DAEMON_FOLDER"] ?? "";

const daemonPid = async () => Number(await readFile(path.join(DAEMON_FOLDER, "pidfile"), "utf8"));

/** Gives the daemon another configuration without a restart. */
export async function reloadDaemon(config: object): Promise<void> {
  await writeFile(path.join(DAEMON_FOLDER, "daemon.json"), JSON.stringify(config));
  process.kill(await daemonPid(), "SIGHUP");
}

/** Makes the daemon one with NVIDIA's runtime or without, as an administrator does. */
export async function configureRuntime(name: "nvidia" | "other", program: string): Promise<void> {
  await reloadDaemon({ runtimes: { [name]: { path: program } } });
  await eventually(async () => {
    const runtimes = await docker("info", "--format", "{{json .Runtimes}}");
    expect(Object.keys(JSON.parse(runtimes) as object).includes("nvidia")).toBe(name === "nvidia");
  });
}

/** Keeps the daemon from answering during some work, as a hanging one. */
export async function whileDaemonHangs(work: () => Promise<void>): Promise<void> {
  const pid = await daemonPid();
  process.kill(pid, "SIGSTOP");
  try {
    await work();
  } finally {
    process.kill(pid, "SIGCONT");
  }
}

/** Kills the daemon's own containerd, which the daemon starts again. */
export async function restartContainerd(): Promise<void> {
  const pid = async () =>
    Number(await readFile(path.join(DAEMON_FOLDER, "exec-root/containerd/containerd.pid"), "utf8"));
  const before = await pid();
  process.kill(before, "SIGKILL");
  await eventually(async () => {
    expect(await pid()).not.toBe(before);
    expect(await docker("version")).toContain("containerd");
  });
}

/**
 * Ends the daemon by a signal, as a restart or a crash does, and starts it again, as its service would.
 *
 * @param seconds in which there is no daemon; Docker's service waits two seconds too, and until then, the containerd of a killed
 *   daemon is still dying
 */
export async function restartDaemon(signal: "SIGTERM" | "SIGKILL", seconds = 2): Promise<void> {
  const pid = await daemonPid();
  process.kill(pid, signal);
  await eventually(async () => {
    // Gone, or a zombie that its parent has not reaped yet.
    expect(await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "gone")).toMatch(/^gone|\) Z /);
  });
  await sleep(seconds * 1000);
  const { args, path: PATH } = JSON.parse(
    await readFile(path.join(DAEMON_FOLDER, "command.json"), "utf8"),
  ) as {
    args: string[];
    path: string;
  };
  const log = await open(path.join(DAEMON_FOLDER, "dockerd.log"), "a");
  spawn("dockerd", args, {
    detached: true,
    stdio: ["ignore", log.fd, log.fd],
    env: { ...process.env, PATH },
  }).unref();
  await log.close();
  await eventually(() => docker("version").then(() => undefined)).catch(async () => {
    const written = await run("tail", ["-n", "15", path.join(DAEMON_FOLDER, "dockerd.log")]);
    throw new Error(`the daemon did not start again:\n${written}`);
  });
}
