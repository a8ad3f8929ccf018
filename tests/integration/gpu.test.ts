import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { type IncomingMessage, request } from "node:http";
import path from "node:path";
import { buildShellImage } from "../../airgap/images";
import { queryDocker } from "../../host/docker";
import { SERVERS, target } from "../../lib/names";
import { h100, gpuUuid, type EmulatedHost } from "../support/emulatedDriver/host";
import { GpuHost } from "../support/emulatedDriver/gpuHost";
import { configureRuntime, DAEMON_FOLDER } from "../support/daemonControl";
import { docker, DOCKER_HOST, hasContainerdStore, inspect, startContainer } from "../support/docker";
import { eventually } from "../support/eventually";
import { query } from "../support/prometheus";
import { failed, Stack, succeeded } from "../support/stack";

const MIB = 1024 ** 2;
const gpuHost = GpuHost.at(path.join(DAEMON_FOLDER, "gpu"));

let stack: Stack;
/** Names of the containers, by how they request GPUs. */
const containers: Record<string, string> = {};
let outputs: { probeReport: { findings: { check: string; seen: string }[] }; jobNames: string[] };

const pidOf = async (container: string) =>
  Number(await docker("inspect", "--format", "{{.State.Pid}}", container));
const pidIn = async (container: string, which: number) =>
  Number((await docker("top", container, "-eo", "pid")).split("\n")[which + 1]);

/** Describes two GPUs. Each container uses another amount of memory, so that no two can be confused. */
async function described(changes: Partial<EmulatedHost> = {}): Promise<EmulatedHost> {
  const use = async (which: string, gpu: number, memory: number, sm: number) => ({
    pid: await pidOf(containers[which] ?? ""),
    gpu,
    memory,
    sm,
  });
  return {
    driver: "550.127.05",
    gpus: [h100(0, { utilization: 70 }), h100(1)],
    processes: [
      await use("all", 0, 1000, 10),
      await use("all", 1, 2000, 20),
      { pid: await pidIn(containers["all"] ?? "", 1), gpu: 1, memory: 500, sm: 5 },
      await use("one", 1, 4000, 30),
      await use("runtime", 0, 8000, 40),
      await use("vllm", 0, 16_000, 15),
      ...(containers["cdi"] ? [await use("cdi", 0, 32_000, 1)] : []),
      { pid: process.pid, gpu: 1, memory: 64, sm: 2 },
    ],
    ...changes,
  };
}

/** For Engine 29, which supports CDI devices. The Docker CLI of the tests does not, the API does. */
async function startWithCdi(): Promise<string> {
  await buildShellImage("example/cdi:1", DOCKER_HOST);
  const create = request({
    method: "POST",
    socketPath: DOCKER_HOST.replace("unix://", ""),
    path: "/containers/create?name=test-cdi",
    headers: { "content-type": "application/json" },
  });
  const response = once(create, "response") as Promise<[IncomingMessage]>;
  create.end(
    JSON.stringify({
      Image: "example/cdi:1",
      HostConfig: {
        DeviceRequests: [{ Driver: "cdi", Count: 0, DeviceIDs: ["nvidia.com/gpu=0"], Capabilities: [] }],
      },
    }),
  );
  const [{ statusCode }] = await response;
  expect(statusCode).toBe(201);
  await docker("start", "test-cdi");
  return "test-cdi";
}

