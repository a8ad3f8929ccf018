import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { Accounting } from "../../../exporter/accounting";
import type { Container, ListedContainers } from "../../../exporter/containers";
import { Sampler, type GpuSample, type ProcessTime } from "../../../exporter/driver/sampler";
import { NvmlError, type Struct } from "../../../exporter/nvml/library";
import { RETURN } from "../../../exporter/nvml/types";

const SECOND = 1_000_000;
const START = 1_800_000_000 * SECOND;
const STEP = 1000;
/** Of a real driver (Syllo/nvtop, issue 110). */
const SAMPLE = 167_130;
const KEPT = 72;
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

/**
 * A GPU in simulated time. As NVIDIA's driver (gpu_acct.c and ctrl2080perf.h of NVIDIA/open-gpu-kernel-modules), it takes a sample about
 * each sixth of a second: how long the GPU was busy, and the process that runs at that moment, to which the whole sample counts.
 */
class SimulatedGpu {
  time = START;
  private millijoules = 0;
  private reportedMillijoules = 0;
  private readonly samples: { takenAt: number; time: number; ratio: number; pid: number | undefined }[] = [];
  private busy = 0;
  private sampledAt = START - STEP;
  /** The truth. */
  readonly busySeconds = new Map<number, number>();
  joules = 0;

  /** The driver's clock, less that of the exporter. */
  skew = 0;
  /** Whether the driver takes samples. */
  isSampled = true;

  /**
   * @param energyUpdate how often the driver updates the energy
   * @param delay after which the driver returns a sample (NVIDIA/go-nvml, issue 51: the newest of eight processes, 0.7 s old)
   */
  constructor(
    private readonly loads: Load[],
    private readonly energyUpdate = 100_000,
    private readonly delay = 0,
  ) {}

  /** Lets time pass. */
  run(microseconds: number): void {
    for (const end = this.time + microseconds; this.time < end; this.time += STEP) {
      const running = this.loads.filter((load) => isBusy(load, this.time));
      const watts = running.length > 0 ? BUSY_WATTS : IDLE_WATTS;
      this.joules += (watts * STEP) / SECOND;
      this.millijoules += (watts * STEP) / 1000;
      if (running.length > 0) this.busy += STEP;
      // Processes that run at the same time take turns.
      const { pid } = running[(this.time / STEP) % running.length] ?? {};
      if (pid !== undefined) this.busySeconds.set(pid, (this.busySeconds.get(pid) ?? 0) + STEP / SECOND);
      const isEach = (period: number) => this.time % period < STEP;
      if (isEach(this.energyUpdate)) this.reportedMillijoules = this.millijoules;
      if (isEach(SAMPLE)) this.takeSample(pid);
    }
  }

  private takeSample(pid: number | undefined): void {
    const { time: takenAt } = this;
    const ratio = this.busy / (takenAt - this.sampledAt);
    if (this.isSampled) this.samples.push({ takenAt, time: takenAt + this.skew, ratio, pid });
    if (this.samples.length > KEPT) this.samples.shift();
    this.busy = 0;
    this.sampledAt = this.time;
  }

  uint = () => 1;
  migEnabled = false;
  uints = () => [Number(this.migEnabled), 0];
  handle = () => 1n;
  text = () => "GPU-1";
  struct = (): Struct => ({ gpu: percent(this.samples.at(-1)?.ratio ?? 0) });
  /** Whether its driver keeps samples of the GPU's use. */
  hasSamples = true;
  /** Whether its driver reports the energy. */
  hasEnergy = true;
  ulong = (name: string) => {
    if (!this.hasEnergy) throw new NvmlError(RETURN.NVML_ERROR_UNKNOWN, name);
    return Math.floor(this.reportedMillijoules);
  };

