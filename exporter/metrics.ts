import { Gauge, Counter, Registry } from "prom-client";
import {
  GPU_CONTAINER_LABELS,
  GPU_CONTAINER_METRICS,
  GPU_EXPORTER_METRICS,
  GPU_LABELS,
  GPU_METRICS,
  type GpuMetric,
} from "../prometheus/catalogue";
import type { Device } from "./driver";
import type { ContainerUse, Snapshot, Use } from "./snapshot";

type Values<Name extends string> = Partial<Record<Name, number | undefined>>;
type ByLabel<Name extends string> = Partial<Record<Name, Record<string, number>>>;

/** Writes snapshots in the text format of Prometheus. */
export class Metrics {
  private readonly failures = new Map<string, number>();

  /** @returns the metrics of this snapshot and no other: what has ended is not there any more */
  async text(snapshot: Snapshot, seconds: number): Promise<string> {
    const registry = new Registry();
    const exporter = family(registry, GPU_EXPORTER_METRICS, []);
    const gpus = family(registry, GPU_METRICS, GPU_LABELS);
    const containers = family(registry, GPU_CONTAINER_METRICS, [...GPU_CONTAINER_LABELS, ...GPU_LABELS]);

    for (const { stage, reason } of snapshot.errors) {
      const key = `${stage} ${reason}`;
      this.failures.set(key, (this.failures.get(key) ?? 0) + 1);
    }
    for (const [key, count] of this.failures) {
      const [stage = "", reason = ""] = key.split(" ");
      exporter.add("gpu_exporter_errors_total", { stage, reason }, count);
    }
    exporter.add("gpu_exporter_driver_up", {}, Number(snapshot.reading !== undefined));
    exporter.add("gpu_exporter_docker_up", {}, Number(snapshot.containers !== undefined));
    exporter.add("gpu_exporter_duration_seconds", {}, seconds);
    if (snapshot.reading) {
      exporter.add("gpu_exporter_driver_duration_seconds", {}, snapshot.reading.seconds);
      const { driverVersion: driver_version, cudaVersion: cuda_version } = snapshot.reading;
      exporter.add("gpu_driver_info", { driver_version, cuda_version }, 1);
    }

    for (const { device, up } of snapshot.devices) {
      const labels = gpuLabels(device);
      const host = snapshot.host?.get(device.uuid);
      gpus.addAll(labels, { gpu_up: Number(up), gpu_memory_total_bytes: device.memoryTotalBytes });
      if (up) gpus.addAll(labels, deviceValues(device, host));
      if (up)
        for (const [name, values] of Object.entries(deviceValuesByLabel(device)))
          for (const [value, count] of Object.entries(values))
            gpus.add(name as keyof typeof GPU_METRICS, { ...labels, [LABEL_OF[name] ?? ""]: value }, count);
    }

    for (const one of snapshot.containers ?? []) {
      const labels = { ...containerLabels(one), ...gpuLabels(one.device) };
      containers.add("container_gpu_info", { ...labels, allocation: one.allocation }, 1);
      containers.addAll(labels, containerValues(one));
    }
    return registry.metrics();
  }
}

const LABEL_OF: Record<string, string> = {
  gpu_clock_hertz: "clock",
  gpu_ecc_errors_total: "type",
  gpu_throttle_reason_active: "reason",
};

const deviceValues = (device: Device, host: Use | undefined): Values<keyof typeof GPU_METRICS> => ({
  gpu_memory_used_bytes: device.memoryUsedBytes,
  gpu_utilization_ratio: device.utilizationRatio,
  gpu_memory_utilization_ratio: device.memoryUtilizationRatio,
  gpu_power_watts: device.powerWatts,
  gpu_power_limit_watts: device.powerLimitWatts,
  gpu_temperature_celsius: device.temperatureCelsius,
  gpu_host_memory_used_bytes: host?.memoryBytes,
  gpu_host_processes: host?.processes,
});

const deviceValuesByLabel = (device: Device): ByLabel<keyof typeof GPU_METRICS> => ({
  gpu_clock_hertz: device.clockHertz,
  gpu_ecc_errors_total: device.eccErrors,
  gpu_throttle_reason_active: Object.fromEntries(
    Object.entries(device.throttleReasons).map(([reason, active]) => [reason, Number(active)]),
  ),
});

/** Of a device that does not answer, only what cannot have changed. */
const containerValues = ({ device, use }: ContainerUse): Values<keyof typeof GPU_CONTAINER_METRICS> => ({
  container_gpu_memory_total_bytes: device.memoryTotalBytes,
  ...(use && {
    container_gpu_memory_used_bytes: use.memoryBytes,
    container_gpu_utilization_ratio: use.utilizationRatio,
    container_gpu_processes: use.processes,
    container_gpu_device_memory_used_bytes: device.memoryUsedBytes,
    container_gpu_device_utilization_ratio: device.utilizationRatio,
    container_gpu_device_temperature_celsius: device.temperatureCelsius,
    container_gpu_device_power_watts: device.powerWatts,
  }),
});

const gpuLabels = ({ gpu, uuid, model }: Device) => ({ gpu, gpu_uuid: uuid, gpu_model: model });

const containerLabels = ({ container }: ContainerUse) => ({ id: container.cgroup, ...container.labels });

/** The metrics of a table, in a registry as soon as they have a value: counters where the name says so, else gauges. */
function family<Name extends string>(
  registry: Registry,
  metrics: Record<Name, GpuMetric>,
  common: readonly string[],
) {
  const made = new Map<Name, Counter | Gauge>();
  const make = (name: Name) => {
    const { help, labels = [] } = metrics[name];
    const definition = { name, help, labelNames: [...common, ...labels], registers: [registry] };
    const metric = name.endsWith("_total") ? new Counter(definition) : new Gauge(definition);
    made.set(name, metric);
    return metric;
  };
  const add = (name: Name, labels: Record<string, string>, value: number) => {
    (made.get(name) ?? make(name)).inc(labels, value);
  };
  const addAll = (labels: Record<string, string>, values: Values<Name>) => {
    for (const [name, value] of Object.entries<number | undefined>(values))
      if (value !== undefined) add(name as Name, labels, value);
  };
  return { add, addAll };
}
