import { readFile, stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { buildImage, buildShellImage } from "../airgap/images";
import { LLM_TARGETS_PATH, SERVERS } from "../lib/names";
import { run } from "../lib/run";
import { HEALTHCHECK, startScript } from "../components/exporter";
import { NODE_OPTIONS, PROGRAM } from "../exporter/bundle";
import { h100, type EmulatedHost } from "../tests/support/emulatedDriver/host";
import { startDaemon, type Daemon } from "../tests/support/daemons";
import { eventually } from "../tests/support/eventually";
import { settings } from "../tests/support/settings";
import { ExporterProcess, fetchInside, writeProgram, type CpuTime } from "./exporterProcess";

const GPUS = 8;
const CONTAINERS = 64;
const PROCESSES = 200;
const SCRAPES = 60;
const PAUSE_MILLISECONDS = 500;
const IDLE_SECONDS = 60;
const IMAGE = "example/llm:1";

/** Of the host without GPUs. */
const PLAIN_CONTAINERS = 50;
const INTERVAL_SECONDS = 30;
const MINUTES = 5;

/**
 * Measures the exporter on a host with GPUs, and on one without.
 *
 * @param minutes for which it is measured on the host with GPUs, with a scrape every 30 s; 0 to measure single scrapes
 */
export async function exporterCost(minutes = 0): Promise<void> {
  await onHostWithGpus((exporter) => (minutes ? measureLong(exporter, minutes) : measure(exporter)));
  if (!minutes) await idleCost();
}

/** Runs the exporter on a host with 8 GPUs, 64 containers with a GPU each, and 200 GPU processes. Containers and pids are real, NVIDIA's library is emulated. */
async function onHostWithGpus(work: (exporter: ExporterProcess) => Promise<void>): Promise<void> {
  const daemon = await startDaemon("20.10");
  try {
    const processes = await startContainers(daemon.host);
    const host: EmulatedHost = {
      driver: "550.127.05",
      gpus: Array.from({ length: GPUS }, (_, i) => h100(i, { utilization: 50 })),
      processes: processes.map((process, i) => ({ ...process, memory: 100 + i, sm: i % 10 })),
    };
    const exporter = await ExporterProcess.start(daemon, host);
    try {
      await work(exporter);
    } finally {
      exporter.stop();
    }
  } finally {
    await daemon.stop();
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

/** Prints the CPU time for samples each second, without scrapes, and what a scrape adds to that. */
async function measure(exporter: ExporterProcess): Promise<void> {
  const idle = await cpuUse(exporter, () => sleep(IDLE_SECONDS * 1000));
  let metrics = "";
  const durations: number[] = [];
  const scraped = await cpuUse(exporter, async () => {
    for (let i = 0; i < SCRAPES; i++) {
      metrics = await exporter.scrape();
      durations.push(1000 * Number(/^gpu_exporter_duration_seconds (.+)$/m.exec(metrics)?.[1]));
      await sleep(PAUSE_MILLISECONDS);
    }
  });
  durations.sort((a, b) => a - b);
  const spread = [durations[0], durations[SCRAPES / 2], durations[SCRAPES - 1]];
  const ofScrape = (one: keyof CpuTime) => ((scraped[one] - idle[one]) * scraped.seconds) / SCRAPES;
  const [own, driver] = [ofScrape("exporter"), ofScrape("driver")];
  const samples = idle.exporter + idle.driver;
  const containers = metrics.match(/^container_gpu_memory_used_bytes/gm)?.length ?? 0;
  const counts = [...metrics.matchAll(/^container_gpu_processes\{.*\} (\d+)$/gm)];
  const processes = counts.reduce((sum, [, count]) => sum + Number(count), 0);
  const parts = (a: number, b: number) => `${(a + b).toFixed(1)}  (${a.toFixed(1)} + ${b.toFixed(1)})`;
  console.log(
    `exporter: ${GPUS} GPUs, ${containers} containers with one, ${processes} GPU processes (the exporter + its process that calls the driver):`,
  );
  console.log(
    `  CPU time of a second of samples, ms        ${parts(idle.exporter * 1000, idle.driver * 1000)}`,
  );
  console.log(`  CPU time that a scrape adds, ms            ${parts(own * 1000, driver * 1000)}`);
  console.log(
    `  CPU with a scrape every ${INTERVAL_SECONDS} s, % of a core   ${(100 * (samples + (own + driver) / INTERVAL_SECONDS)).toFixed(2)}`,
  );
  console.log(
    `  duration of ${SCRAPES} scrapes, ms (min, median, max)  ${spread.map((one = NaN) => one.toFixed(0)).join("  ")}`,
  );
  console.log(`  memory (PSS), MiB                          ${(await exporter.memory()).toFixed(0)}`);
}

/** Prints the CPU use and the memory with a scrape every 30 s. */
async function measureLong(exporter: ExporterProcess, minutes: number): Promise<void> {
  const memory: number[] = [];
  const used = await cpuUse(exporter, async () => {
    for (let i = 0; i < (minutes * 60) / INTERVAL_SECONDS; i++) {
      await exporter.scrape();
      memory.push(await exporter.memory());
      await sleep(INTERVAL_SECONDS * 1000);
    }
  });
  const shown = [memory[0], Math.max(...memory), memory.at(-1)].map((mib = NaN) => mib.toFixed(0));
  console.log(`exporter: ${GPUS} GPUs, ${CONTAINERS} containers with one, for ${minutes} minutes:`);
  console.log(
    `  CPU, % of a core                           ${(100 * (used.exporter + used.driver)).toFixed(2)}`,
  );
  console.log(`  memory (PSS), MiB (first, most, last)      ${shown.join("  ")}`);
}

/** The CPU use of the exporter, in seconds per second, while something happens, and how long that took. */
async function cpuUse(
  exporter: ExporterProcess,
  work: () => Promise<void>,
): Promise<CpuTime & { seconds: number }> {
  const [start, before] = [performance.now(), await exporter.cpuTime()];
  await work();
  const [after, seconds] = [await exporter.cpuTime(), (performance.now() - start) / 1000];
  return {
    exporter: (after.exporter - before.exporter) / seconds,
    driver: (after.driver - before.driver) / seconds,
    seconds,
  };
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
async function measureContainer(daemon: Daemon, docker: Docker): Promise<{ cpu: number; memory: number[] }> {
  const format = "{{.NetworkSettings.IPAddress}} {{.State.Pid}}";
  const [address = "", pid = ""] = (await docker("inspect", "--format", format, EXPORTER)).trim().split(" ");
  const ask = (path: string) => fetchInside(daemon, `http://${address}:${SERVERS.exporter.port}${path}`);
  const scrape = () => ask("/metrics");
  const [cpuTime, memoryUse] = [await cgroupOf(pid, "cpuacct"), await cgroupOf(pid, "memory")];
  const cpuSeconds = async () => Number(await readFile(`${cpuTime}/cpuacct.usage`, "utf8")) / 1e9;

  // On a busy machine, it takes seconds until the container answers.
  await eventually(async () => {
    await scrape();
  });
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
