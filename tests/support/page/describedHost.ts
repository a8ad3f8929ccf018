import { createHash } from "node:crypto";

/** A container of a described host, with levels around which its values vary. */
export interface DescribedContainer {
  name: string;
  image: string;
  llmServer?: string;
  project?: string;
  service?: string;
  /** Hours since its start. */
  hours?: number;
  cores: number;
  cpuLimit?: number;
  gibibytes: number;
  limitGibibytes?: number;
  healthy?: boolean;
  /** Bytes per second. */
  network?: number;
  disk?: number;
  /** Minutes ago. */
  oomKills?: number[];
  restarts?: number[];
  throttled?: number;
  gpus?: { gpu: number; gibibytes: number; use: number }[];
}

/** A container that does not run. */
export interface DescribedStopped {
  name: string;
  image: string;
  project?: string;
  state: string;
  exitCode: number;
  oomKilled?: boolean;
}

/** A host whose samples are made up, for pictures, benchmarks and tests of the page without an engine. */
export interface DescribedHost {
  name: string;
  cores: number;
  gibibytes: number;
  containers: DescribedContainer[];
  /** The number of its GPUs, each an H100. */
  gpus?: number;
  throttled?: { gpu: number; reason: string }[];
  unavailable?: { metric: string; reason: string }[];
  down?: string[];
  stopped?: DescribedStopped[];
  /** Fractions of the whole host that are used, and of its disks. */
  used?: { cpu: number; memory: number; disks: Record<string, number> };
}

const GIB = 1024 ** 3;
const H100_GIBIBYTES = 79.65;

/** Values that vary around 1, always the same ones for a name, and their integral. */
function wave(name: string): { at: (minutes: number) => number; integral: (minutes: number) => number } {
  const [a = 0, b = 0, c = 0] = createHash("sha256").update(name).digest();
  const waves = [
    { height: 0.18, period: 7 + a / 20, phase: b },
    { height: 0.09, period: 1.7 + c / 90, phase: a },
    { height: 0.05, period: 0.3, phase: c },
  ];
  const summed = (part: (wave: (typeof waves)[number]) => number) =>
    waves.reduce((total, one) => total + part(one), 0);
  return {
    at: (minutes) => 1 + summed(({ height, period, phase }) => height * Math.sin(minutes / period + phase)),
    integral: (minutes) =>
      minutes +
      summed(
        ({ height, period, phase }) =>
          height * period * (Math.cos(phase) - Math.cos(minutes / period + phase)),
      ),
  };
}

/** A series, by its labels, with its value at a time: minutes since the first sample. */
interface SeriesOf {
  labels: Record<string, string>;
  at: (minutes: number) => number | undefined;
}

/** A metric of the host. */
interface Family {
  name: string;
  series: SeriesOf[];
}

/** How the samples lie in time: seconds. */
export interface Span {
  /** The first sample and the last one. */
  start: number;
  end: number;
  /** The time of which the description is. */
  now: number;
  /** From when they are as dense as scrapes are. */
  denseFrom: number;
  sparseStep: number;
  denseStep: number;
}

const escaped = (text: string) =>
  text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
const labelText = (labels: Record<string, string>) =>
  Object.entries(labels)
    .filter(([, value]) => value !== "")
    .map(([label, value]) => `${label}="${escaped(value)}"`)
    .join(",");

/** The samples of a host as OpenMetrics, which promtool makes blocks of. Parts come one by one, since all of them can be large. */
export function* openMetrics(host: DescribedHost, span: Span): Generator<string> {
  const times: number[] = [];
  for (
    let time = span.start;
    time <= span.end;
    time += time < span.denseFrom ? span.sparseStep : span.denseStep
  )
    times.push(time);
  for (const { name, series } of families(host, span)) {
    yield `# TYPE ${name} unknown\n`;
    for (const { labels, at } of series) {
      const text = labelText(labels);
      const lines = times.map((time) => {
        const value = at((time - span.start) / 60);
        return value === undefined ? "" : `${name}{${text}} ${value} ${time}\n`;
      });
      yield lines.join("");
    }
  }
  yield "# EOF\n";
}

