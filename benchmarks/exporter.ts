import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { buildImage, buildShellImage } from "../airgap/images";
import { LLM_TARGETS_PATH, SERVERS } from "../lib/names";
import { run } from "../lib/run";
import { HEALTHCHECK, startScript } from "../components/exporter";
import { exporterBundle, NODE_OPTIONS, PROGRAM } from "../exporter/bundle";
import { buildNvml } from "../tests/support/emulatedDriver/build";
import { description } from "../tests/support/emulatedDriver/description";
import { h100, type EmulatedHost } from "../tests/support/emulatedDriver/host";
import { startDaemon, type Daemon } from "../tests/support/daemons";
import { settings } from "../tests/support/settings";

const GPUS = 8;
const CONTAINERS = 64;
const PROCESSES = 200;
const SCRAPES = 60;
const IMAGE = "example/llm:1";

/** Of the host without GPUs. */
const PLAIN_CONTAINERS = 50;
const INTERVAL_SECONDS = 30;
const MINUTES = 5;

/** Measures the exporter on a host with GPUs, and on one without. */
export async function exporterCost(): Promise<void> {
  await scrapeCost();
  await idleCost();
}

/**
 * Measures the cost of a scrape of the exporter on a host with 8 GPUs, 64 containers with a GPU each, and 200 GPU
 * processes: CPU time and memory of the exporter and of its process that queries the driver. Containers and pids are real, NVIDIA's
 * library is emulated.
 */
async function scrapeCost(): Promise<void> {
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
    await writeProgram(folder);
    await measure(daemon, folder, path.dirname(await buildNvml()));
  } finally {
    await daemon.stop();
    await rm(folder, { recursive: true });
  }
}

/** Writes the exporter's program to a folder. */
async function writeProgram(folder: string): Promise<void> {
  for (const [file, content] of Object.entries(exporterBundle().files)) {
    await mkdir(path.join(folder, path.dirname(file)), { recursive: true });
    await writeFile(path.join(folder, file), content);
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
    const line = await readFile(`/proc/${pid}/stat`, "utf8");
    // After the name in parentheses, utime and stime are the 12th and 13th fields.
    const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
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

/** The Docker CLI on the daemon of the benchmark. */
type Docker = (...args: string[]) => Promise<string>;

/**
 * Measures CPU use and memory of the exporter's container, as the stack runs it on a host without GPUs, with 50 containers, a
 * scrape every 30 s, and a list of LLM servers every 10 s. What its health check and its shell use is included.
 */
async function idleCost(): Promise<void> {
  const daemon = await startDaemon("20.10");
  try {
    const docker: Docker = (...args) => run("docker", args, { env: { DOCKER_HOST: daemon.host } });
    await buildShellImage(IMAGE, daemon.host);
    for (let i = 0; i < PLAIN_CONTAINERS; i++) await docker("run", "-d", "--name", `web-${i}`, IMAGE);
    await startExporter(daemon, docker);
    const { cpu, memory } = await measureContainer(daemon, docker);
    console.log(
      `exporter without GPUs: ${PLAIN_CONTAINERS} containers, a scrape every ${INTERVAL_SECONDS} s, ${MINUTES} minutes:`,
    );
    console.log(`  CPU, % of a core                           ${(cpu * 100).toFixed(2)}`);
    console.log(`  memory, MiB (min, median, max)             ${memory.join("  ")}`);
  } finally {
    await daemon.stop();
  }
}

const EXPORTER = "exporter";

/** Starts the exporter's container with the inputs by which the component declares it. */
async function startExporter({ host, temporary }: Daemon, docker: Docker): Promise<void> {
  const { exporterImage: image, exporterMemory } = settings();
  await buildImage(image, host);
  await writeProgram(temporary);
  const socket = host.replace("unix://", "");
  const check = HEALTHCHECK.tests.slice(1).map((word) => `'${word}'`);
  await docker(
    ...["run", "-d", "--name", EXPORTER, "--read-only", "--cap-drop=ALL", "--cgroupns=host"],
    ...["--user=65534:65534", `--group-add=${(await stat(socket)).gid}`, `--memory=${exporterMemory}m`],
    ...["--env=NVIDIA_VISIBLE_DEVICES=void", `--health-cmd=${check.join(" ")}`],
    `--health-interval=${HEALTHCHECK.interval}`,
    ...["--volume", `${temporary}:/exporter:ro`, "--volume", `${socket}:/var/run/docker.sock:ro`],
    ...[image, "sh", "-c", startScript(), `/exporter/${PROGRAM}`, ...NODE_OPTIONS],
  );
}

/** CPU use as a share of a core, and the least, the median and the most memory, in MiB, once it has been scraped. */
async function measureContainer(
  { inside }: Daemon,
  docker: Docker,
): Promise<{ cpu: number; memory: number[] }> {
  const format = "{{.NetworkSettings.IPAddress}} {{.State.Pid}}";
  const [address = "", pid = ""] = (await docker("inspect", "--format", format, EXPORTER)).trim().split(" ");
  const [nsenter = "", ...namespace] = inside;
  const ask = (path: string) => {
    const url = `http://${address}:${SERVERS.exporter.port}${path}`;
    const code = `fetch("${url}").then((r) => r.text()).then(console.log)`;
    return run(nsenter, [...namespace, process.execPath, "-e", code]);
  };
  const scrape = () => ask("/metrics");
  const [cpuTime, memoryUse] = [await cgroupOf(pid, "cpuacct"), await cgroupOf(pid, "memory")];
  const cpuSeconds = async () => Number(await readFile(`${cpuTime}/cpuacct.usage`, "utf8")) / 1e9;

  // The program is read from the volume first.
  await sleep(5000);
  for (let i = 0; i < 2; i++) {
    await scrape();
    await sleep(INTERVAL_SECONDS * 1000);
  }
  const [start, used] = [performance.now(), await cpuSeconds()];
  const memory: number[] = [];
  for (let second = 0; second < MINUTES * 60; second++) {
    if (second % INTERVAL_SECONDS === 0) await scrape();
    // As often as Prometheus asks for targets.
    if (second % 10 === 5) await ask(LLM_TARGETS_PATH);
    memory.push(Number(await readFile(`${memoryUse}/memory.usage_in_bytes`, "utf8")) / 1024 ** 2);
    await sleep(1000);
  }
  const cpu = (await cpuSeconds()) - used;
  memory.sort((a, b) => a - b);
  const shown = [memory[0], memory[memory.length >> 1], memory.at(-1)].map((mib = NaN) => Math.round(mib));
  return { cpu: cpu / ((performance.now() - start) / 1000), memory: shown };
}

/** The folder of a process's cgroup of version 1. */
async function cgroupOf(pid: string, controller: string): Promise<string> {
  const lines = (await readFile(`/proc/${pid}/cgroup`, "utf8")).split("\n").map((line) => line.split(":"));
  const line = lines.find(([, controllers = ""]) => controllers.split(",").includes(controller));
  return `/sys/fs/cgroup/${controller}${line?.[2] ?? ""}`;
}
