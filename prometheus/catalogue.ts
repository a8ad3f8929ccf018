/** Metrics by name, with their help texts, which have the units. */
type Metrics = Readonly<Record<string, string>>;

/** The container metrics that every running container has on every supported host. The post-deploy checks require them. */
export const REQUIRED_METRICS: Metrics = {
  container_cpu_usage_seconds_total: "CPU time used, in seconds",
  container_memory_usage_bytes: "Memory in use, including the page cache, in bytes",
  container_memory_working_set_bytes:
    "Memory in use without the inactive page cache, in bytes; compare it with the memory limit",
  container_memory_rss: "Anonymous memory, in bytes",
  container_memory_cache: "Page cache, in bytes; includes model weights that were read from disk",
  container_memory_swap: "Swap in use, in bytes",
  container_oom_events_total: "Out-of-memory kills in the container",
  container_spec_memory_limit_bytes: "Memory limit, in bytes; 0 without a limit",
  container_spec_cpu_period: "Length of the period of the CPU limit, in microseconds",
  container_spec_cpu_shares:
    "CPU weight relative to other containers; by default 1024 with cgroup v1 and 2597 with cgroup v2",
  container_start_time_seconds:
    "Start time of the container, in Unix seconds; changes when the container restarts",
  container_last_seen: "Last time that cAdvisor saw the container, in Unix seconds",
  container_health_state: "Health: 1 healthy, 0 unhealthy or starting, -1 without a health check",
};

/** The container metrics that depend on the host, or on what a container is allowed and does. */
const OPTIONAL_METRICS: Metrics = {
  container_cpu_cfs_periods_total: "Enforcement periods of the CPU limit; only with a CPU limit",
  container_cpu_cfs_throttled_periods_total:
    "Enforcement periods in which the container was throttled; only with a CPU limit",
  container_cpu_cfs_throttled_seconds_total:
    "Total time that the container was throttled, in seconds; only with a CPU limit",
  container_memory_total_active_file_bytes:
    "Page cache that was used recently, in bytes; part of the working set, though the kernel frees it before it kills",
  container_network_receive_bytes_total: "Bytes received, by interface; absent with --network none or host",
  container_network_receive_packets_dropped_total: "Received packets dropped, by interface",
  container_network_transmit_bytes_total: "Bytes sent, by interface; absent with --network none or host",
  container_network_transmit_packets_dropped_total: "Sent packets dropped, by interface",
  container_fs_usage_bytes:
    "Disk space used by the writable layer, in bytes; absent with the containerd image store",
  container_fs_limit_bytes:
    "Size of the disk that stores the writable layer, in bytes; absent with the containerd image store",
  container_fs_reads_bytes_total: "Bytes read from disk, by device; absent until the first read",
  container_fs_writes_bytes_total: "Bytes written to disk, by device; absent until the first write",
  container_spec_cpu_quota: "CPU time allowed in each period, in microseconds; only with a CPU limit",
};

/**
 * The container metrics of cAdvisor that Prometheus keeps: those that the queries in docs/metrics.md need. It drops every other
 * one when it scrapes.
 */
export const CONTAINER_METRICS: Metrics = { ...REQUIRED_METRICS, ...OPTIONAL_METRICS };

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

/**
 * cAdvisor's metrics of the root cgroup, which is the whole host, with the setting `hostMetrics`. Relabeling names them
 * `machine_…`, as cAdvisor names its other metrics of the host, so that sums over containers do not have them.
 */
export const ROOT_CGROUP_METRICS: Metrics = {
  machine_cpu_usage_seconds_total: "CPU time used on all cores, in seconds",
  machine_network_receive_bytes_total: "Bytes received, by interface of the host",
  machine_network_transmit_bytes_total: "Bytes sent, by interface of the host",
};

