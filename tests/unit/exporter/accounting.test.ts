import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { Accounting } from "../../../exporter/accounting";
import type { Container, ListedContainers } from "../../../exporter/containers";
import { Sampler } from "../../../exporter/driver/sampler";
import { NvmlError, type Struct } from "../../../exporter/nvml/library";
import { RETURN } from "../../../exporter/nvml/types";

const SECOND = 1_000_000;
const START = 1_800_000_000 * SECOND;
const STEP = 1000;
const IDLE_WATTS = 100;
const BUSY_WATTS = 500;

/** A process that is busy for a part of each period. */
interface Load {
  pid: number;
  period: number;
  from: number;
  until: number;
}

/** Whether a load is busy. Times are in microseconds. */
const isBusy = ({ period, from, until }: Load, time: number): boolean => {
  const phase = (time - START) % period;
  return phase >= from && phase < until;
};

/** A GPU in simulated time, whose driver takes a sample each sixth of a second, in whole percent. */
class SimulatedGpu {
  time = START;
  private millijoules = 0;
  private readonly busy: { time: number; gpu: number; processes: Map<number, number> }[] = [];
  /** The truth. */
  readonly busySeconds = new Map<number, number>();
  joules = 0;

  /** The driver's clock, less that of the exporter. */
  skew = 0;
  /** Whether the driver takes samples. */
  isSampled = true;

  constructor(private readonly loads: Load[]) {}

  /** Lets time pass. */
  run(microseconds: number): void {
    for (const end = this.time + microseconds; this.time < end; this.time += STEP) {
      const running = this.loads.filter((load) => isBusy(load, this.time));
      const watts = running.length > 0 ? BUSY_WATTS : IDLE_WATTS;
      this.joules += (watts * STEP) / SECOND;
      this.millijoules += (watts * STEP) / 1000;
      // Processes that run at the same time take turns.
      for (const { pid } of running) {
        const seconds = STEP / SECOND / running.length;
        this.busySeconds.set(pid, (this.busySeconds.get(pid) ?? 0) + seconds);
      }
      if ((this.time - START) % 166_000 === 0) this.takeSample();
    }
  }

  private takeSample(): void {
    const processes = new Map<number, number>();
    let gpu = 0;
    for (let time = this.time - 166_000; time < this.time; time += STEP) {
      const running = this.loads.filter((load) => isBusy(load, time));
      if (running.length > 0) gpu += STEP / 166_000;
      for (const { pid } of running)
        processes.set(pid, (processes.get(pid) ?? 0) + STEP / 166_000 / running.length);
    }
    if (this.isSampled) this.busy.push({ time: this.time + this.skew, gpu, processes });
  }

  uint = () => 1;
  migEnabled = false;
  uints = () => [Number(this.migEnabled), 0];
  handle = () => 1n;
  text = () => "GPU-1";
  struct = (): Struct => ({ gpu: Math.round((this.busy.at(-1)?.gpu ?? 0) * 100) });
  /** Whether its driver keeps samples of the GPU's use. */
  hasSamples = true;
  ulong = () => Math.floor(this.millijoules);

  /** As NVIDIA's driver: one sample of each process that was busy, its average since the time; each sample of the GPU. */
  list = (
    name: string,
    _type: string,
    inputs: (bigint | number)[],
    _order?: unknown,
    last?: bigint[],
  ): Struct[] => {
    const since = Number(name === "nvmlDeviceGetSamples" ? inputs[2] : last?.[0]);
    if (name === "nvmlDeviceGetSamples" && !this.hasSamples)
      throw new NvmlError(RETURN.NVML_ERROR_NOT_SUPPORTED, name);
    const samples = this.busy.filter(({ time }) => time > since);
    if (samples.length === 0) throw new NvmlError(RETURN.NVML_ERROR_NOT_FOUND, name);
    if (name === "nvmlDeviceGetSamples")
      return samples.map(({ time, gpu }) => ({ timeStamp: time, sampleValue: Math.round(gpu * 100) }));
    const found = this.loads.flatMap(({ pid }) => {
      const mean =
        samples.reduce((sum, { processes }) => sum + (processes.get(pid) ?? 0), 0) / samples.length;
      const smUtil = Math.round(mean * 100);
      return smUtil > 0 ? { pid, timeStamp: samples.at(-1)?.time ?? 0, smUtil } : [];
    });
    if (found.length === 0) throw new NvmlError(RETURN.NVML_ERROR_NOT_FOUND, name);
    return found;
  };
}

let proc: string;
beforeEach(() => {
  proc = mkdtempSync(path.join(os.tmpdir(), "proc-"));
});
afterEach(() => {
  rmSync(proc, { recursive: true });
});

const idOf = (digit: string) => digit.repeat(64);

function startProcess(pid: number, container?: string): void {
  mkdirSync(path.join(proc, String(pid)), { recursive: true });
  const cgroup = container ? `/system.slice/docker-${idOf(container)}.scope` : "/system.slice/ssh.service";
  writeFileSync(path.join(proc, String(pid), "cgroup"), `0::${cgroup}\n`);
}