const idOf = (name: string) => `/docker/${createHash("sha256").update(name).digest("hex")}`;
export const uuidOf = (gpu: number): string =>
  `GPU-${String(gpu).padStart(8, "0")}-1111-2222-3333-444444444444`;

const cadvisorJob = (host: DescribedHost) => ({
  job: "cadvisor",
  instance: "cadvisor:8080",
  host: host.name,
});
const exporterJob = (host: DescribedHost) => ({
  job: EXPORTER_JOB,
  instance: "exporter:23400",
  host: host.name,
});
const gpuLabels = (gpu: number) => ({
  gpu: String(gpu),
  gpu_uuid: uuidOf(gpu),
  gpu_model: "NVIDIA H100 80GB HBM3",
});

function containerLabels({ name, image, llmServer = "", project = "", service = "" }: DescribedContainer) {
  return {
    id: idOf(name),
    name,
    image,
    llm_server: llmServer,
    compose_project: project,
    compose_service: service,
  };
}

function families(host: DescribedHost, span: Span): Family[] {
  const last = (span.now - span.start) / 60;
  const each = (
    name: string,
    at: (container: DescribedContainer, minutes: number) => number | undefined,
    labels: (container: DescribedContainer) => Record<string, string> = () => cadvisorJob(host),
  ): Family => ({
    name,
    series: host.containers
      .map((container) => ({
        labels: { ...labels(container), ...containerLabels(container) },
        at: (minutes: number) => at(container, minutes),
      }))
      // One look is enough: a value is there always or never, but for those of events.
      .filter(({ at: value }) =>
        Array.from({ length: 400 }, (_, n) => value(last - n)).some((one) => one !== undefined),
      ),
  });
  const varied = (name: string, level: number) => {
    const { at } = wave(name);
    return (minutes: number) => level * at(minutes);
  };
  const counter = (name: string, level: number) => {
    const { integral } = wave(name);
    return (minutes: number) => level * 60 * integral(minutes);
  };
  const start = (container: DescribedContainer) => span.now - (container.hours ?? 100) * 3600;
  const memory = ({ name, gibibytes }: DescribedContainer) => varied(`${name} memory`, gibibytes * GIB);
  const record = () => ({ host: host.name });
  const targets = ["cadvisor", "prometheus", "gateway", EXPORTER_JOB];
  return [
    {
      name: "up",
      series: targets.map((job) => ({
        labels: { job, instance: `${job}:1`, host: host.name },
        at: () => (host.down?.includes(job) ? 0 : 1),
      })),
    },
    { name: "machine_cpu_cores", series: [{ labels: cadvisorJob(host), at: () => host.cores }] },
    { name: "machine_memory_bytes", series: [{ labels: cadvisorJob(host), at: () => host.gibibytes * GIB }] },
    each("container_start_time_seconds", (container) => start(container)),
    each("container_last_seen", (_, minutes) => span.start + minutes * 60),
    each("container_cpu_usage_seconds_total", ({ name, cores }, minutes) =>
      counter(`${name} cpu`, cores)(minutes),
    ),
    each("container_spec_cpu_period", () => 100_000),
    each("container_spec_cpu_quota", ({ cpuLimit }) => cpuLimit && cpuLimit * 100_000),
    each("container_memory_working_set_bytes", (container, minutes) =>
      Math.round(memory(container)(minutes)),
    ),
    each("container_spec_memory_limit_bytes", ({ limitGibibytes = 0 }) => limitGibibytes * GIB),
    each("container_health_state", ({ healthy }) => (healthy === undefined ? -1 : Number(healthy))),
    each(
      "container_network_receive_bytes_total",
      ({ name, network = 1000 }, minutes) => counter(`${name} in`, network)(minutes),
      () => ({ ...cadvisorJob(host), interface: "eth0" }),
    ),
    each(
      "container_network_transmit_bytes_total",
      ({ name, network = 1000 }, minutes) => counter(`${name} out`, network * 3)(minutes),
      () => ({ ...cadvisorJob(host), interface: "eth0" }),
    ),
    each(
      "container_fs_reads_bytes_total",
      ({ name, disk }, minutes) => disk && counter(`${name} read`, disk)(minutes),
      () => ({ ...cadvisorJob(host), device: "/dev/nvme0n1" }),
    ),
    each(
      "container_fs_writes_bytes_total",
      ({ name, disk }, minutes) => disk && counter(`${name} write`, disk / 3)(minutes),
      () => ({ ...cadvisorJob(host), device: "/dev/nvme0n1" }),
    ),
    each(
      "container:memory_limit_used:ratio",
      (container, minutes) =>
        container.limitGibibytes && (0.97 * memory(container)(minutes)) / (container.limitGibibytes * GIB),
      record,
    ),
    each(
      "container:cpu_throttled:ratio_rate5m",
      ({ throttled, cpuLimit }) => cpuLimit && (throttled ?? 0),
      record,
    ),
    each(
      "container:oom_events:increase",
      ({ oomKills = [] }, minutes) =>
        oomKills.some((ago) => Math.abs(minutes - (last - ago)) < 0.3) ? 1 : undefined,
      record,
    ),
    each(
      "container:restarts:increase",
      // One sample of each, where samples are dense.
      ({ restarts = [] }, minutes) =>
        restarts.some((ago) => minutes >= last - ago && minutes < last - ago + 0.5) ? 1 : undefined,
      record,
    ),
    {
      name: "monitoring_metric_unavailable",
      series: (host.unavailable ?? []).map((labels) => ({
        labels: { ...labels, host: host.name },
        at: () => 1,
      })),
    },
    ...(host.used ? usedFamilies(host.name, host.used, varied) : []),
    ...stoppedFamilies(host),
    ...(host.gpus ? gpuFamilies(host, host.gpus, varied) : []),
  ];
}