  /** Each sample of the GPU; for each process with one, its average over all samples since the time, and the time of its last one. */
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
    const isReturned = ({ takenAt, time }: { takenAt: number; time: number }) =>
      time > since && takenAt <= this.time - this.delay;
    const samples = this.samples.filter(isReturned);
    if (samples.length === 0) throw new NvmlError(RETURN.NVML_ERROR_NOT_FOUND, name);
    if (name === "nvmlDeviceGetSamples")
      return samples.map(({ time, ratio }) => ({ timeStamp: time, sampleValue: percent(ratio) }));
    const found = this.loads.flatMap(({ pid }) => {
      const own = samples.filter((sample) => sample.pid === pid);
      const smUtil = percent(own.reduce((sum, { ratio }) => sum + ratio, 0) / samples.length);
      return smUtil > 0 ? { pid, timeStamp: own.at(-1)?.time ?? 0, smUtil } : [];
    });
    if (found.length === 0) throw new NvmlError(RETURN.NVML_ERROR_NOT_FOUND, name);
    return found;
  };
}

const percent = (ratio: number): number => Math.round(ratio * 100);

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
function count(
  gpu: SimulatedGpu,
  accounting: Accounting,
  seconds: number,
  containers: string[],
  sampler = new Sampler(gpu, () => gpu.time),
): void {
  sampler.findGpus();
  accounting.add(sampler.sample());
  for (let second = 1; second <= seconds; second++) {
    gpu.run(SECOND + (second % 3) * 20_000);
    accounting.add(sampler.sample());
    if (second % 30 === 0) accounting.settle(running(containers));
  }
  accounting.settle(running(containers));
}

function expectWithin(actual: number | undefined, expected: number | undefined, ratio: number): void {
  expect(Math.abs((actual ?? 0) / (expected ?? 0) - 1)).toBeLessThan(ratio);
}

