import { Counter, Gauge, Registry } from "prom-client";
import { bounded } from "../lib/labels";
import {
  CONTAINER_STATE_METRICS,
  EXPORTER_METRICS,
  GPU_CONTAINER_METRICS,
  GPU_DRIVER_METRICS,
  GPU_HEALTH_LABELS,
  GPU_METRICS,
  LLM_SERVER_METRICS,
} from "../prometheus/catalogue";
import type { GpuTotals } from "./accounting";
import type { Snapshot } from "./collector";
import type { Container } from "./containers";
import type { Device } from "./driver";
import type { Health } from "./driver/health";
import type { ContainerUsage, GpuSnapshot, Usage } from "./gpus";

const HELP = {
  ...CONTAINER_STATE_METRICS,
  ...GPU_CONTAINER_METRICS,
  ...GPU_METRICS,
  ...GPU_DRIVER_METRICS,
  ...EXPORTER_METRICS,
  ...LLM_SERVER_METRICS,
};

type Values = Partial<Record<keyof typeof HELP, number | undefined>>;

/** Writes snapshots in the text format of Prometheus. */
export class Metrics {
  private readonly errors = new Counter({
    name: "gpu_exporter_errors_total",
    help: HELP.gpu_exporter_errors_total,
    labelNames: ["stage", "reason"],
    registers: [],
  });

  /** @returns the metrics of this snapshot alone, so that containers and devices that are gone have none; errors add up */
  async text(snapshot: Snapshot, seconds: number): Promise<string> {
    for (const { stage, reason } of snapshot.errors) this.errors.inc({ stage, reason });
    const registry = new Registry();
    registry.registerMetric(this.errors);
    add(registry, {
      gpu_exporter_docker_up: Number(snapshot.listed !== undefined),
      gpu_exporter_duration_seconds: seconds,
      exporter_omitted_containers: snapshot.listed?.omitted,
    });
    for (const container of snapshot.listed?.containers ?? []) addState(registry, container);
    if (snapshot.gpus) addGpus(registry, snapshot.gpus);
    addLlmServers(registry, snapshot);
    return registry.metrics();
  }
}

function addState(registry: Registry, { cgroup, labels, state }: Container): void {
  const { name, restarts, exitCode, oomKilled, health } = state;
  const of = { id: cgroup, ...labels };
  add(registry, { container_state: 1 }, { ...of, state: name });
  if (health) add(registry, { container_health_status: 1 }, { ...of, status: health });
  const values = {
    container_restarts_total: restarts,
    container_exit_code: exitCode,
    container_oom_killed: Number(oomKilled),
  };
  add(registry, values, of);
}

function addGpus(registry: Registry, gpus: GpuSnapshot): void {
  addDriver(registry, gpus);
  addDevices(registry, gpus);
  addContainers(registry, gpus);
}

function addDriver(registry: Registry, { driver, driverFault: reason, changes }: GpuSnapshot): void {
  add(registry, {
    gpu_exporter_driver_up: Number(driver !== undefined),
    gpu_exporter_driver_duration_seconds: driver?.seconds,
  });
  if (reason) add(registry, { gpu_exporter_driver_fault: 1 }, { reason });
  for (const [change, count] of Object.entries(changes))
    add(registry, { gpu_device_changes_total: count }, { change });
  if (!driver) return;
  const { driverVersion: driver_version, cudaVersion: cuda_version } = driver;
  add(registry, { gpu_driver_info: 1 }, { driver_version, cuda_version });
}

function addDevices(registry: Registry, { devices, unidentified, host, containers }: GpuSnapshot): void {
  for (const { gpu, reason } of unidentified) {
    const labels = { gpu, gpu_uuid: "", gpu_model: "" };
    add(registry, { gpu_up: 0 }, labels);
    add(registry, { gpu_fault: 1 }, { ...labels, reason });
  }
  for (const { device, up, totals, xids, faults } of devices) {
    const labels = gpuLabels(device);
    add(registry, { gpu_up: Number(up), gpu_memory_total_bytes: device.memoryTotalBytes }, labels);
    add(registry, gpuTotals(totals), labels);
    for (const [xid, count] of xids)
      add(registry, { gpu_xid_errors_total: count }, { ...labels, xid: String(xid) });
    for (const { reason } of faults) add(registry, { gpu_fault: 1 }, { ...labels, reason });
    // Without Docker's answer, it is not known which processes are the host's.
    if (containers) add(registry, hostTotals(totals), labels);
    if (!up) continue;
    add(registry, deviceValues(device, host?.get(device.uuid)), labels);
    for (const [clock, hertz] of Object.entries(device.clockHertz))
      add(registry, { gpu_clock_hertz: hertz }, { ...labels, clock });
    for (const [type, count] of Object.entries(device.eccErrors))
      add(registry, { gpu_ecc_errors_total: count }, { ...labels, type });
    for (const [reason, active] of Object.entries(device.throttleReasons))
      add(registry, { gpu_throttle_reason_active: Number(active) }, { ...labels, reason });
    if (device.health) addHealth(registry, device.health, labels);
  }
}