/** The metrics of node_exporter that Prometheus keeps, with the setting `hostMetrics`. */
export const NODE_METRICS: Metrics = {
  node_load1: "Load average over one minute: processes that run, wait for CPU time, or wait for a disk",
  node_load15: "Load average over 15 minutes",
  node_memory_MemTotal_bytes: "Memory of the host, in bytes",
  node_memory_MemAvailable_bytes:
    "Memory that programs can still get, in bytes: what is free, and what the kernel can free",
  node_memory_SwapTotal_bytes: "Swap of the host, in bytes; 0 without swap",
  node_memory_SwapFree_bytes: "Swap that is not in use, in bytes",
  node_pressure_cpu_waiting_seconds_total:
    "Time in which a process waited for CPU time, in seconds; absent where the kernel does not measure pressure",
  node_pressure_memory_waiting_seconds_total:
    "Time in which a process waited for memory, in seconds; absent where the kernel does not measure pressure",
  node_pressure_io_waiting_seconds_total:
    "Time in which a process waited for a disk, in seconds; absent where the kernel does not measure pressure",
  node_filesystem_size_bytes: "Size of a disk, in bytes, by mountpoint",
  node_filesystem_free_bytes: "Free space, with what is reserved for root, in bytes",
  node_filesystem_avail_bytes: "Free space for other users than root, in bytes",
  node_filesystem_files: "Inodes; 0 where the filesystem has no fixed number",
  node_filesystem_files_free: "Free inodes",
};

