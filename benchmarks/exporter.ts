import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { buildShellImage } from "../airgap/images";
import { SERVERS } from "../lib/names";
import { run } from "../lib/run";
import { exporterBundle, NODE_OPTIONS } from "../exporter/bundle";
import { buildNvidiaSmi } from "../tests/support/emulatedDriver/build";
import { h100, type EmulatedHost } from "../tests/support/emulatedDriver/host";
import { startDaemon, type Daemon } from "../tests/support/daemons";

const GPUS = 8;
const CONTAINERS = 64;
const PROCESSES = 200;
const SCRAPES = 60;
const IMAGE = "example/llm:1";

/**
 * Measures the cost of a scrape of the exporter on a host with 8 GPUs, 64 containers with a GPU each, and 200 GPU
 * processes. Containers and pids are real, `nvidia-smi` is emulated: the exporter reports how long it takes, and the benchmark
 * subtracts that.
 */
export async function exporterCost(): Promise<void> {
  const daemon = await startDaemon("20.10");
  const folder = await mkdtemp(path.join(os.tmpdir(), "exporter-"));
  try {
    const processes = await startContainers(daemon.host);
    const host: EmulatedHost = {
      driver: "550.127.05",
      gpus: Array.from({ length: GPUS }, (_, i) => h100(i, { utilization: 50 })),
      processes: processes.map((process, i) => ({ ...process, memory: 100 + i, sm: i % 10 })),
    };
    await writeFile(path.join(folder, "host.json"), JSON.stringify(host));
    await buildNvidiaSmi(folder, path.join(folder, "host.json"), process.execPath);
    const { file, code } = exporterBundle();
    await writeFile(path.join(folder, file), code);
    await measure(daemon, folder, path.join(folder, file));
  } finally {
    await daemon.stop();
    await rm(folder, { recursive: true });
  }
}

/** Starts the containers; returns their processes, each with its GPU. */
async function startContainers(dockerHost: string): Promise<{ gpu: number; pid: number }[]> {
  const docker = (...args: string[]) => run("docker", args, { env: { DOCKER_HOST: dockerHost } });
  await buildShellImage(IMAGE, dockerHost);
  const perContainer = Math.ceil(PROCESSES / CONTAINERS);
  const work = `${"sleep 9999 & ".repeat(perContainer - 1)}sleep 9999`;
  const processes: { gpu: number; pid: number }[] = [];
  for (let i = 0; i < CONTAINERS; i++) {
    const gpu = i % GPUS;
    await docker(...["run", "-d", "--gpus", `device=${gpu}`, "--name", `llm-${i}`, IMAGE, "sh", "-c", work]);
    const pids = (await docker("top", `llm-${i}`, "-eo", "pid")).split("\n").slice(1).filter(Boolean);
    processes.push(...pids.map((pid) => ({ gpu, pid: Number(pid) })));
  }
  return processes.slice(0, PROCESSES);
}

/** Runs the exporter beside the daemon, scrapes it, and prints the result. */
async function measure(daemon: Daemon, folder: string, program: string): Promise<void> {
  const [nsenter = "", ...inside] = daemon.inside;
  const exporter = spawn(nsenter, [...inside, process.execPath, ...NODE_OPTIONS, program], {
    stdio: "ignore",
    env: { ...process.env, DOCKER_HOST: daemon.host, PATH: `${folder}:${process.env["PATH"] ?? ""}` },
  });
  try {
    await sleep(2000);
    const fetchMetrics = `fetch("http://127.0.0.1:${SERVERS.exporter.port}/metrics").then((r) => r.text()).then(console.log)`;
    const scrape = () => run(nsenter, [...inside, process.execPath, "-e", fetchMetrics]);
    let metrics = await scrape();
    const durations: number[] = [];
    for (let i = 0; i < SCRAPES; i++) {
      metrics = await scrape();
      const value = (name: string) => Number(new RegExp(`^${name} (.+)$`, "m").exec(metrics)?.[1]);
      durations.push(value("gpu_exporter_duration_seconds") - value("gpu_exporter_driver_duration_seconds"));
    }
    durations.sort((a, b) => a - b);
    const milliseconds = (i: number) => ((durations[i] ?? NaN) * 1000).toFixed(0);
    const containers = metrics.match(/^container_gpu_memory_used_bytes/gm)?.length ?? 0;
    const counts = [...metrics.matchAll(/^container_gpu_processes\{.*\} (\d+)$/gm)];
    const processes = counts.reduce((sum, [, count]) => sum + Number(count), 0);
    const status = await readFile(`/proc/${exporter.pid ?? 0}/status`, "utf8");
    const peak = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024;
    console.log(
      `exporter: ${GPUS} GPUs, ${containers} containers with one, ${processes} GPU processes, ${SCRAPES} scrapes:`,
    );
    console.log(
      `  beside nvidia-smi, ms (min, median, max)   ${milliseconds(0)}  ${milliseconds(SCRAPES / 2)}  ${milliseconds(SCRAPES - 1)}`,
    );
    console.log(`  peak resident memory, MiB                  ${peak.toFixed(0)}`);
  } finally {
    exporter.kill();
  }
}
