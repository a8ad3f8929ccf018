import type { Containers, ListedContainers } from "./containers";
import type { ScrapeError } from "./errorLog";
import type { Gpus, GpuSnapshot } from "./gpus";
import { llmServers, targetGroups, type LlmNetworks, type LlmServer, type TargetGroup } from "./llmTargets";

/** The data of one scrape. */
export interface Snapshot {
  /** Undefined when Docker does not answer. */
  listed: ListedContainers | undefined;
  /** Undefined on a host whose GPUs are not measured. */
  gpus: GpuSnapshot | undefined;
  /** Empty when Docker does not answer. */
  llmServers: LlmServer[];
  errors: ScrapeError[];
}

/** Collects the data of a scrape, of containers and of GPUs. */
export class Collector {
  /**
   * @param networks the networks on which Prometheus scrapes LLM servers
   * @param gpus by default, GPUs are not measured
   */
  constructor(
    private readonly containers: Containers,
    private readonly networks: LlmNetworks,
    private readonly gpus?: Gpus,
  ) {}

  /**
   * The LLM servers that Prometheus scrapes.
   *
   * @throws Error when Docker does not answer; Prometheus then goes on with the last targets
   */
  async llmTargets(timeoutSeconds: number): Promise<TargetGroup[]> {
    const { containers } = await this.containers.list(timeoutSeconds);
    const running = containers.filter(({ state }) => state.running);
    return targetGroups(llmServers(running, this.networks));
  }

  /** @param timeoutSeconds for the driver and for Docker, which are queried at the same time */
  async snapshot(timeoutSeconds: number): Promise<Snapshot> {
    const errors: ScrapeError[] = [];
    const [driver, listed] = await Promise.all([
      this.gpus?.queryDriver(timeoutSeconds, errors),
      this.queryDocker(timeoutSeconds, errors),
    ]);
    const running = listed?.containers.filter(({ state }) => state.running);
    return {
      listed,
      gpus: await this.gpus?.snapshot(driver, running, errors),
      llmServers: llmServers(running ?? [], this.networks),
      errors,
    };
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
