import type { Containers, ListedContainers } from "./containers";
import type { ScrapeError } from "./errorLog";
import type { Gpus, GpuSnapshot } from "./gpus";
import { llmServers, targetGroups, type LlmNetworks, type LlmServer, type TargetGroup } from "./llmTargets";

/** The data of one scrape. */
export interface Snapshot {
  /** Undefined when Docker does not answer. */
  listed: ListedContainers | undefined;
  /** Empty when Docker does not answer. */
  llmServers: LlmServer[];
  /** Undefined on a host whose GPUs are not measured. */
  gpus: GpuSnapshot | undefined;
  errors: ScrapeError[];
}

/** Collects the data of a scrape, of containers and of GPUs. */
export class Collector {
  /**
   * @param gpus undefined where GPUs are not measured
   * @param networks the networks on which LLM servers are scraped; undefined where they are not
   */
  constructor(
    private readonly containers: Containers,
    private readonly gpus?: Gpus,
    private readonly networks?: LlmNetworks,
  ) {}

  /**
   * The LLM servers that Prometheus scrapes.
   *
   * @throws Error when Docker does not answer; Prometheus then goes on with the last targets
   */
  async llmTargets(timeoutSeconds: number): Promise<TargetGroup[]> {
    return targetGroups(this.llmServers(await this.containers.list(timeoutSeconds)));
  }

  /**
   * The LLM server of a container, among those that the forwarder may connect to.
   *
   * @param id of the container
   * @throws Error when Docker does not answer
   */
  async forwardedServer(id: string, timeoutSeconds: number): Promise<LlmServer | undefined> {
    // Docker is asked each time: another container can have the address that this one had.
    const servers = this.llmServers(await this.containers.list(timeoutSeconds));
    return servers.find(
      ({ container, target }) => container.id === id && typeof target === "object" && target.forwarded,
    );
  }

  /** @param timeoutSeconds for the driver and for Docker, which are queried at the same time */
  async snapshot(timeoutSeconds: number): Promise<Snapshot> {
    const errors: ScrapeError[] = [];
    const [driver, listed] = await Promise.all([
      this.gpus?.queryDriver(timeoutSeconds, errors),
      this.queryDocker(timeoutSeconds, errors),
    ]);
    return {
      listed,
      llmServers: listed ? this.llmServers(listed) : [],
      gpus: this.gpus?.snapshot(driver, listed, errors),
      errors,
    };
  }

  /** A server on which Docker hangs stays a target: it can answer Prometheus, or be down for longer. */
  private llmServers({ containers, stale }: ListedContainers): LlmServer[] {
    if (!this.networks) return [];
    return llmServers(
      [...containers, ...stale].filter(({ state }) => state.running),
      this.networks,
    );
  }

  private async queryDocker(
    timeoutSeconds: number,
    errors: ScrapeError[],
  ): Promise<ListedContainers | undefined> {
    try {
      const listed = await this.containers.list(timeoutSeconds);
      for (const message of listed.failures) errors.push({ stage: "docker", reason: "container", message });
      return listed;
    } catch (error) {
      errors.push({ stage: "docker", reason: "failed", message: (error as Error).message });
      return undefined;
    }
  }
}