function usedFamilies(
  host: string,
  { cpu, memory, disks }: NonNullable<DescribedHost["used"]>,
  varied: (name: string, level: number) => (minutes: number) => number,
): Family[] {
  return [
    { name: "host:cpu_used:ratio", series: [{ labels: { host }, at: varied("host cpu", cpu) }] },
    { name: "host:memory_used:ratio", series: [{ labels: { host }, at: varied("host memory", memory) }] },
    {
      name: "host:filesystem_used:ratio",
      series: Object.entries(disks).map(([mountpoint, used]) => ({
        labels: { host, mountpoint },
        at: () => used,
      })),
    },
  ];
}

function stoppedFamilies(host: DescribedHost): Family[] {
  const each = (
    name: string,
    value: (stopped: DescribedStopped) => number,
    labels: (stopped: DescribedStopped) => Record<string, string> = () => ({}),
  ): Family => ({
    name,
    series: (host.stopped ?? []).map((stopped) => ({
      labels: {
        ...exporterJob(host),
        ...containerLabels({ ...stopped, cores: 0, gibibytes: 0 }),
        ...labels(stopped),
      },
      at: () => value(stopped),
    })),
  });
  return [
    each(
      "container_state",
      () => 1,
      ({ state }) => ({ state }),
    ),
    each("container_exit_code", ({ exitCode }) => exitCode),
    each("container_oom_killed", ({ oomKilled = false }) => Number(oomKilled)),
  ];
}

/** The scrape job of the exporter. */
const EXPORTER_JOB = "exporter";

