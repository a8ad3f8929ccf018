import { gpuUuid, h100 } from "../../support/emulatedDriver/host";
import { RunningExporter, values } from "../../support/runningExporter";

const GIB = 1024 ** 3;

let exporter: RunningExporter;
beforeEach(async () => {
  exporter = await new RunningExporter().start();
});
afterEach(() => exporter.stop());

describe("A driver that fails", () => {
  it.each([
    ["is not loaded", "no-driver", "failed"],
    ["has another version than its library", "mismatch", "failed"],
    ["returns garbage", "garbage", "unparsable"],
    ["crashes the process that calls it", "crash", "failed"],
  ] as const)(
    "and %s is reported by a metric and in the log, and static values go on",
    async (_, fault, reason) => {
      exporter.runContainers();
      await exporter.scrape();
      exporter.runContainers({ fault });
      const series = await exporter.scrape();
      expect(series.get("gpu_exporter_driver_up")).toBe(0);
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
      expect(values(series, "container_gpu_memory_used_bytes", "name", "gpu")).toMatchObject({
        "embed 2": GIB,
        "chat 0": 0,
      });
      expect(values(series, "gpu_exporter_errors_total", "stage", "reason")).toHaveProperty("driver device");
      expect(exporter.log.join()).toContain("the GPU 1 does not answer: nvmlDeviceGet");
      expect(exporter.log.join()).toContain("NVML_ERROR_GPU_IS_LOST");
    },
  );

  it("before the first scrape does not hide the others", async () => {
    exporter.runContainers({ gpus: [h100(0), h100(1, { lost: "before" })] });
    const series = await exporter.scrape();
    expect(series.get("gpu_exporter_driver_up")).toBe(1);
    expect(values(series, "gpu_up", "gpu")).toEqual({ "0": 1 });
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
