import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { exporterServer } from "../../exporter/server";
import { gpuUuid, h100, type EmulatedHost } from "./emulatedDriver/host";
import type { Driver } from "../../exporter/driver";
import { collector, emulate, EmulatedDocker, emulatedDriver } from "./emulatedExporter";

export const DRIVER = "550.127.05";

/** HostConfig of `--gpus all`, and of `--gpus device=<id>`. */
export const allGpus = { DeviceRequests: [{ Count: -1, Capabilities: [["gpu"]] }] };
export const oneGpu = (id: string) => ({ DeviceRequests: [{ DeviceIDs: [id], Capabilities: [["gpu"]] }] });

/** The values of an answer to a scrape, by series. */
export type Series = Map<string, number>;

/** The exporter on an emulated host. */
export class RunningExporter {
  readonly docker = new EmulatedDocker();
  /** Lines of its log. */
  readonly log: string[] = [];
  private server: Server | undefined;
  private driver: Driver | undefined;

  /** @param options whether the host has GPUs */
  async start({ gpus = true } = {}): Promise<this> {
    const api = await this.docker.start();
    if (gpus) this.driver = emulatedDriver();
    const { proc } = this.docker;
    this.server = exporterServer(collector(api, proc, this.driver), (line) => this.log.push(line));
    await new Promise<void>((resolve) => this.server?.listen(0, "127.0.0.1", resolve));
    return this;
  }

  async stop(): Promise<void> {
    this.server?.closeAllConnections();
    this.server?.close();
    this.driver?.stop();
    await this.docker.stop();
  }

  get port(): number {
    return (this.server?.address() as AddressInfo).port;
  }

  /** Scrapes with Prometheus's timeout header, and gives up after that timeout as Prometheus does. */
  async scrape(timeoutSeconds = 10): Promise<Series> {
    const response = await fetch(`http://127.0.0.1:${this.port}/metrics`, {
      headers: { "x-prometheus-scrape-timeout-seconds": String(timeoutSeconds) },
      signal: AbortSignal.timeout(timeoutSeconds * 1000),
    });
    expect(response.status).toBe(200);
    const lines = (await response.text()).split("\n").filter((line) => line && !line.startsWith("#"));
    return new Map(
      lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.split(" ").pop())]),
    );
  }

  /**
   * Emulates two GPUs. `chat` uses both, `embed` and a process of the host use the second; `idle` has a GPU and does nothing;
   * `cuda` has an image of CUDA and no GPU.
   */
  runContainers(changes: Partial<EmulatedHost> = {}): void {
    this.docker.run(
      [
        { name: "chat", image: "vllm/vllm-openai:v0.11.0", pids: [11, 12, 13], config: allGpus },
        {
          name: "embed",
          image: "example/embed:1",
          pids: [21],
          config: oneGpu("1"),
          labels: { "com.docker.compose.project": "rag" },
        },
        { name: "idle", image: "ollama/ollama:0.12", pids: [31], config: oneGpu(gpuUuid(0)) },
        { name: "cuda", image: "nvidia/cuda:12", pids: [41], env: ["NVIDIA_VISIBLE_DEVICES=all"] },
      ],
      [99],
    );
    emulate({
      driver: DRIVER,
      gpus: [h100(0, { utilization: 60 }), h100(1)],
      processes: [
        { pid: 11, gpu: 0, memory: 40 * 1024, sm: 30 },
        { pid: 12, gpu: 0, memory: 10 * 1024, sm: 20 },
        { pid: 13, gpu: 1, memory: 20 * 1024 },
        { pid: 21, gpu: 1, memory: 4 * 1024, sm: 5 },
        { pid: 99, gpu: 1, memory: 2 * 1024, type: "G" },
      ],
      ...changes,
    });
  }
}

/** The values of a metric, by the values of the given labels. */
export function values(series: Series, metric: string, ...labels: string[]): Record<string, number> {
  const found = [...series].filter(([name]) => name.startsWith(`${metric}{`));
  return Object.fromEntries(
    found.map(([name, value]) => [
      labels.map((label) => new RegExp(`[{,]${label}="([^"]*)"`).exec(name)?.[1]).join(" "),
      value,
    ]),
  );
}
