import { a100Mig, gpuUuid, h100, migUuid, type EmulatedGpu } from "../../support/emulatedDriver/host";
import { emulate } from "../../support/emulatedExporter";
import { allGpus, DRIVER, oneGpu, RunningExporter, values } from "../../support/runningExporter";

const GIB = 1024 ** 3;

let exporter: RunningExporter;
beforeEach(async () => {
  exporter = await new RunningExporter().start();
});
afterEach(() => exporter.stop());

describe("A driver that fails", () => {
  it.each([
    ["is not loaded", "no-driver", "not_loaded"],
    ["has another version than its library", "mismatch", "version_mismatch"],
    ["returns an unknown error", "unknown", "unknown"],
    ["returns garbage", "garbage", "unparsable"],
    ["crashes the process that calls it", "crash", "crashed"],
  ] as const)(
    "and %s is reported by a metric and in the log, and static values go on",
    async (_, fault, reason) => {
      exporter.runContainers();
      await exporter.scrape();
      exporter.runContainers({ fault });
      const series = await exporter.scrape();
      expect(series.get("gpu_exporter_driver_up")).toBe(0);
      expect(values(series, "gpu_exporter_driver_fault", "reason")).toEqual({ [reason]: 1 });
      expect(values(series, "gpu_exporter_errors_total", "stage", "reason")).toMatchObject({
        [`driver ${reason}`]: 1,
      });
      expect(values(series, "gpu_up", "gpu")).toEqual({ "0": 0, "1": 0 });
      expect(values(series, "container_gpu_info", "name", "gpu")).toMatchObject({
        "chat 0": 1,
        "embed 1": 1,
      });
      expect(values(series, "container_gpu_memory_used_bytes", "name")).toEqual({});

      exporter.runContainers();
      const after = await exporter.scrape();
      expect(after.get("gpu_exporter_driver_up")).toBe(1);
      expect(values(after, "gpu_exporter_driver_fault", "reason")).toEqual({});
      expect(values(after, "container_gpu_memory_used_bytes", "name", "gpu")).toHaveProperty("chat 0");
      expect(values(after, "gpu_exporter_errors_total", "stage", "reason")).toEqual({
        [`driver ${reason}`]: 1,
      });
      expect(exporter.log.map((line) => line.startsWith("resolved: "))).toEqual([false, true]);
    },
  );

  it("and hangs delays no scrape beyond its timeout", async () => {
    exporter.runContainers({ fault: "hang" });
    const several = await Promise.all([exporter.scrape(5), exporter.scrape(5), exporter.scrape(5)]);
    for (const series of several) expect(series.get("gpu_exporter_driver_up")).toBe(0);
    expect(values(await exporter.scrape(5), "gpu_exporter_errors_total", "reason")).toEqual({ timeout: 4 });
  });

  it("for a scrape with a short timeout does not fail for a concurrent scrape with a longer one", async () => {
    exporter.runContainers({ delay: 300 });
    const [short, long] = await Promise.all([exporter.scrape(0.2).catch(() => undefined), exporter.scrape()]);
    expect(short?.get("gpu_exporter_driver_up") ?? 0).toBe(0);
    expect(long.get("gpu_exporter_driver_up")).toBe(1);
  });
});

