import { readFile } from "node:fs/promises";
import type Docker from "dockerode";
import { llmServer } from "../prometheus/llmServers";
import { gpuAllocation, type ContainerConfig, type GpuAllocation, type Runtimes } from "./allocation";
import { containersOf } from "./cgroup";
import { within } from "./within";

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

/** What it asks Docker for: paths of the API, as regular expressions. */
export const EXPORTER_DOCKER_API = ["info", "containers/json", "containers/[a-f0-9]{64}/json"];

/** Seconds for what Docker says of one container. */
const ONE = 2;
/** More than any name that people give; what is longer would make Prometheus refuse the whole scrape. */
const LONGEST_LABEL = 200;

/** The running containers of a Docker host, asked for by GET only. */
export class Containers {
  private known = new Map<string, Container>();
  /** Ids of containers that run, but could not be looked at. */
  private unknown = new Set<string>();
  private runtimes: (Runtimes & { systemd: boolean; until: number }) | undefined;

  /** @param proc where the host's procfs is */
  constructor(
    private readonly docker: Docker,
    private readonly proc = "/proc",
  ) {}

  /** @returns the containers by id, and why any of them could not be looked at */
  async list(): Promise<{ containers: Map<string, Container>; failures: string[] }> {
    const failures = new Map<string, string>();
    const entries = await Promise.all(
      (await this.docker.listContainers()).map(async ({ Id: id, Names: names }) => {
        const known = this.known.get(id);
        // What it was created with cannot change; its process does when it is restarted, and its name can.
        const same = known && names.includes(`/${known.labels.name}`) && (await this.cgroupOf(known.pid, id));
        if (same) return [id, known] as const;
        // Docker can hang over one container and answer for the others (moby 18848).
        const inspected = within(this.inspect(id), ONE, () => new Error(`no answer about container ${id}`));
        const container = await inspected.catch((error: unknown) => {
          failures.set(id, (error as Error).message);
          return undefined;
        });
        return container && ([id, container] as const);
      }),
    );
    this.known = new Map(entries.filter((entry) => entry !== undefined));
    this.unknown = new Set(failures.keys());
    return { containers: this.known, failures: [...failures.values()] };
  }

  /** Whose a process is: of a container among those last listed, or the host's; undefined when it has ended or nobody knows. */
  async ownerOf(pid: number): Promise<Container | "host" | undefined> {
    const text = await readFile(`${this.proc}/${pid}/cgroup`, "utf8").catch((error: unknown) => {
      if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
      throw error;
    });
    if (text === undefined) return undefined;
    const ids = containersOf(text).map(({ id }) => id);
    if (ids.some((id) => this.unknown.has(id))) return undefined;
    return ids.map((id) => this.known.get(id)).find((container) => container !== undefined) ?? "host";
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
    const labels = info.Config.Labels as Record<string, string> | null;
    const label = (name: string) => (labels?.[name] ?? "").slice(0, LONGEST_LABEL);
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