/** What Docker lists: some running containers, and some that it does not inspect. */
const running = (
  digits: string[],
  unknown: string[] = [],
): Pick<ListedContainers, "containers" | "unknown"> => ({
  containers: digits.map((digit) => ({ id: idOf(digit), state: { running: true } }) as Container),
  unknown: new Set(unknown.map(idOf)),
});

/** Samples a load each second, or a little later, and settles each 30 s, as scrapes do. */
function count(gpu: SimulatedGpu, accounting: Accounting, seconds: number, containers: string[]): void {
  const sampler = new Sampler(gpu, () => gpu.time);
  sampler.findGpus();
  accounting.add(sampler.sample());
  for (let second = 1; second <= seconds; second++) {
    gpu.run(SECOND + (second % 3) * 20_000);
    accounting.add(sampler.sample());
    if (second % 30 === 0) accounting.settle(running(containers));
  }
  accounting.settle(running(containers));
}

describe("Usage and energy of containers", () => {
  const loads = [
    // Two containers alternate, at 3 s.
    { pid: 11, period: 6 * SECOND, from: 0, until: 3 * SECOND },
    { pid: 21, period: 6 * SECOND, from: 3 * SECOND, until: 6 * SECOND },
  ];

  it("are exact for two containers that alternate, and 0 for one that is idle", () => {
    const gpu = new SimulatedGpu(loads);
    const accounting = new Accounting(proc);
    startProcess(11, "a");
    startProcess(21, "b");
    count(gpu, accounting, 300, ["a", "b", "c"]);
    const totals = ["a", "b", "c"].map((one) => accounting.ofContainer(idOf(one), "GPU-1"));
    const truth = [11, 21].map((pid) => gpu.busySeconds.get(pid) ?? 0);
    for (const [i, seconds] of truth.entries()) {
      expect(Math.abs((totals[i]?.usageSeconds ?? 0) / seconds - 1)).toBeLessThan(0.02);
      expect(Math.abs((totals[i]?.joules ?? 0) / (seconds * BUSY_WATTS) - 1)).toBeLessThan(0.02);
    }
    expect(totals[2]).toEqual({ usageSeconds: 0, joules: 0 });
  });

  it("are exact for bursts that are shorter than a scrape, beside a process of the host, and add up to the GPU's", () => {
    const gpu = new SimulatedGpu([
      { pid: 11, period: 20 * SECOND, from: 2 * SECOND, until: 4 * SECOND },
      { pid: 99, period: 20 * SECOND, from: 10 * SECOND, until: 15 * SECOND },
    ]);
    const accounting = new Accounting(proc);
    startProcess(11, "a");
    startProcess(99);
    count(gpu, accounting, 600, ["a"]);
    const container = accounting.ofContainer(idOf("a"), "GPU-1");
    const total = accounting.ofGpu("GPU-1");
    const within = (actual: number | undefined, expected: number, ratio: number) => {
      expect(Math.abs((actual ?? 0) / expected - 1)).toBeLessThan(ratio);
    };
    within(container?.usageSeconds, gpu.busySeconds.get(11) ?? 0, 0.02);
    within(total?.host?.usageSeconds, gpu.busySeconds.get(99) ?? 0, 0.02);
    within(total?.usageSeconds, (gpu.busySeconds.get(11) ?? 0) + (gpu.busySeconds.get(99) ?? 0), 0.02);
    within(total?.joules, gpu.joules, 0.001);
    const shares = [container?.joules, total?.host?.joules, total?.idleJoules];
    within(
      shares.reduce<number>((sum, one) => sum + (one ?? 0), 0),
      total?.joules ?? 0,
      0.001,
    );
  });

  it("are of the use of each second where the driver keeps no samples of the GPU", () => {
    const gpu = new SimulatedGpu([{ pid: 11, period: 60 * SECOND, from: 0, until: 20 * SECOND }]);
    gpu.hasSamples = false;
    const accounting = new Accounting(proc);
    count(gpu, accounting, 600, []);
    const truth = gpu.busySeconds.get(11) ?? 0;
    expect(Math.abs((accounting.ofGpu("GPU-1")?.usageSeconds ?? 0) / truth - 1)).toBeLessThan(0.05);
  });

  it("count from the driver's own clock, and only some of the time that has no samples", () => {
    for (const [skew, gap] of [
      [-1_750_000_000 * SECOND, 600],
      [0, 600],
    ] as const) {
      const gpu = new SimulatedGpu([{ pid: 11, period: 2000 * SECOND, from: 0, until: 1500 * SECOND }]);
      gpu.skew = skew;
      const accounting = new Accounting(proc);
      startProcess(11, "a");
      const sampler = new Sampler(gpu, () => gpu.time);
      sampler.findGpus();
      const run = (seconds: number) => {
        for (let second = 0; second < seconds; second++) {
          gpu.run(SECOND);
          accounting.add(sampler.sample());
        }
        return accounting.ofGpu("GPU-1")?.usageSeconds ?? 0;
      };
      const first = run(100);
      expect(Math.abs(first / 100 - 1)).toBeLessThan(0.03);
      // No sample is taken or kept for ten minutes.
      gpu.isSampled = false;
      const before = run(gap);
      gpu.isSampled = true;
      expect(run(10) - before).toBeLessThan(12);
    }
  });

  it("neither go back nor stop when the clock is set back", () => {
    const gpu = new SimulatedGpu([{ pid: 11, period: 10 * SECOND, from: 0, until: 10 * SECOND }]);
    const accounting = new Accounting(proc);
    startProcess(11, "a");
    let step = 0;
    const sampler = new Sampler(gpu, () => gpu.time + step);
    sampler.findGpus();
    let last = 0;
    for (let second = 0; second < 60; second++) {
      gpu.run(SECOND);
      if (second === 30) {
        step = -300 * SECOND;
        gpu.skew = step;
      }
      accounting.add(sampler.sample());
      const usage = accounting.ofGpu("GPU-1")?.usageSeconds ?? 0;
      expect(usage).toBeGreaterThanOrEqual(last);
      last = usage;
    }
    expect(last).toBeGreaterThan(55);
  });

  it("share the energy of a busy second among processes whose times come later", () => {
    const accounting = new Accounting(proc);
    startProcess(11, "a");
    const sample = (busySeconds: number, seconds: number) => ({
      ...{ uuid: "GPU-1", busySeconds, joules: 100 },
      processes: seconds > 0 ? [{ pid: 11, seconds }] : [],
    });
    accounting.add([sample(1, 0)]);
    accounting.add([sample(1, 2)]);
    accounting.settle(running(["a"]));
    expect(accounting.ofContainer(idOf("a"), "GPU-1")).toEqual({ usageSeconds: 2, joules: 200 });
    expect(accounting.ofGpu("GPU-1")).toMatchObject({ joules: 200, idleJoules: 0 });
    // A process that the driver never reports.
    for (let i = 0; i < 4; i++) accounting.add([sample(1, 0)]);
    expect(accounting.ofGpu("GPU-1")).toMatchObject({ joules: 600, idleJoules: 400 });
  });

  it("are absent with MIG, also where the driver returns an empty list of processes", () => {
    const gpu = new SimulatedGpu([{ pid: 11, period: 10 * SECOND, from: 0, until: 5 * SECOND }]);
    gpu.migEnabled = true;
    const accounting = new Accounting(proc);
    startProcess(11, "a");
    count(gpu, accounting, 60, ["a"]);
    expect(accounting.ofContainer(idOf("a"), "GPU-1")).toBeUndefined();
    expect(accounting.ofGpu("GPU-1")).not.toHaveProperty("idleJoules", expect.any(Number));
    expect(accounting.ofGpu("GPU-1")?.joules).toBeGreaterThan(0);
  });

  it("wait for the container of a process until Docker has answered for it, and are forgotten with a container", () => {
    const accounting = new Accounting(proc);
    startProcess(11, "a");
    const sample = { uuid: "GPU-1", busySeconds: 1, joules: 100, processes: [{ pid: 11, seconds: 1 }] };
    accounting.add([sample]);
    accounting.settle(running([], ["a"]));
    expect(accounting.ofGpu("GPU-1")).toMatchObject({ joules: 100, host: { joules: 0 } });
    accounting.settle(running(["a"]));
    expect(accounting.ofContainer(idOf("a"), "GPU-1")).toEqual({ usageSeconds: 1, joules: 100 });
    accounting.settle(running([]));
    expect(accounting.ofContainer(idOf("a"), "GPU-1")).toEqual({ usageSeconds: 0, joules: 0 });
  });

  it("are absent where the driver does not report what processes do, or no energy", () => {
    const accounting = new Accounting(proc);
    startProcess(11, "a");
    accounting.add([
      { uuid: "MIG", busySeconds: undefined, joules: 5, processes: undefined },
      { uuid: "old", busySeconds: 1, joules: undefined, processes: [{ pid: 11, seconds: 1 }] },
    ]);
    accounting.settle(running(["a"]));
    expect(accounting.ofContainer(idOf("a"), "MIG")).toBeUndefined();
    expect(accounting.ofGpu("MIG")).toEqual({ joules: 5 });
    expect(accounting.ofContainer(idOf("a"), "old")).toEqual({ usageSeconds: 1 });
  });

  it("take the same memory after 100,000 samples with containers that come and go", () => {
    const accounting = new Accounting(proc);
    const containers = Array.from({ length: 16 }, (_, i) => i.toString(16));
    for (const [i, digit] of containers.entries()) startProcess(i, digit);
    const size = () =>
      JSON.stringify(accounting, (_, value: unknown) => (value instanceof Map ? [...value] : value)).length;
    const run = (samples: number) => {
      for (let i = 0; i < samples; i++) {
        const pid = i % 16;
        accounting.add([{ uuid: "GPU-1", busySeconds: 1, joules: 1, processes: [{ pid, seconds: 1 }] }]);
        if (i % 30 === 0) accounting.settle(running(containers.slice(Math.floor(i / 30) % 16).slice(0, 1)));
      }
      accounting.settle(running(["0"]));
      return size();
    };
    const before = run(1000);
    expect(run(100_000)).toBeLessThan(before * 1.5);
  });
});