describe("A GPU that fell off the bus", () => {
  it.each(["before", "later"] as const)(
    "is reported as down, and the others keep their indexes (lost %s the library was initialized)",
    async (lost) => {
      const processes = [{ pid: 21, gpu: 2, memory: 1024 }];
      exporter.runContainers({ gpus: [h100(0), h100(1), h100(2)], processes });
      await exporter.scrape();
      exporter.runContainers({
        gpus: [h100(0), h100(1, { lost }), h100(2)],
        processes,
      });
      const series = await exporter.scrape();
      expect(values(series, "gpu_up", "gpu", "gpu_uuid")).toEqual({
        [`0 ${gpuUuid(0)}`]: 1,
        [`1 ${gpuUuid(1)}`]: 0,
        [`2 ${gpuUuid(2)}`]: 1,
      });
      expect(values(series, "gpu_fault", "gpu", "gpu_uuid", "reason")).toEqual({
        [`1 ${gpuUuid(1)} lost`]: 1,
      });
      expect(values(series, "container_gpu_memory_used_bytes", "name", "gpu")).toMatchObject({
        "embed 2": GIB,
        "chat 0": 0,
      });
      expect(values(series, "gpu_exporter_errors_total", "stage", "reason")).toHaveProperty("driver device");
      expect(exporter.log.join()).toContain("the GPU 1 does not answer: nvmlDeviceGet");
      expect(exporter.log.join()).toContain("NVML_ERROR_GPU_IS_LOST");
    },
  );

  it("before the first scrape has no UUID, is reported by its index, and does not hide the others", async () => {
    exporter.runContainers({ gpus: [h100(0), h100(1, { lost: "before" })] });
    const series = await exporter.scrape();
    expect(series.get("gpu_exporter_driver_up")).toBe(1);
    expect(values(series, "gpu_up", "gpu", "gpu_uuid")).toEqual({ [`0 ${gpuUuid(0)}`]: 1, "1 ": 0 });
    expect(values(series, "gpu_fault", "gpu", "reason")).toEqual({ "1 lost": 1 });
  });

  it("does not count as a driver that does not respond, where it is the only one", async () => {
    exporter.runContainers({ gpus: [h100(0)], processes: [] });
    await exporter.scrape();
    exporter.runContainers({ gpus: [h100(0, { lost: "later" })], processes: [] });
    const series = await exporter.scrape();
    expect(series.get("gpu_exporter_driver_up")).toBe(1);
    expect(values(series, "gpu_up", "gpu")).toEqual({ "0": 0 });
  });
});

describe("A GPU that has to be reset", () => {
  it("is reported as down, with the reason", async () => {
    exporter.runContainers({ gpus: [h100(0), h100(1, { attributes: { resetRequired: 1 } })] });
    const series = await exporter.scrape();
    expect(values(series, "gpu_up", "gpu")).toEqual({ "0": 1, "1": 0 });
    expect(values(series, "gpu_fault", "gpu", "reason")).toEqual({ "1 reset_required": 1 });
    expect(exporter.log.join()).toContain("NVML_ERROR_RESET_REQUIRED");
  });
});

describe("A GPU that the exporter may not access", () => {
  it("is reported as down, with the reason, under the UUID that it had", async () => {
    exporter.runContainers();
    await exporter.scrape();
    exporter.runContainers({ gpus: [h100(0), h100(1, { attributes: { uuid: "!4" } })] });
    const series = await exporter.scrape();
    expect(values(series, "gpu_up", "gpu", "gpu_uuid")).toEqual({
      [`0 ${gpuUuid(0)}`]: 1,
      [`1 ${gpuUuid(1)}`]: 0,
    });
    expect(values(series, "gpu_fault", "gpu", "gpu_uuid", "reason")).toEqual({
      [`1 ${gpuUuid(1)} permission`]: 1,
    });
  });
});

describe("Processes that the driver does not show to the exporter", () => {
  it("are unknown, rather than none, and the reason is reported by a metric and once in the log", async () => {
    exporter.runContainers({ fault: "no-permission" });
    await exporter.scrape();
    const series = await exporter.scrape();
    for (const metric of ["container_gpu_memory_used_bytes", "container_gpu_processes", "gpu_host_processes"])
      expect(values(series, metric, "gpu")).toEqual({});
    expect(values(series, "container_gpu_device_memory_used_bytes", "name", "gpu")).toHaveProperty("chat 0");
    expect(values(series, "gpu_up", "gpu")).toEqual({ "0": 1, "1": 1 });
    expect(values(series, "gpu_fault", "gpu", "reason")).toEqual({ "0 permission": 1, "1 permission": 1 });
    expect(exporter.log).toEqual([
      expect.stringMatching(/does not show the processes on the GPU 0.*NVML_ERROR_NO_PERMISSION/),
      expect.stringContaining("does not show the processes on the GPU 1"),
    ]);
  });
});

/** The library is initialized again after ten scrapes with a lost GPU. */
const SCRAPES_UNTIL_RENEWAL = 10;

