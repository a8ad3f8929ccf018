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
export const emulatedDriver = (libraries = path.dirname(library)): Driver =>
  new Driver(path.join(folder, PROGRAM), {
    ...process.env,
    LD_LIBRARY_PATH: libraries,
    EMULATED_HOST: path.join(folder, "host"),
  });

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
  private containers: EmulatedContainer[] = [];

  /** Sets the running containers, and the processes outside of containers. */
  run(containers: EmulatedContainer[], hostPids: number[] = []): void {
    this.containers = containers;
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

  private answer(url: string): object | undefined {
    if (url === "/info")
      return {
        DefaultRuntime: "runc",
        Runtimes: { nvidia: { path: "nvidia-container-runtime" } },
        CgroupDriver: "systemd",
      };
    const idOf = ({ id, name }: EmulatedContainer) => id ?? containerId(name);
    if (url === "/containers/json")
      return this.containers.map((one) => ({
        Id: idOf(one),
        Names: [`/${one.name}`],
        NetworkSettings: {
          Networks: Object.fromEntries(
            Object.entries(one.networks ?? {}).map(([network, IPAddress]) => [
              network,
              { IPAddress, IPPrefixLen: IPAddress && 20 },
            ]),
          ),
        },
      }));
    const inspected = this.containers.find((one) => url === `/containers/${idOf(one)}/json`);
    return (
      inspected && {
        Id: idOf(inspected),
        Name: `/${inspected.name}`,
        State: { Pid: inspected.pids[0] },
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

/** The exporter's collector for the emulated host, whose stack has the network `stack`. */
export const collector = (docker: DockerApi, proc: string, driver: Driver): Collector =>
  new Collector(driver, new Containers(docker, proc), new Accounting(proc), "stack");
