import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { buildShellImage } from "../airgap/images";
import { buildPrometheus, type PrometheusRelease } from "../airgap/toolchain/prometheus";
import { SERVERS } from "../lib/names";
import { run } from "../lib/run";
import { startDaemon, type Daemon } from "../tests/support/daemons";
import { h100, type EmulatedHost, type Load } from "../tests/support/emulatedDriver/host";
import type { Sample } from "../tests/support/prometheus";
import { settings } from "../tests/support/settings";
import { ExporterProcess, fetchInside } from "./exporterProcess";

const IMAGE = "example/llm:1";
const SCRAPE_SECONDS = 30;
const WINDOW_SECONDS = 300;
/** Until every counter has counted for longer than the time before the first sample, by which `increase` extrapolates. */
const WARM_UP_SECONDS = 75;

const IDLE_WATTS = 70;
const BUSY_WATTS = 600;

/** The owner of the processes outside of containers. */
const HOST = "(the host)";

/** A process of a container, or of the host, and when it is busy. */
interface Work {
  owner: string;
  gpu: number;
  load?: Load;
}

/** Whole numbers of each period fit between the first sample of five minutes and the last one, so that `increase` extrapolates exactly. */
const WORK: Work[] = [
  { owner: "chat", gpu: 0, load: { period: 6000, from: 0, until: 3000 } },
  { owner: "embed", gpu: 0, load: { period: 6000, from: 3000, until: 6000 } },
  { owner: "idle", gpu: 0 },
  { owner: "batch", gpu: 1, load: { period: 45_000, from: 0, until: 10_000 } },
  { owner: HOST, gpu: 1, load: { period: 45_000, from: 20_000, until: 35_000 } },
  { owner: "short", gpu: 2, load: { period: 9000, from: 0, until: 1000 } },
];

/**
 * Compares the use of GPUs and their energy, as Prometheus computes them from the exporter's counters, with the loads of an emulated
 * driver; beside it, what a gauge that is sampled once in each scrape says.
 */
export async function gpuCounters(): Promise<void> {
  const daemon = await startDaemon("20.10");
  const prometheus = `http://127.0.0.1:${SERVERS.prometheus.port}`;
  try {
    const exporter = await ExporterProcess.start(daemon, await describe(daemon.host));
    const server = await startPrometheus(daemon);
    try {
      await sleep((WARM_UP_SECONDS + WINDOW_SECONDS) * 1000);
      const time = String(Date.now() / 1000);
      await report(async (promql) => {
        const parameters = new URLSearchParams({ query: promql, time }).toString();
        const answer = await fetchInside(daemon, `${prometheus}/api/v1/query?${parameters}`);
        return (JSON.parse(answer) as { data: { result: Sample[] } }).data.result;
      });
    } finally {
      server.kill();
      exporter.stop();
    }
  } finally {
    await daemon.stop();
  }
}

/** Starts the containers, and describes their GPUs. */
async function describe(dockerHost: string): Promise<EmulatedHost> {
  const docker = (...args: string[]) => run("docker", args, { env: { DOCKER_HOST: dockerHost } });
  await buildShellImage(IMAGE, dockerHost);
  const pids = new Map([[HOST, process.pid]]);
  for (const { owner, gpu } of WORK.filter((one) => one.owner !== HOST)) {
    await docker("run", "-d", "--gpus", `device=${gpu}`, "--name", owner, IMAGE, "sleep", "9999");
    pids.set(owner, Number(await docker("inspect", "--format", "{{.State.Pid}}", owner)));
  }
  const power = { energyPower: IDLE_WATTS * 1000, loadPower: (BUSY_WATTS - IDLE_WATTS) * 1000 };
  return {
    driver: "550.127.05",
    gpus: [0, 1, 2].map((gpu) => h100(gpu, { attributes: power })),
    processes: WORK.map(({ owner, ...work }) => ({ ...work, pid: pids.get(owner) ?? 0, memory: 1024 })),
  };
}

