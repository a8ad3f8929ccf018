import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { exporterBundle, PROGRAM } from "../exporter/bundle";
import { Driver, type Device, type DriverSnapshot } from "../exporter/driver";
import type { Observations } from "../exporter/driver/worker";
import { run } from "../lib/run";

const SECONDS = 120;
const TIMEOUT_SECONDS = 8;
const MIB = 1024 ** 2;

/** What may differ in sums over time, which the programs do not begin and end at the same moment. */
const TOLERANCE_RATIO = 0.05;
const SUMS: readonly Unit[] = ["%", "J"];
/** What may differ in any case, since nvidia-smi prints whole numbers. */
const TOLERANCES = { MiB: 1, "%": 2, "°C": 3, MHz: 60, W: 1, J: 50, "": 0 } as const;

type Unit = keyof typeof TOLERANCES;

/** A value by the exporter and by nvidia-smi; undefined where one of them reports none. */
export interface Comparison {
  what: string;
  unit: Unit;
  ours: number | string | undefined;
  theirs: number | string | undefined;
  /** Whether the value changes all the time, so that it is shown and not judged. */
  moving?: boolean;
}

/** What nvidia-smi printed in the lines of its CSV output, by the index of the GPU. */
export type Rows = Map<string, Record<string, string>>;

const COLUMNS = [
  ...["index", "uuid", "name", "driver_version", "memory.total", "memory.used", "utilization.gpu"],
  ...["power.draw", "enforced.power.limit", "power.default_limit", "power.min_limit", "power.max_limit"],
  ...["temperature.gpu", "clocks.sm", "clocks.max.sm", "pstate"],
  ...["pcie.link.gen.current", "pcie.link.width.current", "pcie.link.width.max"],
  ...["ecc.errors.corrected.volatile.total", "ecc.errors.uncorrected.volatile.total"],
];

/** What both saw in some time. */
export interface Run {
  seconds: number;
  /** The exporter's last answer, and nvidia-smi's rows of the same time. */
  snapshot: DriverSnapshot;
  last: Rows;
  /** Memory in MiB of each process, by UUID and pid, by nvidia-smi at that time. */
  memory: Map<string, number>;
  /** What the exporter counted, by UUID, and by UUID and pid. */
  busySeconds: Map<string, number>;
  joules: Map<string, number>;
  processSeconds: Map<string, number>;
  /** All rows, each with the time in seconds. */
  rows: { at: number; rows: Rows }[];
  /** Percentages of each process in each second, by index and pid. */
  processPercents: Map<string, number[]>;
}

/**
 * `npm run verify:gpu [-- SECONDS]`: compares what the exporter reads from NVIDIA's library with what nvidia-smi prints, for two
 * minutes, on a host with GPUs. Start loads on the GPUs before. The exporter of a stack can go on meanwhile.
 *
 * @returns 1 where memory or a name differs, or a use or an energy by more than 5 %
 */
export default async ([seconds = String(SECONDS)]: string[]): Promise<number> => {
  const folder = await mkdtemp(path.join(os.tmpdir(), "verify-gpu-"));
  try {
    for (const [file, content] of Object.entries(exporterBundle().files)) {
      await mkdir(path.join(folder, path.dirname(file)), { recursive: true });
      await writeFile(path.join(folder, file), content);
    }
    const driver = new Driver(path.join(folder, PROGRAM));
    try {
      return print(compare(await record(driver, Number(seconds))));
    } finally {
      driver.stop();
    }
  } finally {
    await rm(folder, { recursive: true });
  }
};

async function record(driver: Driver, seconds: number): Promise<Run> {
  const totals = { busySeconds: new Map(), joules: new Map(), processSeconds: new Map() } as Pick<
    Run,
    "busySeconds" | "joules" | "processSeconds"
  >;
  // The first answer starts the samples; what it reports is of before.
  await driver.snapshot(TIMEOUT_SECONDS);
  const start = performance.now();
  const elapsed = () => (performance.now() - start) / 1000;
  driver.onObservations = (observations) => {
    count(observations, totals);
  };
  const rows: Run["rows"] = [];
  const processPercents: Run["processPercents"] = new Map();
  console.log(`comparing for ${seconds} s`);
  while (elapsed() < seconds) {
    const next = sleep(1000);
    rows.push({ at: elapsed(), rows: await queryGpus() });
    for (const [key, percent] of await queryProcesses())
      processPercents.set(key, [...(processPercents.get(key) ?? []), percent]);
    await next;
  }
  const [snapshot, last, memory] = await Promise.all([
    driver.snapshot(TIMEOUT_SECONDS),
    queryGpus(),
    queryMemory(),
  ]);
  return { seconds: elapsed(), snapshot, last, memory, rows, processPercents, ...totals };
}

