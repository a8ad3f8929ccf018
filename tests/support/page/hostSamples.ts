import type { DescribedContainer, DescribedHost, DescribedStopped } from "./describedHost";
import { containerLabels, counter, exporterJob, varied, type Family, type Span } from "./samples";
import { serverFamilies, serverTargets } from "./serverSamples";

const GIB = 1024 ** 3;
const H100_GIBIBYTES = 79.65;

export const uuidOf = (gpu: number): string =>
  `GPU-${String(gpu).padStart(8, "0")}-1111-2222-3333-444444444444`;

const cadvisorJob = (host: DescribedHost) => ({
  job: "cadvisor",
  instance: "cadvisor:8080",
  host: host.name,
});
const gpuLabels = (gpu: number) => ({
  gpu: String(gpu),
  gpu_uuid: uuidOf(gpu),
  gpu_model: "NVIDIA H100 80GB HBM3",
});

/** The metrics of a described host. */
export function hostSamples(host: DescribedHost, span: Span): Family[] {
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
  const start = (container: DescribedContainer) => span.now - (container.hours ?? 100) * 3600;
  const memory = ({ name, gibibytes }: DescribedContainer) => varied(`${name} memory`, gibibytes * GIB);
  const record = () => ({ host: host.name });
  const targets = ["cadvisor", "prometheus", "gateway", "exporter"];
  return [
    {
      name: "up",
      series: [
        ...targets.map((job) => ({
          labels: { job, instance: `${job}:1`, host: host.name },
          at: () => (host.down?.includes(job) ? 0 : 1),
        })),
        ...serverTargets(host, last),
      ],
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
      "container_health_status",
      ({ healthy }) => (healthy === undefined ? undefined : 1),
      ({ healthy }) => ({ ...exporterJob(host), status: healthy ? "healthy" : "unhealthy" }),
    ),
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
    // A container writes a part of what it writes to its own files.
    each("container_fs_usage_bytes", ({ disk = 0 }, minutes) => 12e6 + disk * (1 + minutes / 60)),
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
    ...(host.used ? usedFamilies(host.name, host.used) : []),
    ...stoppedFamilies(host),
    ...(host.gpus ? gpuFamilies(host, host.gpus) : []),
    ...serverFamilies(host, span),
  ];
}

function usedFamilies(host: string, { cpu, memory, disks }: NonNullable<DescribedHost["used"]>): Family[] {
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
        ...containerLabels(stopped),
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

function gpuFamilies(host: DescribedHost, count: number): Family[] {
  const gpus = Array.from({ length: count }, (_, gpu) => gpu);
  const uses = host.containers.flatMap((container) =>
    (container.gpus ?? []).map((use) => ({ container, ...use })),
  );
  const of = (gpu: number) => uses.filter((use) => use.gpu === gpu);
  const used = (gpu: number) => of(gpu).reduce((total, { gibibytes }) => total + gibibytes, 0);
  const level = (value: number, most: number) => Math.round(Math.min(most, value) * 100) / 100;
  const use = ({ container, gpu, use }: (typeof uses)[number], minutes: number) =>
    level(varied(`${container.name} ${gpu}`, use)(minutes), 1);
  /** No GPU is less busy than its containers keep it. */
  const busy = (gpu: number, minutes: number) =>
    level(
      of(gpu).reduce((total, one) => total + use(one, minutes), 0),
      1,
    );
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
    ofGpus("gpu_utilization_ratio", busy),
    ofGpus("gpu_power_watts", (gpu, minutes) => Math.round(70 + 560 * busy(gpu, minutes))),
    ofGpus("gpu_power_limit_watts", () => 700),
    ofGpus("gpu_temperature_celsius", (gpu, minutes) => Math.round(31 + 38 * busy(gpu, minutes))),
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
    ofUses("container_gpu_energy_joules_total", ({ use }, minutes) => 700 * use * 60 * minutes),
    ofUses("container_gpu_utilization_ratio", use),
  ];
}
