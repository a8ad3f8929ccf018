import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { buildShellImage } from "../airgap/images";
import { SERVERS } from "../lib/names";
import { run } from "../lib/run";
import { exporterBundle, NODE_OPTIONS, PROGRAM } from "../exporter/bundle";
import { buildNvml } from "../tests/support/emulatedDriver/build";
import { description } from "../tests/support/emulatedDriver/description";
import { h100, type EmulatedHost } from "../tests/support/emulatedDriver/host";
import { startDaemon, type Daemon } from "../tests/support/daemons";

const GPUS = 8;
const CONTAINERS = 64;
const PROCESSES = 200;
const SCRAPES = 60;
const IMAGE = "example/llm:1";

/**
 * Measures the cost of a scrape of the exporter on a host with 8 GPUs, 64 containers with a GPU each, and 200 GPU
 * processes: CPU time and memory of the exporter and of its process that queries the driver. Containers and pids are real, NVIDIA's
 * library is emulated.
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
    await writeFile(path.join(folder, "host"), description(host));
    for (const [file, content] of Object.entries(exporterBundle().files)) {
      await mkdir(path.join(folder, path.dirname(file)), { recursive: true });
      await writeFile(path.join(folder, file), content);
    }
    await measure(daemon, folder, path.dirname(await buildNvml()));
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
async function measure(daemon: Daemon, folder: string, libraries: string): Promise<void> {
  const [nsenter = "", ...inside] = daemon.inside;
  const exporter = spawn(
    nsenter,
    [...inside, process.execPath, ...NODE_OPTIONS, path.join(folder, PROGRAM)],
    {
      stdio: "ignore",
      env: {
        ...process.env,
        DOCKER_HOST: daemon.host,
        LD_LIBRARY_PATH: libraries,
        EMULATED_HOST: path.join(folder, "host"),
      },
    },
  );
  const pid = exporter.pid ?? 0;
  try {
    await sleep(2000);
    const fetchMetrics = `fetch("http://127.0.0.1:${SERVERS.exporter.port}/metrics").then((r) => r.text()).then(console.log)`;
    const scrape = () => run(nsenter, [...inside, process.execPath, "-e", fetchMetrics]);
    let metrics = await scrape();
    const durations: number[] = [];
    const before = await cpuSeconds(pid);
    for (let i = 0; i < SCRAPES; i++) {
      metrics = await scrape();
      durations.push(Number(/^gpu_exporter_duration_seconds (.+)$/m.exec(metrics)?.[1]));
    }
    const cpu = ((await cpuSeconds(pid)) - before) / SCRAPES;
    durations.sort((a, b) => a - b);
    const milliseconds = (i: number) => ((durations[i] ?? NaN) * 1000).toFixed(0);
    const containers = metrics.match(/^container_gpu_memory_used_bytes/gm)?.length ?? 0;
    const counts = [...metrics.matchAll(/^container_gpu_processes\{.*\} (\d+)$/gm)];
    const processes = counts.reduce((sum, [, count]) => sum + Number(count), 0);
    console.log(
      `exporter: ${GPUS} GPUs, ${containers} containers with one, ${processes} GPU processes, ${SCRAPES} scrapes:`,
    );
    console.log(`  CPU time of a scrape, ms                   ${(cpu * 1000).toFixed(0)}`);
    console.log(
      `  duration, ms (min, median, max)            ${milliseconds(0)}  ${milliseconds(SCRAPES / 2)}  ${milliseconds(SCRAPES - 1)}`,
    );
    console.log(`  peak resident memory, MiB                  ${(await peakMebibytes(pid)).toFixed(0)}`);
  } finally {
    exporter.kill();
  }
}

/** A process and its children. */
async function family(pid: number): Promise<number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  return [pid, ...children.trim().split(" ").filter(Boolean).map(Number)];
}

const CLOCK_TICKS_PER_SECOND = 100;

/** The CPU time of the exporter with its processes. */
async function cpuSeconds(exporter: number): Promise<number> {
  let ticks = 0;
  for (const pid of await family(exporter)) {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    // After the name in parentheses, utime and stime are the 12th and 13th fields.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / CLOCK_TICKS_PER_SECOND;
}

/** The sum of their peaks. Pages that they share count twice. */
async function peakMebibytes(exporter: number): Promise<number> {
  let kibibytes = 0;
  for (const pid of await family(exporter)) {
    const status = await readFile(`/proc/${pid}/status`, "utf8");
    kibibytes += Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]);
  }
  return kibibytes / 1024;
}