beforeAll(async () => {
  await configureRuntime("nvidia", gpuHost.runtime);
  await gpuHost.addCdi();
  const cudaEnvironment = [
    "-e",
    "NVIDIA_VISIBLE_DEVICES=all",
    "-e",
    "CUDA_VERSION=12.4.1",
    "-e",
    "NVIDIA_REQUIRE_CUDA=cuda>=12.4",
  ];
  Object.assign(containers, {
    all: await startContainer(
      "example/train:1",
      ["--gpus", "all"],
      ["sh", "-c", "sleep 9999 & sleep 100000"],
    ),
    one: await startContainer("example/embed:1", ["--gpus", "device=1"]),
    runtime: await startContainer("example/old:1", ["--runtime", "nvidia", "-e", "NVIDIA_VISIBLE_DEVICES=0"]),
    vllm: await startContainer("vllm/vllm-openai:v0.11.0", ["--gpus", `device=${gpuUuid(0)}`]),
    idle: await startContainer("example/idle:1", ["--gpus", "device=1"]),
    cuda: await startContainer("nvidia/cuda:12.4.1-base-ubuntu22.04", cudaEnvironment),
    plain: await startContainer("example/web:1"),
  });
  if (await hasContainerdStore()) containers["cdi"] = await startWithCdi();
  await gpuHost.describe(await described());
  stack = await Stack.create({ scrapeInterval: "1s", hostLabel: "gpu-host" });
  await succeeded(stack.up());
  outputs = await stack.outputs();
});
afterAll(async () => {
  await stack.remove();
  await docker("rm", "-f", ...Object.values(containers));
  await configureRuntime("other", "runc");
  await gpuHost.removeCdi();
});

/** The values of a metric, by container and GPU. */
async function values(metric: string): Promise<Record<string, number>> {
  const samples = await query(stack.prometheus, `${metric}{job="gpu"}`);
  const which = (name = "") =>
    Object.entries(containers).find(([, container]) => container === name)?.[0] ?? name;
  return Object.fromEntries(
    samples.map(({ metric: labels, value }) => [
      `${which(labels["name"])} ${labels["gpu"] ?? ""}`,
      Number(value[1]),
    ]),
  );
}
const withCdi = <T>(value: T): Record<string, T> => (containers["cdi"] ? { "cdi 0": value } : {});

test("Prometheus knows how much of which GPU each container holds, however it came to it", async () => {
  expect(await values("container_gpu_memory_used_bytes")).toEqual({
    "all 0": 1000 * MIB,
    "all 1": 2500 * MIB,
    "one 1": 4000 * MIB,
    "idle 1": 0,
    "runtime 0": 8000 * MIB,
    "vllm 0": 16_000 * MIB,
    ...withCdi(32_000 * MIB),
  });
  expect(await values("container_gpu_utilization_ratio")).toEqual({
    "all 0": 0.1,
    "all 1": 0.25,
    "one 1": 0.3,
    "idle 1": 0,
    "runtime 0": 0.4,
    "vllm 0": 0.15,
    ...withCdi(0.01),
  });
  expect(await values("container_gpu_processes")).toMatchObject({ "all 0": 1, "all 1": 2, "one 1": 1 });
});

test("neither a CUDA image without a GPU, nor a plain container, nor the stack's own has GPU series", async () => {
  const names = await query(stack.prometheus, 'group by (name) ({__name__=~"container_gpu_.+"})');
  const seen = names.map(({ metric }) => metric["name"]);
  expect(seen.sort()).toEqual(
    ["all", "one", "idle", "runtime", "vllm", "cdi"].flatMap((which) => containers[which] ?? []).sort(),
  );
});

test("GPU series carry the device's labels, the LLM server, and cAdvisor's labels of the same container", async () => {
  const [gpu] = await query(stack.prometheus, `container_gpu_info{name="${containers["vllm"] ?? ""}"}`);
  expect(gpu?.metric).toMatchObject({
    job: "gpu",
    host: "gpu-host",
    image: "vllm/vllm-openai:v0.11.0",
    llm_server: "vllm",
    gpu: "0",
    gpu_uuid: gpuUuid(0),
    gpu_model: "NVIDIA H100 80GB HBM3",
    allocation: "device_request",
  });
  const joined = await query(
    stack.prometheus,
    "container_memory_working_set_bytes and on (host, id, name, image) container_gpu_info",
  );
  expect(joined).toHaveLength(containers["cdi"] ? 6 : 5);
});

test("what the host's own processes hold is the host's, and everything adds up to the device", async () => {
  const [host] = await query(stack.prometheus, 'gpu_host_memory_used_bytes{gpu="1"}');
  expect(Number(host?.value[1])).toBe(64 * MIB);
  const sums = await query(
    stack.prometheus,
    "sum by (gpu_uuid) (container_gpu_memory_used_bytes) + on (gpu_uuid) gpu_host_memory_used_bytes == on (gpu_uuid) gpu_memory_used_bytes",
  );
  expect(sums).toHaveLength(2);
});

