import { readFile } from "node:fs/promises";
import {
  ALERTS_LABEL,
  LLM_PATH_LABEL,
  LLM_PORT_LABEL,
  LLM_SCRAPE_LABEL,
  LLM_SERVER_LABEL,
} from "../lib/names";
import { llmServer } from "../prometheus/llmServers";
import { gpuAllocation, type GpuAllocation, type Runtimes } from "./allocation";
import { containersOf } from "./cgroup";
import type { ContainerInspection, ContainerSummary, DockerApi, DockerInfo } from "./dockerApi";

/** An IPv4 address in a network, and the length of the network's prefix. Both are empty in the network `host`. */
export interface Address {
  address: string;
  prefix: number;
}

/** A running container. */
export interface Container {
  id: string;
  /** Its labels in cAdvisor's metrics, without `id`. */
  labels: {
    name: string;
    image: string;
    llm_server: string;
    compose_project: string;
    compose_service: string;
    /** "none" where the container label `llm-metrics.alerts` has that value; otherwise empty, which Prometheus stores as no label. */
    alerts: string;
  };
  /** What its labels say about the metrics of its LLM server; "" for what no label says. */
  llmMetrics: { port: string; path: string; scrape: string };
  /** Its addresses, by network; the network `host` stands for the host's own, where a container has none. */
  addresses: Record<string, Address>;
  /** The GPUs that it may use. */
  allocation: GpuAllocation | undefined;
  /** The path of its cgroup: the label `id`. */
  cgroup: string;
  /** Its first process. */
  pid: number;
}

/** Docker can hang on one container while it answers for the others (moby 18848). */
const INSPECT_TIMEOUT_SECONDS = 2;
/** The runtimes change only when the daemon restarts. */
const INFO_LIFETIME_SECONDS = 300;

/** The running containers of a Docker host, and the processes in them. */
export class Containers {
  private known = new Map<string, Container>();
  /** Ids of running containers whose inspection failed. */
  private unknown = new Set<string>();
  private info: { value: Promise<DockerInfo>; until: number } | undefined;

  /** @param proc path of the host's procfs */
  constructor(
    private readonly docker: DockerApi,
    private readonly proc = "/proc",
  ) {}

  /** @returns the running containers by id, and an error message for each container whose inspection failed */
  async list(
    timeoutSeconds: number,
  ): Promise<{ containers: ReadonlyMap<string, Container>; failures: string[] }> {
    const timeout = AbortSignal.timeout(timeoutSeconds * 1000);
    const failures = new Map<string, string>();
    const containers = await Promise.all(
      (await this.docker.runningContainers(timeout)).map(async (summary) => {
        const known = await this.unchanged(summary);
        // A running container can join networks and leave them.
        if (known) return { ...known, addresses: addressesOf(summary) };
        return this.inspect(summary, timeout).catch((error: unknown) => {
          failures.set(summary.Id, (error as Error).message);
          return undefined;
        });
      }),
    );
    const running = containers.filter((container) => container !== undefined);
    this.known = new Map(running.map((container) => [container.id, container]));
    this.unknown = new Set(failures.keys());
    return { containers: this.known, failures: [...failures.values()] };
  }

  /**
   * Returns the container of a process, among those last listed. Of several, the innermost counts: `--cgroup-parent` puts one
   * container of Docker below another. Containers that Docker does not list, such as those that kind runs in a container, count
   * as the container around them.
   *
   * @returns "host" for a process outside of Docker's containers, which can be in one of another container manager; undefined for
   * a process that has ended, and for one in a container whose inspection failed
   */
  async ownerOf(pid: number): Promise<Container | "host" | undefined> {
    const cgroup = await readFile(`${this.proc}/${pid}/cgroup`, "utf8").catch((error: unknown) => {
      if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
      throw error;
    });
    return cgroup === undefined ? undefined : this.ownerOfIds(containersOf(cgroup).map(({ id }) => id));
  }