function gpuFamilies(
  host: DescribedHost,
  count: number,
  varied: (name: string, level: number) => (minutes: number) => number,
): Family[] {
  const gpus = Array.from({ length: count }, (_, gpu) => gpu);
  const uses = host.containers.flatMap((container) =>
    (container.gpus ?? []).map((use) => ({ container, ...use })),
  );
  const of = (gpu: number) => uses.filter((use) => use.gpu === gpu);
  const used = (gpu: number) => of(gpu).reduce((total, { gibibytes }) => total + gibibytes, 0);
  const busy = (gpu: number) => Math.min(0.97, of(gpu).reduce((total, { use }) => total + use, 0) / 1.1);
  const ofGpus = (name: string, at: (gpu: number, minutes: number) => number): Family => ({
    name,
    series: gpus.map((gpu) => ({
      labels: { ...exporterJob(host), ...gpuLabels(gpu) },
      at: (minutes) => at(gpu, minutes),
    })),
  });
  const ofUses = (
    name: string,
    at: (use: (typeof uses)[number], minutes: number) => number,
    more = {},
  ): Family => ({
    name,
    series: uses.map((use) => ({
      labels: { ...exporterJob(host), ...containerLabels(use.container), ...gpuLabels(use.gpu), ...more },
      at: (minutes) => at(use, minutes),
    })),
  });
  const level = (value: number, most: number) => Math.round(Math.min(most, value) * 100) / 100;
  return [
    { name: "gpu_exporter_driver_up", series: [{ labels: exporterJob(host), at: () => 1 }] },
    { name: "gpu_exporter_docker_up", series: [{ labels: exporterJob(host), at: () => 1 }] },
    {
      name: "gpu_driver_info",
      series: [
        { labels: { ...exporterJob(host), driver_version: "580.95.05", cuda_version: "13.0" }, at: () => 1 },
      ],
    },
    ofGpus("gpu_up", () => 1),
    ofGpus("gpu_memory_total_bytes", () => H100_GIBIBYTES * GIB),
    ofGpus("gpu_memory_used_bytes", (gpu) => (used(gpu) + 0.45) * GIB),
    ofGpus("gpu_host_memory_used_bytes", () => 0),
    ofGpus("gpu_utilization_ratio", (gpu, minutes) => level(varied(`gpu ${gpu}`, busy(gpu))(minutes), 1)),
    ofGpus("gpu_power_watts", (gpu, minutes) =>
      Math.round(70 + 560 * varied(`gpu ${gpu}`, busy(gpu))(minutes)),
    ),
    ofGpus("gpu_power_limit_watts", () => 700),
    ofGpus("gpu_temperature_celsius", (gpu, minutes) =>
      Math.round(31 + 38 * varied(`gpu ${gpu}`, busy(gpu))(minutes)),
    ),
    {
      name: "gpu_throttle_reason_active",
      series: gpus.map((gpu) => ({
        labels: {
          ...exporterJob(host),
          ...gpuLabels(gpu),
          reason: host.throttled?.find((one) => one.gpu === gpu)?.reason ?? "sw_power_cap",
        },
        at: () => Number(host.throttled?.some((one) => one.gpu === gpu) ?? false),
      })),
    },
    ofUses("container_gpu_info", () => 1, { allocation: "device_request" }),
    ofUses("container_gpu_memory_total_bytes", () => H100_GIBIBYTES * GIB),
    ofUses("container_gpu_memory_used_bytes", ({ gibibytes }) => gibibytes * GIB),
    ofUses("container_gpu_utilization_ratio", ({ container, gpu, use }, minutes) =>
      level(varied(`${container.name} ${gpu}`, use)(minutes), 1),
    ),
  ];
}

