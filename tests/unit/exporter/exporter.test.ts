import { request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type Docker from "dockerode";
import { NvidiaSmi } from "../../../exporter/driver/nvidiaSmi";
import { exporterServer } from "../../../exporter/server";
import { GPU_CONTAINER_METRICS, GPU_EXPORTER_METRICS, GPU_METRICS } from "../../../prometheus/catalogue";
import { a100Mig, gpuUuid, h100, migUuid, type EmulatedHost } from "../../support/emulatedDriver/host";
import { collector, containerId, emulate, EmulatedDocker } from "../../support/emulatedExporter";

const GIB = 1024 ** 3;
const driver = "550.127.05";
const all = { DeviceRequests: [{ Count: -1, Capabilities: [["gpu"]] }] };
const one = (id: string) => ({ DeviceRequests: [{ DeviceIDs: [id], Capabilities: [["gpu"]] }] });

let host: EmulatedDocker;
let docker: Docker;
let server: Server;
let said: string[];
beforeEach(async () => {
  host = new EmulatedDocker();
  docker = await host.start();
  said = [];
  server = exporterServer(collector(docker, host.proc), (line) => said.push(line));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await host.stop();
});

/** One scrape: the values by series. */
async function scrape(timeout = "10"): Promise<Map<string, number>> {
  const { port } = server.address() as AddressInfo;
  const response = await fetch(`http://127.0.0.1:${port}/metrics`, {
    headers: { "x-prometheus-scrape-timeout-seconds": timeout },
    signal: AbortSignal.timeout(Number(timeout) * 1000),
  });
  expect(response.status).toBe(200);
  const lines = (await response.text()).split("\n").filter((line) => line && !line.startsWith("#"));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.split(" ").pop())]));
}
/** The values of a metric, by the named labels. */
function values(series: Map<string, number>, metric: string, ...labels: string[]): Record<string, number> {
  const found = [...series].filter(([name]) => name.startsWith(`${metric}{`));
  return Object.fromEntries(
    found.map(([name, value]) => [
      labels.map((label) => new RegExp(`[{,]${label}="([^"]*)"`).exec(name)?.[1]).join(" "),
      value,
    ]),
  );
}

/** Two GPUs: chat holds memory on both, embed on the second, and so does the host; idle has a GPU and does nothing. */
function busy(changes: Partial<EmulatedHost> = {}): void {
  host.run(
    [
      { name: "chat", image: "vllm/vllm-openai:v0.11.0", pids: [11, 12, 13], config: all },
      {
        name: "embed",
        image: "example/embed:1",
        pids: [21],
        config: one("1"),
        labels: { "com.docker.compose.project": "rag" },
      },
      { name: "idle", image: "ollama/ollama:0.12", pids: [31], config: one(gpuUuid(0)) },
      { name: "cuda", image: "nvidia/cuda:12", pids: [41], env: ["NVIDIA_VISIBLE_DEVICES=all"] },
    ],
    [99],
  );
  emulate({
    driver,
    gpus: [h100(0, { utilization: 60 }), h100(1)],
    processes: [
      { pid: 11, gpu: 0, memory: 40 * 1024, sm: 30 },
      { pid: 12, gpu: 0, memory: 10 * 1024, sm: 20 },
      { pid: 13, gpu: 1, memory: 20 * 1024 },
      { pid: 21, gpu: 1, memory: 4 * 1024, sm: 5 },
      { pid: 99, gpu: 1, memory: 2 * 1024, graphics: true },
    ],
    ...changes,
  });
}

