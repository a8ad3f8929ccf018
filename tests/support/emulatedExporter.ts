import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import os from "node:os";
import path from "node:path";
import Docker from "dockerode";
import { Containers } from "../../exporter/containers";
import { Driver } from "../../exporter/driver";
import { NvidiaSmi } from "../../exporter/driver/nvidiaSmi";
import { Collector } from "../../exporter/snapshot";
import { buildNvidiaSmi } from "./emulatedDriver/build";
import type { EmulatedHost } from "./emulatedDriver/host";

let folder: string;
let nvidiaSmi: string;
beforeAll(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), "emulated-"));
  nvidiaSmi = await buildNvidiaSmi(folder, path.join(folder, "host.json"), process.execPath);
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** What the emulated `nvidia-smi` of a host writes. */
export function answers(host: EmulatedHost, ...args: string[]): Promise<string> {
  emulate(host);
  return Promise.resolve(
    execFileSync(nvidiaSmi, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }),
  );
}

/** From now on, the emulated `nvidia-smi` answers for this host. */
export function emulate(host: EmulatedHost): void {
  writeFileSync(path.join(folder, "host.json"), JSON.stringify(host));
}

/** A container of the emulated Docker host. */
export interface EmulatedContainer {
  name: string;
  /** By default it is made from the name. */
  id?: string;
  image: string;
  pids: number[];
  labels?: Record<string, string>;
  config?: object;
  env?: string[];
}

export const containerId = (name: string): string => createHash("sha256").update(name).digest("hex");

/** A Docker API that answers GET for some containers, and a procfs with their processes. */
export class EmulatedDocker {
  /** Every request that it had, as "GET /path". */
  readonly requests: string[] = [];
  /** Whether it takes requests and never answers. */
  hangs = false;
  /** Name of a container that it does not answer about. */
  silentAbout = "";
  /** Where its procfs is. */
  readonly proc = path.join(folder, "proc");
  private server: Server | undefined;
  private containers: EmulatedContainer[] = [];

  /** The containers that run from now on; host processes have a cgroup of the host. */
  run(containers: EmulatedContainer[], hostPids: number[] = []): void {
    this.containers = containers;
    rmSync(this.proc, { recursive: true, force: true });
    const cgroup = (pid: number, text: string) => {
      mkdirSync(path.join(this.proc, String(pid)), { recursive: true });
      writeFileSync(path.join(this.proc, String(pid), "cgroup"), text);
    };
    for (const { id, name, pids } of containers)
      for (const pid of pids) cgroup(pid, `0::/system.slice/docker-${id ?? containerId(name)}.scope\n`);
    for (const pid of hostPids) cgroup(pid, "0::/system.slice/ssh.service\n");
  }

  async start(): Promise<Docker> {
    const socketPath = path.join(folder, "docker.sock");
    this.server = createServer((request, response) => {
      const at = request.url ?? "";
      this.requests.push(`${request.method ?? ""} ${at}`);
      if (this.hangs) return;
      response.setHeader("content-type", "application/json");
      const one = this.containers.find(({ id, name }) =>
        at.includes(`/containers/${id ?? containerId(name)}/json`),
      );
      if (one && one.name === this.silentAbout) return;
      if (at.startsWith("/info"))
        response.end(
          JSON.stringify({
            DefaultRuntime: "runc",
            Runtimes: { nvidia: { path: "nvidia-container-runtime" } },
            CgroupDriver: "systemd",
          }),
        );
      else if (at.startsWith("/containers/json"))
        response.end(
          JSON.stringify(
            this.containers.map(({ id, name }) => ({ Id: id ?? containerId(name), Names: [`/${name}`] })),
          ),
        );
      else if (one)
        response.end(
          JSON.stringify({
            Id: containerId(one.name),
            Name: `/${one.name}`,
            State: { Pid: one.pids[0] },
            Config: { Image: one.image, Env: one.env ?? [], Labels: one.labels ?? {} },
            HostConfig: { Runtime: "runc", ...one.config },
          }),
        );
      else response.writeHead(404).end("{}");
    });
    await new Promise<void>((resolve) => this.server?.listen(socketPath, resolve));
    return new Docker({ socketPath });
  }

  async stop(): Promise<void> {
    this.server?.closeAllConnections();
    await new Promise((resolve) => this.server?.close(resolve));
  }
}

/** The exporter's collector for the emulated host. */
export const collector = (docker: Docker, proc: string): Collector =>
  new Collector(new Driver(new NvidiaSmi(nvidiaSmi)), new Containers(docker, proc));

export const nvidiaSmiPath = (): string => nvidiaSmi;
