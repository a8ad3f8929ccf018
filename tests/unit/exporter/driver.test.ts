import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Driver } from "../../../exporter/driver";
import type { Health } from "../../../exporter/driver/health";
import { buildNvml } from "../../support/emulatedDriver/build";
import {
  a100Mig,
  gpuUuid,
  h100,
  migUuid,
  type Attributes,
  type EmulatedHost,
} from "../../support/emulatedDriver/host";
import { emulate, emulatedDriver } from "../../support/emulatedExporter";
import { eventually } from "../../support/eventually";

const MIB = 1024 ** 2;
const TIMEOUT_SECONDS = 20;

let driver: Driver;
beforeEach(() => {
  driver = emulatedDriver();
});
afterEach(() => {
  driver.stop();
});

/** The attributes from which the health of a GPU is read. */
const HEALTH_ATTRIBUTES = [
  ...["eccCorrected", "eccUncorrected", "eccCorrectedLifetime", "eccUncorrectedLifetime"],
  ...["memoryTemperature", "performanceState", "powerLimitDefault", "powerLimitMin", "powerLimitMax"],
  ...["modulePower", "bar1Total", "bar1Used", "encoder", "decoder"],
  ...["maxClockGraphics", "maxClockSm", "maxClockMemory", "maxClockVideo"],
  ...["pcieReplays", "pcieGeneration", "pcieGenerationMax", "pcieWidth", "pcieWidthMax"],
  ...["throttledSwPowerCap", "throttledSyncBoost", "throttledSwThermal", "throttledHwThermal"],
  ...["throttledHwPowerBrake", "remappedCorrected", "remappedUncorrected", "remappedPending"],
  ...["remappedFailure", "recoveryAction", "links", "fabricState", "xids"],
];

/** The values of the health of a GPU, by metric and label. */
const reported = (health: Health = {}): Record<string, number> =>
  Object.fromEntries(
    Object.entries(health).flatMap(([name, value]) =>
      typeof value === "object"
        ? Object.entries(value).map(([label, one]) => [`${name} ${label}`, one])
        : [[name, value]],
    ),
  ) as Record<string, number>;

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
          reportsProcesses: true,
          reportsProcessUtilization: true,
          memoryUtilizationRatio: 0.03,
          powerWatts: 123.45,
          powerLimitWatts: 650,
          temperatureCelsius: 41,
          clockHertz: { graphics: 1980e6, sm: 1980e6, memory: 2619e6, video: 1545e6 },
          eccErrors: { corrected: 0, uncorrected: 0 },
          throttleReasons: { gpu_idle: false, sw_power_cap: true },
          health: expect.any(Object) as object,
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
          ...["throttleReasons", "supportedThrottleReasons", ...HEALTH_ATTRIBUTES],
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
          reportsProcesses: true,
          reportsProcessUtilization: false,
          clockHertz: {},
          eccErrors: {},
          throttleReasons: {},
          health: expect.any(Object) as object,
        },
      ]);
      expect(reported(report.devices[0]?.health)).toEqual({ gpu_mig_enabled: 0, gpu_mig_pending: 0 });
      expect(report.processes).toEqual([{ pid: 5, device: gpuUuid(0) }]);
    },
  );

  it.each(["garbage", "garbage-count"] as const)("is rejected when the library returns %s", async (fault) => {
    const answer = snapshot({ driver: "550.127.05", gpus: [h100(0)], processes: [], fault });
    await expect(answer).rejects.toMatchObject({ reason: "unparsable" });
  });

  it("is missing where there is no library, until there is one", async () => {
    const libraries = mkdtempSync(path.join(os.tmpdir(), "libraries-"));
    const later = emulatedDriver({ libraries });
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
    for (const [fault, reason] of [
      ["no-driver", "not_loaded"],
      ["mismatch", "version_mismatch"],
    ] as const)
      await expect(snapshot({ ...host, fault })).rejects.toMatchObject({ reason });
    expect((await snapshot(host)).devices).toHaveLength(1);
  });

  it("is lost for good to this container after three unknown errors in a row, unless it never answered", async () => {
    const host = { driver: "550.127.05", gpus: [h100(0)], processes: [] };
    const lost: string[] = [];
    driver.onLost = (message) => lost.push(message);
    const fail = async (times: number) => {
      for (let i = 0; i < times; i++)
        await expect(snapshot({ ...host, fault: "unknown" })).rejects.toMatchObject({ reason: "unknown" });
    };
    await fail(4);
    await snapshot(host);
    await fail(2);
    await snapshot(host);
    expect(lost).toEqual([]);
    await fail(4);
    expect(lost).toEqual([expect.stringContaining("NVML_ERROR_UNKNOWN")]);
  });
});

