/** A metric of a container that reaches Prometheus. */
export interface CatalogueEntry {
  name: string;
  /** What it tells, with its unit. */
  help: string;
  /** Whether every running container has it on every supported host; the health probe then insists on it. */
  everyContainer: boolean;
}

const metric = (name: string, help: string, everyContainer = true): CatalogueEntry => ({
  name,
  help,
  everyContainer,
});

/**
 * The metrics of cAdvisor that Prometheus keeps: what the questions in docs/metrics.md need, and nothing else.
 * A metric that is not here is dropped when it is scraped.
 */
export const CONTAINER_METRICS: readonly CatalogueEntry[] = [
  metric("container_cpu_usage_seconds_total", "CPU time used, in seconds"),
  metric(
    "container_cpu_cfs_periods_total",
    "Enforcement periods of the CPU limit; only with a CPU limit",
    false,
  ),
  metric(
    "container_cpu_cfs_throttled_periods_total",
    "Enforcement periods in which the container was throttled; only with a CPU limit",
    false,
  ),
  metric(
    "container_cpu_cfs_throttled_seconds_total",
    "Time for which the container was throttled, in seconds; only with a CPU limit",
    false,
  ),
  metric("container_memory_usage_bytes", "Memory in use, page cache included, in bytes"),
  metric(
    "container_memory_working_set_bytes",
    "Memory that cannot be reclaimed under pressure, in bytes; the limit applies to it",
  ),
  metric("container_memory_rss", "Anonymous memory, in bytes"),
  metric("container_memory_cache", "Page cache, in bytes; model weights read from disk show here"),
  metric("container_memory_swap", "Swap in use, in bytes"),
  metric("container_oom_events_total", "Times the kernel killed a process of the container for memory"),
  metric(
    "container_network_receive_bytes_total",
    "Bytes received, by interface; not with --network none or host",
    false,
  ),
  metric("container_network_receive_packets_dropped_total", "Received packets dropped, by interface", false),
  metric(
    "container_network_transmit_bytes_total",
    "Bytes sent, by interface; not with --network none or host",
    false,
  ),
  metric("container_network_transmit_packets_dropped_total", "Sent packets dropped, by interface", false),
  metric(
    "container_fs_usage_bytes",
    "Disk space of the writable layer, in bytes; not with the containerd image store",
    false,
  ),
  metric(
    "container_fs_limit_bytes",
    "Size of the disk below the writable layer, in bytes; not with the containerd image store",
    false,
  ),
  metric("container_fs_reads_bytes_total", "Bytes read from disk, by device; from the first read on", false),
  metric(
    "container_fs_writes_bytes_total",
    "Bytes written to disk, by device; from the first write on",
    false,
  ),
  metric("container_spec_memory_limit_bytes", "Memory limit, in bytes; 0 without one"),
  metric(
    "container_spec_cpu_quota",
    "CPU time allowed in a period, in microseconds; only with a CPU limit",
    false,
  ),
  metric("container_spec_cpu_period", "Length of the period of the CPU limit, in microseconds"),
  metric(
    "container_spec_cpu_shares",
    "CPU weight against other containers; unset, 1024 with cgroups of version 1, 2597 with version 2",
  ),
  metric(
    "container_start_time_seconds",
    "When the container started, in Unix seconds; changes() counts restarts",
  ),
  metric("container_last_seen", "When cAdvisor last saw the container, in Unix seconds"),
  metric("container_health_state", "Health check: 1 healthy, 0 not or not yet, -1 without one"),
];

/** The metrics of the machine and of cAdvisor itself that Prometheus keeps. */
export const HOST_METRICS: readonly string[] = [
  "cadvisor_version_info",
  "container_scrape_error",
  "machine_cpu_cores",
  "machine_memory_bytes",
  "process_cpu_seconds_total",
  "process_resident_memory_bytes",
  "process_start_time_seconds",
];

/** The metrics of Prometheus about itself that it keeps. */
export const PROMETHEUS_METRICS: readonly string[] = [
  "process_cpu_seconds_total",
  "process_resident_memory_bytes",
  "process_start_time_seconds",
  "prometheus_build_info",
  "prometheus_config_last_reload_success_timestamp_seconds",
  "prometheus_config_last_reload_successful",
  "prometheus_notifications_dropped_total",
  "prometheus_target_scrapes_exceeded_sample_limit_total",
  "prometheus_tsdb_compactions_failed_total",
  "prometheus_tsdb_head_samples_appended_total",
  "prometheus_tsdb_head_series",
  "prometheus_tsdb_reloads_failures_total",
  "prometheus_tsdb_size_retentions_total",
  "prometheus_tsdb_storage_blocks_bytes",
  "prometheus_tsdb_wal_corruptions_total",
  "prometheus_tsdb_wal_storage_size_bytes",
  "prometheus_tsdb_wal_writes_failed_total",
];

/** The metrics of the gateway that Prometheus keeps. */
export const GATEWAY_METRICS: Readonly<Record<string, string>> = {
  caddy_http_request_duration_seconds_count:
    "Requests answered, by server (cadvisor, prometheus), code and method; 401 lacked a password, 403 asked for what is closed, 400 and 421 were crooked",
  gateway_certificate_expiry_timestamp_seconds:
    "When the certificate of the setting tlsCertificate expires, in Unix seconds",
  process_cpu_seconds_total: "CPU time that the gateway used, in seconds",
  process_resident_memory_bytes: "Memory of the gateway, in bytes",
};

/** A metric of the GPU exporter. */
export interface GpuMetric {
  /** What it tells, with its unit. */
  help: string;
  /** Labels beside those of its kind: GPU_CONTAINER_LABELS, or GPU_LABELS. */
  labels?: readonly string[];
}

