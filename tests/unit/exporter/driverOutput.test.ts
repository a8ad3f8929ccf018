import { readFileSync } from "node:fs";
import path from "node:path";
import { parseList } from "../../../exporter/driver/list";
import { parseLog } from "../../../exporter/driver/log";
import { parsePmon } from "../../../exporter/driver/pmon";
import { a100Mig, gpuUuid, h100, migUuid, type EmulatedHost } from "../../support/emulatedDriver/host";
import { nvidiaSmiOutput } from "../../support/emulatedExporter";

const MIB = 1024 ** 2;

/** A sequence of numbers that looks random and is the same in every run. */
function* numbers(seed: number): Generator<number, never> {
  for (let state = seed; ;) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    yield state;
  }
}

describe("The output of nvidia-smi -q -x", () => {
  it.each([
    "418.67",
    "450.51.06",
    "470.57.02",
    "510.47.03",
    "535.129.03",
    "550.127.05",
    "575.51.02",
    "580.105.08",
  ])("has memory, power, clocks, ECC errors and throttle reasons of a data center GPU in R%s", (driver) => {
    const host = {
      driver,
      gpus: [h100(0, { utilization: 87 })],
      processes: [{ pid: 41, gpu: 0, memory: 70_000 }],
    };
    const log = parseLog(nvidiaSmiOutput(host, "-q", "-x"));
    expect(log).toMatchObject({ driverVersion: driver, cudaVersion: "12.4" });
    expect(log.processes).toEqual([{ pid: 41, device: gpuUuid(0), memoryBytes: 70_000 * MIB }]);
    expect(log.devices).toEqual([
      {
        uuid: gpuUuid(0),
        model: "NVIDIA H100 80GB HBM3",
        minor: 0,
        pciAddress: "00000000:01:00.0",
        migEnabled: false,
        memoryTotalBytes: 81_559 * MIB,
        memoryUsedBytes: 70_000 * MIB,
        utilizationRatio: 0.87,
        memoryUtilizationRatio: 0.03,
        powerWatts: 123.45,
        powerLimitWatts: 650,
        temperatureCelsius: 41,
        clockHertz: { graphics: 1980e6, sm: 1980e6, memory: 2619e6, video: 1545e6 },
        eccErrors: { corrected: 0, uncorrected: 0 },
        throttleReasons: { gpu_idle: false, sw_power_cap: true },
      },
    ]);
  });

  // A recording, without serial number, PDI and UUID, and without most of the supported clocks.
  it("has the values of a real H200 with two PyTorch processes, one of them busy", () => {
    const log = parseLog(readFileSync(path.join(__dirname, "h200-580.159.04.xml"), "utf8"));
    const uuid = gpuUuid(0);
    expect(log).toMatchObject({ driverVersion: "580.159.04", cudaVersion: "13.0" });
    expect(log.processes).toEqual([
      { pid: 575, device: uuid, memoryBytes: 11_242 * MIB },
      { pid: 576, device: uuid, memoryBytes: 2696 * MIB },
    ]);
    expect(log.devices).toEqual([
      {
        uuid,
        model: "NVIDIA H200",
        minor: 0,
        pciAddress: "00000000:00:06.0",
        migEnabled: false,
        memoryTotalBytes: 143_771 * MIB,
        memoryUsedBytes: 13_953 * MIB,
        utilizationRatio: 0.99,
        memoryUtilizationRatio: 0.23,
        powerWatts: 698.55,
        powerLimitWatts: 700,
        temperatureCelsius: 62,
        clockHertz: { graphics: 1455e6, sm: 1455e6, memory: 3201e6, video: 1485e6 },
        eccErrors: { corrected: 0, uncorrected: 0 },
        throttleReasons: {
          gpu_idle: false,
          applications_clocks_setting: false,
          sw_power_cap: true,
          hw_slowdown: false,
          hw_thermal_slowdown: false,
          hw_power_brake_slowdown: false,
          sync_boost: false,
          sw_thermal_slowdown: false,
          display_clocks_setting: false,
        },
      },
    ]);
  });

  it("has no ECC errors and no MIG devices of a consumer GPU, but the processes of its desktop", () => {
    const gpu = h100(0, { model: "NVIDIA GeForce RTX 4090", memoryMiB: 24_564, consumer: true });
    const processes = [{ pid: 7, gpu: 0, memory: 300, graphics: true }];
    const log = parseLog(nvidiaSmiOutput({ driver: "575.51.02", gpus: [gpu], processes }, "-q", "-x"));
    expect(log.devices[0]).toMatchObject({
      migEnabled: false,
      eccErrors: {},
      memoryTotalBytes: 24_564 * MIB,
    });
    expect(log.processes).toEqual([{ pid: 7, device: gpuUuid(0), memoryBytes: 300 * MIB }]);
  });

  it.each([
    ["470.57.02", [`MIG-${gpuUuid(1)}/1/0`, `MIG-${gpuUuid(1)}/9/0`]],
    ["580.105.08", [migUuid(10), migUuid(11)]],
  ])("has MIG devices as devices of their own, with their processes, in R%s", (driver, uuids) => {
    const processes = [
      { pid: 11, gpu: 1, mig: 0, memory: 9000 },
      { pid: 12, gpu: 1, mig: 1, memory: 800 },
    ];
    const log = parseLog(nvidiaSmiOutput({ driver, gpus: [h100(0), a100Mig(1)], processes }, "-q", "-x"));
    expect(log.devices.map(({ uuid, migEnabled }) => [uuid, migEnabled])).toEqual([
      [gpuUuid(0), false],
      [gpuUuid(1), true],
      ...uuids.map((uuid) => [uuid, false]),
    ]);
    expect(log.devices.map(({ memoryTotalBytes }) => (memoryTotalBytes ?? 0) / MIB)).toEqual([
      81_559, 40_960, 19_968, 4864,
    ]);
    expect(log.processes.map(({ device }) => device)).toEqual(uuids);
  });

  it("has each of 8 GPUs with its own processes", () => {
    const gpus = Array.from({ length: 8 }, (_, i) => h100(i));
    const processes = Array.from({ length: 200 }, (_, i) => ({ pid: 1000 + i, gpu: i % 8, memory: i }));
    const log = parseLog(nvidiaSmiOutput({ driver: "550.127.05", gpus, processes }, "-q", "-x"));
    expect(log.devices).toHaveLength(8);
    expect(log.processes).toHaveLength(200);
    for (const { pid, device } of log.processes) expect(device).toBe(gpuUuid((pid - 1000) % 8));
  });

  it.each([
    "N/A",
    "[N/A]",
    "[Not Supported]",
    "[Insufficient Permissions]",
    "[Unknown Error]",
    "ERR!",
    "Requested functionality has been deprecated",
    "",
  ])("has no value, rather than zero, where the driver reports %j", (words) => {
    const log = parseLog(`<?xml version="1.0" ?>
      <!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd">
      <nvidia_smi_log><driver_version>560.94</driver_version>
        <gpu id="00000000:01:00.0"><product_name>NVIDIA T1000</product_name><uuid>GPU-1</uuid>
          <minor_number>${words}</minor_number>
          <fb_memory_usage><total>4096 MiB</total><used>${words}</used></fb_memory_usage>
          <utilization><gpu_util>${words}</gpu_util></utilization>
          <gpu_power_readings><power_draw>${words}</power_draw></gpu_power_readings>
          <temperature><gpu_temp>${words}</gpu_temp></temperature>
          <clocks><sm_clock>${words}</sm_clock></clocks>
          <ecc_errors><volatile><dram_correctable>${words}</dram_correctable></volatile></ecc_errors>
          <clocks_event_reasons>${words}</clocks_event_reasons>
          <processes><process_info><pid>5</pid><used_memory>${words}</used_memory></process_info></processes>
        </gpu></nvidia_smi_log>`);
    expect(log.devices[0]).toMatchObject({
      memoryTotalBytes: 4096 * MIB,
      clockHertz: {},
      eccErrors: {},
      throttleReasons: {},
    });
    for (const key of [
      "minor",
      "memoryUsedBytes",
      "utilizationRatio",
      "powerWatts",
      "temperatureCelsius",
    ] as const)
      expect(log.devices[0]?.[key]).toBeUndefined();
    expect(log.processes).toEqual([{ pid: 5, device: "GPU-1", memoryBytes: undefined }]);
  });

  it.each([
    "a=1&b=2 <defunct> \u0001",
    "x</process_name></process_info><process_info><pid>4242</pid><used_memory>70000 MiB</used_memory><process_name>y",
  ])("has the right GPUs and processes when a process calls itself %j", (name) => {
    const log = parseLog(`<?xml version="1.0" ?><nvidia_smi_log><gpu><uuid>GPU-1</uuid><processes>
    <process_info><pid>5</pid><process_name>${name}</process_name>
      <used_memory>7 MiB</used_memory></process_info>
    <process_info><pid>6</pid><process_name>b</process_name><used_memory>8 MiB</used_memory></process_info>
    </processes></gpu></nvidia_smi_log>`);
    expect(log.processes.map(({ pid }) => pid)).toEqual([5, 6]);
  });

  it("is rejected or parsed when truncated or scrambled, and never crashes the exporter", () => {
    const host: EmulatedHost = {
      driver: "550.127.05",
      gpus: [h100(0), a100Mig(1)],
      processes: [{ pid: 1, gpu: 0, memory: 5 }],
    };
    const log = nvidiaSmiOutput(host, "-q", "-x");
    const list = nvidiaSmiOutput(host, "-L");
    const random = numbers(7);
    const below = (n: number) => random.next().value % n;
    const rejected = { truncated: 0, scrambled: 0 };
    const parse = (kind: keyof typeof rejected, text: string) => {
      try {
        for (const device of parseLog(text).devices) expect(typeof device.uuid).toBe("string");
      } catch (error) {
        expect(error).toMatchObject({ reason: "unparsable" });
        rejected[kind]++;
      }
      parseList(text);
      parsePmon(text);
    };
    for (let i = 0; i < 500; i++) parse("truncated", log.slice(0, below(log.length - 2)));
    for (let i = 0; i < 2000; i++) {
      const [at, length] = [below(log.length), below(40)];
      const noise =
        [String.fromCharCode(below(256)), "<", "&x;", "</gpu>", "<gpu>", list.slice(0, below(99)), "\0"][
          below(7)
        ] ?? "";
      parse("scrambled", log.slice(0, at) + noise.repeat(1 + below(3)) + log.slice(at + length));
    }
    expect(rejected.truncated).toBe(500);
    expect(rejected.scrambled).toBeGreaterThan(500);
  });

  it.each(["<a><b></a>", "<nvidia_smi_log>", "", "NVIDIA-SMI has failed", "<html></html>"])(
    "is rejected when it is %j",
    (text) => {
      expect(() => parseLog(text)).toThrow(expect.objectContaining({ reason: "unparsable" }) as Error);
    },
  );
});

