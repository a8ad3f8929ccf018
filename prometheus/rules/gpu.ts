import { sizeBytes } from "../../lib/units";
import { ALERT_DEFAULTS, OWN_JOBS, type AlertSettings } from "../../settings";
import { THROTTLE_FAULTS } from "../queries";
import {
  BY_CONTAINER,
  CONTAINER,
  ruleGroup,
  type Alert,
  type RecordingRule,
  type RuleGroup,
} from "./ruleGroup";

const forGpuContainers = (expr: string) =>
  `sum by (${BY_CONTAINER}) (${expr}) and on (host, id) container_gpu_info`;

/** Identifies a GPU in an annotation. */
const GPU = "The GPU {{ $labels.gpu }} ({{ $labels.gpu_model }}) on {{ $labels.host }}";

/**
 * XIDs that a program causes, such as by an access to memory that it does not have, and XIDs after which nothing has to be done.
 * Sources: NVIDIA's catalog of XIDs (docs.nvidia.com/deploy/xid-errors); k8s-device-plugin, internal/rm/health.go, which also ignores
 * 109, for which the catalog recommends a reset.
 */
const XIDS_OF_PROGRAMS = [13, 31, 43, 45, 68, 69, 137];
const XIDS_WITHOUT_ACTION = [63, 106, 107, 121];
const SERIOUS_XIDS = `gpu_xid_errors_total{xid!~"${[...XIDS_OF_PROGRAMS, ...XIDS_WITHOUT_ACTION].join("|")}"}`;

/**
 * CPU, memory and GPU use of containers with GPUs: one series per container each, all with the same labels, so that each can be
 * divided by any other.
 */
const RECORDS: RecordingRule[] = [
  {
    record: "gpu_container:cpu_usage_cores:rate5m",
    expr: forGpuContainers("rate(container_cpu_usage_seconds_total[5m])"),
  },
  {
    record: "gpu_container:memory_working_set_bytes:sum",
    expr: forGpuContainers("container_memory_working_set_bytes"),
  },
  {
    record: "gpu_container:gpu_memory_used_bytes:sum",
    expr: `sum by (${BY_CONTAINER}) (container_gpu_memory_used_bytes)`,
  },
  {
    record: "gpu_container:gpu_memory_total_bytes:sum",
    expr: `sum by (${BY_CONTAINER}) (container_gpu_memory_total_bytes)`,
  },
  {
    record: "gpu_container:gpu_utilization_ratio:avg",
    expr: `avg by (${BY_CONTAINER}) (container_gpu_utilization_ratio)`,
  },
];

/** Recording rules for containers with GPUs, and alerts about their GPUs and the driver. */
export const gpuRules = (alerts: AlertSettings = ALERT_DEFAULTS): RuleGroup =>
  ruleGroup("gpu_containers", [
    ...RECORDS,
    ...sourceAlerts(alerts),
    ...deviceAlerts(alerts),
    ...healthAlerts(alerts),
    ...containerAlerts(alerts),
  ]);

/** Alerts about what the exporter reads of GPUs. */
const sourceAlerts = (alerts: AlertSettings): Alert[] => [
  {
    alert: "GpuDriverDown",
    expr: "gpu_exporter_driver_up == 0",
    for: alerts.gpuDriverDownFor,
    severity: "critical",
    summary: "The NVIDIA driver on {{ $labels.host }} does not respond",
    description: `For ${alerts.gpuDriverDownFor}, NVIDIA's library has failed or timed out (gpu_exporter_driver_up is {{ $value }}). The log of the exporter has the reason.`,
  },
  {
    alert: "GpuMetricsMissing",
    // Containers that had GPUs within a day. One that is done with a GPU that was not allocated to it misses nothing, and
    // GpuAllocationUnmatched reports those whose GPUs are gone.
    expr: [
      `count by (host) (container_last_seen{job="${OWN_JOBS.cadvisor}",alerts!="none"}`,
      'and on (host, id) last_over_time(container_gpu_info{allocation!="none"}[1d])',
      "unless on (host, id) container_gpu_info",
      "unless on (host, id) container_gpu_unmatched_devices)",
    ].join(" "),
    for: alerts.gpuMetricsMissingFor,
    severity: "warning",
    summary: "Containers with GPUs on {{ $labels.host }} have no GPU metrics",
    description:
      "{{ $value }} containers run and had GPU metrics before. See the target of the job exporter on the page /targets, and the log of the exporter.",
  },
];

