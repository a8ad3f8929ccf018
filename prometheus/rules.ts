import { createHash } from "node:crypto";
import { dump } from "js-yaml";
import { GPU_CONTAINER_LABELS } from "./catalogue";

/** A recording rule, in Prometheus's own words. */
export interface RecordingRule {
  record: string;
  expr: string;
}

export interface RuleGroup {
  name: string;
  rules: RecordingRule[];
}

const CONTAINER = ["host", ...GPU_CONTAINER_LABELS].join(", ");
const ofGpuContainers = (expr: string) =>
  `sum by (${CONTAINER}) (${expr}) and on (host, id) container_gpu_info`;

/**
 * What a container with GPUs uses of CPU and memory, beside what it uses of its GPUs: one series each per container, all
 * with the same labels, so that they can be divided by one another as they are.
 */
export const GPU_RULES: readonly RuleGroup[] = [
  {
    name: "gpu_containers",
    rules: [
      {
        record: "gpu_container:cpu_usage_cores:rate5m",
        expr: ofGpuContainers("rate(container_cpu_usage_seconds_total[5m])"),
      },
      {
        record: "gpu_container:memory_working_set_bytes:sum",
        expr: ofGpuContainers("container_memory_working_set_bytes"),
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
    ],
  },
];

/**
 * The file of rule groups. Its name changes with its text, so that a new configuration is checked with its new rules while
 * the old one goes on with the old.
 */
export function rulesFile(groups: readonly RuleGroup[]): { name: string; text: string } {
  const text = dump({ groups }, { lineWidth: -1, noRefs: true });
  return { name: `rules.${createHash("sha256").update(text).digest("hex").slice(0, 8)}.yml`, text };
}
