import {
  CONTAINER_STATE_METRICS,
  EXPORTER_METRICS,
  GPU_CONTAINER_METRICS,
  GPU_DRIVER_METRICS,
  GPU_HEALTH_LABELS,
  GPU_METRICS,
  LLM_SERVER_METRICS,
} from "../prometheus/catalogue";
import type { GpuTotals, Totals } from "./accounting";
import type { Snapshot } from "./collector";
import type { Container } from "./containers";
import type { Device } from "./driver";
import type { Health } from "./driver/health";
import { Exposition } from "./exposition";
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

type Page = Exposition<keyof typeof HELP>;

/** Writes snapshots in the text format of Prometheus. */
export class Metrics {
  /** The errors since the exporter started. */
  private readonly errors: Page = new Exposition(HELP);

  /** @returns the metrics of this snapshot alone, so that containers and devices that are gone have none; errors add up */
  text(snapshot: Snapshot, seconds: number): string {
    for (const { stage, reason } of snapshot.errors)
      this.errors.add({ gpu_exporter_errors_total: 1 }, { stage, reason });
    const page: Page = new Exposition(HELP);
    page.add({
      gpu_exporter_docker_up: Number(snapshot.listed !== undefined),
      gpu_exporter_duration_seconds: seconds,
      exporter_omitted_containers: snapshot.listed?.omitted,
    });
    for (const container of snapshot.listed?.containers ?? []) addState(page, container);
    if (snapshot.gpus) addGpus(page, snapshot.gpus);
    addLlmServers(page, snapshot);
    return this.errors.text() + page.text();
  }
}

function addState(page: Page, { cgroup, labels, state }: Container): void {
  const { name, restarts, exitCode, oomKilled, health } = state;
  const of = { id: cgroup, ...labels };
  page.add({ container_state: 1 }, { ...of, state: name });
  if (health) page.add({ container_health_status: 1 }, { ...of, status: health });
  const values = {
    container_restarts_total: restarts,
    container_exit_code: exitCode,
    container_oom_killed: Number(oomKilled),
  };
  page.add(values, of);
}

function addGpus(page: Page, gpus: GpuSnapshot): void {
  addDriver(page, gpus);
  addDevices(page, gpus);
  addContainers(page, gpus);
}

function addDriver(page: Page, { driver, driverFault: reason, changes }: GpuSnapshot): void {
  page.add({
    gpu_exporter_driver_up: Number(driver !== undefined),
    gpu_exporter_driver_duration_seconds: driver?.seconds,
  });
  if (reason) page.add({ gpu_exporter_driver_fault: 1 }, { reason });
  for (const [change, count] of Object.entries(changes))
    page.add({ gpu_device_changes_total: count }, { change });
  if (!driver) return;
  const { driverVersion: driver_version, cudaVersion: cuda_version } = driver;
  page.add({ gpu_driver_info: 1 }, { driver_version, cuda_version });
}

function addDevices(page: Page, { devices, unidentified, host, containers }: GpuSnapshot): void {
  for (const { gpu, reason } of unidentified) {
    const labels = { gpu, gpu_uuid: "", gpu_model: "" };
    page.add({ gpu_up: 0 }, labels);
    page.add({ gpu_fault: 1 }, { ...labels, reason });
  }
  for (const { device, up, totals, xids, faults } of devices) {
    const labels = gpuLabels(device);
    page.add({ gpu_up: Number(up), gpu_memory_total_bytes: device.memoryTotalBytes }, labels);
    page.add(gpuTotals(totals), labels);
    for (const [xid, count] of xids)
      page.add({ gpu_xid_errors_total: count }, { ...labels, xid: String(xid) });
    for (const { reason } of faults) page.add({ gpu_fault: 1 }, { ...labels, reason });
    // Without Docker's answer, it is not known which processes are the host's.
    if (containers) page.add(hostTotals(totals), labels);
    if (!up) continue;
    page.add(deviceValues(device, host?.get(device.uuid)), labels);
    for (const [clock, hertz] of Object.entries(device.clockHertz))
      page.add({ gpu_clock_hertz: hertz }, { ...labels, clock });
    for (const [type, count] of Object.entries(device.eccErrors))
      page.add({ gpu_ecc_errors_total: count }, { ...labels, type });
    for (const [reason, active] of Object.entries(device.throttleReasons))
      page.add({ gpu_throttle_reason_active: Number(active) }, { ...labels, reason });
    if (device.health) addHealth(page, device.health, labels);
  }
}

function addHealth(page: Page, health: Health, labels: Record<string, string>): void {
  for (const [name, value] of Object.entries(health) as [keyof Health, Health[keyof Health]][]) {
    const label = GPU_HEALTH_LABELS[name];
    if (typeof value !== "object") page.add({ [name]: value }, labels);
    else if (label)
      for (const [which, one] of Object.entries(value))
        page.add({ [name]: one }, { ...labels, [label]: which });
  }
}

function addContainers(page: Page, { containers = [], unmatched }: GpuSnapshot): void {
  for (const one of containers) {
    const labels = { id: one.container.cgroup, ...one.container.labels, ...gpuLabels(one.device) };
    page.add(containerTotals(one.totals), labels);
    if (one.allocation === undefined) continue;
    page.add({ container_gpu_info: 1 }, { ...labels, allocation: one.allocation });
    page.add(containerValues(one), labels);
  }
  for (const { container, ids } of unmatched) {
    const labels = { id: container.cgroup, ...container.labels };
    page.add({ container_gpu_unmatched_devices: ids.length }, labels);
  }
}

function addLlmServers(page: Page, { llmServers }: Snapshot): void {
  for (const { container, target } of llmServers) {
    const reason = typeof target === "string" ? target : "";
    const labels = { id: container.cgroup, ...container.labels, reason };
    page.add({ llm_server_scraped: Number(reason === "") }, labels);
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

const containerTotals = (totals: Totals | undefined): Values => ({
  container_gpu_usage_seconds_total: totals?.usageSeconds,
  container_gpu_energy_joules_total: totals?.joules,
});

/** For a device that does not answer, only the values that cannot have changed. */
const containerValues = ({ device, up, usage }: ContainerUsage): Values => ({
  container_gpu_memory_total_bytes: device.memoryTotalBytes,
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