describe("A GPU that is added to the host", () => {
  it("is found by a start of the exporter's container, which the exporter asks for once", async () => {
    const pciDriver = mkdtempSync(path.join(os.tmpdir(), "nvidia-"));
    const add = (name: string) => {
      mkdirSync(path.join(pciDriver, name));
    };
    const remove = (name: string) => {
      rmSync(path.join(pciDriver, name), { recursive: true });
    };
    add("0000:01:00.0");
    const added = emulatedDriver({ pciDriver });
    const reasons: string[] = [];
    added.onLost = (reason) => reasons.push(reason);
    emulate({ driver: "550.127.05", gpus: [h100(0)], processes: [] });
    await added.snapshot(TIMEOUT_SECONDS);
    for (const [change, name] of [
      [add, "module"],
      [add, "0000:81:00.0"],
      [remove, "0000:01:00.0"],
      [add, "0000:01:00.0"],
    ] as const) {
      change(name);
      expect((await added.snapshot(TIMEOUT_SECONDS)).devices).toHaveLength(1);
    }
    expect(reasons).toEqual(["the host has more GPUs: 0000:81:00.0", "the host has more GPUs: 0000:01:00.0"]);
    added.stop();
    rmSync(pciDriver, { recursive: true });
  });
});

describe("A crash of the library between two queries", () => {
  it("is reported by the next one, and the driver is queried again", async () => {
    const host = { driver: "550.127.05", gpus: [h100(0)], processes: [] };
    await snapshot(host);
    emulate({ ...host, fault: "crash" });
    await eventually(async () => {
      await Promise.resolve();
      expect(driver["worker"]).toBeUndefined();
    }, 20);
    expect(await snapshot(host)).toMatchObject({ crash: expect.stringContaining("SIGSEGV") as string });
    expect(await snapshot(host)).not.toHaveProperty("crash");
  });
});