describe("The output of nvidia-smi -L", () => {
  it("names GPUs and MIG devices, also after a lost GPU", () => {
    const host = {
      driver: "535.129.03",
      gpus: [h100(0), h100(1, { lost: true }), a100Mig(2)],
      processes: [],
    };
    expect(parseList(nvidiaSmiOutput(host, "-L"))).toEqual([
      { gpu: "0", uuid: gpuUuid(0), model: "NVIDIA H100 80GB HBM3" },
      { gpu: "2", uuid: gpuUuid(2), model: "NVIDIA A100-SXM4-40GB" },
      { gpu: "2:0", uuid: migUuid(20), model: "NVIDIA A100-SXM4-40GB MIG 3g.20gb" },
      { gpu: "2:1", uuid: migUuid(21), model: "NVIDIA A100-SXM4-40GB MIG 1g.5gb" },
    ]);
  });
});

describe("The output of nvidia-smi pmon", () => {
  it("has the utilization of each process, in columns that differ between drivers", () => {
    const old =
      "# gpu        pid  type    sm   mem   enc   dec   command\n# Idx          #   C/G     %     %     %     %   name\n    0       1234     C    45    12     -     -   python\n";
    const recent =
      "# gpu         pid   type     sm    mem    enc    dec    jpg    ofa     fb   ccpm    command \n" +
      "# Idx           #    C/G      %      %      %      %      %      %     MB     MB    name \n" +
      "    0       1234     C     45     12      -      -      -      -    277      0    python\n" +
      "    0       1234     G     43     12      -      -      -      -    277      0    python\n" +
      "    1       5678     C      -      -      -      -      -      -    277      0    a name with spaces\n" +
      "    2          -     -      -      -      -      -      -      -      -      -    -\n";
    const ofTheH200 =
      "# gpu         pid   type     sm    mem    enc    dec    jpg    ofa    command \n" +
      "# Idx           #    C/G      %      %      %      %      %      %    name \n" +
      "    0        575     C     99     22      -      -      -      -    python3        \n" +
      "    0        576     C      -      -      -      -      -      -    python3        \n";
    expect(parsePmon(ofTheH200)).toEqual({
      gpus: new Set(["0"]),
      ratios: new Map([
        ["0 575", 0.99],
        ["0 576", 0],
      ]),
    });
    expect(parsePmon(old).ratios).toEqual(new Map([["0 1234", 0.45]]));
    expect(parsePmon(recent)).toEqual({
      gpus: new Set(["0", "1", "2"]),
      ratios: new Map([
        ["0 1234", 0.45],
        ["1 5678", 0],
      ]),
    });
    for (const text of ["", "Not supported on the device(s)\n", "# gpu pid\n 0 1 2"])
      expect(parsePmon(text)).toEqual({ gpus: new Set(), ratios: new Map() });
  });
});