describe("Usage and energy of containers", () => {
  /** Each load has a container, but for the one of the host. */
  const CONTAINERS = new Map([
    [11, "a"],
    [21, "b"],
  ]);
  const HOST = 99;
  const load = (pid: number, period: number, from: number, until: number): Load => ({
    pid,
    ...{ period: period * SECOND, from: from * SECOND, until: until * SECOND },
  });

  it.each<[string, Load[]]>([
    ["two containers that alternate at 3 s", [load(11, 6, 0, 3), load(21, 6, 3, 6)]],
    ["a container and the host", [load(11, 45, 0, 10), load(HOST, 45, 20, 35)]],
    ["bursts of a second", [load(11, 9, 0, 1)]],
    ["bursts of a container and the host", [load(11, 11, 2, 3.5), load(HOST, 11, 6, 6.8)]],
  ])("are within 2 %% of the truth, and add up to the GPU's, for %s", (_, loads) => {
    for (const [pid, id] of CONTAINERS) startProcess(pid, id);
    startProcess(HOST);
    for (const [energyUpdate, delay] of [
      [20_000, 0],
      [100_000, 0],
      [100_000, 500_000],
    ])
      for (let phase = 0; phase < SECOND; phase += 239_000) {
        const gpu = new SimulatedGpu(loads, energyUpdate, delay);
        gpu.run(phase);
        const accounting = new Accounting(proc);
        const sampler = new Sampler(gpu, () => gpu.time);
        const read = () => {
          const total = accounting.ofGpu("GPU-1");
          const owners = loads.map(({ pid }) => {
            const id = CONTAINERS.get(pid);
            return id ? accounting.ofContainer(idOf(id), "GPU-1") : total?.host;
          });
          return { total, owners, truth: loads.map(({ pid }) => gpu.busySeconds.get(pid)) };
        };
        // The idle power is known after some seconds. No load runs at the ends, where samples are still to come.
        count(gpu, accounting, 64, ["a", "b", "c"], sampler);
        const before = read();
        count(gpu, accounting, 300, ["a", "b", "c"], sampler);
        const after = read();
        const increase = (of: (reading: typeof after) => number | undefined) =>
          (of(after) ?? 0) - (of(before) ?? 0);
        for (const i of loads.keys()) {
          const seconds = increase(({ truth }) => truth[i]);
          expectWithin(
            increase(({ owners }) => owners[i]?.usageSeconds),
            seconds,
            0.02,
          );
          expectWithin(
            increase(({ owners }) => owners[i]?.joules),
            seconds * BUSY_WATTS,
            0.02,
          );
        }
        const sum = (values: (number | undefined)[]) =>
          values.reduce<number>((all, one) => all + (one ?? 0), 0);
        const { total, owners } = after;
        expectWithin(sum(owners.map((one) => one?.usageSeconds)), total?.usageSeconds, 0.001);
        expectWithin(sum([...owners.map((one) => one?.joules), total?.idleJoules]), total?.joules, 0.001);
        expect(accounting.ofContainer(idOf("c"), "GPU-1")).toEqual({ usageSeconds: 0, joules: 0 });
      }
  });

  it("are as exact with samples for scrapes between those of each second", () => {
    const gpu = new SimulatedGpu([load(11, 9, 0, 1)]);
    const accounting = new Accounting(proc);
    startProcess(11, "a");
    const sampler = new Sampler(gpu, () => gpu.time);
    sampler.findGpus();
    gpu.run(4 * SECOND);
    for (let second = 0; second < 360; second++)
      for (const milliseconds of [700, 20, 280]) {
        accounting.add(sampler.sample());
        gpu.run(milliseconds * 1000);
      }
    accounting.settle(running(["a"]));
    const container = accounting.ofContainer(idOf("a"), "GPU-1");
    expectWithin(container?.usageSeconds, 40, 0.02);
    expectWithin(container?.joules, 40 * BUSY_WATTS, 0.02);
  });

  it("count work that is shorter than the driver's samples, also after idle time", () => {
    const gpu = new SimulatedGpu([load(11, 20, 0, 0.1)]);
    const accounting = new Accounting(proc);
    startProcess(11, "a");
    count(gpu, accounting, 600, ["a"]);
    expectWithin(accounting.ofGpu("GPU-1")?.usageSeconds, gpu.busySeconds.get(11), 0.05);
    // Of many of these samples, the driver names no process.
    const container = accounting.ofContainer(idOf("a"), "GPU-1");
    expect(container?.usageSeconds).toBeGreaterThan(0.3 * (gpu.busySeconds.get(11) ?? 0));
  });

  it("count the energy of the time in which the driver did not report it", () => {
    const gpu = new SimulatedGpu([load(11, 6, 0, 3)]);
    const accounting = new Accounting(proc);
    startProcess(11, "a");
    const sampler = new Sampler(gpu, () => gpu.time);
    count(gpu, accounting, 60, ["a"], sampler);
    gpu.hasEnergy = false;
    count(gpu, accounting, 30, ["a"], sampler);
    gpu.hasEnergy = true;
    count(gpu, accounting, 60, ["a"], sampler);
    expectWithin(accounting.ofGpu("GPU-1")?.joules, gpu.joules, 0.01);
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

  it.each([5, 300, 3 * 3600])("neither go back nor stop when the clock is set back by %d s", (seconds) => {
    const gpu = new SimulatedGpu([load(11, 10, 0, 10)]);
    const accounting = new Accounting(proc);
    startProcess(11, "a");
    const sampler = new Sampler(gpu, () => gpu.time + gpu.skew);
    sampler.findGpus();
    let last = 0;
    for (let second = 0; second < 60; second++) {
      gpu.run(SECOND);
      if (second === 30) gpu.skew = -seconds * SECOND;
      accounting.add(sampler.sample());
      const usage = accounting.ofGpu("GPU-1")?.usageSeconds ?? 0;
      expect(usage).toBeGreaterThanOrEqual(last);
      last = usage;
    }
    expectWithin(last, 60, 0.05);
    accounting.settle(running(["a"]));
    expect(accounting.ofContainer(idOf("a"), "GPU-1")?.usageSeconds).toBeCloseTo(last, 6);
  });

  it("go on when the clock is set forward", () => {
    const gpu = new SimulatedGpu([load(11, 10, 0, 10)]);
    const accounting = new Accounting(proc);
    startProcess(11, "a");
    const sampler = new Sampler(gpu, () => gpu.time + gpu.skew);
    sampler.findGpus();
    for (let second = 0; second < 60; second++) {
      gpu.run(SECOND);
      if (second === 30) gpu.skew = 3 * 3600 * SECOND;
      accounting.add(sampler.sample());
    }
    accounting.settle(running(["a"]));
    expectWithin(accounting.ofContainer(idOf("a"), "GPU-1")?.usageSeconds, 60, 0.05);
  });

  it("are of the processes that the driver names before or after, for some seconds", () => {
    const accounting = new Accounting(proc);
    startProcess(11, "a");
    const add = (busySeconds: number, seconds: number) => {
      const processes = seconds > 0 ? [{ pid: 11, seconds }] : [];
      accounting.add([{ uuid: "GPU-1", seconds: 1, busySeconds, joules: 100, processes }]);
    };
    add(1, 0);
    add(1, 0.5);
    for (let i = 0; i < 10; i++) add(1, 0);
    accounting.settle(running(["a"]));
    expect(accounting.ofContainer(idOf("a"), "GPU-1")).toEqual({ usageSeconds: 12, joules: 1200 });
    expect(accounting.ofGpu("GPU-1")).toMatchObject({ usageSeconds: 12, joules: 1200, idleJoules: 0 });
    // A process that the driver never names.
    for (let i = 0; i < 100; i++) add(1, 0);
    accounting.settle(running(["a"]));
    expect(accounting.ofContainer(idOf("a"), "GPU-1")).toEqual({ usageSeconds: 12, joules: 1200 });
    expect(accounting.ofGpu("GPU-1")).toMatchObject({
      usageSeconds: 112,
      joules: 11_200,
      idleJoules: 10_000,
    });
  });

  it("are not of the next process when the driver named none long before", () => {
    const accounting = new Accounting(proc);
    startProcess(11, "a");
    const add = (busySeconds: number, processes: ProcessTime[] = []) => {
      accounting.add([{ uuid: "GPU-1", seconds: 1, busySeconds, joules: 100, processes }]);
    };
    add(0);
    add(0.2);
    for (let i = 0; i < 20; i++) add(0);
    add(1, [{ pid: 11, seconds: 1 }]);
    accounting.settle(running(["a"]));
    expect(accounting.ofContainer(idOf("a"), "GPU-1")?.usageSeconds).toBe(1);
    expect(accounting.ofGpu("GPU-1")?.usageSeconds).toBe(1.2);
  });

  it("go on after a value that the driver did not report once", () => {
    const accounting = new Accounting(proc);
    startProcess(11, "a");
    startProcess(99);
    const processes = [11, 99].map((pid) => ({ pid, seconds: 0.5 }));
    const add = (changes: Partial<GpuSample>) => {
      accounting.add([{ uuid: "GPU-1", seconds: 1, busySeconds: 1, joules: 100, processes, ...changes }]);
      accounting.settle(running(["a"]));
    };
    add({});
    add({ joules: undefined });
    add({ processes: undefined });
    expect(accounting.ofContainer(idOf("a"), "GPU-1")).toBeUndefined();
    add({});
    expect(accounting.ofContainer(idOf("a"), "GPU-1")).toEqual({ usageSeconds: 1.5, joules: 100 });
    expect(accounting.ofGpu("GPU-1")).toMatchObject({
      ...{ usageSeconds: 4, joules: 300 },
      host: { usageSeconds: 1.5, joules: 100 },
    });
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
    const sample = {
      uuid: "GPU-1",
      seconds: 1,
      busySeconds: 1,
      joules: 100,
      processes: [{ pid: 11, seconds: 1 }],
    };
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
      { uuid: "MIG", seconds: 1, busySeconds: undefined, joules: 5, processes: undefined },
      { uuid: "old", seconds: 1, busySeconds: 1, joules: undefined, processes: [{ pid: 11, seconds: 1 }] },
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
        accounting.add([
          { uuid: "GPU-1", seconds: 1, busySeconds: 1, joules: 1, processes: [{ pid, seconds: 1 }] },
        ]);
        if (i % 30 === 0) accounting.settle(running(containers.slice(Math.floor(i / 30) % 16).slice(0, 1)));
      }
      accounting.settle(running(["0"]));
      return size();
    };
    const before = run(1000);
    expect(run(100_000)).toBeLessThan(before * 1.5);
  });
});