  /** As {@link ownerOf}, by the ids of the containers around a process, the outermost first. */
  ownerOfIds(ids: string[]): Container | "host" | undefined {
    const innermost = [...ids].reverse().find((id) => this.known.has(id) || this.unknown.has(id));
    return innermost === undefined ? "host" : this.known.get(innermost);
  }

  /** A known container needs no second inspection: its configuration is fixed. A restart changes its process, and its name can change. */
  private async unchanged({ Id: id, Names: names }: ContainerSummary): Promise<Container | undefined> {
    const known = this.known.get(id);
    if (!known || !names.includes(`/${known.labels.name}`)) return undefined;
    return (await this.cgroupOf(known.pid, id)) ? known : undefined;
  }

  /** @returns undefined for a container that has ended */
  private async inspect(summary: ContainerSummary, timeout: AbortSignal): Promise<Container | undefined> {
    const { Id: id } = summary;
    const signal = AbortSignal.any([timeout, AbortSignal.timeout(INSPECT_TIMEOUT_SECONDS * 1000)]);
    const inspection = await this.docker.inspect(id, signal);
    if (!inspection?.State.Pid) return undefined;
    const info = await this.currentInfo(signal);
    const { Pid: pid } = inspection.State;
    const defaultCgroup =
      info.CgroupDriver === "systemd" ? `/system.slice/docker-${id}.scope` : `/docker/${id}`;
    return {
      id,
      labels: labelsOf(inspection),
      llmMetrics: llmMetricsOf(inspection),
      addresses: addressesOf(summary),
      allocation: gpuAllocation(inspection, runtimesOf(info)),
      cgroup: (await this.cgroupOf(pid, id)) ?? defaultCgroup,
      pid,
    };
  }

  private async cgroupOf(pid: number, id: string): Promise<string | undefined> {
    const cgroup = await readFile(`${this.proc}/${pid}/cgroup`, "utf8").catch(() => "");
    return containersOf(cgroup).find((container) => container.id === id)?.path;
  }

  /** All inspections of a scrape share one request. */
  private async currentInfo(signal: AbortSignal): Promise<DockerInfo> {
    if (!this.info || this.info.until < Date.now())
      this.info = { value: this.docker.info(signal), until: Date.now() + INFO_LIFETIME_SECONDS * 1000 };
    try {
      return await this.info.value;
    } catch (error) {
      this.info = undefined;
      throw error;
    }
  }
}

function labelsOf({ Name, Config: { Image: image, Labels } }: ContainerInspection): Container["labels"] {
  const label = (name: string) => Labels?.[name] ?? "";
  return {
    name: Name.replace(/^\//, ""),
    image,
    llm_server: llmServer(image, label(LLM_SERVER_LABEL)),
    compose_project: label("com.docker.compose.project"),
    compose_service: label("com.docker.compose.service"),
    alerts: label(ALERTS_LABEL) === "none" ? "none" : "",
  };
}

const llmMetricsOf = ({ Config: { Labels } }: ContainerInspection): Container["llmMetrics"] => ({
  port: Labels?.[LLM_PORT_LABEL] ?? "",
  path: Labels?.[LLM_PATH_LABEL] ?? "",
  scrape: Labels?.[LLM_SCRAPE_LABEL] ?? "",
});

const addressesOf = ({ NetworkSettings }: ContainerSummary): Container["addresses"] =>
  Object.fromEntries(
    Object.entries(NetworkSettings?.Networks ?? {}).map(([network, endpoint]) => [
      network,
      { address: endpoint?.IPAddress ?? "", prefix: endpoint?.IPPrefixLen ?? 0 },
    ]),
  );

const runtimesOf = ({ DefaultRuntime = "", Runtimes }: DockerInfo): Runtimes => ({
  default: DefaultRuntime,
  paths: Object.fromEntries(Object.entries(Runtimes ?? {}).map(([name, { path = "" }]) => [name, path])),
});
