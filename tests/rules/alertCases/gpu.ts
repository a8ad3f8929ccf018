import { container, EXEMPT, exporter, GIB, named, repeated, seen, type AlertCases } from "./series";

const GPU = 'gpu="0",gpu_uuid="GPU-0",gpu_model="NVIDIA H200"';
const MIG = 'gpu="0:1",gpu_uuid="MIG-0",gpu_model="NVIDIA H200 MIG"';
/** A series of a GPU, and one of a container's GPU. */
const gpu = (metric: string, more = "", device = GPU) => exporter(metric, device + (more && `,${more}`));
const gpuOf = (metric: string, more = "", name = "chat") =>
  exporter(metric, `${named(name)},${GPU}${more && `,${more}`}`);

const throttledFor = (reason: string, values: string) => ({
  [gpu("gpu_throttle_reason_active", `reason="${reason}"`)]: values,
});

export const GPU_CASES = {
  GpuDriverDown: [
    {
      name: "after two minutes",
      series: { [exporter("gpu_exporter_driver_up")]: "1x20 0x50" },
      silent: ["12m"],
      fires: ["13m"],
    },
    {
      name: "after a slow answer",
      series: { [exporter("gpu_exporter_driver_up")]: "1x20 0x2 1x50" },
      silent: ["12m", "14m"],
    },
  ],
  GpuMetricsMissing: [
    {
      name: "where the exporter reports nothing of a container that has a GPU",
      series: {
        [container("container_last_seen")]: seen(100),
        [gpuOf("container_gpu_info", 'allocation="device_request"')]: "1x20 stale",
      },
      silent: ["15m"],
      fires: ["16m"],
    },
    {
      name: "about a container that ended",
      series: {
        [container("container_last_seen")]: `${seen(20)} stale`,
        [container("container_last_seen", "web")]: seen(100),
        [gpuOf("container_gpu_info", 'allocation="device_request"')]: "1x20 stale",
      },
      silent: ["20m"],
    },
    {
      name: "about a container that is done with a GPU that was not allocated to it",
      series: {
        [container("container_last_seen")]: seen(100),
        [gpuOf("container_gpu_info", 'allocation="none"')]: "1x20 stale",
      },
      silent: ["20m"],
    },
    {
      name: "about a container whose MIG device is gone, and one with its metrics",
      series: {
        [container("container_last_seen")]: seen(100),
        [gpuOf("container_gpu_info", 'allocation="device_request"')]: "1x20 stale",
        [exporter("container_gpu_unmatched_devices", named("chat"))]: "_x21 1x100",
        [container("container_last_seen", "web")]: seen(100),
        [gpuOf("container_gpu_info", 'allocation="device_request"', "web")]: "1x100",
      },
      silent: ["20m"],
    },
    {
      name: "about a container with the label alerts=none",
      series: {
        [container("container_last_seen", "chat", EXEMPT)]: seen(100),
        [gpuOf("container_gpu_info", 'allocation="device_request",alerts="none"')]: "1x20 stale",
      },
      silent: ["20m"],
    },
  ],
  GpuLost: [
    {
      name: "after a minute",
      series: { [gpu("gpu_up")]: "1x20 0x50", [exporter("gpu_exporter_driver_up")]: "1x70" },
      silent: ["11m"],
      fires: ["12m"],
    },
    {
      name: "where the whole driver is down",
      series: { [gpu("gpu_up")]: "1x20 0x50", [exporter("gpu_exporter_driver_up")]: "1x20 0x50" },
      silent: ["15m"],
    },
    {
      name: "about a GPU that has to be reset",
      series: {
        [gpu("gpu_up")]: "1x20 0x50",
        [gpu("gpu_fault", 'reason="reset_required"')]: "_x20 1x50",
        [exporter("gpu_exporter_driver_up")]: "1x70",
      },
      silent: ["15m"],
    },
    {
      name: "after a minute, by its fault",
      series: {
        [gpu("gpu_up")]: "1x20 0x50",
        [gpu("gpu_fault", 'reason="lost"')]: "_x20 1x50",
        [exporter("gpu_exporter_driver_up")]: "1x70",
      },
      silent: ["11m"],
      fires: ["12m"],
    },
    {
      name: "about a MIG device",
      series: { [gpu("gpu_up", "", MIG)]: "1x20 0x50", [exporter("gpu_exporter_driver_up")]: "1x70" },
      silent: ["15m"],
    },
  ],
  GpuEccErrorsUncorrected: [
    {
      name: "for an hour after an error",
      series: { [gpu("gpu_ecc_errors_total", 'type="uncorrected"')]: "3x20 4x200" },
      silent: ["9m", "75m"],
      fires: ["11m", "60m"],
    },
    {
      name: "about corrected errors, errors of before, and a driver that is loaded again",
      series: {
        [gpu("gpu_ecc_errors_total", 'type="corrected"')]: "0+5x100",
        [gpu("gpu_ecc_errors_total", 'type="uncorrected"')]: "7x40 0x60",
      },
      silent: ["15m", "30m"],
    },
  ],
  GpuThrottled: [
    ...["hw_thermal_slowdown", "sw_thermal_slowdown", "hw_power_brake_slowdown"].map((reason) => ({
      name: `where the driver reports ${reason}`,
      series: throttledFor(reason, "0x40 1x100"),
      silent: ["29m"],
      fires: ["33m"],
    })),
    {
      name: "at the power limit, without load, and while the clocks are set",
      series: {
        ...throttledFor("sw_power_cap", "1x100"),
        ...throttledFor("gpu_idle", "1x100"),
        ...throttledFor("applications_clocks_setting", "1x100"),
      },
      silent: ["40m"],
    },
    {
      name: "about heat for four minutes",
      series: throttledFor("hw_thermal_slowdown", "0x40 1x8 0x100"),
      silent: ["26m", "32m"],
    },
  ],
  GpuHot: [
    {
      name: "above 85 °C for ten minutes",
      series: { [gpu("gpu_temperature_celsius")]: "70x20 90x100" },
      silent: ["20m"],
      fires: ["22m"],
    },
    {
      name: "at the 83 °C that the fans of some GPUs aim at, and in a peak",
      series: {
        [gpu("gpu_temperature_celsius")]: "83x200",
        [gpu("gpu_temperature_celsius", "", MIG)]: "70x20 95x10 70x100",
      },
      silent: ["15m", "40m"],
    },
  ],
  GpuMemoryHeldByHost: [
    {
      name: "above a gibibyte for ten minutes",
      series: { [gpu("gpu_host_memory_used_bytes")]: `0x20 ${1.5 * GIB}x100` },
      silent: ["20m"],
      fires: ["22m"],
    },
    {
      name: "about a desktop, and about containers that fill the GPU",
      series: {
        [gpu("gpu_host_memory_used_bytes")]: `${0.7 * GIB}x100`,
        [gpu("gpu_memory_used_bytes")]: `${140 * GIB}x100`,
        [gpuOf("container_gpu_memory_used_bytes")]: `${139 * GIB}x100`,
        [gpuOf("container_gpu_memory_total_bytes")]: `${140 * GIB}x100`,
      },
      silent: ["40m"],
    },
  ],
  GpuAllocationUnmatched: [
    {
      name: "after two minutes",
      series: { [exporter("container_gpu_unmatched_devices", named("chat"))]: "1x50" },
      silent: ["1m30s"],
      fires: ["3m"],
    },
    {
      name: "while a MIG device is created, without such devices, and with the label alerts=none",
      series: {
        [exporter("container_gpu_unmatched_devices", named("web"))]: "0x50",
        [exporter("container_gpu_unmatched_devices", named("chat"))]: "2x1 stale",
        [exporter("container_gpu_unmatched_devices", `${named("dev")},${EXEMPT}`)]: "2x50",
      },
      silent: ["3m", "10m"],
    },
  ],
  GpuAllocatedIdle: [
    {
      name: "after the time of the settings",
      series: {
        [gpuOf("container_gpu_utilization_ratio")]: "0x500",
        [gpuOf("container_gpu_info", 'allocation="device_request"')]: "1x500",
      },
      silent: ["2h50m"],
      fires: ["3h10m"],
    },
    {
      name: "after the last use, which counts for an hour",
      series: {
        [gpuOf("container_gpu_utilization_ratio")]: "0x120 0.5x0 0x800",
        [gpuOf("container_gpu_info", 'allocation="device_request"')]: "1x900",
      },
      silent: ["4h50m"],
      fires: ["5h10m"],
    },
    {
      name: "about a server with a request each fifty minutes, and in spite of failed scrapes",
      series: {
        [gpuOf("container_gpu_utilization_ratio")]: repeated("0x99 0.3x0", 8),
        [gpuOf("container_gpu_info", 'allocation="device_request"')]: "1x800",
      },
      silent: ["3h10m", "6h30m"],
    },
    {
      name: "about a GPU that is not allocated, and a container with the label alerts=none",
      series: {
        [gpuOf("container_gpu_utilization_ratio")]: "0x500",
        [gpuOf("container_gpu_info", 'allocation="none"')]: "1x500",
        [gpuOf("container_gpu_utilization_ratio", EXEMPT, "dev")]: "0x500",
        [gpuOf("container_gpu_info", `allocation="cdi",${EXEMPT}`, "dev")]: "1x500",
      },
      silent: ["3h30m"],
    },
    {
      name: "where the time of use stands still",
      series: {
        [gpuOf("container_gpu_utilization_ratio")]: "0x500",
        [gpuOf("container_gpu_usage_seconds_total")]: "71x500",
        [gpuOf("container_gpu_info", 'allocation="device_request"')]: "1x500",
      },
      silent: ["2h50m"],
      fires: ["3h10m"],
    },
    {
      name: "about a server whose bursts are shorter than a scrape",
      series: {
        [gpuOf("container_gpu_utilization_ratio")]: "0x500",
        [gpuOf("container_gpu_usage_seconds_total")]: "0+0.5x500",
        [gpuOf("container_gpu_info", 'allocation="device_request"')]: "1x500",
      },
      silent: ["3h30m"],
    },
  ],
  GpuUsedWithoutAllocation: [
    {
      name: "after ten minutes",
      series: { [gpuOf("container_gpu_info", 'allocation="none"')]: "1x50" },
      silent: ["9m30s"],
      fires: ["11m"],
    },
    {
      name: "about an allocated GPU, a short test, and a container with the label alerts=none",
      series: {
        [gpuOf("container_gpu_info", 'allocation="device_request"')]: "1x50",
        [gpuOf("container_gpu_info", 'allocation="none"', "test")]: "1x10 stale",
        [gpuOf("container_gpu_info", `allocation="none",${EXEMPT}`, "dcgm")]: "1x50",
      },
      silent: ["11m", "20m"],
    },
  ],
  GpuXidErrors: [
    {
      name: "for an hour after the first error with a number",
      series: { [gpu("gpu_xid_errors_total", 'xid="79"')]: "_x20 1x300" },
      silent: ["9m", "72m"],
      fires: ["11m", "69m"],
    },
    {
      name: "for an hour after another error with the number",
      series: { [gpu("gpu_xid_errors_total", 'xid="109"')]: "1x200 2x300" },
      silent: ["95m", "165m"],
      fires: ["102m", "155m"],
    },
    {
      name: "about errors of programs, and those after which nothing has to be done",
      series: Object.fromEntries(
        [13, 31, 43, 45, 68, 69, 137, 63, 106, 107, 121].map((xid) => [
          gpu("gpu_xid_errors_total", `xid="${xid}"`),
          "_x20 1x10 2x100",
        ]),
      ),
      silent: ["11m", "20m"],
    },
  ],
  GpuResetRequired: [
    {
      name: "where the GPU responds with that error",
      series: { [gpu("gpu_fault", 'reason="reset_required"')]: "_x20 1x20" },
      silent: ["9m"],
      fires: ["11m"],
    },
    {
      name: "where the driver asks for it",
      series: { [gpu("gpu_recovery_action", 'action="gpu_reset"')]: "_x20 1x20" },
      silent: ["9m"],
      fires: ["11m"],
    },
    {
      name: "about another fault, and a GPU that needs no action",
      series: {
        [gpu("gpu_fault", 'reason="lost"')]: "1x40",
        [gpu("gpu_recovery_action", 'action="none"')]: "1x40",
      },
      silent: ["11m"],
    },
  ],
  GpuMemoryRepairFailed: [
    {
      name: "after a row could not be replaced",
      series: { [gpu("gpu_remapped_rows_failure")]: "0x20 1x20" },
      silent: ["9m"],
      fires: ["11m"],
    },
    {
      name: "about rows that were replaced, and one that will be",
      series: {
        [gpu("gpu_remapped_rows", 'cause="uncorrected"')]: "2x40",
        [gpu("gpu_remapped_rows_pending")]: "1x40",
        [gpu("gpu_remapped_rows_failure")]: "0x40",
      },
      silent: ["11m"],
    },
  ],
  GpuMemoryRepairPending: [
    ...["gpu_remapped_rows_pending", "gpu_retired_pages_pending"].map((metric) => ({
      name: `until the reset, by ${metric}`,
      series: { [gpu(metric)]: "0x20 1x20 0x20" },
      silent: ["9m", "21m"],
      fires: ["11m"],
    })),
    {
      name: "about memory that was replaced, and memory that cannot be",
      series: {
        [gpu("gpu_remapped_rows", 'cause="uncorrected"')]: "2x40",
        [gpu("gpu_remapped_rows_pending")]: "0x40",
        [gpu("gpu_remapped_rows_failure")]: "1x40",
        [gpu("gpu_retired_pages", 'cause="double_bit"')]: "1x40",
        [gpu("gpu_retired_pages_pending")]: "0x40",
      },
      silent: ["11m"],
    },
  ],
  GpuPcieDegraded: [
    {
      name: "after ten minutes with fewer lanes",
      series: { [gpu("gpu_pcie_link_width")]: "16x20 8x60", [gpu("gpu_pcie_link_width_max")]: "16x80" },
      silent: ["20m"],
      fires: ["21m"],
    },
    {
      name: "about a GPU that is not in use, and lowers its performance state",
      series: {
        [gpu("gpu_pcie_link_width")]: "8x80",
        [gpu("gpu_pcie_link_width_max")]: "16x80",
        [gpu("gpu_performance_state")]: "8x12 3x12 2x55",
      },
      silent: ["12m", "20m"],
      fires: ["24m"],
    },
    {
      name: "about all lanes, and an idle GPU's generation",
      series: {
        [gpu("gpu_pcie_link_width")]: "8x80",
        [gpu("gpu_pcie_link_width_max")]: "8x80",
        [gpu("gpu_pcie_link_generation")]: "1x80",
        [gpu("gpu_pcie_link_generation_max")]: "5x80",
      },
      silent: ["21m"],
    },
  ],
  GpuNvlinkDown: [
    {
      name: "five minutes after a link failed",
      series: {
        [gpu("gpu_nvlink_links", 'state="active"')]: "18x20 17x60",
        [gpu("gpu_nvlink_links", 'state="inactive"')]: "0x20 1x60",
      },
      silent: ["15m"],
      fires: ["16m"],
    },
    {
      name: "about links that were never active, and links that came back",
      series: {
        [gpu("gpu_nvlink_links", 'state="active"')]: "0x10 4x60",
        [gpu("gpu_nvlink_links", 'state="inactive"')]: "18x10 14x60",
      },
      silent: ["16m"],
    },
  ],
  GpuFabricNotReady: [
    {
      name: "after ten minutes",
      series: { [gpu("gpu_fabric_state", 'state="in_progress"')]: "1x60" },
      silent: ["9m30s"],
      fires: ["11m"],
    },
    {
      name: "where the GPU is registered",
      series: { [gpu("gpu_fabric_state", 'state="completed"')]: "1x60" },
      silent: ["11m"],
    },
  ],
  GpuProcessesHidden: [
    {
      name: "after five minutes",
      series: { [gpu("gpu_fault", 'reason="permission"')]: "1x60" },
      silent: ["4m30s"],
      fires: ["6m"],
    },
    {
      name: "about another fault",
      series: { [gpu("gpu_fault", 'reason="lost"')]: "1x60" },
      silent: ["6m"],
    },
  ],
  GpuDevicesChanged: [
    {
      name: "for an hour after a change",
      series: { [exporter("gpu_device_changes_total", 'change="mig"')]: "0x20 2x300" },
      silent: ["9m", "72m"],
      fires: ["11m", "69m"],
    },
    {
      name: "about changes before the exporter was restarted",
      series: { [exporter("gpu_device_changes_total", 'change="added"')]: "3x40 0x60" },
      silent: ["25m"],
    },
  ],
} satisfies AlertCases;