function addHealth(registry: Registry, health: Health, labels: Record<string, string>): void {
  for (const [name, value] of Object.entries(health) as [keyof Health, Health[keyof Health]][]) {
    const label = GPU_HEALTH_LABELS[name];
    if (typeof value !== "object") add(registry, { [name]: value }, labels);
    else if (label)
      for (const [which, one] of Object.entries(value))
        add(registry, { [name]: one }, { ...labels, [label]: which });
  }
}

function addContainers(registry: Registry, { containers = [], unmatched }: GpuSnapshot): void {
  for (const one of containers) {
    const labels = { id: one.container.cgroup, ...one.container.labels, ...gpuLabels(one.device) };
    add(registry, { container_gpu_info: 1 }, { ...labels, allocation: one.allocation });
    add(registry, containerValues(one), labels);
  }
  for (const { container, ids } of unmatched) {
    const labels = { id: container.cgroup, ...container.labels };
    add(registry, { container_gpu_unmatched_devices: ids.length }, labels);
  }
}

function addLlmServers(registry: Registry, { llmServers }: Snapshot): void {
  for (const { container, target } of llmServers) {
    const reason = typeof target === "string" ? target : "";
    const labels = { id: container.cgroup, ...container.labels, reason };
    add(registry, { llm_server_scraped: Number(reason === "") }, labels);
  }
}

const gpuLabels = ({ gpu, uuid, model }: Device) => ({ gpu, gpu_uuid: uuid, gpu_model: model });

const deviceValues = (device: Device, host: Usage | undefined): Values => ({
  gpu_memory_used_bytes: device.memoryUsedBytes,
  gpu_utilization_ratio: device.utilizationRatio,
  gpu_memory_utilization_ratio: device.memoryUtilizationRatio,
  gpu_power_watts: device.powerWatts,
  gpu_power_limit_watts: device.powerLimitWatts,
  gpu_temperature_celsius: device.temperatureCelsius,
  gpu_host_memory_used_bytes: host?.memoryBytes,
  gpu_host_processes: host?.processes,
});

const gpuTotals = (totals: GpuTotals | undefined): Values => ({
  gpu_usage_seconds_total: totals?.usageSeconds,
  gpu_energy_joules_total: totals?.joules,
  gpu_idle_energy_joules_total: totals?.idleJoules,
});

const hostTotals = (totals: GpuTotals | undefined): Values => ({
  gpu_host_usage_seconds_total: totals?.host?.usageSeconds,
  gpu_host_energy_joules_total: totals?.joules === undefined ? undefined : totals.host?.joules,
});

/** For a device that does not answer, only the values that cannot have changed. */
const containerValues = ({ device, up, usage, totals }: ContainerUsage): Values => ({
  container_gpu_memory_total_bytes: device.memoryTotalBytes,
  container_gpu_usage_seconds_total: totals?.usageSeconds,
  container_gpu_energy_joules_total: totals?.joules,
  container_gpu_memory_used_bytes: usage?.memoryBytes,
  container_gpu_utilization_ratio: usage?.utilizationRatio,
  container_gpu_processes: usage?.processes,
  ...(up && {
    container_gpu_device_memory_used_bytes: device.memoryUsedBytes,
    container_gpu_device_utilization_ratio: device.utilizationRatio,
    container_gpu_device_temperature_celsius: device.temperatureCelsius,
    container_gpu_device_power_watts: device.powerWatts,
  }),
});

/**
 * Adds values to the metrics of a scrape, without those that are undefined. A metric joins the registry with its first value and
 * the labels of that value; names that end in `_total` are counters.
 */
function add(registry: Registry, values: Values, labels: Record<string, string> = {}): void {
  for (const [name, value] of Object.entries(values) as [keyof Values, number | undefined][]) {
    if (value === undefined) continue;
    const options = { name, help: HELP[name], labelNames: Object.keys(labels), registers: [registry] };
    const existing = registry.getSingleMetric(name) as Counter | Gauge | undefined;
    const metric = existing ?? (name.endsWith("_total") ? new Counter(options) : new Gauge(options));
    metric.inc(bounded(labels), value);
  }
}
