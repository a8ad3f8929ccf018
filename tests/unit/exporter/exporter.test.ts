import { request } from "node:http";
import { EXPORTER_DOCKER_API } from "../../../exporter/dockerApi";
import {
  CONTAINER_STATE_METRICS,
  EXPORTER_METRICS,
  GPU_CONTAINER_METRICS,
  GPU_DRIVER_METRICS,
  GPU_METRICS,
  LLM_SERVER_METRICS,
} from "../../../prometheus/catalogue";
import { a100Mig, gpuUuid, h100, migUuid } from "../../support/emulatedDriver/host";
import { containerId, emulate } from "../../support/emulatedExporter";
import { eventually } from "../../support/eventually";
import { allGpus, DRIVER, oneGpu, RunningExporter, values, type Series } from "../../support/runningExporter";

const GIB = 1024 ** 3;

let exporter: RunningExporter;
beforeEach(async () => {
  exporter = await new RunningExporter().start();
});
afterEach(() => exporter.stop());

describe("Metrics of containers", () => {
  it("reports memory, utilization and processes by container and GPU", async () => {
    exporter.runContainers();
    const series = await exporter.scrape();
    expect(values(series, "container_gpu_memory_used_bytes", "name", "gpu")).toEqual({
      "chat 0": 50 * GIB,
      "chat 1": 20 * GIB,
      "embed 1": 4 * GIB,
      "idle 0": 0,
    });
    expect(values(series, "container_gpu_utilization_ratio", "name", "gpu")).toEqual({
      "chat 0": 0.5,
      "chat 1": 0,
      "embed 1": 0.05,
      "idle 0": 0,
    });
    expect(values(series, "container_gpu_processes", "name", "gpu")).toEqual({
      "chat 0": 2,
      "chat 1": 1,
      "embed 1": 1,
      "idle 0": 0,
    });
    expect(values(series, "container_gpu_memory_total_bytes", "name", "gpu")["chat 0"]).toBe(
      81_559 * 1024 ** 2,
    );
    expect(values(series, "container_gpu_device_utilization_ratio", "name", "gpu")["idle 0"]).toBe(0.6);
  });

  it("carry cAdvisor's labels, the GPU's labels and the LLM server", async () => {
    exporter.runContainers();
    const [info] = [...(await exporter.scrape()).keys()].filter((name) =>
      /^container_gpu_info.*name="chat".*gpu="0"/.test(name),
    );
    for (const label of [
      `id="/system.slice/docker-${containerId("chat")}.scope"`,
      'image="vllm/vllm-openai:v0.11.0"',
      'llm_server="vllm"',
      `gpu_uuid="${gpuUuid(0)}"`,
      'gpu_model="NVIDIA H100 80GB HBM3"',
      'allocation="device_request"',
    ])
      expect(info).toContain(label);
  });

  it("have no series for a container with a CUDA image and no GPU", async () => {
    exporter.runContainers();
    const series = [...(await exporter.scrape()).keys()];
    expect(series.filter((name) => /gpu.*name="cuda"/.test(name))).toEqual([]);
  });

  it("show a container that uses a GPU without an allocation, as a privileged container can", async () => {
    exporter.runContainers({ processes: [{ pid: 41, gpu: 0, memory: 100 }] });
    expect(values(await exporter.scrape(), "container_gpu_info", "name", "allocation")).toMatchObject({
      "cuda none": 1,
    });
  });

  it("keep the counters of such a container between its processes", async () => {
    const used = async () =>
      values(await exporter.scrape(), "container_gpu_usage_seconds_total", "name")["cuda"] ?? 0;
    exporter.runContainers({ gpus: [h100(0)], processes: [{ pid: 41, gpu: 0, memory: 100, sm: 50 }] });
    await eventually(async () => {
      expect(await used()).toBeGreaterThan(0);
    });
    const before = await used();
    exporter.runContainers({ gpus: [h100(0)], processes: [] });
    expect(await used()).toBeGreaterThanOrEqual(before);
    expect(values(await exporter.scrape(), "container_gpu_info", "name")).not.toHaveProperty("cuda");
  });

  it("end with their container, and go on after its restart", async () => {
    exporter.runContainers();
    await exporter.scrape();
    exporter.docker.run([
      { name: "chat", image: "vllm/vllm-openai:v0.11.0", pids: [51], config: oneGpu("0") },
    ]);
    emulate({ driver: DRIVER, gpus: [h100(0), h100(1)], processes: [{ pid: 51, gpu: 0, memory: 1024 }] });
    const series = await exporter.scrape();
    expect(values(series, "container_gpu_memory_used_bytes", "name", "gpu")).toMatchObject({ "chat 0": GIB });
    expect([...(await exporter.scrape()).keys()].filter((name) => /name="(embed|idle)"/.test(name))).toEqual(
      [],
    );
  });

  it("have the new name of a container that was renamed", async () => {
    exporter.runContainers();
    for (const name of ["chat", "talk"]) {
      exporter.docker.run([{ name, id: containerId("chat"), image: "a:1", pids: [11], config: allGpus }]);
      const series = await exporter.scrape();
      expect(values(series, "container_gpu_memory_used_bytes", "name", "gpu")).toMatchObject({
        [`${name} 0`]: 40 * GIB,
      });
    }
  });

  it("have labels as relabeling cuts those of cAdvisor, so that Prometheus accepts the scrape and joins both", async () => {
    exporter.runContainers();
    const long = "😀".repeat(3000);
    const labels = {
      "com.docker.compose.project": long,
      "com.docker.compose.service": long,
      "llm-metrics.server": long,
    };
    const name = "n".repeat(2000);
    exporter.docker.run([{ name, image: `i/${long}`, pids: [11], config: allGpus, labels }]);
    const infos = [...(await exporter.scrape()).keys()].filter((one) => one.startsWith("container_gpu_info"));
    expect(infos).toHaveLength(2);
    const label = (which: string) => new RegExp(`[{,]${which}="([^"]*)"`).exec(infos[0] ?? "")?.[1];
    for (const which of ["compose_project", "compose_service", "llm_server"])
      expect(label(which)).toBe("😀".repeat(200));
    expect(label("name")).toBe("n".repeat(200));
    expect(label("image")).toBe(`i/${"😀".repeat(198)}`);
    expect(label("id")).toBe(`/system.slice/docker-${containerId(name)}.scope`);
  });

  it("have the label alerts for a container that is exempted from alerts, and for no other", async () => {
    const exempted = { name: "dev", image: "a:1", pids: [11], config: allGpus };
    exporter.docker.run([
      { ...exempted, labels: { "llm-metrics.alerts": "none" } },
      { ...exempted, name: "chat", pids: [12], labels: { "llm-metrics.alerts": "all" } },
    ]);
    const series = await exporter.scrape();
    expect(values(series, "container_gpu_info", "name", "alerts", "gpu")).toMatchObject({
      "dev none 0": 1,
      "chat  0": 1,
    });
  });

  it("leave out memory that the driver does not report, and keep the other values", async () => {
    exporter.runContainers({
      processes: [{ pid: 11, gpu: 0, memory: undefined, sm: 30 }],
    });
    const series = await exporter.scrape();
    expect(values(series, "container_gpu_memory_used_bytes", "name", "gpu")).not.toHaveProperty("chat 0");
    expect(values(series, "container_gpu_processes", "name", "gpu")).toMatchObject({ "chat 0": 1 });
  });
});