/** Alerts about GPUs, whichever container uses them. */
const deviceAlerts = (alerts: AlertSettings): Alert[] => [
  {
    alert: "GpuLost",
    // Without the driver, no GPU answers, and GpuDriverDown fires. A MIG device ("3:0") is lost with its GPU.
    // GpuResetRequired reports a GPU that answers so.
    expr: [
      'gpu_up{gpu!~".*:.*"} == 0 and on (host, job, instance) gpu_exporter_driver_up == 1',
      'unless on (host, job, instance, gpu) gpu_fault{reason="reset_required"}',
    ].join(" "),
    for: alerts.gpuLostFor,
    severity: "critical",
    summary: `${GPU} does not respond`,
    description:
      "The driver responds, and this GPU does not (gpu_up is {{ $value }}): most likely it fell off the bus. `dmesg` shows an Xid error. Move its containers to another GPU.",
  },
  {
    alert: "GpuEccErrorsUncorrected",
    expr: `round(increase(gpu_ecc_errors_total{type="uncorrected"}[${alerts.gpuEccWindow}])) > 0`,
    severity: "critical",
    summary: `${GPU} has memory errors that ECC did not correct`,
    description: `{{ $value }} errors in the last ${alerts.gpuEccWindow}. Results can be wrong, and processes can have ended. See \`nvidia-smi -q -d ECC,ROW_REMAPPER\`.`,
  },
  {
    alert: "GpuThrottled",
    expr: `avg_over_time(gpu_throttle_reason_active{reason=~"${THROTTLE_FAULTS.join("|")}"}[10m]) > ${alerts.gpuThrottledRatio}`,
    for: alerts.gpuThrottledFor,
    severity: "warning",
    summary: `${GPU} is slowed down by heat or power ({{ $labels.reason }})`,
    description:
      "The driver reported {{ $labels.reason }} in {{ $value | humanizePercentage }} of the scrapes of the last ten minutes. Check fans, airflow and power supply.",
  },
  {
    alert: "GpuHot",
    expr: `gpu_temperature_celsius > ${alerts.gpuHotCelsius}`,
    for: alerts.gpuHotFor,
    severity: "warning",
    summary: `${GPU} is hot`,
    description: `Its temperature is {{ $value }} °C, and has been above ${alerts.gpuHotCelsius} °C for ${alerts.gpuHotFor}. Check fans and airflow.`,
  },
  {
    alert: "GpuMemoryHeldByHost",
    expr: `gpu_host_memory_used_bytes > ${sizeBytes(alerts.gpuHostMemory)}`,
    for: alerts.gpuHostMemoryFor,
    severity: "warning",
    summary: `Processes outside of containers hold memory of a GPU on {{ $labels.host }}`,
    description:
      "On the GPU {{ $labels.gpu }}, they hold {{ $value | humanize1024 }}B, which no container can use. `nvidia-smi` lists them.",
  },
];