function count(
  { samples }: Observations,
  { busySeconds, joules, processSeconds }: Pick<Run, "busySeconds" | "joules" | "processSeconds">,
): void {
  const add = (to: Map<string, number>, key: string, value: number | undefined) => {
    if (value !== undefined) to.set(key, (to.get(key) ?? 0) + value);
  };
  for (const { uuid, busySeconds: busy, joules: consumed, processes = [] } of samples) {
    add(busySeconds, uuid, busy);
    add(joules, uuid, consumed);
    for (const { pid, seconds } of processes) add(processSeconds, `${uuid} ${pid}`, seconds);
  }
}

async function nvidiaSmi(...args: string[]): Promise<string[][]> {
  const output = await run("nvidia-smi", args);
  return output
    .split("\n")
    .filter((line) => line.trim() && !line.startsWith("#"))
    .map((line) => line.trim().split(args[0] === "pmon" ? /\s+/ : ", "));
}

const CSV = "--format=csv,noheader,nounits";

async function queryGpus(): Promise<Rows> {
  const lines = await nvidiaSmi(`--query-gpu=${COLUMNS.join()}`, CSV);
  return new Map(
    lines.map((values) => [
      values[0] ?? "",
      Object.fromEntries(COLUMNS.map((column, i) => [column, values[i] ?? ""])),
    ]),
  );
}

/**
 * The columns begin with gpu, pid, type and sm; a process that did nothing has a dash.
 *
 * @returns nothing where the driver does not report it of any GPU, as with MIG
 */
async function queryProcesses(): Promise<[string, number][]> {
  const lines = await nvidiaSmi("pmon", "-c", "1", "-s", "u").catch((error: unknown) => {
    if ((error as Error).message.includes("Not supported")) return [];
    throw error;
  });
  return lines
    .filter(([, pid = ""]) => /^\d+$/.test(pid))
    .map(([gpu = "", pid = "", , sm = ""]) => [`${gpu} ${pid}`, Number(sm) || 0]);
}

async function queryMemory(): Promise<Map<string, number>> {
  const lines = await nvidiaSmi("--query-compute-apps=gpu_uuid,pid,used_memory", CSV);
  return new Map(
    lines
      .map(([uuid = "", pid = "", mib]): [string, number] => [`${uuid} ${pid}`, Number(mib)])
      .filter(([, mib]) => mib >= 0),
  );
}

/** Compares each value that both programs reported. */
export function compare(run: Run): Comparison[] {
  const gpus = run.snapshot.devices.filter(({ mig }) => !mig);
  return [
    { what: "GPUs", unit: "", ours: gpus.length, theirs: run.last.size },
    ...gpus.flatMap((gpu) => compareGpu(run, gpu)),
    ...run.snapshot.processes.map(({ pid, device, memoryBytes }): Comparison => ({
      what: `memory of the process ${pid}`,
      unit: "MiB",
      ours: memoryBytes && memoryBytes / MIB,
      theirs: run.memory.get(`${device} ${pid}`),
    })),
    ...[...run.processPercents].map(([key, percents]): Comparison => {
      const [index, pid] = key.split(" ");
      const uuid = gpus.find(({ gpu }) => gpu === index)?.uuid ?? "";
      return {
        what: `use of the GPU ${index ?? ""} by the process ${pid ?? ""}`,
        unit: "%",
        ours: ((run.processSeconds.get(`${uuid} ${pid ?? ""}`) ?? 0) / run.seconds) * 100,
        theirs: mean(percents),
      };
    }),
  ];
}