test("memory, utilization and processes are told by container and GPU", async () => {
  busy();
  const series = await scrape();
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

test("a GPU that containers and the host share adds up", async () => {
  busy();
  const series = await scrape();
  expect(values(series, "gpu_host_memory_used_bytes", "gpu")).toEqual({ "0": 0, "1": 2 * GIB });
  expect(values(series, "gpu_host_processes", "gpu")).toEqual({ "0": 0, "1": 1 });
  expect(values(series, "gpu_memory_used_bytes", "gpu")).toEqual({ "0": 50 * GIB, "1": 26 * GIB });
});

test("the labels are cAdvisor's, with the GPU's and the LLM server", async () => {
  busy();
  const [info] = [...(await scrape()).keys()].filter((name) =>
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

test("a CUDA image without a GPU has no series", async () => {
  busy();
  expect([...(await scrape()).keys()].filter((name) => name.includes('name="cuda"'))).toEqual([]);
});

test("a container that uses a GPU which nothing gave it is told, as such", async () => {
  busy({ processes: [{ pid: 41, gpu: 0, memory: 100 }] });
  expect(values(await scrape(), "container_gpu_info", "name", "allocation")).toMatchObject({
    "cuda none": 1,
  });
});

test("a container that ends leaves no series, and a restarted one keeps its own", async () => {
  busy();
  await scrape();
  host.run([{ name: "chat", image: "vllm/vllm-openai:v0.11.0", pids: [51], config: one("0") }]);
  emulate({ driver, gpus: [h100(0), h100(1)], processes: [{ pid: 51, gpu: 0, memory: 1024 }] });
  expect(values(await scrape(), "container_gpu_memory_used_bytes", "name", "gpu")).toMatchObject({
    "chat 0": GIB,
  });
  expect([...(await scrape()).keys()].filter((name) => /name="(embed|idle)"/.test(name))).toEqual([]);
});

test("MIG devices are devices of their own", async () => {
  host.run([{ name: "small", image: "example/a:1", pids: [11], config: one("0:1") }]);
  emulate({ driver: "470.57.02", gpus: [a100Mig(0)], processes: [{ pid: 11, gpu: 0, mig: 1, memory: 512 }] });
  const series = await scrape();
  expect(values(series, "container_gpu_memory_used_bytes", "name", "gpu", "gpu_uuid", "gpu_model")).toEqual({
    [`small 0:1 ${migUuid(1)} NVIDIA A100-SXM4-40GB MIG 1g.5gb`]: GIB / 2,
  });
  // The driver does not tell how busy a process keeps a MIG device.
  expect(values(series, "container_gpu_utilization_ratio", "name")).toEqual({});
  expect(values(series, "gpu_memory_total_bytes", "gpu")).toEqual({
    "0": 40 * GIB,
    "0:0": 19.5 * GIB,
    "0:1": 4.75 * GIB,
  });
});

test("memory that the driver does not tell is absent, the rest is there", async () => {
  busy({ processes: [{ pid: 11, gpu: 0, memory: "[Insufficient Permissions]", sm: 30 }] });
  const series = await scrape();
  expect(values(series, "container_gpu_memory_used_bytes", "name", "gpu")).not.toHaveProperty("chat 0");
  expect(values(series, "container_gpu_processes", "name", "gpu")).toMatchObject({ "chat 0": 1 });
});

test.each([
  ["cannot be reached", "no-driver", "failed"],
  ["answers with something else", "garbage", "unparsable"],
  ["answers half", "truncated", "unparsable"],
] as const)(
  "a driver that %s is told by a metric, and what cannot have changed goes on",
  async (_, fault, reason) => {
    busy();
    await scrape();
    busy({ fault });
    const series = await scrape();
    expect(series.get("gpu_exporter_driver_up")).toBe(0);
    expect(values(series, "gpu_exporter_errors_total", "stage", "reason")).toMatchObject({
      [`driver ${reason}`]: 1,
    });
    expect(values(series, "gpu_up", "gpu")).toEqual({ "0": 0, "1": 0 });
    expect(values(series, "container_gpu_info", "name", "gpu")).toMatchObject({ "chat 0": 1, "embed 1": 1 });
    expect(values(series, "container_gpu_memory_used_bytes", "name")).toEqual({});

    busy();
    const after = await scrape();
    expect(after.get("gpu_exporter_driver_up")).toBe(1);
    expect(values(after, "container_gpu_memory_used_bytes", "name", "gpu")).toHaveProperty("chat 0");
    expect(values(after, "gpu_exporter_errors_total", "stage", "reason")).toEqual({
      [`driver ${reason}`]: 1,
    });
    expect(said.map((line) => line.startsWith("no longer: "))).toEqual([false, true]);
  },
);

test("a driver that hangs delays no scrape beyond its timeout, and one run serves every scrape", async () => {
  busy({ fault: "hang" });
  const several = await Promise.all([scrape("5"), scrape("5"), scrape("5")]);
  for (const series of several) expect(series.get("gpu_exporter_driver_up")).toBe(0);
  expect(values(await scrape("5"), "gpu_exporter_errors_total", "reason")).toEqual({ timeout: 4 });
}, 30_000);

test("a GPU that fell off the bus is told, the others go on under their own numbers", async () => {
  busy({ gpus: [h100(0), h100(1), h100(2)], processes: [{ pid: 21, gpu: 2, memory: 1024 }] });
  await scrape();
  for (const fault of [undefined, "lost-fatal"] as const) {
    busy({
      gpus: [h100(0), h100(1, { lost: true }), h100(2)],
      processes: [{ pid: 21, gpu: 2, memory: 1024 }],
      ...(fault && { fault }),
    });
    const series = await scrape();
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
    expect(said.join()).toContain("Unable to determine the device handle for GPU1");
  }
});

test("when Docker does not answer, the GPUs' own metrics go on", async () => {
  busy();
  await host.stop();
  const series = await scrape();
  expect(series.get("gpu_exporter_docker_up")).toBe(0);
  expect(values(series, "gpu_memory_used_bytes", "gpu")).toEqual({ "0": 50 * GIB, "1": 26 * GIB });
  expect([...series.keys()].filter((name) => /^(container_gpu|gpu_host)/.test(name))).toEqual([]);
});

test("a Docker that hangs delays no scrape beyond its timeout, and the GPUs' own metrics go on", async () => {
  busy();
  host.hangs = true;
  const series = await scrape("5");
  expect(series.get("gpu_exporter_docker_up")).toBe(0);
  expect(values(series, "gpu_memory_used_bytes", "gpu")).toEqual({ "0": 50 * GIB, "1": 26 * GIB });
}, 30_000);

test("a container that was renamed has its new name", async () => {
  const renamed = (name: string) => {
    host.run([{ name, id: containerId("chat"), image: "a:1", pids: [11], config: all }]);
  };
  busy();
  renamed("chat");
  expect(values(await scrape(), "container_gpu_memory_used_bytes", "name", "gpu")).toMatchObject({
    "chat 0": 40 * GIB,
  });
  renamed("talk");
  expect(values(await scrape(), "container_gpu_memory_used_bytes", "name", "gpu")).toMatchObject({
    "talk 0": 40 * GIB,
  });
});

test("a process that has just ended is nobody's", async () => {
  busy({ processes: [{ pid: 12345, gpu: 0, memory: 512 }] });
  const series = await scrape();
  expect(values(series, "gpu_host_memory_used_bytes", "gpu")).toEqual({ "0": 0, "1": 0 });
});

test("Docker is asked by GET only, and about a container only once", async () => {
  busy();
  await scrape();
  await scrape();
  const asked = host.requests.map((line) => line.split("?")[0]);
  expect(asked.every((line) => line?.startsWith("GET "))).toBe(true);
  expect(asked.filter((line) => line?.includes(containerId("chat")))).toHaveLength(1);
});

test("every metric is one of the catalogue, and has all of its labels", async () => {
  busy();
  const catalogue = { ...GPU_CONTAINER_METRICS, ...GPU_METRICS, ...GPU_EXPORTER_METRICS };
  const names = new Set([...(await scrape()).keys()].map((name) => name.split("{")[0]));
  names.add("gpu_exporter_errors_total"); // Only after an error.
  expect([...names].sort()).toEqual(Object.keys(catalogue).sort());
});

test("an asker without patience does not spoil the answer of another", async () => {
  busy({ delay: 300 });
  const [hasty, patient] = await Promise.all([scrape("0.2").catch(() => undefined), scrape()]);
  expect(hasty?.get("gpu_exporter_driver_up") ?? 0).toBe(0);
  expect(patient.get("gpu_exporter_driver_up")).toBe(1);
});

test("a container that Docker does not answer about hides no other, and its processes are not the host's", async () => {
  busy();
  host.silentAbout = "chat";
  const series = await scrape();
  expect(values(series, "container_gpu_memory_used_bytes", "name", "gpu")).toEqual({
    "embed 1": 4 * GIB,
    "idle 0": 0,
  });
  expect(values(series, "gpu_host_memory_used_bytes", "gpu")).toEqual({ "0": 0, "1": 2 * GIB });
  expect(values(series, "gpu_exporter_errors_total", "stage", "reason")).toEqual({ "docker container": 1 });
});

test("labels of images that are too long are cut, so that Prometheus takes the scrape", async () => {
  busy();
  host.run([
    {
      name: "chat",
      image: "a:1",
      pids: [11],
      config: all,
      labels: { "com.docker.compose.project": "x".repeat(3000) },
    },
  ]);
  const [info = ""] = [...(await scrape()).keys()].filter((name) => name.startsWith("container_gpu_info"));
  expect(/compose_project="(x*)"/.exec(info)?.[1]).toHaveLength(200);
});

test("a first answer that a lost GPU spoils is asked for GPU by GPU", async () => {
  busy({ gpus: [h100(0), h100(1, { lost: true })], fault: "lost-fatal" });
  const series = await scrape();
  expect(series.get("gpu_exporter_driver_up")).toBe(1);
  expect(values(series, "gpu_up", "gpu")).toEqual({ "0": 1 });
});

test.each(["//", "//:99999/", "/%", "http://[", "*"])(
  "the strange request %s is answered, and the exporter goes on",
  async (target) => {
    const { port } = server.address() as AddressInfo;
    const status = await new Promise((resolve, reject) => {
      request({ port, host: "127.0.0.1", path: target }, (response) => {
        resolve(response.statusCode);
      })
        .on("error", reject)
        .end();
    });
    expect(status).toBe(404);
    busy();
    expect((await scrape()).get("gpu_exporter_driver_up")).toBe(1);
  },
);

test("nvidia-smi is found too on a host whose driver has a folder of its own", async () => {
  const { stdout } = await new NvidiaSmi("sh").run(["-c", "echo $PATH"], 5);
  expect(stdout.trim().split(":")).toEqual([
    ...(process.env["PATH"] ?? "").split(":"),
    "/usr/local/nvidia/bin",
  ]);
});

test("the health endpoint answers whatever the driver does, and only reading is allowed", async () => {
  busy({ fault: "hang" });
  const { port } = server.address() as AddressInfo;
  const ask = (path: string, method = "GET") => fetch(`http://127.0.0.1:${port}${path}`, { method });
  expect(await (await ask("/healthz")).text()).toBe("ok");
  expect((await ask("/metrics", "POST")).status).toBe(405);
  expect((await ask("/other")).status).toBe(404);
});
