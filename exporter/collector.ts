import type { Containers, ListedContainers } from "./containers";
import type { ScrapeError } from "./errorLog";
import type { Gpus, GpuSnapshot } from "./gpus";

/** The data of one scrape. */
export interface Snapshot {
  /** Undefined when Docker does not answer. */
  listed: ListedContainers | undefined;
  /** Undefined on a host whose GPUs are not measured. */
  gpus: GpuSnapshot | undefined;
  errors: ScrapeError[];
}

/** Collects the data of a scrape, of containers and of GPUs. */
export class Collector {
  /** @param gpus by default, GPUs are not measured */
  constructor(
    private readonly containers: Containers,
    private readonly gpus?: Gpus,
  ) {}

  /** @param timeoutSeconds for the driver and for Docker, which are queried at the same time */
  async snapshot(timeoutSeconds: number): Promise<Snapshot> {
    const errors: ScrapeError[] = [];
    const [driver, listed] = await Promise.all([
      this.gpus?.queryDriver(timeoutSeconds, errors),
      this.queryDocker(timeoutSeconds, errors),
    ]);
    const running = listed?.containers.filter(({ state }) => state.running);
    return { listed, gpus: await this.gpus?.snapshot(driver, running, errors), errors };
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
