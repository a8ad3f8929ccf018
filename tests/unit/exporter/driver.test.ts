import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Driver } from "../../../exporter/driver";
import { buildNvml } from "../../support/emulatedDriver/build";
import { a100Mig, gpuUuid, h100, migUuid, type EmulatedHost } from "../../support/emulatedDriver/host";
import { emulate, emulatedDriver } from "../../support/emulatedExporter";

const MIB = 1024 ** 2;
const TIMEOUT_SECONDS = 20;

let driver: Driver;
beforeEach(() => {
  driver = emulatedDriver();
});
afterEach(() => {
  driver.stop();
});

function snapshot(host: EmulatedHost) {
  emulate(host);
  return driver.snapshot(TIMEOUT_SECONDS);
}

describe("The driver's report", () => {
  it.each([
    "418.67",
    "450.51.06",
    "470.57.02",
    "510.47.03",
    "535.129.03",
    "550.127.05",
    "575.51.02",
    "580.105.08",
  ])(
    "has memory, power, clocks, ECC errors and throttle reasons of a data center GPU in R%s",
    async (version) => {
      const report = await snapshot({
        driver: version,
        gpus: [
          h100(0, {
            utilization: 87,
            usedMiB: 70_100,
            ...(version < "510" && { attributes: { reserved: 0 } }),
          }),
        ],
        processes: [{ pid: 41, gpu: 0, memory: 70_000, sm: 85 }],
      });
      expect(report).toMatchObject({ driverVersion: version, cudaVersion: "12.4" });
      expect(report.processes).toEqual([
        { pid: 41, device: gpuUuid(0), memoryBytes: 70_000 * MIB, utilizationRatio: 0.85 },
      ]);
      expect(report.devices).toEqual([
        {
          gpu: "0",
          uuid: gpuUuid(0),
          model: "NVIDIA H100 80GB HBM3",
          minor: 0,
          pciAddress: "00000000:01:00.0",
          migEnabled: false,
          memoryTotalBytes: 81_559 * MIB,
          memoryUsedBytes: 70_100 * MIB,
          utilizationRatio: 0.87,
          reportsProcessUtilization: true,
          memoryUtilizationRatio: 0.03,
          powerWatts: 123.45,
          powerLimitWatts: 650,
          temperatureCelsius: 41,
          clockHertz: { graphics: 1980e6, sm: 1980e6, memory: 2619e6, video: 1545e6 },
          eccErrors: { corrected: 0, uncorrected: 0 },
          throttleReasons: { gpu_idle: false, sw_power_cap: true },
        },
      ]);
    },
  );

  it("has no ECC errors and no MIG devices of a consumer GPU, but the processes of its desktop", async () => {
    const gpu = h100(0, { model: "NVIDIA GeForce RTX 4090", memoryMiB: 24_564, consumer: true });
    const report = await snapshot({
      driver: "575.51.02",
      gpus: [gpu],
      processes: [{ pid: 7, gpu: 0, memory: 300, type: "G" }],
    });
    expect(report.devices[0]).toMatchObject({
      migEnabled: false,
      eccErrors: {},
      memoryTotalBytes: 24_564 * MIB,
    });
    expect(report.processes).toEqual([
      { pid: 7, device: gpuUuid(0), memoryBytes: 300 * MIB, utilizationRatio: 0 },
    ]);
  });

  it.each([
    ["470.57.02", undefined],
    ["580.105.08", undefined],
    ["580.105.08", "no-mig-permission"],
  ] as const)(
    "has MIG devices as devices of their own, with their processes, in R%s (%s)",
    async (version, fault) => {
      const report = await snapshot({
        driver: version,
        gpus: [h100(0), a100Mig(1)],
        processes: [
          { pid: 11, gpu: 1, mig: 0, memory: 9000 },
          { pid: 12, gpu: 1, mig: 1, memory: 800 },
          { pid: 13, gpu: 1, memory: 10 },
        ],
        ...(fault && { fault }),
      });
      expect(
        report.devices.map(({ gpu, uuid, model, migEnabled }) => [gpu, uuid, model, migEnabled]),
      ).toEqual([
        ["0", gpuUuid(0), "NVIDIA H100 80GB HBM3", false],
        ["1", gpuUuid(1), "NVIDIA A100-SXM4-40GB", true],
        ["1:0", migUuid(10), "NVIDIA A100-SXM4-40GB MIG 3g.20gb", false],
        ["1:1", migUuid(11), "NVIDIA A100-SXM4-40GB MIG 1g.5gb", false],
      ]);
      expect(report.devices.map(({ memoryTotalBytes }) => (memoryTotalBytes ?? 0) / MIB)).toEqual([
        81_559, 40_960, 19_968, 4864,
      ]);
      // A process outside of MIG has no share of a GPU whose driver reports none.
      expect(report.processes.sort((a, b) => a.pid - b.pid)).toEqual([
        { pid: 11, device: migUuid(10), memoryBytes: 9000 * MIB, utilizationRatio: undefined },
        { pid: 12, device: migUuid(11), memoryBytes: 800 * MIB, utilizationRatio: undefined },
        { pid: 13, device: gpuUuid(1), memoryBytes: 10 * MIB, utilizationRatio: undefined },
      ]);
    },
  );

  it("has each of 8 GPUs with its own processes", async () => {
    const gpus = Array.from({ length: 8 }, (_, i) => h100(i));
    const processes = Array.from({ length: 1600 }, (_, i) => ({ pid: 1000 + i, gpu: i % 8, memory: i }));
    const report = await snapshot({ driver: "550.127.05", gpus, processes });
    expect(report.devices).toHaveLength(8);
    expect(report.processes).toHaveLength(1600);
    for (const { pid, device } of report.processes) expect(device).toBe(gpuUuid((pid - 1000) % 8));
  });

  it("counts a process once that computes and draws, and one that computes by MPS", async () => {
    const processes = [
      { pid: 5, gpu: 0, memory: 100, sm: 10, type: "CG" },
      { pid: 6, gpu: 0, memory: 200, type: "M" },
    ] as const;
    const report = await snapshot({ driver: "550.127.05", gpus: [h100(0)], processes: [...processes] });
    expect(report.processes).toEqual([
      { pid: 5, device: gpuUuid(0), memoryBytes: 100 * MIB, utilizationRatio: 0.1 },
      { pid: 6, device: gpuUuid(0), memoryBytes: 200 * MIB, utilizationRatio: 0 },
    ]);
  });

  // NOT_SUPPORTED, NO_PERMISSION, FUNCTION_NOT_FOUND, CORRUPTED_INFOROM, NO_DATA, DEPRECATED, UNKNOWN
  it.each([undefined, "!4", "!13", "!14", "!21", "!26", "!999"])(
    "has no value, rather than zero, where the driver returns %s",
    async (error) => {
      const supported = ["uuid", "name", "total", "mig"];
      const attributes = Object.fromEntries(
        [
          ...["minor", "bus", "used", "gpuUtilization", "memoryUtilization", "temperature", "powerAverage"],
          ...["powerInstant", "powerLimit", "clockGraphics", "clockSm", "clockMemory", "clockVideo"],
          ...["throttleReasons", "supportedThrottleReasons", "eccCorrected", "eccUncorrected"],
        ].map((name) => [name, error]),
      );
      expect(Object.keys(attributes)).not.toEqual(expect.arrayContaining(supported));
      const report = await snapshot({
        driver: "550.127.05",
        gpus: [h100(0, { attributes: { ...attributes, noProcessUtilization: 1 } })],
        processes: [{ pid: 5, gpu: 0, memory: undefined, sm: 3 }],
      });
      expect(report.devices).toEqual([
        {
          gpu: "0",
          uuid: gpuUuid(0),
          model: "NVIDIA H100 80GB HBM3",
          migEnabled: false,
          reportsProcessUtilization: false,
          clockHertz: {},
          eccErrors: {},
          throttleReasons: {},
        },
      ]);
      expect(report.processes).toEqual([{ pid: 5, device: gpuUuid(0) }]);
    },
  );

  it.each(["garbage", "garbage-count"] as const)("is rejected when the library returns %s", async (fault) => {
    const answer = snapshot({ driver: "550.127.05", gpus: [h100(0)], processes: [], fault });
    await expect(answer).rejects.toMatchObject({ reason: "unparsable" });
  });

  it("is missing where there is no library, until there is one", async () => {
    const libraries = mkdtempSync(path.join(os.tmpdir(), "libraries-"));
    const later = emulatedDriver(libraries);
    emulate({ driver: "550.127.05", gpus: [h100(0)], processes: [] });
    await expect(later.snapshot(TIMEOUT_SECONDS)).rejects.toMatchObject({ reason: "missing" });
    copyFileSync(await buildNvml(), path.join(libraries, "libnvidia-ml.so.1"));
    expect((await later.snapshot(TIMEOUT_SECONDS)).devices).toHaveLength(1);
    later.stop();
    rmSync(libraries, { recursive: true });
  });

  it("goes on after the driver was loaded again", async () => {
    const host = { driver: "550.127.05", gpus: [h100(0)], processes: [] };
    await snapshot(host);
    for (const fault of ["no-driver", "mismatch"] as const)
      await expect(snapshot({ ...host, fault })).rejects.toMatchObject({ reason: "failed" });
    expect((await snapshot(host)).devices).toHaveLength(1);
  });
});
