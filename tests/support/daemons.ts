import { type ChildProcess, spawn } from "node:child_process";
import { type FileHandle, mkdir, mkdtemp, open, readdir, readlink, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { buildEngine29 } from "../../airgap/toolchain/engine29";
import { run } from "../../lib/run";
import { exists } from "../../lib/cache";
import { installDocker } from "../../cli/prerequisites/docker";
import { installPackages } from "../../lib/packages";
import { GpuHost } from "./emulatedDriver/gpuHost";

const SSHD = "/usr/sbin/sshd";

/** The Docker engines on which the integration tests run. */
const ENGINES = {
  /** The engine of Debian, with the storage driver overlay2. */
  "20.10": { prepare: installDocker, options: () => ["--storage-driver=overlay2"] },
  /** Engine 29, with the containerd image store. */
  "29": {
    prepare: async () => {
      await installDocker(); // Its command-line client and iptables.
      return buildEngine29();
    },
    options: (cdi: string) => ["--feature=containerd-snapshotter=true", `--cdi-spec-dir=${cdi}`],
  },
} as const;
/** The name of an engine. */
export type Engine = keyof typeof ENGINES;

/** A Docker daemon of the tests, in a network namespace of its own, so that it meets no other daemon and no other port. */
export interface Daemon {
  /** Its address, as in DOCKER_HOST. */
  host: string;
  /** Words that run a command in its network namespace. */
  inside: string[];
  /** A folder for temporary files of what runs inside. */
  temporary: string;
  /** Where all of its files are; see daemonControl.ts. */
  folder: string;
  /** Removes its containers, the daemon itself, what still runs inside, and everything that they wrote. */
  stop: () => Promise<void>;
}

/**
 * Starts a daemon.
 *
 * @throws Error where network namespaces cannot be made (not Linux, not root), or the daemon does not answer
 */
export async function startDaemon(engine: Engine): Promise<Daemon> {
  if (os.platform() !== "linux" || process.getuid?.() !== 0)
    throw new Error(
      "the integration tests start Docker daemons of their own, which takes root on Linux; `npm test -- unit` runs without",
    );
  const { prepare, options } = ENGINES[engine];
  // Where services start by themselves, none is installed unasked: there, sshd would let people in.
  const mayInstall = !(await exists("/run/systemd/system")) || (await exists(SSHD));
  if (!mayInstall) throw new Error("the tests of ssh:// hosts need sshd: install openssh-server");
  await installPackages(
    {
      iproute2: "command -v ip",
      openssl: "command -v openssl",
      "openssh-server": `command -v ${SSHD}`,
      "openssh-client": "command -v ssh",
    },
    "the integration tests need ip, openssl, ssh and sshd: install iproute2, openssl, and OpenSSH's client and server",
  );
  const programs = await prepare();

  const folder = await mkdtemp(path.join(os.tmpdir(), `llm-metrics-engine-${engine}-`));
  const host = `unix://${folder}/docker.sock`;
  await writeFile(path.join(folder, "daemon.json"), "{}");
  const toolkit = await GpuHost.at(path.join(folder, "gpu")).install();
  const temporary = path.join(folder, "tmp");
  await mkdir(temporary);
  const log = await open(path.join(folder, "dockerd.log"), "w");
  const places = ["data-root", "exec-root", "pidfile"].map((option) => `--${option}=${folder}/${option}`);
  const command = {
    args: [`--config-file=${folder}/daemon.json`, `--host=${host}`, ...places, ...options(toolkit.cdi)],
    path: [programs, toolkit.programs, process.env["PATH"]].filter(Boolean).join(":"),
  };
  await writeFile(path.join(folder, "command.json"), JSON.stringify(command));
  const daemon = spawn(
    "unshare",
    ["--net", "--", "sh", "-ec", 'ip link set lo up; exec dockerd "$@"', "dockerd", ...command.args],
    {
      detached: true, // Ctrl-C in the terminal must not end it before its containers are removed.
      stdio: ["ignore", log.fd, log.fd],
      env: { ...process.env, PATH: command.path },
    },
  );
  await log.close();

  const docker = (...args: string[]) =>
    run("docker", args, { env: { ...process.env, DOCKER_HOST: host }, timeoutSeconds: 120 });
  let namespace: Namespace | undefined;
  const stop = async () => {
    const containers = (await docker("ps", "-aq").catch(() => "")).split("\n").filter(Boolean);
    if (containers.length > 0) await docker("rm", "-f", "-v", ...containers).catch(() => undefined);
    await ended(daemon);
    if (namespace) await endProcesses(namespace);
    // What a daemon leaves mounted would keep its folder from being removed.
    await run("sh", ["-c", `grep -o ' ${folder}/[^ ]*' /proc/mounts | sort -r | xargs -r umount -l`]);
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  for (let second = 0; second < 60 && daemon.exitCode === null; second++) {
    if (await docker("version").then(Boolean, () => false)) {
      namespace = await networkNamespace(daemon.pid ?? 0);
      const inside = ["nsenter", `--net=/proc/${daemon.pid ?? 0}/ns/net`, "--"];
      return { host, inside, temporary, folder, stop };
    }
    await sleep(1000);
  }
  const written = await run("tail", ["-n", "20", path.join(folder, "dockerd.log")]);
  await stop();
  throw new Error(`the Docker daemon of the tests (${engine}) did not start:\n${written}`);
}

function ended(daemon: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (daemon.exitCode !== null || daemon.signalCode !== null) resolve(); // Tests kill it, and start another.
    daemon.on("close", () => {
      resolve();
    });
    daemon.kill("SIGTERM");
    setTimeout(() => daemon.kill("SIGKILL"), 60_000).unref(); // A daemon that hangs.
  });
}

/** A network namespace: its number, and a descriptor that keeps it, because the kernel gives freed numbers out again. */
interface Namespace {
  number: string;
  kept: FileHandle;
}

async function networkNamespace(pid: number): Promise<Namespace> {
  const kept = await open(`/proc/${pid}/ns/net`);
  return { number: await readlink(`/proc/self/fd/${kept.fd}`), kept };
}

/** Ends what is left in the network namespace of a daemon: commands that were interrupted, and plugins that they started. */
async function endProcesses({ number, kept }: Namespace): Promise<void> {
  try {
    const of = (pid: string) => readlink(`/proc/${pid}/ns/net`).catch(() => "");
    if (number === (await of("self")))
      throw new Error("the daemon of the tests has no network namespace of its own");
    for (const pid of (await readdir("/proc")).filter((entry) => /^\d+$/.test(entry)))
      if ((await of(pid)) === number)
        try {
          process.kill(Number(pid), "SIGKILL");
        } catch {
          // It ended by itself.
        }
  } finally {
    await kept.close();
  }
}