/** The metrics of Prometheus about itself that it keeps. */
export const PROMETHEUS_METRICS: readonly string[] = [
  "go_gc_heap_live_bytes",
  "process_cpu_seconds_total",
  "process_resident_memory_bytes",
  "process_start_time_seconds",
  "prometheus_build_info",
  "prometheus_config_last_reload_success_timestamp_seconds",
  "prometheus_config_last_reload_successful",
  "prometheus_notifications_dropped_total",
  "prometheus_rule_evaluation_failures_total",
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
export const GATEWAY_METRICS: Metrics = {
  caddy_http_request_duration_seconds_count:
    "Requests answered, by server (cadvisor, prometheus), code and method; 401: no valid login, 403: path or method not allowed, 400: malformed path, 421: unknown host name",
  gateway_certificate_expiry_timestamp_seconds:
    "Expiry of the certificate of the setting tlsCertificate, in Unix seconds",
  process_cpu_seconds_total: "CPU time used by the gateway, in seconds",
  process_resident_memory_bytes: "Resident memory of the gateway, in bytes",
};

/** The metrics of Alertmanager that Prometheus keeps. */
export const ALERTMANAGER_METRICS: Metrics = {
  alertmanager_notifications_total: "Attempts to send a message, by receiver_name and integration",
  alertmanager_notifications_failed_total:
    "Attempts that failed, by receiver_name, integration and reason; they are repeated",
  alertmanager_silences: "Silences, by state: active, pending or expired",
};

/**
 * The metrics of what Docker reports of each container, also of those that do not run: the exporter's. Of the states and of the
 * health, only the current one has a series.
 */
export const CONTAINER_STATE_METRICS = {
  container_state:
    "State, by state: running, paused, restarting, exited, dead, created or removing; always 1",
  container_restarts_total:
    "Restarts by the restart policy, as Docker counts them; from 0 again after a manual start of the container",
  container_exit_code: "Exit code of the last run; absent while the container runs",
  container_oom_killed: "Whether Docker saw an out-of-memory kill in the last run: 1 or 0",
  container_health_status:
    "Health, by status: starting, healthy or unhealthy; always 1, absent without a health check and while the container does not run",
};

/** The labels that every metric of the exporter about a container has. The last four can be empty. */
export const CONTAINER_LABELS = [
  "id",
  "name",
  "image",
  "llm_server",
  "compose_project",
  "compose_service",
  "alerts",
] as const;

/** The metrics of each GPU that a running container may use or uses. */
export const GPU_CONTAINER_METRICS = {
  container_gpu_info: "A GPU that the container may use or uses; always 1",
  container_gpu_memory_used_bytes: "GPU memory used by the container's processes, in bytes",
  container_gpu_memory_total_bytes: "Total memory of the GPU, in bytes",
  container_gpu_utilization_ratio:
    "Fraction of the GPU's multiprocessors kept busy by the container's processes, 0 to 1; absent for MIG devices",
  container_gpu_usage_seconds_total:
    "Time in which the container's processes kept the GPU's multiprocessors busy, in seconds, sampled once a second; absent for MIG devices",
  container_gpu_energy_joules_total:
    "The container's share of the energy that the GPU consumed, in joules; absent for MIG devices",
  container_gpu_processes: "Processes of the container on the GPU",
  container_gpu_device_memory_used_bytes: "Memory of the GPU used by all processes, in bytes",
  container_gpu_device_utilization_ratio:
    "Fraction of time in which the GPU was busy with any process, 0 to 1",
  container_gpu_device_temperature_celsius: "Temperature of the GPU, in degrees Celsius",
  container_gpu_device_power_watts: "Power draw of the GPU, in watts",
  container_gpu_unmatched_devices:
    "Devices that the container's configuration requests and the host does not have, without labels of a GPU; absent where there are none",
};

/** The metrics of the health of each GPU, as far as the driver reports it. The exporter reads them under these names. */
export const GPU_HEALTH_METRICS = {
  gpu_memory_temperature_celsius: "Temperature of the memory, in degrees Celsius",
  gpu_performance_state: "Performance state: 0 for P0, the fastest, to 15 for P15",
  gpu_mig_enabled: "Whether MIG is enabled: 1 or 0",
  gpu_mig_pending: "Whether MIG will be enabled after the next reset of the GPU: 1 or 0",
  gpu_module_power_watts:
    "Power draw of the module of GPU and CPU, in watts; on Grace Hopper and Grace Blackwell only",
  gpu_power_limit_default_watts: "Power limit after a boot, in watts",
  gpu_power_limit_min_watts: "Lowest power limit that can be set, in watts",
  gpu_power_limit_max_watts: "Highest power limit that can be set, in watts",
  gpu_clock_max_hertz: "Highest clock frequency, in hertz, by clock: graphics, sm, memory or video",
  gpu_bar1_memory_total_bytes: "Size of BAR1, by which the CPU and other devices access the memory, in bytes",
  gpu_bar1_memory_used_bytes: "Part of BAR1 in use, in bytes",
  gpu_encoder_utilization_ratio: "Fraction of time in which the video encoder was busy, 0 to 1",
  gpu_decoder_utilization_ratio: "Fraction of time in which the video decoder was busy, 0 to 1",
  gpu_ecc_errors_lifetime_total:
    "ECC memory errors in the life of the GPU, by type: corrected or uncorrected",
  gpu_retired_pages:
    "Pages of memory that are not used any more, by cause: single_bit (several of these errors) or double_bit; before Ampere",
  gpu_retired_pages_pending: "Whether a page will be retired at the next reset or boot: 1 or 0",
  gpu_remapped_rows:
    "Rows of memory that were replaced by spare ones, by cause: corrected or uncorrected; since Ampere",
  gpu_remapped_rows_pending: "Whether a row will be replaced at the next reset or boot: 1 or 0",
  gpu_remapped_rows_failure:
    "Whether a row could not be replaced: 1 or 0; 1 means that the GPU has to be exchanged",
  gpu_recovery_action:
    "Action that the driver asks for, by action: none, gpu_reset, node_reboot, drain_p2p, drain_and_reset, recover_imex_domain, bus_reset, system_reboot or unknown; always 1",
  gpu_throttle_seconds_total:
    "Time in which the clocks were throttled, in seconds since the driver was loaded, by reason, as in gpu_throttle_reason_active",
  gpu_pcie_replays_total: "Packets that PCIe sent again",
  gpu_pcie_link_generation: "Generation of the PCIe link; an idle GPU lowers it",
  gpu_pcie_link_generation_max: "Highest generation of the PCIe link that GPU and host support",
  gpu_pcie_link_width: "Lanes of the PCIe link",
  gpu_pcie_link_width_max: "Most lanes of the PCIe link that GPU and host support",
  gpu_nvlink_links: "NVLinks, by state: active or inactive",
  gpu_nvlink_errors_total:
    "Errors of all NVLinks of the GPU, by type: crc_flit, crc_data, replay, recovery (of a link that failed), or since NVLink 5 received",
  gpu_nvlink_transmit_bytes_total: "Data sent over all NVLinks of the GPU, in bytes",
  gpu_nvlink_receive_bytes_total: "Data received over all NVLinks of the GPU, in bytes",
  gpu_fabric_state:
    "Registration with the NVLink fabric, by state: not_started, in_progress, completed or failed; always 1, absent without NVSwitches",
};

/** The labels of the metrics of health that have one. */
export const GPU_HEALTH_LABELS: Partial<Record<keyof typeof GPU_HEALTH_METRICS, string>> = {
  gpu_clock_max_hertz: "clock",
  gpu_ecc_errors_lifetime_total: "type",
  gpu_retired_pages: "cause",
  gpu_remapped_rows: "cause",
  gpu_recovery_action: "action",
  gpu_throttle_seconds_total: "reason",
  gpu_nvlink_links: "state",
  gpu_nvlink_errors_total: "type",
  gpu_fabric_state: "state",
};

/** The metrics of each GPU, and of each MIG device where they apply. A value that the driver does not report is absent. */
export const GPU_METRICS = {
  gpu_up:
    "Whether the GPU responds: 1, or 0 when it fell off the bus, requires a reset, or the driver does not respond",
  gpu_memory_total_bytes: "Total memory, in bytes",
  gpu_memory_used_bytes: "Memory in use, without what the driver reserves, in bytes",
  gpu_utilization_ratio: "Fraction of time in which a kernel ran, 0 to 1",
  gpu_memory_utilization_ratio: "Fraction of time in which memory was read or written, 0 to 1",
  gpu_power_watts: "Power draw, in watts",
  gpu_power_limit_watts: "Enforced power limit, in watts",
  gpu_usage_seconds_total: "Time in which a kernel ran, in seconds, since the exporter started",
  gpu_energy_joules_total: "Energy that the GPU consumed, in joules, since the exporter started",
  gpu_idle_energy_joules_total: "Energy that the GPU consumed in the time in which no process ran, in joules",
  gpu_temperature_celsius: "Temperature, in degrees Celsius",
  gpu_clock_hertz: "Clock frequency, in hertz, by clock: graphics, sm, memory or video",
  gpu_ecc_errors_total: "ECC memory errors since the driver was loaded, by type: corrected or uncorrected",
  gpu_throttle_reason_active:
    "Whether the clocks are throttled for the reason: 1 or 0; the driver names the reasons, such as sw_power_cap",
  gpu_fault:
    "A fault of the GPU, by reason: lost (it fell off the bus), reset_required, permission (the driver does not show its processes to the exporter), unknown or failed; always 1, absent without a fault",
  gpu_xid_errors_total:
    "Errors that the driver reported by a number, since the exporter started, by xid; absent without errors",
  ...GPU_HEALTH_METRICS,
  gpu_host_memory_used_bytes: "Memory used by processes outside Docker's containers, in bytes",
  gpu_host_processes: "Processes outside Docker's containers on the GPU",
  gpu_host_usage_seconds_total:
    "Time in which processes outside Docker's containers kept the GPU's multiprocessors busy, in seconds",
  gpu_host_energy_joules_total:
    "The share of processes outside Docker's containers in the energy that the GPU consumed, in joules",
};

/** The metrics of the NVIDIA driver, where GPUs are measured. */
export const GPU_DRIVER_METRICS = {
  gpu_driver_info: "Versions of the NVIDIA driver and of the newest CUDA that it supports; always 1",
  gpu_exporter_driver_up: "Whether the driver responded in this scrape: 1 or 0",
  gpu_exporter_driver_fault:
    "Why the driver does not respond, by reason: not_loaded, version_mismatch (the library is of another version), permission, missing (no library), timeout, crashed, unparsable, lost, reset_required, unknown or failed; always 1, absent while it responds",
  gpu_device_changes_total:
    "GPUs that were added or removed, and MIG devices that were created or removed, since the exporter started, by change: added, removed or mig",
  gpu_exporter_driver_duration_seconds: "Time in which the driver answered this scrape, in seconds",
};

/** The metrics of the exporter itself. The names of most begin with `gpu_`, since it measured only GPUs once. */
export const EXPORTER_METRICS = {
  gpu_exporter_docker_up: "Whether Docker responded in this scrape: 1 or 0",
  gpu_exporter_duration_seconds: "Duration of the queries to driver and Docker in this scrape, in seconds",
  gpu_exporter_errors_total:
    "Errors, by stage (driver, docker, processes, allocation) and reason (those of gpu_exporter_driver_fault, device: a GPU does not respond or does not report its XID errors, container: Docker cannot inspect a container, unmatched: a container requests a device that the host does not have)",
  exporter_omitted_containers:
    "Containers that stopped in the last day and have no metrics, because 100 others stopped later",
};

/** The metrics of the exporter about LLM servers. */
export const LLM_SERVER_METRICS = {
  llm_server_scraped:
    "Whether Prometheus scrapes the metrics of the LLM server itself: 1, or 0 with a reason (network: it is on no network on which servers are scraped, port: its port is unknown, key: it has a key in llmKeys and is in the host's network, engine: the engine has no metrics, label: llm-metrics.scrape=false)",
};

/** The labels that are never empty on a metric of a container. */
export const REQUIRED_LABELS: readonly string[] = ["job", "instance", "host", "id", "name", "image"];
