import { readFile } from "node:fs/promises";
import type Docker from "dockerode";
import { llmServer } from "../prometheus/llmServers";
import { gpuAllocation, type ContainerConfig, type GpuAllocation, type Runtimes } from "./allocation";
import { containersOf } from "./cgroup";

/** A running container. */
export interface Container {
  id: string;
  /** The labels that tell it, as cAdvisor's metrics have them, but for `id`. */
  labels: {
    name: string;
    image: string;
    llm_server: string;
    compose_project: string;
    compose_service: string;
  };
  /** The GPUs that it may use. */
  allocation: GpuAllocation | undefined;
  /** The path of its cgroup: the label `id`. */
  cgroup: string;
  /** Its first process. */
  pid: number;
}

/** The running containers of a Docker host, asked for by GET only. */
export class Containers {
  private known = new Map<string, Container>();
  private runtimes: (Runtimes & { systemd: boolean; until: number }) | undefined;

  /** @param proc where the host's procfs is */
  constructor(
    private readonly docker: Docker,
    private readonly proc = "/proc",
  ) {}

  async list(): Promise<Map<string, Container>> {
    const entries = await Promise.all(
      (await this.docker.listContainers()).map(async ({ Id: id, Names: names }) => {
        const known = this.known.get(id);
        // What it was created with cannot change; its process does when it is restarted, and its name can.
        const same = known && names.includes(`/${known.labels.name}`) && (await this.cgroupOf(known.pid, id));
        const container = same ? known : await this.inspect(id);
        return container && ([id, container] as const);
      }),
    );
    this.known = new Map(entries.filter((entry) => entry !== undefined));
    return this.known;
  }

  /** Whose a process is: of a container among those last listed, or the host's; undefined when it has ended. */
  async ownerOf(pid: number): Promise<Container | "host" | undefined> {
    const text = await readFile(`${this.proc}/${pid}/cgroup`, "utf8").catch((error: unknown) => {
      if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
      throw error;
    });
    if (text === undefined) return undefined;
    const containers = containersOf(text).map(({ id }) => this.known.get(id));
    return containers.find((container) => container !== undefined) ?? "host";
  }

  /** @returns undefined when it ended in the meantime */
  private async inspect(id: string): Promise<Container | undefined> {
    const info = await this.docker
      .getContainer(id)
      .inspect()
      .catch((error: unknown) => {
        if ((error as { statusCode?: number }).statusCode === 404) return undefined;
        throw error;
      });
    if (!info?.State.Pid) return undefined;
    const { Pid: pid } = info.State;
    const runtimes = await this.hostRuntimes();
    const label = (name: string) => info.Config.Labels[name] ?? "";
    return {
      id,
      labels: {
        name: info.Name.replace(/^\//, ""),
        image: info.Config.Image,
        llm_server: llmServer(info.Config.Image, label("llm-metrics.server")),
        compose_project: label("com.docker.compose.project"),
        compose_service: label("com.docker.compose.service"),
      },
      allocation: gpuAllocation(info as unknown as ContainerConfig, runtimes),
      cgroup:
        (await this.cgroupOf(pid, id)) ??
        (runtimes.systemd ? `/system.slice/docker-${id}.scope` : `/docker/${id}`),
      pid,
    };
  }

  private async cgroupOf(pid: number, id: string): Promise<string | undefined> {
    const text = await readFile(`${this.proc}/${pid}/cgroup`, "utf8").catch(() => "");
    return containersOf(text).find((container) => container.id === id)?.path;
  }

  private async hostRuntimes() {
    if (this.runtimes && this.runtimes.until > Date.now()) return this.runtimes;
    const info = (await this.docker.info()) as {
      DefaultRuntime?: string;
      Runtimes?: Record<string, { path?: string }>;
      CgroupDriver?: string;
    };
    this.runtimes = {
      default: info.DefaultRuntime ?? "",
      paths: Object.fromEntries(
        Object.entries(info.Runtimes ?? {}).map(([name, { path = "" }]) => [name, path]),
      ),
      systemd: info.CgroupDriver === "systemd",
      until: Date.now() + 300_000, // They change when the daemon restarts.
    };
    return this.runtimes;
  }
}