describe("A container that requests a GPU that the host does not have", () => {
  it("is reported by a metric and once in the log, and costs no other series", async () => {
    exporter.docker.run([
      { name: "old", image: "a:1", pids: [11], config: oneGpu("GPU-0badc0de") },
      {
        name: "both",
        image: "a:1",
        pids: [21],
        config: { Runtime: "nvidia" },
        env: ["NVIDIA_VISIBLE_DEVICES=0,7,8"],
      },
      { name: "good", image: "a:1", pids: [31], config: oneGpu("0000:02:00.0") },
      { name: "all", image: "a:1", pids: [41], config: allGpus },
    ]);
    emulate({ driver: DRIVER, gpus: [h100(0), h100(1)], processes: [{ pid: 11, gpu: 1, memory: 1024 }] });
    await exporter.scrape();
    const series = await exporter.scrape();
    expect(values(series, "container_gpu_unmatched_devices", "name")).toEqual({ old: 1, both: 2 });
    expect(values(series, "container_gpu_info", "name", "gpu", "allocation")).toEqual({
      "old 1 none": 1,
      "both 0 runtime": 1,
      "good 1 device_request": 1,
      "all 0 device_request": 1,
      "all 1 device_request": 1,
    });
    expect(values(series, "gpu_exporter_errors_total", "stage", "reason")).toEqual({
      "allocation unmatched": 4,
    });
    expect(exporter.log).toEqual([
      'allocation: the container old requests "GPU-0badc0de", which no GPU or MIG device of this host matches; compare nvidia-smi -L',
      'allocation: the container both requests "7", "8", which no GPU or MIG device of this host matches; compare nvidia-smi -L',
    ]);
  });

  it("is not judged before the driver has answered, and stays known while the driver does not answer", async () => {
    const unmatched = async () => values(await exporter.scrape(), "container_gpu_unmatched_devices", "name");
    exporter.docker.run([{ name: "old", image: "a:1", pids: [11], config: oneGpu("7") }]);
    emulate({ driver: DRIVER, gpus: [h100(0)], processes: [], fault: "no-driver" });
    expect(await unmatched()).toEqual({});
    emulate({ driver: DRIVER, gpus: [h100(0)], processes: [] });
    expect(await unmatched()).toEqual({ old: 1 });
    emulate({ driver: DRIVER, gpus: [h100(0)], processes: [], fault: "no-driver" });
    expect(await unmatched()).toEqual({ old: 1 });
  });

  it("is logged in a line of bounded length, however many ids its environment has", async () => {
    const devices = Array.from({ length: 56 }, (_, i) => `MIG-${i}`.padEnd(3000, "x"));
    exporter.docker.run([
      {
        name: "n".repeat(2000),
        image: "a:1",
        pids: [11],
        config: { Runtime: "nvidia" },
        env: [`NVIDIA_VISIBLE_DEVICES=${devices.join()}`],
      },
    ]);
    emulate({ driver: DRIVER, gpus: [h100(0)], processes: [] });
    await exporter.scrape();
    expect(exporter.log).toEqual([expect.stringMatching(/ and 51 more, which no GPU/)]);
    expect(exporter.log[0]?.length).toBeLessThan(1000);
  });
});