describe("The health of a GPU", () => {
  const healthOf = async (version: string, gpu = h100(0)) =>
    reported((await snapshot({ driver: version, gpus: [gpu], processes: [] })).devices[0]?.health);

  /** What every driver reports of an H100. */
  const ALWAYS = {
    gpu_memory_temperature_celsius: 52,
    gpu_performance_state: 0,
    gpu_power_limit_default_watts: 700,
    gpu_power_limit_min_watts: 200,
    gpu_power_limit_max_watts: 700,
    gpu_bar1_memory_total_bytes: 131_072 * MIB,
    gpu_bar1_memory_used_bytes: 2 * MIB,
    "gpu_clock_max_hertz graphics": 1980e6,
    "gpu_clock_max_hertz sm": 1980e6,
    "gpu_clock_max_hertz memory": 2619e6,
    "gpu_clock_max_hertz video": 1545e6,
    gpu_encoder_utilization_ratio: 0,
    gpu_decoder_utilization_ratio: 0.07,
    "gpu_ecc_errors_lifetime_total corrected": 17,
    "gpu_ecc_errors_lifetime_total uncorrected": 1,
    "gpu_throttle_seconds_total sw_power_cap": 12.5,
    "gpu_throttle_seconds_total sync_boost": 0,
    "gpu_throttle_seconds_total sw_thermal_slowdown": 0.5,
    gpu_pcie_replays_total: 3,
    gpu_pcie_link_generation: 1,
    gpu_pcie_link_generation_max: 5,
    gpu_pcie_link_width: 16,
    gpu_pcie_link_width_max: 16,
    "gpu_nvlink_links active": 18,
    "gpu_nvlink_links inactive": 0,
    "gpu_nvlink_errors_total crc_flit": 2,
    "gpu_nvlink_errors_total crc_data": 0,
    "gpu_nvlink_errors_total replay": 0,
    "gpu_nvlink_errors_total recovery": 0,
    gpu_nvlink_transmit_bytes_total: 4_096_000_000,
    gpu_nvlink_receive_bytes_total: 3_072_000_000,
  };
  const SINCE_450 = {
    gpu_mig_enabled: 0,
    gpu_mig_pending: 0,
    "gpu_remapped_rows corrected": 0,
    "gpu_remapped_rows uncorrected": 1,
    gpu_remapped_rows_pending: 0,
    gpu_remapped_rows_failure: 0,
  };
  const SINCE_530 = { "gpu_fabric_state completed": 1 };
  const SINCE_570 = {
    "gpu_recovery_action none": 1,
    "gpu_throttle_seconds_total hw_thermal_slowdown": 0,
    "gpu_throttle_seconds_total hw_power_brake_slowdown": 0,
  };

  it.each([
    ["418.67", ALWAYS],
    ["450.51.06", { ...ALWAYS, ...SINCE_450 }],
    ["470.57.02", { ...ALWAYS, ...SINCE_450 }],
    ["510.47.03", { ...ALWAYS, ...SINCE_450 }],
    ["535.129.03", { ...ALWAYS, ...SINCE_450, ...SINCE_530 }],
    ["550.127.05", { ...ALWAYS, ...SINCE_450, ...SINCE_530 }],
    ["575.51.02", { ...ALWAYS, ...SINCE_450, ...SINCE_530, ...SINCE_570 }],
    ["580.105.08", { ...ALWAYS, ...SINCE_450, ...SINCE_530, ...SINCE_570 }],
  ])("has what R%s reports, and nothing else", async (version, expected) => {
    expect(await healthOf(version)).toEqual(expected);
  });

  it("has the power of the module of a GPU and a CPU, and the MIG mode after the next reset", async () => {
    const attributes = { modulePower: 1_234_500, migPending: 1 };
    expect(await healthOf("580.105.08", h100(0, { model: "NVIDIA GB200", attributes }))).toMatchObject({
      gpu_module_power_watts: 1234.5,
      gpu_mig_enabled: 0,
      gpu_mig_pending: 1,
    });
  });

  it.each([
    [1, "gpu_reset"],
    [7, "system_reboot"],
    [8, "unknown"],
  ])("has the action that the driver asks for: %i is %s", async (recoveryAction, action) => {
    const health = await healthOf("580.105.08", h100(0, { attributes: { recoveryAction } }));
    expect(Object.keys(health).filter((name) => name.startsWith("gpu_recovery"))).toEqual([
      `gpu_recovery_action ${action}`,
    ]);
  });

  it("has limits again that once could not be read", async () => {
    const limits = async (attributes: Attributes) =>
      (await healthOf("580.105.08", h100(0, { attributes }))).gpu_power_limit_max_watts;
    expect(await limits({ powerLimitMax: "!999" })).toBeUndefined();
    expect(await limits({})).toBeUndefined();
    for (let i = 0; i < 18; i++) await limits({});
    expect(await limits({})).toBe(700);
  });

  it("has no ECC, rows, links and fabric of a consumer GPU", async () => {
    const names = Object.keys(await healthOf("580.105.08", h100(0, { consumer: true })));
    expect(names).toContain("gpu_pcie_link_width");
    expect(names.filter((name) => /ecc|row|retired|nvlink|fabric|mig|recovery/.test(name))).toEqual([]);
  });

  it("has retired pages of a GPU that does not replace rows", async () => {
    const attributes = {
      ...{ remappedCorrected: undefined, retiredSingleBit: 2, retiredDoubleBit: 1, retiredPending: 1 },
    };
    const health = await healthOf("470.57.02", h100(0, { model: "Tesla V100-SXM2-32GB", attributes }));
    expect(health).toMatchObject({
      "gpu_retired_pages single_bit": 2,
      "gpu_retired_pages double_bit": 1,
      gpu_retired_pages_pending: 1,
    });
    expect(health).not.toHaveProperty("gpu_remapped_rows_failure");
  });

  it("adds up the links of a GPU with NVLink 5, which counts for each of them", async () => {
    const attributes = {
      ...{ linkCrcFlit: undefined, linkCrcData: undefined, linkReplay: undefined, linkRecovery: undefined },
      ...{ linkSentKib: undefined, linkReceivedKib: undefined, activeLinks: 16 },
      ...{ sentPerLink: 1000, receivedPerLink: 500, errorsPerLink: 3, recoveriesPerLink: 1 },
    };
    expect(await healthOf("580.105.08", h100(0, { attributes }))).toMatchObject({
      "gpu_nvlink_links active": 16,
      "gpu_nvlink_links inactive": 2,
      "gpu_nvlink_errors_total received": 48,
      "gpu_nvlink_errors_total recovery": 16,
      gpu_nvlink_transmit_bytes_total: 16_000,
      gpu_nvlink_receive_bytes_total: 8000,
    });
  });

  it.each([
    [{ fabricState: 0 }, []],
    [{ fabricState: 1 }, ["gpu_fabric_state not_started"]],
    [{ fabricState: 2 }, ["gpu_fabric_state in_progress"]],
    [{ fabricState: 3, fabricStatus: 999 }, ["gpu_fabric_state failed"]],
  ])("has the state of the NVLink fabric: %j", async (attributes, expected) => {
    for (const version of ["535.129.03", "580.105.08"]) {
      const names = Object.keys(await healthOf(version, h100(0, { attributes })));
      expect(names.filter((name) => name.startsWith("gpu_fabric"))).toEqual(expected);
    }
  });
});