describe("Devices that change while the exporter runs", () => {
  const changes = async (gpus: EmulatedGpu[]) => {
    exporter.runContainers({ gpus, processes: [] });
    return values(await exporter.scrape(), "gpu_device_changes_total", "change");
  };

  it("are counted, if they are MIG devices, and logged once", async () => {
    expect(await changes([h100(0), a100Mig(1)])).toEqual({ added: 0, removed: 0, mig: 0 });
    expect(await changes([h100(0), { ...a100Mig(1), mig: [] }])).toEqual({ added: 0, removed: 0, mig: 2 });
    expect(await changes([h100(0), a100Mig(1)])).toEqual({ added: 0, removed: 0, mig: 4 });
    expect(exporter.log.filter((line) => line.startsWith("MIG"))).toEqual([
      `MIG devices were created or removed: 1:0 (${migUuid(10)}), 1:1 (${migUuid(11)})`,
      `MIG devices were created or removed: 1:0 (${migUuid(10)}), 1:1 (${migUuid(11)})`,
    ]);
  });

  it("are found and counted, if they are GPUs, when the library is initialized again", async () => {
    const gpus = [h100(0), h100(1, { lost: "later" }), h100(2)];
    expect(await changes([h100(0), h100(1)])).toEqual({ added: 0, removed: 0, mig: 0 });
    for (let i = 0; i < SCRAPES_UNTIL_RENEWAL; i++)
      expect(await changes(gpus)).toEqual({ added: 0, removed: 0, mig: 0 });
    expect(await changes(gpus)).toEqual({ added: 1, removed: 0, mig: 0 });
    for (let i = 0; i < SCRAPES_UNTIL_RENEWAL; i++) await changes([h100(0), h100(2)]);
    expect(await changes([h100(0), h100(2)])).toEqual({ added: 1, removed: 1, mig: 0 });
    expect(exporter.log).toContain(`the driver lists more GPUs: 2 (${gpuUuid(2)})`);
  });
});

describe("XID errors", () => {
  const scrape = async (...gpus: EmulatedGpu[]) => {
    exporter.runContainers({ gpus });
    return exporter.scrape();
  };
  const xids = async (...gpus: EmulatedGpu[]) =>
    values(await scrape(...gpus), "gpu_xid_errors_total", "gpu", "xid");

  it("are counted since the exporter started, by GPU and number, and kept when the GPU is lost", async () => {
    expect(await xids(h100(0), h100(1, { xids: [31] }))).toEqual({});
    const errors = [31, 43, 79, 43];
    expect(await xids(h100(0), h100(1, { xids: errors }))).toEqual({ "1 43": 2, "1 79": 1 });
    expect(await xids(h100(0), h100(1, { lost: "later" }))).toEqual({ "1 43": 2, "1 79": 1 });
  });

  it("are counted until a GPU is lost, of the others meanwhile, and again when it was reset", async () => {
    await xids(h100(0), h100(1));
    const lost = h100(1, { lost: "later", xids: [79] });
    expect(await xids(h100(0, { xids: [31] }), lost)).toEqual({ "0 31": 1, "1 79": 1 });
    expect(await xids(h100(0, { xids: [31, 43] }), lost)).toEqual({ "0 31": 1, "0 43": 1, "1 79": 1 });
    const others = h100(0, { xids: [31, 43] });
    for (let i = 0; i < SCRAPES_UNTIL_RENEWAL; i++) await xids(others, h100(1));
    expect(values(await scrape(others, h100(1)), "gpu_up", "gpu")).toEqual({ "0": 1, "1": 1 });
    expect(await xids(h100(0, { xids: [31, 43, 31] }), h100(1, { xids: [48] }))).toEqual({
      ...{ "0 31": 2, "0 43": 1, "1 48": 1, "1 79": 1 },
    });
  });

  it("are counted again after the driver was loaded again", async () => {
    await xids(h100(0));
    exporter.runContainers({ fault: "no-driver" });
    await exporter.scrape();
    await xids(h100(0));
    expect(await xids(h100(0, { xids: [48] }))).toEqual({ "0 48": 1 });
  });

  it("are counted of other GPUs, where one cannot be registered, which is a fault", async () => {
    const failing = h100(0, { attributes: { xids: "!999" } });
    await xids(failing, h100(1));
    const series = await scrape(failing, h100(1, { xids: [13] }));
    expect(values(series, "gpu_xid_errors_total", "gpu", "xid")).toEqual({ "1 13": 1 });
    expect(values(series, "gpu_fault", "gpu", "reason")).toEqual({ "0 failed": 1 });
    expect(values(series, "gpu_up", "gpu")).toEqual({ "0": 1, "1": 1 });
    expect(exporter.log).toEqual([
      "driver: the driver does not report the XID errors of the GPU 0: nvmlDeviceRegisterEvents: NVML_ERROR_UNKNOWN",
    ]);
    expect(values(await scrape(h100(0), h100(1)), "gpu_fault", "gpu")).toEqual({});
    expect(await xids(h100(0, { xids: [31] }), h100(1))).toMatchObject({ "0 31": 1 });
  });

  it("are absent, without a fault, of a GPU that does not report them", async () => {
    const without = h100(0, { attributes: { xids: undefined } });
    await xids(without, h100(1));
    const series = await scrape(without, h100(1, { xids: [13] }));
    expect(values(series, "gpu_xid_errors_total", "gpu", "xid")).toEqual({ "1 13": 1 });
    expect(values(series, "gpu_fault", "gpu")).toEqual({});
    expect(exporter.log).toEqual([]);
  });
});

