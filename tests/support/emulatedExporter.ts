import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import os from "node:os";
import path from "node:path";
import { exporterBundle, PROGRAM } from "../../exporter/bundle";
import { Accounting } from "../../exporter/accounting";
import { Collector } from "../../exporter/collector";
import { Containers } from "../../exporter/containers";
import { DockerApi } from "../../exporter/dockerApi";
import { Driver } from "../../exporter/driver";
import { buildNvml } from "./emulatedDriver/build";
import { description } from "./emulatedDriver/description";
import { Gpus } from "../../exporter/gpus";
import { humanDuration } from "../../exporter/status";
import type { EmulatedHost } from "./emulatedDriver/host";

const BUILD_MILLISECONDS = 600_000;

// The exporter starts a process, which takes seconds on a busy machine.
jest.setTimeout(30_000);

let folder: string;
let library: string;
beforeAll(async () => {
  library = await buildNvml();
  folder = mkdtempSync(path.join(os.tmpdir(), "emulated-"));
  for (const [file, content] of Object.entries(exporterBundle().files)) {
    mkdirSync(path.join(folder, path.dirname(file)), { recursive: true });
    writeFileSync(path.join(folder, file), content);
  }
}, BUILD_MILLISECONDS);
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** The driver of the emulated host, queried by the exporter's program as it is deployed. */
export const emulatedDriver = ({ libraries = path.dirname(library), pciDriver = "/none" } = {}): Driver =>
  new Driver(
    path.join(folder, PROGRAM),
    { ...process.env, LD_LIBRARY_PATH: libraries, EMULATED_HOST: path.join(folder, "host") },
    pciDriver,
  );

/** Sets the host whose GPUs the emulated library reports. */
export function emulate(host: EmulatedHost): void {
  const file = path.join(folder, "host");
  writeFileSync(`${file}.new`, description(host));
  renameSync(`${file}.new`, file);
}

/** A container of the emulated Docker host. */
export interface EmulatedContainer {
  name: string;
  /** Default: a hash of the name. */
  id?: string;
  image: string;
  pids: number[];
  labels?: Record<string, string>;
  /** Its addresses, by network. */
  networks?: Record<string, string>;
  config?: object;
  env?: string[];
  /** Default: it has run for an hour, and where its process is another one than before, since now. */
  state?: EmulatedState;
}

/** The state of a container of the emulated Docker host. */
export interface EmulatedState {
  name: "running" | "paused" | "restarting" | "exited" | "dead" | "created" | "removing";
  /** When it started, or where it does not run, when it ended: milliseconds since 1970. */
  since: number;
  /** When it was created; by default at the same time. */
  created?: number;
  restarts?: number;
  exitCode?: number;
  oomKilled?: boolean;
  health?: string;
}

/** The state in the words of Docker's list of containers. */
function statusText({ name, since, exitCode = 0, health }: EmulatedState): string {
  const age = humanDuration((Date.now() - since) / 1000);
  const shown = health === "starting" ? "health: starting" : health;
  const texts = {
    running: `Up ${age}${shown ? ` (${shown})` : ""}`,
    paused: `Up ${age} (Paused)`,
    restarting: `Restarting (${exitCode}) ${age} ago`,
    exited: `Exited (${exitCode}) ${age} ago`,
    dead: "Dead",
    created: "Created",
    removing: "Removal In Progress",
  };
  return texts[name];
}

export const containerId = (name: string): string => createHash("sha256").update(name).digest("hex");

/** A Docker API with some containers, and a procfs with their processes. */
export class EmulatedDocker {
  /** Every request, as "GET /path". */
  readonly requests: string[] = [];
  /** Whether it accepts requests and never answers. */
  hangs = false;
  /** Name of the container whose inspection never ends. */
  hangsOn = "";
  /** Path of the procfs. */
  get proc(): string {
    return path.join(folder, "proc");
  }
  private server: Server | undefined;
  private containers: (EmulatedContainer & { state: EmulatedState })[] = [];

  /** Sets the containers, and the processes outside of containers. */
  run(containers: EmulatedContainer[], hostPids: number[] = []): void {
    const before = new Map(this.containers.map((one) => [idOf(one), one]));
    this.containers = containers.map((one) => ({ ...one, state: one.state ?? runningState(one, before) }));
    rmSync(this.proc, { recursive: true, force: true });
    for (const { id, name, pids } of containers)
      for (const pid of pids) this.process(pid, `0::/system.slice/docker-${id ?? containerId(name)}.scope\n`);
    for (const pid of hostPids) this.process(pid, "0::/system.slice/ssh.service\n");
  }