/** A host with two GPUs on which one thing is wrong. */
export const GPU_HOST: DescribedHost = {
  name: "llm-1",
  cores: 64,
  gibibytes: 512,
  gpus: 4,
  throttled: [{ gpu: 2, reason: "sw_power_cap" }],
  used: { cpu: 0.11, memory: 0.31, disks: { "/": 0.42, "/var/lib/docker": 0.83 } },
  stopped: [
    { name: "rag-migrate", image: "example/ingest:4.2", project: "rag", state: "exited", exitCode: 0 },
    { name: "rag-worker", image: "example/ingest:4.2", project: "rag", state: "restarting", exitCode: 1 },
  ],
  containers: [
    {
      name: "chat-vllm",
      image: "vllm/vllm-openai:v0.11.0",
      llmServer: "vllm",
      hours: 80,
      cores: 2.1,
      gibibytes: 41,
      limitGibibytes: 96,
      healthy: true,
      network: 410_000,
      disk: 2e6,
      gpus: [
        { gpu: 0, gibibytes: 71.2, use: 0.82 },
        { gpu: 1, gibibytes: 71.2, use: 0.79 },
      ],
    },
    {
      name: "embed",
      image: "ghcr.io/huggingface/text-embeddings-inference:1.8",
      llmServer: "tgi",
      hours: 310,
      cores: 0.6,
      gibibytes: 6.2,
      limitGibibytes: 16,
      healthy: true,
      network: 90_000,
      gpus: [{ gpu: 2, gibibytes: 9.4, use: 0.21 }],
    },
    {
      name: "rerank-sglang",
      image: "lmsysorg/sglang:v0.5.3",
      llmServer: "sglang",
      hours: 29,
      cores: 1.2,
      gibibytes: 22,
      limitGibibytes: 64,
      healthy: true,
      network: 60_000,
      gpus: [{ gpu: 2, gibibytes: 38.6, use: 0.55 }],
    },
    {
      name: "draft-ollama",
      image: "ollama/ollama:0.12.3",
      llmServer: "ollama",
      hours: 6,
      cores: 0.02,
      gibibytes: 1.1,
      gpus: [{ gpu: 3, gibibytes: 0, use: 0 }],
    },
    {
      name: "chat-web",
      image: "ghcr.io/open-webui/open-webui:v0.6.32",
      project: "chat",
      service: "web",
      hours: 80,
      cores: 0.12,
      gibibytes: 0.9,
      limitGibibytes: 2,
      healthy: true,
      network: 40_000,
    },
    {
      name: "chat-db",
      image: "postgres:17.6",
      project: "chat",
      service: "db",
      hours: 310,
      cores: 0.21,
      gibibytes: 3.7,
      limitGibibytes: 8,
      healthy: true,
      network: 22_000,
      disk: 400_000,
    },
    {
      name: "chat-redis",
      image: "redis:8.2",
      project: "chat",
      service: "redis",
      hours: 310,
      cores: 0.04,
      gibibytes: 0.24,
      limitGibibytes: 1,
      network: 9000,
    },
    {
      name: "rag-ingest",
      image: "example/ingest:4.2",
      project: "rag",
      service: "ingest",
      hours: 9,
      cores: 1.9,
      cpuLimit: 2,
      throttled: 0.31,
      gibibytes: 7.5,
      limitGibibytes: 8,
      network: 310_000,
      disk: 9e6,
      oomKills: [8, 42],
      restarts: [8],
    },
    {
      name: "rag-qdrant",
      image: "qdrant/qdrant:v1.15",
      project: "rag",
      service: "qdrant",
      hours: 310,
      cores: 0.35,
      gibibytes: 11.4,
      limitGibibytes: 32,
      healthy: true,
      network: 70_000,
      disk: 800_000,
    },
    {
      name: "llm-metrics-dev-prometheus",
      image: "prom/prometheus:v3.13.5",
      hours: 310,
      cores: 0.02,
      cpuLimit: 1,
      gibibytes: 0.12,
      limitGibibytes: 1,
      healthy: true,
    },
    {
      name: "llm-metrics-dev-cadvisor",
      image: "ghcr.io/google/cadvisor:v0.60.5",
      hours: 310,
      cores: 0.03,
      cpuLimit: 0.5,
      gibibytes: 0.08,
      limitGibibytes: 0.5,
      healthy: true,
    },
    {
      name: "llm-metrics-dev-gateway",
      image: "caddy:2.11.9-alpine",
      hours: 310,
      cores: 0.002,
      cpuLimit: 0.5,
      gibibytes: 0.03,
      limitGibibytes: 0.125,
      healthy: true,
    },
  ],
};

/** A host with many containers and eight GPUs. */
export function largeHost(containers: number): DescribedHost {
  return {
    name: "large",
    cores: 128,
    gibibytes: 1024,
    gpus: 8,
    containers: Array.from({ length: containers }, (_, n) => ({
      name: `service-${n}`,
      image:
        n < 16 ? "vllm/vllm-openai:v0.11.0" : `registry.example.org/team-${n % 12}/service-${n % 50}:1.${n}`,
      ...(n < 16 && { llmServer: "vllm", gpus: [{ gpu: n % 8, gibibytes: 20, use: 0.3 }] }),
      ...(n >= 16 && { project: `project-${n % 24}`, service: `service-${n % 50}` }),
      hours: 40 + n,
      cores: 0.02 + (n % 17) / 10,
      gibibytes: 0.05 + (n % 29) / 4,
      limitGibibytes: 16,
      cpuLimit: 4,
      healthy: true,
    })),
  };
}
