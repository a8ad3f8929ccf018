import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { buildShellImage } from "../airgap/images";
import { docker, inspect, rootDevice } from "../tests/support/docker";

const CADVISOR = "http://127.0.0.1:8080";
const PROMETHEUS = "http://127.0.0.1:23001";
const IMAGE = "example/load:1";
const IDLE = 40;
const MANY = 300;
const SCRAPES = 10;
/** The window of the documented queries. */
const WINDOW = 120;
/** From the start of the loads to the first window in which they ran all the time, with a scrape at its begin: seconds. */
const RAMP = WINDOW + 40;
const STEP = 10;

/** A counter of the kernel, and the rate that Prometheus calculates for it. */
interface Load {
  name: string;
  metric: string;
  /** Reads the counter: seconds of CPU, or bytes. */
  read: () => Promise<number>;
  readings: Reading[];
}

/** The value of a counter at a time, in Unix seconds. */
export interface Reading {
  time: number;
  value: number;
}

/**
 * Compares the rates that Prometheus calculates with the kernel's counters: a container held at 0.30 of a core, one that writes
 * to disk and one that sends to the network. Then measures how soon a container's samples end with it, the CPU use of cAdvisor
 * with 40 idle containers, and scrapes of 300 containers. The stack is deployed, with the default ports.
 *
 * @param minutes that the loads run; cAdvisor's CPU use is measured for half of that
 */