describe("Metrics of GPUs", () => {
  it("add up: containers and the host use what the GPU reports as used", async () => {
    exporter.runContainers();
    const series = await exporter.scrape();
    expect(values(series, "gpu_host_memory_used_bytes", "gpu")).toEqual({ "0": 0, "1": 2 * GIB });
    expect(values(series, "gpu_host_processes", "gpu")).toEqual({ "0": 0, "1": 1 });
    expect(values(series, "gpu_memory_used_bytes", "gpu")).toEqual({ "0": 50 * GIB, "1": 26 * GIB });
  });

  it("count time and energy, which containers, the host and idle time share", async () => {
    exporter.runContainers();
    exporter.docker.process(99, "0::/system.slice/ssh.service\n");
    await exporter.scrape();
    let series: Series = new Map();
    await eventually(async () => {
      series = await exporter.scrape();
      expect(values(series, "gpu_usage_seconds_total", "gpu")["0"]).toBeGreaterThan(0);
      for (const name of ["chat", "embed"]) {
        const seconds = values(series, "container_gpu_usage_seconds_total", "name", "gpu");
        expect(Math.max(seconds[`${name} 0`] ?? 0, seconds[`${name} 1`] ?? 0)).toBeGreaterThan(0);
      }
    });
    const energy = values(series, "gpu_energy_joules_total", "gpu");
    const idle = values(series, "gpu_idle_energy_joules_total", "gpu");
    const host = values(series, "gpu_host_energy_joules_total", "gpu");
    const containers = values(series, "container_gpu_energy_joules_total", "name", "gpu");
    for (const gpu of ["0", "1"]) {
      const own = Object.entries(containers).filter(([key]) => key.endsWith(` ${gpu}`));
      const sum = own.reduce((total, [, joules]) => total + joules, (idle[gpu] ?? 0) + (host[gpu] ?? 0));
      expect(energy[gpu]).toBeGreaterThan(0);
      expect(sum).toBeCloseTo(energy[gpu] ?? 0, 3);
    }
    expect(containers["idle 0"]).toBe(0);
  });

  it("keep the totals of a GPU that fell off the bus", async () => {
    exporter.runContainers();
    const total = async () => values(await exporter.scrape(), "gpu_energy_joules_total", "gpu")["1"] ?? 0;
    await eventually(async () => {
      expect(await total()).toBeGreaterThan(0);
    });
    const before = await total();
    exporter.runContainers({ gpus: [h100(0), h100(1, { lost: "later" })] });
    expect(await total()).toBeGreaterThanOrEqual(before);
  });

  it("count MIG devices as devices of their own", async () => {
    exporter.docker.run([{ name: "small", image: "example/a:1", pids: [11], config: oneGpu("0:1") }]);
    emulate({
      driver: "470.57.02",
      gpus: [a100Mig(0)],
      processes: [{ pid: 11, gpu: 0, mig: 1, memory: 512 }],
    });
    const series = await exporter.scrape();
    expect(values(series, "container_gpu_memory_used_bytes", "name", "gpu", "gpu_uuid", "gpu_model")).toEqual(
      {
        [`small 0:1 ${migUuid(1)} NVIDIA A100-SXM4-40GB MIG 1g.5gb`]: GIB / 2,
      },
    );
    // The driver reports no utilization by process for MIG devices.
    expect(values(series, "container_gpu_utilization_ratio", "name")).toEqual({});
    expect(values(series, "gpu_memory_total_bytes", "gpu")).toEqual({
      "0": 40 * GIB,
      "0:0": 19.5 * GIB,
      "0:1": 4.75 * GIB,
    });
  });

  it("do not count a process that has just ended", async () => {
    exporter.runContainers({ processes: [{ pid: 12345, gpu: 0, memory: 512 }] });
    const series = await exporter.scrape();
    expect(values(series, "gpu_host_memory_used_bytes", "gpu")).toEqual({ "0": 0, "1": 0 });
  });
});