/** The labels that every metric of a GPU has. */
export const GPU_LABELS = ["gpu", "gpu_uuid", "gpu_model"] as const;

/** The labels that every metric of a container's GPU has, beside {@link GPU_LABELS}; the last three are empty where they do not apply. */
export const GPU_CONTAINER_LABELS = [
  "id",
  "name",
  "image",
  "llm_server",
  "compose_project",
  "compose_service",
] as const;

/** What each running container has of each GPU that it may use, or uses. */
export const GPU_CONTAINER_METRICS = {
  container_gpu_info: {
    help: "A GPU that the container may use, or uses; always 1",
    labels: ["allocation"],
  },
  container_gpu_memory_used_bytes: { help: "GPU memory that the container's processes hold, in bytes" },
  container_gpu_memory_total_bytes: { help: "Memory of that GPU, in bytes" },
  container_gpu_utilization_ratio: {
    help: "Share of the GPU's multiprocessors that the container's processes kept busy, 0 to 1; not on MIG devices",
  },
  container_gpu_processes: { help: "Processes of the container on that GPU" },
  container_gpu_device_memory_used_bytes: { help: "Memory of that GPU in use by anybody, in bytes" },
  container_gpu_device_utilization_ratio: {
    help: "Share of time in which anybody kept that GPU busy, 0 to 1",
  },
  container_gpu_device_temperature_celsius: { help: "Temperature of that GPU, in degrees Celsius" },
  container_gpu_device_power_watts: { help: "Power that that GPU draws, in watts" },
} as const satisfies Record<string, GpuMetric>;

/** What the driver tells of each GPU, and of each MIG device as far as it applies. What it does not tell is absent. */
export const GPU_METRICS = {
  gpu_up: { help: "Whether the GPU answers: 0 when it fell off the bus, or the driver does not answer" },
  gpu_memory_total_bytes: { help: "Memory, in bytes" },
  gpu_memory_used_bytes: { help: "Memory in use, what the driver reserves left out, in bytes" },
  gpu_utilization_ratio: { help: "Share of time in which a kernel ran, 0 to 1" },
  gpu_memory_utilization_ratio: { help: "Share of time in which memory was read or written, 0 to 1" },
  gpu_power_watts: { help: "Power drawn, in watts" },
  gpu_power_limit_watts: { help: "Power limit in force, in watts" },
  gpu_temperature_celsius: { help: "Temperature, in degrees Celsius" },
  gpu_clock_hertz: {
    help: "Clock, in hertz, by its name: graphics, sm, memory or video",
    labels: ["clock"],
  },
  gpu_ecc_errors_total: {
    help: "Memory errors since the driver was loaded, by type: corrected or uncorrected",
    labels: ["type"],
  },
  gpu_throttle_reason_active: {
    help: "Whether a reason holds the clocks down: 1 or 0, by the driver's reason, such as sw_power_cap",
    labels: ["reason"],
  },
  gpu_host_memory_used_bytes: { help: "Memory held by processes outside of containers, in bytes" },
  gpu_host_processes: { help: "Processes outside of containers on the GPU" },
} as const satisfies Record<string, GpuMetric>;

/** What the GPU exporter tells of itself and of the driver. */
export const GPU_EXPORTER_METRICS = {
  gpu_driver_info: {
    help: "The NVIDIA driver and the newest CUDA that it supports; always 1",
    labels: ["driver_version", "cuda_version"],
  },
  gpu_exporter_driver_up: { help: "Whether the driver answered this scrape: 1 or 0" },
  gpu_exporter_docker_up: { help: "Whether Docker answered this scrape: 1 or 0" },
  gpu_exporter_driver_duration_seconds: { help: "How long nvidia-smi took in this scrape, in seconds" },
  gpu_exporter_duration_seconds: {
    help: "How long driver and Docker took to answer this scrape, in seconds",
  },
  gpu_exporter_errors_total: {
    help: "Failures by stage (driver, docker, processes) and reason (timeout, failed, missing, unparsable; device: a GPU does not answer; container: Docker does not answer about one)",
    labels: ["stage", "reason"],
  },
} as const satisfies Record<string, GpuMetric>;

/** The labels of the GPU metrics that container metrics do not have. */
export const GPU_LABEL_MEANINGS: Readonly<Record<string, string>> = {
  gpu: 'the GPU\'s index as in nvidia-smi, "3"; of a MIG device "3:0"; it can change when the host boots',
  gpu_uuid: "the GPU's or MIG device's UUID, which stays",
  gpu_model: "the GPU's model, with the profile of a MIG device",
  allocation:
    "how the container came to the GPU: device_request (--gpus, Compose), cdi, runtime (NVIDIA's runtime and NVIDIA_VISIBLE_DEVICES), device (--device /dev/nvidia0), none (it uses a GPU that nothing gave it, as privileged containers can)",
};

/** The labels of the container metrics, with what each one holds. */
export const CONTAINER_LABELS: Readonly<Record<string, string>> = {
  job: 'the scrape job, "cadvisor", or "gpu"',
  instance: "where the job scrapes, as host:port",
  host: "the Docker host, as the setting hostLabel or the daemon names it",
  id: "the container's cgroup, which ends in its 64-digit id",
  name: "the container's name",
  image: "the image, as it was named when the container was created",
  compose_project: "the Docker Compose project, if one made the container",
  compose_service: "the service in that project",
  llm_server:
    "the LLM server that the image holds: vllm, sglang, tgi, ollama, llama.cpp or triton; the container label llm-metrics.server overrides it",
  nvidia_visible_devices:
    "the GPUs that the container's environment asks for; CUDA images ask for all by default, so it is a hint, not an allocation",
};

/** The labels that are never empty on a metric of a container. */
export const REQUIRED_LABELS: readonly string[] = ["job", "instance", "host", "id", "name", "image"];
