import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import os from "node:os";
import path from "node:path";
import { Collector } from "../../exporter/collector";
import { Containers } from "../../exporter/containers";
import { DockerApi } from "../../exporter/dockerApi";
import { Driver } from "../../exporter/driver";
import { NvidiaSmi } from "../../exporter/driver/nvidiaSmi";
import { buildNvidiaSmi } from "./emulatedDriver/build";
import type { EmulatedHost } from "./emulatedDriver/host";

// Each query of the emulated driver starts several Node processes, which takes seconds on a busy machine.
jest.setTimeout(30_000);

let folder: string;
let nvidiaSmi: string;
beforeAll(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), "emulated-"));
  nvidiaSmi = await buildNvidiaSmi(folder, path.join(folder, "host.json"), process.execPath);
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** The output of `nvidia-smi` on an emulated host. */
export function nvidiaSmiOutput(host: EmulatedHost, ...args: string[]): string {
  emulate(host);
  return execFileSync(nvidiaSmi, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
}

/** Sets the host whose GPUs the emulated `nvidia-smi` reports. */
export function emulate(host: EmulatedHost): void {
  writeFileSync(path.join(folder, "host.json"), JSON.stringify(host));
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
export const collector = (docker: DockerApi, proc: string): Collector =>
  new Collector(new Driver(new NvidiaSmi(nvidiaSmi)), new Containers(docker, proc), {
    shared: "stack",
    forwarded: ["chat"],
  });