test("Prometheus answers every question of the documentation, and names the container that wastes its GPU", async () => {
  const documented = [
    ...(await readFile("docs/metrics.md", "utf8")).matchAll(/^\| [^|]+\? .*\| `(.+)` *\|$/gm),
  ];
  const questions = documented.map(([, promql = ""]) => promql.replaceAll("\\|", "|"));
  expect(questions.length).toBeGreaterThan(15);
  for (const promql of questions) await query(stack.prometheus, promql);
  const wasted =
    questions.find((promql) => promql.includes("max_over_time(container_gpu_utilization_ratio")) ?? "";
  const names = (await query(stack.prometheus, wasted)).map(({ metric }) => metric["name"]);
  expect(names).toEqual([containers["idle"]]);
});

test("the recorded CPU and memory of a GPU container stand beside its GPU use", async () => {
  await eventually(async () => {
    for (const rule of [
      "cpu_usage_cores:rate5m",
      "memory_working_set_bytes:sum",
      "gpu_memory_used_bytes:sum",
      "gpu_memory_total_bytes:sum",
      "gpu_utilization_ratio:avg",
    ]) {
      const samples = await query(stack.prometheus, `gpu_container:${rule}`);
      expect(samples.map(({ metric }) => metric["name"])).toContain(containers["one"]);
      expect(samples.map(({ metric }) => metric["name"])).not.toContain(containers["plain"]);
    }
  });
  const [used] = await query(
    stack.prometheus,
    `gpu_container:gpu_memory_used_bytes:sum{name="${containers["all"] ?? ""}"}`,
  );
  expect(Number(used?.value[1])).toBe(3500 * MIB);
});

test("the probes tell the containers with their number of GPUs", () => {
  const seen = (check: string) =>
    outputs.probeReport.findings.find((finding) => finding.check === check)?.seen;
  expect(outputs.jobNames).toContain("gpu");
  expect(seen("the GPU exporter that runs has been scraped")).toMatch(/^\d+ s after it started$/);
  expect(seen("the GPU driver answers")).toBe("2 GPUs and MIG devices");
  expect(seen("every GPU container has its GPU series")).toContain(`${containers["all"] ?? ""} (2)`);
  expect(seen("every GPU container has its GPU series")).toContain(`${containers["vllm"] ?? ""} (1)`);
});

test("the exporter reads and never controls: nobody, without capabilities, ports, or anything writable", async () => {
  const { HostConfig: host, Config: config, Mounts: mounts } = await inspect(stack.resource("gpu-exporter"));
  expect(host).toMatchObject({
    Privileged: false,
    ReadonlyRootfs: true,
    CapDrop: ["ALL"],
    PidMode: "host",
  });
  expect([host.CapAdd ?? [], Object.keys(host.PortBindings)]).toEqual([[], []]);
  expect(config.User).toBe("65534:65534");
  expect(mounts.map(({ Destination, RW }) => [Destination, RW]).sort()).toEqual([
    ["/exporter", false],
    ["/var/run/docker.sock", false],
  ]);
});

test("promtool has no complaint about what the exporter serves", async () => {
  const check = `wget -qO- http://${target(SERVERS.gpuExporter)}/metrics | promtool check metrics 2>&1`;
  expect(await docker("exec", stack.resource("prometheus"), "sh", "-c", check)).toBe("");
});

test("a container that ends leaves no GPU series, and one that comes has its own", async () => {
  const name = await startContainer("example/late:1", ["--gpus", "device=0"]);
  containers["late"] = name;
  const host = await described();
  await gpuHost.describe({
    ...host,
    processes: [...host.processes, { pid: await pidOf(name), gpu: 0, memory: 7 }],
  });
  await eventually(async () => {
    expect(await values("container_gpu_memory_used_bytes")).toMatchObject({ "late 0": 7 * MIB });
  });
  await docker("rm", "-f", name);
  await eventually(async () => {
    expect(await query(stack.prometheus, `{__name__=~"container_gpu_.+",name="${name}"}`)).toEqual([]);
  });
  delete containers["late"];
  await gpuHost.describe(host);
});

