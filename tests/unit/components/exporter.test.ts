import { gpuPlan } from "../../../components/exporter";
import type { Expectation } from "../../../probes/report";
import { settings } from "../../support/settings";
import {
  containerInputs,
  declare,
  declared,
  files,
  host,
  prometheusYml,
  runtime,
} from "../../support/declare";

/** As {@link declare}, with the inputs of the exporter's container where it is declared. */
async function declareGpu(...args: Parameters<typeof declare>) {
  const all = await declare(...args);
  return { ...all, exporter: containerInputs("exporter-container") };
}

test("where the host has NVIDIA's runtime, the exporter measures every GPU, as nobody, with nothing writable and no port", async () => {
  const { exporter } = await declareGpu({}, runtime);
  expect(exporter).toMatchObject({
    runtime: "nvidia",
    envs: ["NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=utility", "LLM_NETWORK=llm-metrics-dev"],
    user: "65534:65534",
    groupAdds: ["998"],
    pidMode: "host",
    cgroupnsMode: "host",
    readOnly: true,
    capabilities: { drops: ["ALL"] },
    securityOpts: ["no-new-privileges:true", "label=disable"],
    memory: 192,
    volumes: [
      { containerPath: "/exporter", readOnly: true },
      { hostPath: "/run/docker.sock", containerPath: "/var/run/docker.sock", readOnly: true },
    ],
  });
  for (const input of ["ports", "privileged", "deviceRequests"]) expect(exporter).not.toHaveProperty(input);
  expect(exporter["capabilities"]).not.toHaveProperty("adds");
});

test("where the host has CDI devices only, the exporter gets the one that stands for all", async () => {
  const { exporter } = await declareGpu({}, { gpus: { cdiDevice: "nvidia.com/gpu=all" } });
  expect(exporter).toMatchObject({ deviceRequests: [{ driver: "cdi", deviceIds: ["nvidia.com/gpu=all"] }] });
  expect(exporter).not.toHaveProperty("runtime");
});

test("the exporter's program is put into its volume whenever there is a new container, and a changed program makes one", async () => {
  const { exporter } = await declareGpu({}, runtime);
  const install = declared.find(({ name }) => name.endsWith("exporter-install"))?.inputs;
  expect((exporter["command"] as string[]).join(" ")).toMatch(
    /\/exporter\/exporter-[0-9a-f]{12}\/exporter\.cjs/,
  );
  expect(install).toMatchObject({
    create: "node commands/start.cjs installExporter",
    environment: { VOLUME: "llm-metrics-dev-exporter-program", IMAGE: settings().exporterImage },
    triggers: ["llm-metrics-dev-exporter-container-id"],
  });
});

test.each([
  ["auto on a host without GPUs", "auto", {}, /neither NVIDIA's container runtime nor CDI devices/],
  ["off", "off", runtime, /the setting gpu is off/],
] as const)("gpu: %s deploys an exporter without GPUs and reports why", async (_, gpu, facts, reason) => {
  const { exporter, probe, configuration } = await declareGpu({ gpu }, facts);
  expectNoGpus(exporter);
  expect(exporter).toMatchObject({
    user: "65534:65534",
    groupAdds: ["998"],
    cgroupnsMode: "host",
    readOnly: true,
    capabilities: { drops: ["ALL"] },
    securityOpts: ["no-new-privileges:true"],
  });
  expect(JSON.stringify(files(configuration))).not.toMatch(/gpu_up|gpu_exporter_driver_up|gpu_container:/);
  const { gpu: measured } = JSON.parse(probe["stdin"] as string) as Expectation;
  expect(measured).toEqual({ measured: false, reason: expect.stringMatching(reason) as unknown });
});

/** "void" is also for NVIDIA's runtime, where it is Docker's default. */
function expectNoGpus(exporter: Record<string, unknown> | undefined) {
  expect(exporter).toMatchObject({ envs: ["NVIDIA_VISIBLE_DEVICES=void", "LLM_NETWORK=llm-metrics-dev"] });
  for (const input of ["runtime", "deviceRequests", "pidMode", "ports", "devices"])
    expect(exporter).not.toHaveProperty(input);
}

test("llmServers: off deploys an exporter that knows no network of LLM servers", async () => {
  const { exporter } = await declareGpu({ llmServers: "off" });
  expect(exporter).toMatchObject({ envs: ["NVIDIA_VISIBLE_DEVICES=void"] });
});

test("gpu: on is refused on a host without GPUs, with the reason and a hint", () => {
  expect(() => gpuPlan("on", host)).toThrow(
    /llm-metrics:gpu is "on", but .* nothing was changed.*nvidia-ctk runtime configure/,
  );
  expect(gpuPlan("on", { ...host, ...runtime })).toEqual({ access: { runtime: "nvidia" } });
});

const FAILURE = "nvidia-container-cli: initialization error: nvml error: driver not loaded";

test("where no container starts with NVIDIA's runtime, gpu: auto deploys an exporter without GPUs, and report and alert have the reason", async () => {
  const failing = { ...host, ...runtime };
  const gpu = gpuPlan("auto", failing, FAILURE);
  expect(gpu).toEqual({ failed: true, reason: "no container starts with the runtime nvidia" });
  const { exporter, probe, configuration } = await declareGpu({}, { ...runtime, failure: FAILURE });
  expectNoGpus(exporter);
  expect(JSON.parse(probe["stdin"] as string)).toMatchObject({
    gpu: { measured: false, reason: "no container starts with the runtime nvidia" },
    unavailable: [{ metric: "container_gpu_*", reason: expect.stringContaining("nvidia-smi") as unknown }],
  });
  expect(JSON.stringify(files(configuration))).toContain("MetricUnavailable");
  // What a preview expects afterwards does not depend on the words of the error.
  expect(gpuPlan("auto", failing, "as the last update found")).toEqual(gpu);
});

test.each([
  [runtime, "the runtime nvidia"],
  [{ gpus: { cdiDevice: "nvidia.com/gpu=all" } }, "the CDI device nvidia.com/gpu=all"],
])("where no container starts with %j, gpu: on is refused with the error and a remedy", (facts, what) => {
  expect(() => gpuPlan("on", { ...host, ...facts }, FAILURE)).toThrow(
    new RegExp(
      `"on", but no container starts with ${what} .*driver not loaded.*nothing was changed.*modprobe nvidia`,
    ),
  );
});

test("with GPUs, Prometheus scrapes the exporter and records what GPU containers use beside", async () => {
  const { stack, configuration } = await declareGpu({ dcgmExporter: "dcgm-exporter:9400" }, runtime);
  expect(stack.configuration.config.scrape_configs.map((job) => job.job_name)).toEqual([
    "cadvisor",
    "prometheus",
    "gateway",
    "exporter",
    "host",
    "llm-servers",
    "dcgm",
  ]);
  const { rule_files, scrape_configs } = prometheusYml(configuration);
  expect(rule_files).toEqual(["rules.yml"]);
  expect(files(configuration)["rules.yml"]).toContain("gpu_container:gpu_memory_used_bytes:sum");
  expect(scrape_configs[3]).toMatchObject({ static_configs: [{ targets: ["exporter:23400"] }] });
});
