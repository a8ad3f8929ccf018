import type { UnavailableMetric } from "../prometheus/rules";
import type { HostFacts, Unaccounted } from "./facts";

/**
 * The metrics that a host cannot provide, each with the reason and what changes that. docs/hosts.md has them too.
 *
 * @param gpuFailure why no container gets the host's GPUs
 */
export function unavailableMetrics(host: HostFacts, gpuFailure?: string): UnavailableMetric[] {
  return [
    ...(host.kernelLog ? [] : [KERNEL_LOG]),
    ...(host.containerdSocket ? DISK_USE : []),
    ...host.unaccounted.flatMap((what) => UNACCOUNTED[what]),
    ...(gpuFailure ? [{ metric: "container_gpu_*", reason: gpuFailure }] : []),
  ];
}

/** A sentence for each reason, with the metrics that it is about. */
export function describeUnavailable(unavailable: readonly UnavailableMetric[]): string[] {
  const reasons = [...new Set(unavailable.map(({ reason }) => reason))];
  return reasons.map((reason) => {
    const metrics = unavailable.filter((one) => one.reason === reason).map(({ metric }) => metric);
    return `${metrics.join(", ")} (${reason})`;
  });
}

const KERNEL_LOG: UnavailableMetric = {
  metric: "container_oom_events_total",
  reason:
    "the host has no kernel log (/dev/kmsg), as in a container of LXC or Proxmox: out-of-memory kills are not counted",
};

/** Source: google/cadvisor issue 3643. */
const DISK_USE: UnavailableMetric[] = ["container_fs_usage_bytes", "container_fs_limit_bytes"].map(
  (metric) => ({
    metric,
    reason:
      "Docker stores images in containerd (the default of new installations since Engine 29), and cAdvisor does not measure writable layers there",
  }),
);

/** Sources: google/cadvisor issue 3469 for memory; the kernel's block/blk-throttle.c for disk traffic. */
const UNACCOUNTED: Record<Unaccounted, UnavailableMetric[]> = {
  memory: [
    {
      metric: "container_memory_*",
      reason:
        "the kernel does not account for memory, and every value is 0: start it with cgroup_enable=memory (on a Raspberry Pi, in cmdline.txt)",
    },
  ],
  swap: [
    {
      metric: "container_memory_swap",
      reason:
        "the kernel does not account for swap, and every value is 0: start it with swapaccount=1 or with cgroup v2",
    },
  ],
  "disk traffic": ["container_fs_reads_bytes_total", "container_fs_writes_bytes_total"].map((metric) => ({
    metric,
    reason:
      "with cgroup v1, this kernel counts disk traffic only of containers with an I/O limit: use cgroup v2, or start them with --device-write-bps",
  })),
};