function compareGpu(run: Run, { gpu, uuid, health = {}, ...device }: Device): Comparison[] {
  const row = run.last.get(gpu) ?? {};
  const columnOf = (column: string) =>
    run.rows.map(({ at, rows }) => ({ at, value: rows.get(gpu)?.[column] }));
  const theirs = (column: string) => numberIn(row[column]);
  const of = (what: string) => `GPU ${gpu}: ${what}`;
  const inMib = (bytes: number | undefined) => bytes && bytes / MIB;
  const value = (what: string, unit: Unit, ours: Comparison["ours"], column: string): Comparison => ({
    what: of(what),
    unit,
    ours,
    theirs: typeof ours === "string" ? row[column] : theirs(column),
  });
  const single = (one: unknown) => (typeof one === "number" ? one : undefined);
  const busy = run.busySeconds.get(uuid);
  return [
    value("UUID", "", uuid, "uuid"),
    value("model", "", device.model, "name"),
    value("driver", "", run.snapshot.driverVersion, "driver_version"),
    value("memory in total", "MiB", inMib(device.memoryTotalBytes), "memory.total"),
    value("memory used", "MiB", inMib(device.memoryUsedBytes), "memory.used"),
    value("power limit", "W", device.powerLimitWatts, "enforced.power.limit"),
    value("power limit, default", "W", single(health.gpu_power_limit_default_watts), "power.default_limit"),
    value("power limit, lowest", "W", single(health.gpu_power_limit_min_watts), "power.min_limit"),
    value("power limit, highest", "W", single(health.gpu_power_limit_max_watts), "power.max_limit"),
    value("lanes of PCIe", "", single(health.gpu_pcie_link_width), "pcie.link.width.current"),
    value("most lanes of PCIe", "", single(health.gpu_pcie_link_width_max), "pcie.link.width.max"),
    value("ECC errors, corrected", "", device.eccErrors["corrected"], "ecc.errors.corrected.volatile.total"),
    value(
      "ECC errors, uncorrected",
      "",
      device.eccErrors["uncorrected"],
      "ecc.errors.uncorrected.volatile.total",
    ),
    {
      what: of("busy, of the time"),
      unit: "%",
      ours: busy === undefined ? undefined : (busy / run.seconds) * 100,
      theirs: mean(columnOf("utilization.gpu").flatMap(({ value }) => numberIn(value) ?? [])),
    },
    {
      what: of("energy"),
      unit: "J",
      ours: run.joules.get(uuid),
      theirs: energy(columnOf("power.draw"), run.seconds),
    },
    { ...value("temperature", "°C", device.temperatureCelsius, "temperature.gpu"), moving: true },
    { ...value("clock", "MHz", hertz(device.clockHertz["sm"]), "clocks.sm"), moving: true },
    { ...value("power", "W", device.powerWatts, "power.draw"), moving: true },
    {
      ...value("performance state", "", undefined, "pstate"),
      ours: single(health.gpu_performance_state),
      theirs: numberIn((row["pstate"] ?? "").replace("P", "")),
      moving: true,
    },
    {
      ...value("generation of PCIe", "", single(health.gpu_pcie_link_generation), "pcie.link.gen.current"),
      moving: true,
    },
  ];
}

const hertz = (value: number | undefined) => value && value / 1e6;

/** @returns undefined for [N/A], [Not Supported] and the like */
const numberIn = (text: string | undefined): number | undefined =>
  text !== undefined && /^-?\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : undefined;

const mean = (values: number[]): number | undefined =>
  values.length === 0 ? undefined : values.reduce((a, b) => a + b, 0) / values.length;

/** The energy of a power that was read from time to time: each value counts until the next. */
function energy(readings: { at: number; value: string | undefined }[], until: number): number | undefined {
  const known = readings.flatMap(({ at, value }) => {
    const watts = numberIn(value);
    return watts === undefined ? [] : [{ at, watts }];
  });
  if (known.length === 0) return undefined;
  return known.reduce((sum, { at, watts }, i) => sum + watts * ((known[i + 1]?.at ?? until) - at), 0);
}

/** Whether the two values are the same, as far as both programs can say. */
export function agrees({ ours, theirs, unit, moving }: Comparison): boolean {
  if (moving || theirs === undefined) return true;
  if (ours === undefined) return false;
  if (typeof ours === "string" || typeof theirs === "string") return ours === theirs;
  const difference = Math.abs(ours - theirs);
  const tolerance = SUMS.includes(unit) ? TOLERANCE_RATIO * Math.abs(theirs) : 0;
  return difference <= Math.max(TOLERANCES[unit], tolerance);
}

function print(comparisons: Comparison[]): number {
  const shown = ({ unit }: Comparison, value: number | string | undefined) =>
    typeof value === "number" ? `${Number(value.toFixed(1))} ${unit}`.trim() : (value ?? "not reported");
  const differing = comparisons.filter((one) => !agrees(one));
  for (const one of comparisons) {
    const mark = agrees(one) ? (one.moving ? "  " : "ok") : "!!";
    console.log(
      `${mark} ${one.what.padEnd(48)} ${shown(one, one.ours).padStart(28)} ${shown(one, one.theirs).padStart(28)}`,
    );
  }
  console.log(`${"".padEnd(51)} ${"the exporter".padStart(28)} ${"nvidia-smi".padStart(28)}`);
  console.log(
    differing.length === 0
      ? "the exporter and nvidia-smi agree"
      : `${differing.length} values differ; report them with this output`,
  );
  return differing.length === 0 ? 0 : 1;
}