describe("Other forms of GPUs", () => {
  it("of Jetson have UUIDs without GPU-, and are found by them", async () => {
    const uuid = "54b1e2d8-77c3-5a0e-9c0b-4a2f6f4f7c11";
    exporter.docker.run([{ name: "robot", image: "a:1", pids: [11], config: oneGpu(uuid) }]);
    emulate({
      driver: DRIVER,
      gpus: [h100(0), h100(1, { model: "Orin (nvgpu)", uuid })],
      processes: [{ pid: 11, gpu: 1, memory: 512 }],
    });
    const series = await exporter.scrape();
    expect(values(series, "container_gpu_info", "name", "gpu_uuid", "allocation")).toEqual({
      [`robot ${uuid} device_request`]: 1,
    });
    expect(values(series, "container_gpu_unmatched_devices", "name")).toEqual({});
  });

  it("with unified memory (GB10) have no memory of their own, but the memory of their processes", async () => {
    const attributes = { total: undefined, used: undefined, reserved: undefined };
    exporter.runContainers({
      bootClock: true,
      gpus: [h100(0, { model: "NVIDIA GB10", attributes })],
      processes: [{ pid: 11, gpu: 0, memory: 1024, sm: 40 }],
    });
    const series = await exporter.scrape();
    expect(values(series, "container_gpu_utilization_ratio", "name")).toMatchObject({ chat: 0.4 });
    expect(values(series, "gpu_up", "gpu")).toEqual({ "0": 1 });
    expect(values(series, "gpu_memory_total_bytes", "gpu")).toEqual({});
    expect(values(series, "container_gpu_memory_used_bytes", "name")).toMatchObject({ chat: GIB });
  });

  it("with MIG have no share of the time and energy of a process outside of MIG", async () => {
    exporter.docker.run([{ name: "raw", image: "a:1", pids: [11], config: allGpus }]);
    emulate({ driver: DRIVER, gpus: [a100Mig(0)], processes: [{ pid: 11, gpu: 0, memory: 512, sm: 50 }] });
    await exporter.scrape();
    const series = await exporter.scrape();
    expect(values(series, "container_gpu_memory_used_bytes", "name", "gpu")["raw 0"]).toBe(GIB / 2);
    for (const metric of ["utilization_ratio", "usage_seconds_total", "energy_joules_total"])
      expect(values(series, `container_gpu_${metric}`, "name", "gpu")).not.toHaveProperty("raw 0");
  });
});

describe("A Docker API that fails", () => {
  it("leaves the metrics of GPUs, and no metric of containers or of the host's processes", async () => {
    exporter.runContainers();
    await exporter.docker.stop();
    const series = await exporter.scrape();
    expect(series.get("gpu_exporter_docker_up")).toBe(0);
    expect(values(series, "gpu_memory_used_bytes", "gpu")).toEqual({ "0": 50 * GIB, "1": 26 * GIB });
    expect([...series.keys()].filter((name) => /^(container_gpu|gpu_host)/.test(name))).toEqual([]);
  });

  it("and hangs delays no scrape beyond its timeout", async () => {
    exporter.runContainers();
    exporter.docker.hangs = true;
    const series = await exporter.scrape(5);
    expect(series.get("gpu_exporter_docker_up")).toBe(0);
    expect(values(series, "gpu_memory_used_bytes", "gpu")).toEqual({ "0": 50 * GIB, "1": 26 * GIB });
  });

  it("and hangs on one container hides no other, and counts its processes as unknown, not as the host's", async () => {
    exporter.runContainers();
    exporter.docker.hangsOn = "chat";
    const series = await exporter.scrape();
    expect(values(series, "container_gpu_memory_used_bytes", "name", "gpu")).toEqual({
      "embed 1": 4 * GIB,
      "idle 0": 0,
    });
    expect(values(series, "gpu_host_memory_used_bytes", "gpu")).toEqual({ "0": 0, "1": 2 * GIB });
    expect(values(series, "gpu_exporter_errors_total", "stage", "reason")).toEqual({ "docker container": 1 });
  });
});
