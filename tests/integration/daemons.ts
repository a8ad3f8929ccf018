import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { buildEngine29 } from "../../airgap/toolchain/engine29";
import { run } from "../../airgap/toolchain/goCommands";
import { installDocker } from "../../scripts/environment/docker";
import { say } from "../../scripts/environment/say";

/** The Docker engines on which the integration tests run. */
export const ENGINES = {
  /** The engine of the distribution, with the graph driver overlay2. */
  distribution: { prepare: installDocker, options: ["--storage-driver=overlay2"] },
  /** Engine 29, with the containerd image store. */
  engine29: { prepare: () => buildEngine29(say), options: ["--feature=containerd-snapshotter=true"] },
} as const;

/** A Docker daemon of the tests, in a network namespace of its own, so that it meets no other daemon and no other port. */
export interface Daemon {
  /** Its address, as in DOCKER_HOST. */
  host: string;
  /** Words that run a command in its network namespace. */
  inside: string[];
  /** Removes its containers, the daemon itself, and everything that it wrote. */
  stop: () => Promise<void>;
}

/**
 * Starts a daemon.
 *
 * @throws Error where network namespaces cannot be made (not Linux, not root), or the daemon does not answer
 */
export async function startDaemon(engine: keyof typeof ENGINES): Promise<Daemon> {
  if (os.platform() !== "linux" || process.getuid?.() !== 0)
    throw new Error(
      "the integration tests start Docker daemons of their own, which takes root on Linux; `npm test -- unit` runs without",
    );
  const { prepare, options } = ENGINES[engine];
  const programs = await prepare();

  const folder = await mkdtemp(path.join(os.tmpdir(), `llm-metrics-${engine}-`));
  const host = `unix://${folder}/docker.sock`;
  await writeFile(path.join(folder, "daemon.json"), "{}");
  const log = await open(path.join(folder, "dockerd.log"), "w");
  const places = ["data-root", "exec-root", "pidfile"].map((option) => `--${option}=${folder}/${option}`);
  const daemon = spawn(
    "unshare",
    [
      "--net",
      "--",
      "sh",
      "-ec",
      'ip link set lo up; exec dockerd "$@"',
      "dockerd",
      `--config-file=${folder}/daemon.json`,
      `--host=${host}`,
      ...places,
      ...options,
    ],
    {
      stdio: ["ignore", log.fd, log.fd],
      env: { ...process.env, PATH: [programs, process.env["PATH"]].filter(Boolean).join(":") },
    },
  );
  await log.close();

  const docker = (...args: string[]) => run("docker", args, { env: { ...process.env, DOCKER_HOST: host } });
  const stop = async () => {
    const containers = (await docker("ps", "-aq").catch(() => "")).split("\n").filter(Boolean);
    if (containers.length > 0) await docker("rm", "-f", "-v", ...containers);
    await ended(daemon);
    // What a daemon leaves mounted would keep its folder from being removed.
    await run("sh", ["-c", `grep -o ' ${folder}/[^ ]*' /proc/mounts | sort -r | xargs -r umount -l`]);
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  for (let second = 0; second < 60 && daemon.exitCode === null; second++) {
    if (await docker("version").then(Boolean, () => false))
      return { host, inside: ["nsenter", `--net=/proc/${daemon.pid ?? 0}/ns/net`, "--"], stop };
    await sleep(1000);
  }
  const written = await run("tail", ["-n", "20", path.join(folder, "dockerd.log")]);
  await stop();
  throw new Error(`the Docker daemon of the tests (${engine}) did not start:\n${written}`);
}

function ended(daemon: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (daemon.exitCode !== null) resolve();
    daemon.on("close", () => {
      resolve();
    });
    daemon.kill("SIGTERM");
  });
}