describe("The exporter", () => {
  it("exposes exactly the metrics of the catalogue", async () => {
    exporter.runContainers();
    const catalogue = {
      ...CONTAINER_STATE_METRICS,
      ...GPU_CONTAINER_METRICS,
      ...GPU_METRICS,
      ...GPU_DRIVER_METRICS,
      ...EXPORTER_METRICS,
      ...LLM_SERVER_METRICS,
    };
    const names = new Set([...(await exporter.scrape()).keys()].map((name) => name.split("{")[0]));
    // Series that start with an error, with a health check and with a container that ended; those that others report.
    for (const name of [
      ...["gpu_exporter_errors_total", "container_gpu_unmatched_devices"],
      ...["container_health_status", "container_exit_code"],
      ...["gpu_fault", "gpu_exporter_driver_fault", "gpu_xid_errors_total"],
      // Of a newer driver, of an older GPU, and of a module with a CPU.
      ...["gpu_recovery_action", "gpu_retired_pages", "gpu_retired_pages_pending", "gpu_module_power_watts"],
    ])
      names.add(name);
    expect([...names].sort()).toEqual(Object.keys(catalogue).sort());
  });

  it("reads the Docker API, on the paths that the Docker proxy allows, and inspects each container once", async () => {
    exporter.runContainers();
    await exporter.scrape();
    await exporter.scrape();
    const { requests } = exporter.docker;
    const allowed = new RegExp(`^GET /(${EXPORTER_DOCKER_API.join("|")})$`);
    for (const line of requests) expect(line).toMatch(allowed);
    for (const name of ["chat", "embed", "idle", "cuda"])
      expect(requests.filter((line) => line.includes(containerId(name)))).toHaveLength(1);
    expect(requests.filter((line) => line === "GET /info")).toHaveLength(1);
  });

  it("answers its health check while the driver hangs, and allows no method but GET and HEAD", async () => {
    exporter.runContainers({ fault: "hang" });
    const send = (path: string, method = "GET") =>
      fetch(`http://127.0.0.1:${exporter.port}${path}`, { method });
    expect(await (await send("/healthz")).text()).toBe("ok");
    expect((await send("/metrics", "POST")).status).toBe(405);
    expect((await send("/other")).status).toBe(404);
  });

  it.each(["//", "//:99999/", "/%", "http://[", "*"])(
    "answers the malformed path %s with 404",
    async (path) => {
      const status = await new Promise((resolve, reject) => {
        request({ port: exporter.port, host: "127.0.0.1", path }, (response) => {
          resolve(response.statusCode);
        })
          .on("error", reject)
          .end();
      });
      expect(status).toBe(404);
      exporter.runContainers();
      expect((await exporter.scrape()).get("gpu_exporter_driver_up")).toBe(1);
    },
  );
});