export async function rates(minutes: number): Promise<void> {
  await buildShellImage(IMAGE, process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock");
  const started: string[] = [];
  const start = async (options: string[], shell: string): Promise<string> => {
    const id = await docker("run", "-d", ...options, IMAGE, "sh", "-c", shell);
    started.push(id);
    return id;
  };
  const remove = async () => {
    for (const id of started.splice(0)) await docker("rm", "-f", "-v", id);
  };
  try {
    await rateDeviations(minutes, start);
    await remove();
    for (let i = 0; i < IDLE; i++) await start([], "sleep 100000");
    await idleCost((minutes * 60) / 2);
    while (started.length < MANY) await start([], "sleep 100000");
    await manyContainers();
  } finally {
    await remove();
  }
}

async function rateDeviations(
  minutes: number,
  start: (options: string[], shell: string) => Promise<string>,
): Promise<void> {
  const sink = await start([], "while true; do sleep 100000 | busybox nc -l -p 9000 > /dev/null; done");
  const address = await docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", sink);
  const loads = await Promise.all([
    start(["--cpus", "0.3", "--name", "bench-cpu"], "while true; do true; done").then(cpuLoad),
    start(
      // With cgroups of version 1, recent kernels count I/O only of containers with an I/O limit.
      ["--device-write-bps", `${await rootDevice()}:100mb`, "--name", "bench-disk"],
      "while true; do dd if=/dev/zero of=/file bs=256k count=1 oflag=direct; sleep 0.2; done",
    ).then(diskLoad),
    start(
      ["--name", "bench-network"],
      `while true; do while dd if=/dev/zero bs=100k count=1; do sleep 0.1; done | busybox nc ${address} 9000; sleep 1; done`,
    ).then(networkLoad),
  ]);
  const ended = await start(["--name", "bench-ended"], "sleep 100000");

  const begin = Date.now() / 1000;
  const end = begin + minutes * 60;
  while (Date.now() / 1000 < end) {
    for (const load of loads) load.readings.push({ value: await load.read(), time: Date.now() / 1000 });
    await sleep(1000);
  }
  console.log(`rate(...[2m]) against the kernel's counters, ${minutes} minutes, scrapes every 30 s:`);
  for (const load of loads) {
    const promql = `sum by (name) (rate(${load.metric}[${WINDOW}s]))`;
    const compared = await deviation(promql, WINDOW, load.readings, begin + RAMP, end - STEP);
    console.log(`  ${load.name.padEnd(8)} ${compared}`);
  }

  await docker("rm", "-f", ended);
  await sleep(35_000);
  const left = await queryPrometheus("query", { query: '{name="bench-ended"}' });
  console.log(`samples of a container 35 s after its end: ${left.length}`);
}

/**
 * The largest relative deviation of a rate in Prometheus from that of readings, over the steps between two times.
 *
 * @param window seconds that the rate looks back
 * @param readings oldest first
 */
export async function deviation(
  promql: string,
  window: number,
  readings: readonly Reading[],
  from: number,
  to: number,
): Promise<string> {
  const times = { start: String(from), end: String(to), step: String(STEP) };
  const [result] = await queryPrometheus("query_range", { query: promql, ...times });
  const values = result?.values ?? [];
  const counted = (time: number) => (valueAt(readings, time) - valueAt(readings, time - window)) / window;
  const largest = Math.max(...values.map(([time, rate]) => Math.abs(Number(rate) / counted(time) - 1)));
  return `largest deviation ${(largest * 100).toFixed(2)} % in ${values.length} steps, at ${counted(to).toPrecision(5)} a second`;
}

/** The value of a counter at a time between two readings. */
function valueAt(readings: readonly Reading[], time: number): number {
  const next = readings.findIndex((reading) => reading.time >= time);
  const [before, after] = [readings[next - 1], readings[next]];
  if (!before || !after) return NaN;
  return before.value + ((after.value - before.value) * (time - before.time)) / (after.time - before.time);
}

async function cpuLoad(id: string): Promise<Load> {
  const cgroup = await cgroupOf(id, "cpuacct");
  const read = async () =>
    cgroup.version === 1
      ? Number(await readFile(`${cgroup.folder}/cpuacct.usage`, "utf8")) / 1e9
      : Number(/usage_usec (\d+)/.exec(await readFile(`${cgroup.folder}/cpu.stat`, "utf8"))?.[1]) / 1e6;
  return { name: "CPU", metric: 'container_cpu_usage_seconds_total{name="bench-cpu"}', read, readings: [] };
}

async function diskLoad(id: string): Promise<Load> {
  const cgroup = await cgroupOf(id, "blkio");
  const [file, written] =
    cgroup.version === 1
      ? ["blkio.throttle.io_service_bytes", /^\d+:\d+ Write (\d+)$/gm]
      : ["io.stat", / wbytes=(\d+)/g];
  const read = async () =>
    [...(await readFile(`${cgroup.folder}/${file}`, "utf8")).matchAll(written)].reduce(
      (sum, [, bytes]) => sum + Number(bytes),
      0,
    );
  return { name: "disk", metric: 'container_fs_writes_bytes_total{name="bench-disk"}', read, readings: [] };
}

async function networkLoad(id: string): Promise<Load> {
  const { Pid: pid } = (await inspect(id)).State;
  const read = async () =>
    Number(/eth0:(?:\s+\d+){8}\s+(\d+)/.exec(await readFile(`/proc/${pid}/net/dev`, "utf8"))?.[1]);
  const metric = 'container_network_transmit_bytes_total{name="bench-network"}';
  return { name: "network", metric, read, readings: [] };
}

/** The folder of a container's cgroup, which with version 1 is one of the named controller's. */
async function cgroupOf(id: string, controller: string): Promise<{ version: 1 | 2; folder: string }> {
  const { Pid: pid } = (await inspect(id)).State;
  const lines = (await readFile(`/proc/${pid}/cgroup`, "utf8")).split("\n").map((line) => line.split(":"));
  const [, , path = ""] = lines.find(([, controllers]) => controllers?.split(",").includes(controller)) ?? [];
  if (path) return { version: 1, folder: `/sys/fs/cgroup/${controller}${path}` };
  return { version: 2, folder: `/sys/fs/cgroup${lines[0]?.[2] ?? ""}` };
}

/** cAdvisor's own CPU time over some seconds, as Prometheus scraped it. */
async function idleCost(duration: number): Promise<void> {
  await sleep((duration + 60) * 1000);
  const [cpu] = await queryPrometheus("query", {
    query: `process_cpu_seconds_total{job="cadvisor"}[${duration}s]`,
  });
  const [first, last] = [cpu?.values?.[0], cpu?.values?.at(-1)];
  const seconds = Number(last?.[0]) - Number(first?.[0]);
  const share = (Number(last?.[1]) - Number(first?.[1])) / seconds;
  const containers = await queryPrometheus("query", { query: "container_last_seen" });
  console.log(
    `cAdvisor's CPU use with ${containers.length} containers, over ${seconds.toFixed(0)} s: ${(share * 100).toFixed(2)} % of a core`,
  );
}

async function manyContainers(): Promise<void> {
  await sleep(90_000);
  const durations: number[] = [];
  for (let i = 0; i < SCRAPES; i++) {
    const start = performance.now();
    await (await fetch(`${CADVISOR}/metrics?max_age=0s`)).text();
    durations.push((performance.now() - start) / 1000);
    await sleep(2000);
  }
  durations.sort((a, b) => a - b);
  const containers = await queryPrometheus("query", { query: "container_last_seen" });
  const [scrape] = await queryPrometheus("query", { query: 'scrape_duration_seconds{job="cadvisor"}' });
  const shown = [durations[0], durations[SCRAPES / 2], durations.at(-1)].map((value) => value?.toFixed(2));
  console.log(
    `a scrape of ${containers.length} containers, ${SCRAPES} times, seconds (min, median, max): ${shown.join("  ")}; ` +
      `Prometheus's own last one: ${Number(scrape?.value?.[1]).toFixed(2)}`,
  );
}

interface Series {
  value?: [number, string];
  values?: [number, string][];
}

export async function queryPrometheus(api: "query" | "query_range", parameters: Record<string, string>) {
  const response = await fetch(`${PROMETHEUS}/api/v1/${api}?${new URLSearchParams(parameters).toString()}`);
  const { data } = (await response.json()) as { data: { result: Series[] } };
  return data.result;
}