  /** Adds a process to the procfs. */
  process(pid: number, cgroup: string): void {
    mkdirSync(path.join(this.proc, String(pid)), { recursive: true });
    writeFileSync(path.join(this.proc, String(pid), "cgroup"), cgroup);
  }

  /** @returns a client of its API */
  async start(): Promise<DockerApi> {
    const socket = path.join(folder, "docker.sock");
    this.server = createServer((request, response) => {
      const { method = "", url = "" } = request;
      this.requests.push(`${method} ${url}`);
      if (this.hangs || url === `/containers/${containerId(this.hangsOn)}/json`) return;
      const answer = this.answer(url);
      response.writeHead(answer ? 200 : 404, { "content-type": "application/json" });
      response.end(JSON.stringify(answer ?? { message: "not found" }));
    });
    await new Promise<void>((resolve) => this.server?.listen(socket, resolve));
    return new DockerApi(`unix://${socket}`);
  }

  private answer(url: string): unknown {
    if (url === "/info")
      return {
        DefaultRuntime: "runc",
        Runtimes: { nvidia: { path: "nvidia-container-runtime" } },
        CgroupDriver: "systemd",
      };
    const newest = [...this.containers].sort((a, b) => createdAt(b) - createdAt(a)).map(listed);
    if (url === "/containers/json")
      return newest.filter(({ State }) => ["running", "paused", "restarting"].includes(State));
    if (url === "/containers/json?all=1&limit=1000") return newest.slice(0, 1000);
    const inspected = this.containers.find((one) => url === `/containers/${idOf(one)}/json`);
    return (
      inspected && {
        Id: idOf(inspected),
        Name: `/${inspected.name}`,
        RestartCount: inspected.state.restarts ?? 0,
        State: inspectedState(inspected),
        Config: { Image: inspected.image, Env: inspected.env ?? [], Labels: inspected.labels ?? {} },
        HostConfig: { Runtime: "runc", ...inspected.config },
      }
    );
  }

  async stop(): Promise<void> {
    this.server?.closeAllConnections();
    await new Promise((resolve) => this.server?.close(resolve));
  }
}

const idOf = ({ id, name }: EmulatedContainer) => id ?? containerId(name);

type Running = EmulatedContainer & { state: EmulatedState };

function runningState(container: EmulatedContainer, before: ReadonlyMap<string, Running>): EmulatedState {
  const previous = before.get(idOf(container));
  if (!previous) return { name: "running", since: Date.now() - 3_600_000 };
  const restarted = previous.pids[0] !== container.pids[0];
  return restarted ? { ...previous.state, since: Date.now() } : previous.state;
}

const createdAt = ({ state }: Running) => state.created ?? state.since;

const listed = (container: Running) => ({
  Id: idOf(container),
  Names: [`/${container.name}`],
  Created: Math.floor(createdAt(container) / 1000),
  State: container.state.name,
  Status: statusText(container.state),
  NetworkSettings: {
    Networks: Object.fromEntries(
      Object.entries(container.networks ?? {}).map(([network, IPAddress]) => [
        network,
        { IPAddress, IPPrefixLen: IPAddress && 20 },
      ]),
    ),
  },
});

function inspectedState({ pids, state }: Running) {
  const { name, since, exitCode = 0, oomKilled = false, health } = state;
  const at = new Date(since).toISOString();
  return {
    Status: name,
    Pid: ["running", "paused"].includes(name) ? pids[0] : 0,
    ExitCode: exitCode,
    OOMKilled: oomKilled,
    StartedAt: at,
    FinishedAt: at,
    ...(health && { Health: { Status: health } }),
  };
}

/**
 * The exporter's collector for the emulated host, without a driver if it has no GPUs, whose stack has the network `stack`, and whose
 * forwarder is on `chat` and has the key of `keyed`.
 */
export function collector(docker: DockerApi, proc: string, driver?: Driver): Collector {
  const containers = new Containers(docker, proc);
  const gpus = driver && new Gpus(driver, containers, new Accounting(proc));
  return new Collector(containers, gpus, { shared: "stack", forwarded: ["chat", "rag"], keyed: ["keyed"] });
}
