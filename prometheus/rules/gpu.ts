import { GPU_CONTAINER_LABELS } from "../catalogue";
import type { RuleGroup } from "./types";

const CONTAINER = ["host", ...GPU_CONTAINER_LABELS].join(", ");

const forGpuContainers = (expr: string) =>
  `sum by (${CONTAINER}) (${expr}) and on (host, id) container_gpu_info`;

/**
 * CPU, memory and GPU use of containers with GPUs: one series per container each, all with the same labels, so that each can be
 * divided by any other. An alert for containers that request devices that the host does not have.
 */
export const GPU_RULES: RuleGroup = {
  name: "gpu_containers",
  rules: [
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
      expr: `sum by (${CONTAINER}) (container_gpu_memory_used_bytes)`,
    },
    {
      record: "gpu_container:gpu_memory_total_bytes:sum",
      expr: `sum by (${CONTAINER}) (container_gpu_memory_total_bytes)`,
    },
    {
      record: "gpu_container:gpu_utilization_ratio:avg",
      expr: `avg by (${CONTAINER}) (container_gpu_utilization_ratio)`,
    },
    {
      alert: "GpuAllocationUnmatched",
      expr: "container_gpu_unmatched_devices > 0",
      // MIG devices are created and removed while containers start.
      for: "2m",
      labels: { severity: "warning" },
      annotations: {
        summary:
          "The container {{ $labels.name }} on {{ $labels.host }} requests GPUs that the host does not have: {{ $value }}",
        description:
          "The log of the GPU exporter has their ids. Compare them with `nvidia-smi -L`: after a change of MIG devices or GPUs, create the container again with ids that exist.",
      },
    },
  ],
};