test("a driver that hangs is told by a metric and by the probe, while the target stays up", async () => {
  const probe = JSON.stringify({
    ...(JSON.parse((await stack.inputs("probe-command"))["stdin"] as string) as object),
    patienceSeconds: 5,
  });
  await gpuHost.describe(await described({ fault: "hang" }));
  await eventually(async () => {
    // A slow answer that was under way before may still come, in 8 s at most.
    expect(await query(stack.prometheus, "max_over_time(gpu_exporter_driver_up[10s]) == 0")).toHaveLength(1);
    expect(await query(stack.prometheus, 'up{job="gpu"} == 1')).toHaveLength(1);
    expect(await query(stack.prometheus, 'gpu_exporter_errors_total{reason="timeout"} > 0')).toHaveLength(1);
    expect(await values("container_gpu_info")).toMatchObject({ "vllm 0": 1 });
    expect(await values("container_gpu_memory_used_bytes")).toEqual({});
  });
  const output = await failed(stack.probe(probe));
  expect(output).toMatch(
    /probe failed after \d+ s: the GPU driver answers\n\s+seen: no answer from the driver: timeout/,
  );
  await gpuHost.describe(await described());
  await eventually(async () => {
    expect(await values("container_gpu_memory_used_bytes")).toMatchObject({ "vllm 0": 16_000 * MIB });
  });
  await succeeded(stack.probe(probe));
});

test("a second update and a refresh change nothing, and an exporter that was removed comes back", async () => {
  await succeeded(stack.preview("--expect-no-changes"));
  await succeeded(stack.refresh("--expect-no-changes"));
  await succeeded(stack.preview("--expect-no-changes", "--refresh"));
  await docker("rm", "-f", stack.resource("gpu-exporter"));
  await succeeded(stack.up("--refresh"));
  expect((await inspect(stack.resource("gpu-exporter"))).State.Running).toBe(true);
});

test("where Docker loses NVIDIA's runtime, the exporter gets to the GPUs by CDI, if there is any", async () => {
  await configureRuntime("other", "runc");
  // Engine 20.10 knows no CDI: then the next test is about that.
  if (!JSON.stringify(await queryDocker(DOCKER_HOST, "/info")).includes("nvidia.com/gpu=all")) return;
  await succeeded(stack.up());
  const { HostConfig: host } = await inspect(stack.resource("gpu-exporter"));
  expect(host.DeviceRequests).toMatchObject([{ Driver: "cdi", DeviceIDs: ["nvidia.com/gpu=all"] }]);
  expect(await values("container_gpu_memory_used_bytes")).toMatchObject({ "cdi 0": 32_000 * MIB });
  await succeeded(stack.refresh("--expect-no-changes"));
});

test("without GPUs the exporter goes, the report says why, and gpu: on is refused with nothing changed", async () => {
  await gpuHost.removeCdi();
  await eventually(async () => {
    expect(JSON.stringify(await queryDocker(DOCKER_HOST, "/info"))).not.toContain("nvidia.com/gpu");
  });
  const output = await succeeded(stack.up());
  expect(output).toContain(
    "GPUs are not measured: Docker on this host has neither NVIDIA's container runtime",
  );
  const { probeReport, jobNames } = await stack.outputs<typeof outputs>();
  expect(jobNames).toEqual(["cadvisor", "prometheus", "gateway"]);
  expect(probeReport.findings.at(-1)?.seen).toMatch(/^no GPU containers: Docker on this host/);
  expect(await docker("ps", "-a", "--format", "{{.Names}}")).not.toContain(stack.resource("gpu-exporter"));

  await stack.configure({ gpu: "on" });
  for (const run of [stack.preview, stack.up])
    expect(await failed(run())).toMatch(/llm-metrics:gpu is "on", but .*nvidia-ctk runtime configure/s);
  await stack.configure({ gpu: "auto" });
  await succeeded(stack.preview("--expect-no-changes"));
});
