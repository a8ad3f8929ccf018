import { Counter, Gauge, Registry } from "prom-client";
import { cut, cutStart } from "../lib/labels";
import {
  GPU_CONTAINER_LABELS,
  GPU_CONTAINER_METRICS,
  GPU_EXPORTER_METRICS,
  GPU_LABELS,
  GPU_METRICS,
  type GpuMetric,
} from "../prometheus/catalogue";
import type { ContainerUsage, Snapshot, Usage } from "./collector";
import type { Device } from "./driver";

type Values<Name extends string> = Partial<Record<Name, number | undefined>>;

/** Writes snapshots in the text format of Prometheus. */
export class Metrics {
  private readonly errors = new Counter({
    name: "gpu_exporter_errors_total",
    help: GPU_EXPORTER_METRICS.gpu_exporter_errors_total.help,
    labelNames: GPU_EXPORTER_METRICS.gpu_exporter_errors_total.labels,
    registers: [],
  });

  /** @returns the metrics of this snapshot alone, so that containers and devices that are gone have none; errors add up */
  async text(snapshot: Snapshot, seconds: number): Promise<string> {
    for (const { stage, reason } of snapshot.errors) this.errors.inc({ stage, reason });
    const registry = new Registry();
    registry.registerMetric(this.errors);
    addExporter(registry, snapshot, seconds);
    addDevices(registry, snapshot);
    addContainers(registry, snapshot);
    return registry.metrics();
  }
}

function addExporter(registry: Registry, { driver, containers }: Snapshot, seconds: number): void {
  const metrics = new Family(registry, GPU_EXPORTER_METRICS, []);
  metrics.add("gpu_exporter_driver_up", {}, Number(driver !== undefined));
  metrics.add("gpu_exporter_docker_up", {}, Number(containers !== undefined));
  metrics.add("gpu_exporter_duration_seconds", {}, seconds);
  if (!driver) return;
  metrics.add("gpu_exporter_driver_duration_seconds", {}, driver.seconds);
  const { driverVersion: driver_version, cudaVersion: cuda_version } = driver;
  metrics.add("gpu_driver_info", { driver_version, cuda_version }, 1);
}

function addDevices(registry: Registry, { devices, host }: Snapshot): void {
  const metrics = new Family(registry, GPU_METRICS, GPU_LABELS);
  for (const { device, up } of devices) {
    const labels = gpuLabels(device);
    metrics.addAll(labels, { gpu_up: Number(up), gpu_memory_total_bytes: device.memoryTotalBytes });
    if (!up) continue;
    metrics.addAll(labels, deviceValues(device, host?.get(device.uuid)));
    for (const [clock, hertz] of Object.entries(device.clockHertz))
      metrics.add("gpu_clock_hertz", { ...labels, clock }, hertz);
    for (const [type, count] of Object.entries(device.eccErrors))
      metrics.add("gpu_ecc_errors_total", { ...labels, type }, count);
    for (const [reason, active] of Object.entries(device.throttleReasons))
      metrics.add("gpu_throttle_reason_active", { ...labels, reason }, Number(active));
  }
}

function addContainers(registry: Registry, { containers = [] }: Snapshot): void {
  const metrics = new Family(registry, GPU_CONTAINER_METRICS, [...GPU_CONTAINER_LABELS, ...GPU_LABELS]);
  for (const one of containers) {
    const labels = { id: one.container.cgroup, ...one.container.labels, ...gpuLabels(one.device) };
    metrics.add("container_gpu_info", { ...labels, allocation: one.allocation }, 1);
    metrics.addAll(labels, containerValues(one));
  }
}

const gpuLabels = ({ gpu, uuid, model }: Device) => ({ gpu, gpu_uuid: uuid, gpu_model: model });

const deviceValues = (device: Device, host: Usage | undefined): Values<keyof typeof GPU_METRICS> => ({
  gpu_memory_used_bytes: device.memoryUsedBytes,
  gpu_utilization_ratio: device.utilizationRatio,
  gpu_memory_utilization_ratio: device.memoryUtilizationRatio,
  gpu_power_watts: device.powerWatts,
  gpu_power_limit_watts: device.powerLimitWatts,
  gpu_temperature_celsius: device.temperatureCelsius,
  gpu_host_memory_used_bytes: host?.memoryBytes,
  gpu_host_processes: host?.processes,
});

/** For a device that does not answer, only the values that cannot have changed. */
const containerValues = ({ device, usage }: ContainerUsage): Values<keyof typeof GPU_CONTAINER_METRICS> => ({
  container_gpu_memory_total_bytes: device.memoryTotalBytes,
  ...(usage && {
    container_gpu_memory_used_bytes: usage.memoryBytes,
    container_gpu_utilization_ratio: usage.utilizationRatio,
    container_gpu_processes: usage.processes,
    container_gpu_device_memory_used_bytes: device.memoryUsedBytes,
    container_gpu_device_utilization_ratio: device.utilizationRatio,
    container_gpu_device_temperature_celsius: device.temperatureCelsius,
    container_gpu_device_power_watts: device.powerWatts,
  }),
});

/** Labels as relabeling cuts those of cAdvisor: one long value would cost the scrape. */
const bounded = (labels: Record<string, string>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(labels).map(([name, value]) => [name, name === "id" ? cutStart(value) : cut(value)]),
  );

/** The metrics of a table. Each joins the registry with its first value; names that end in `_total` are counters. */
class Family<Name extends string> {
  private readonly metrics = new Map<Name, Counter | Gauge>();

  constructor(
    private readonly registry: Registry,
    private readonly table: Record<Name, GpuMetric>,
    private readonly commonLabels: readonly string[],
  ) {}

  add(name: Name, labels: Record<string, string>, value: number): void {
    (this.metrics.get(name) ?? this.create(name)).inc(bounded(labels), value);
  }

  /** Values that are undefined are left out. */
  addAll(labels: Record<string, string>, values: Values<Name>): void {
    for (const [name, value] of Object.entries<number | undefined>(values))
      if (value !== undefined) this.add(name as Name, labels, value);
  }

  private create(name: Name): Counter | Gauge {
    const { help, labels = [] } = this.table[name];
    const labelNames = [...this.commonLabels, ...labels];
    const options = { name, help, labelNames, registers: [this.registry] };
    const metric = name.endsWith("_total") ? new Counter(options) : new Gauge(options);
    this.metrics.set(name, metric);
    return metric;
  }
}