/** Alerts about the health of GPUs, and about what the driver does not show. */
const healthAlerts = (alerts: AlertSettings): Alert[] => [
  {
    alert: "GpuXidErrors",
    // The counter of an XID starts with its first error, which increase() does not count.
    expr: [
      `increase(${SERIOUS_XIDS}[${alerts.gpuXidWindow}]) > 0`,
      `or (${SERIOUS_XIDS} unless gpu_xid_errors_total offset ${alerts.gpuXidWindow})`,
    ].join(" "),
    severity: "critical",
    summary: `${GPU} reported the error XID {{ $labels.xid }}`,
    description: `{{ $value | humanize }} times in the last ${alerts.gpuXidWindow}. Programs do not cause it, or it requires a reset of the GPU; NVIDIA's list of XIDs has its meaning. Its containers may hang or return wrong results.`,
  },
  {
    alert: "GpuResetRequired",
    expr: 'gpu_fault{reason="reset_required"} == 1 or gpu_recovery_action{action!="none"} == 1',
    severity: "critical",
    summary: `${GPU} has to be reset`,
    description:
      "The driver asks for {{ if $labels.action }}{{ $labels.action }}{{ else }}a reset of the GPU{{ end }} (the value is {{ $value }}). Stop its containers and the exporter, and run `nvidia-smi --gpu-reset`, or reboot.",
  },
  {
    alert: "GpuMemoryRepairFailed",
    expr: "gpu_remapped_rows_failure == 1",
    severity: "critical",
    summary: `${GPU} has defective memory that it cannot replace`,
    description:
      "A row of its memory could not be remapped (gpu_remapped_rows_failure is {{ $value }}). Take it out of service, and have it exchanged.",
  },
  {
    alert: "GpuMemoryRepairPending",
    expr: "gpu_remapped_rows_pending == 1 or gpu_retired_pages_pending == 1",
    severity: "warning",
    summary: `${GPU} has defective memory until its next reset`,
    description:
      "The driver will replace it at the next reset or boot (the value is {{ $value }}). Stop its containers and the exporter, and run `nvidia-smi --gpu-reset`, or reboot.",
  },
  {
    alert: "GpuPcieDegraded",
    // A GPU that is not in use can have fewer lanes.
    expr: "gpu_pcie_link_width < gpu_pcie_link_width_max unless on (host, gpu_uuid) gpu_performance_state > 2",
    for: alerts.gpuPcieFor,
    severity: "warning",
    summary: `${GPU} uses fewer PCIe lanes than it could`,
    description: `For ${alerts.gpuPcieFor}, its PCIe link has had {{ $value }} lanes, fewer than gpu_pcie_link_width_max. Models load more slowly. Check its seat, its riser and the slot.`,
  },
  {
    alert: "GpuNvlinkDown",
    expr: 'gpu_nvlink_links{state="active"} < max_over_time(gpu_nvlink_links{state="active"}[1d])',
    for: alerts.gpuNvlinkFor,
    severity: "critical",
    summary: `${GPU} has lost an NVLink`,
    description: `For ${alerts.gpuNvlinkFor}, {{ $value }} of its NVLinks have been active, fewer than within the last day. Servers with several GPUs are slower, or fail. See \`nvidia-smi nvlink -s\`.`,
  },
  {
    alert: "GpuFabricNotReady",
    expr: 'gpu_fabric_state{state!="completed"} == 1',
    for: alerts.gpuFabricFor,
    severity: "critical",
    summary: `${GPU} is not registered with the NVLink fabric ({{ $labels.state }})`,
    description: `For ${alerts.gpuFabricFor}, the state {{ $labels.state }} has had the value {{ $value }}; without the fabric, CUDA does not start on this GPU. Check the service nvidia-fabricmanager.`,
  },
  {
    alert: "GpuProcessesHidden",
    expr: 'gpu_fault{reason="permission"} == 1',
    for: alerts.gpuHiddenFor,
    severity: "warning",
    summary: `The driver does not show the processes on a GPU of {{ $labels.host }}`,
    description:
      "The exporter may not list the processes on the GPU {{ $labels.gpu }} (gpu_fault is {{ $value }}), so the use of its containers is unknown. The log of the exporter has the error.",
  },
  {
    alert: "GpuDevicesChanged",
    expr: `round(increase(gpu_device_changes_total[${alerts.gpuChangedWindow}])) > 0`,
    severity: "info",
    summary: `GPUs or MIG devices of {{ $labels.host }} changed ({{ $labels.change }})`,
    description: `{{ $value }} devices in the last ${alerts.gpuChangedWindow}. The log of the exporter names them. Containers with GPUs that are gone have to be created again.`,
  },
];

/** Alerts about the GPUs of containers, but for those with the label `llm-metrics.alerts=none`. */
const containerAlerts = (alerts: AlertSettings): Alert[] => [
  {
    alert: "GpuAllocationUnmatched",
    expr: 'container_gpu_unmatched_devices{alerts!="none"} > 0',
    // MIG devices are created and removed while containers start.
    for: alerts.gpuUnmatchedFor,
    severity: "warning",
    summary: `${CONTAINER} requests GPUs that the host does not have: {{ $value }}`,
    description:
      "The log of the exporter has their ids. Compare them with `nvidia-smi -L`: after a change of MIG devices or GPUs, create the container again with ids that exist.",
  },
  {
    alert: "GpuAllocatedIdle",
    // The maximum over an hour, so that failed scrapes do not start the time again; the counter has the use between scrapes.
    expr: [
      'max_over_time(container_gpu_utilization_ratio{alerts!="none"}[1h]) == 0',
      "unless on (host, id, gpu_uuid) increase(container_gpu_usage_seconds_total[1h]) > 0",
      'and on (host, id, gpu_uuid) container_gpu_info{allocation!="none"}',
    ].join(" "),
    for: alerts.gpuIdleFor,
    severity: "info",
    summary: `${CONTAINER} does not use its GPU {{ $labels.gpu }}`,
    description: `The GPU is allocated to it, and its utilization has been {{ $value }} for ${alerts.gpuIdleFor}. Stop the container, or give the GPU to another one.`,
  },
  {
    alert: "GpuUsedWithoutAllocation",
    expr: 'container_gpu_info{allocation="none",alerts!="none"} == 1',
    for: alerts.gpuUnallocatedFor,
    severity: "warning",
    summary: `${CONTAINER} uses the GPU {{ $labels.gpu }} without an allocation`,
    description: `For ${alerts.gpuUnallocatedFor}, it has had processes on the GPU {{ $labels.gpu_uuid }} (container_gpu_info is {{ $value }}). A privileged container can use every GPU: start it with \`--gpus\` instead.`,
  },
];