async function startPrometheus({ inside: [nsenter = "", ...inside], temporary }: Daemon) {
  const release = settings().prometheusImage.replace(/^.*:v/, "") as PrometheusRelease;
  const program = path.join(await buildPrometheus(release), "prometheus");
  const config = path.join(temporary, "prometheus.yml");
  const targets = [`127.0.0.1:${SERVERS.exporter.port}`];
  // YAML includes JSON.
  await writeFile(
    config,
    JSON.stringify({
      global: { scrape_interval: `${SCRAPE_SECONDS}s` },
      scrape_configs: [{ job_name: "exporter", static_configs: [{ targets }] }],
    }),
  );
  const options = [
    `--config.file=${config}`,
    `--storage.tsdb.path=${path.join(temporary, "prometheus")}`,
    `--web.listen-address=127.0.0.1:${SERVERS.prometheus.port}`,
  ];
  return spawn(nsenter, [...inside, program, ...options], { stdio: "ignore" });
}

type Query = (promql: string) => Promise<Sample[]>;

async function report(query: Query): Promise<void> {
  const valueOf = async (promql: string) => Number((await query(promql))[0]?.value[1]);
  const increase = (metric: string, labels: string) =>
    valueOf(`sum(increase(${metric}{${labels}}[${WINDOW_SECONDS}s]))`);
  const cells = (...values: string[]) => `  ${values.map((value) => value.padStart(11)).join("")}`;
  console.log(
    `GPU use and energy of ${WINDOW_SECONDS / 60} minutes by Prometheus's increase(), with a scrape every ${SCRAPE_SECONDS} s:`,
  );
  console.log(cells("", "use, s", "load", "error", "by a gauge", "energy, J", "load", "error"));
  for (const { owner, gpu, load } of WORK) {
    const isHost = owner === HOST;
    const [kind, labels] = isHost ? ["gpu_host", `gpu="${gpu}"`] : ["container_gpu", `name="${owner}"`];
    const used = await increase(`${kind}_usage_seconds_total`, labels);
    const joules = await increase(`${kind}_energy_joules_total`, labels);
    const gauge = `sum_over_time(container_gpu_utilization_ratio{${labels}}[${WINDOW_SECONDS}s])`;
    const sampled = isHost ? NaN : (await valueOf(gauge)) * SCRAPE_SECONDS;
    const busy = load ? (WINDOW_SECONDS * (load.until - load.from)) / load.period : 0;
    console.log(
      cells(
        ...[owner, used.toFixed(1), busy.toFixed(1), error(used, busy), sampled.toFixed(1)],
        ...[joules.toFixed(0), (busy * BUSY_WATTS).toFixed(0), error(joules, busy * BUSY_WATTS)],
      ),
    );
  }
  console.log(cells("GPU", "use, s", "of owners", "error", "", "energy, J", "of owners", "error"));
  for (const gpu of new Set(WORK.map((one) => one.gpu))) {
    const of = (metric: string) => increase(metric, `gpu="${gpu}"`);
    const parts = await Promise.all([
      of("container_gpu_energy_joules_total"),
      of("gpu_host_energy_joules_total"),
      of("gpu_idle_energy_joules_total"),
    ]);
    const uses = [await of("container_gpu_usage_seconds_total"), await of("gpu_host_usage_seconds_total")];
    const [used, joules] = [await of("gpu_usage_seconds_total"), await of("gpu_energy_joules_total")];
    const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
    console.log(
      cells(
        ...[String(gpu), used.toFixed(1), sum(uses).toFixed(1), error(sum(uses), used), ""],
        ...[joules.toFixed(0), sum(parts).toFixed(0), error(sum(parts), joules)],
      ),
    );
  }
}

const error = (actual: number, expected: number): string =>
  expected === 0 ? "" : `${(100 * (actual / expected - 1)).toFixed(2)} %`;
