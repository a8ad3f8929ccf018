/** What the running system must show; the components declare it, and the probe reads it from standard input. */
export interface Expectation {
  /** The stack's environment. Its own containers must have all series; what others lack is reported. */
  environment: string;
  cadvisorUrl: string;
  prometheusUrl: string;
  /** Names of the containers that serve them. */
  containers: { cadvisor: string; prometheus: string; gateway: string; exporter: string };
  /** Whether the gateway requires a login. */
  login: boolean;
  scrapeIntervalSeconds: number;
  /** Seconds for a started server to answer; a check that needs scrapes waits two intervals longer. */
  startTimeoutSeconds: number;
  /** Metrics that every container has once it has run for two scrapes. */
  metrics: string[];
  /** Labels that are not empty on each of these metrics. */
  labels: string[];
  /** Names of the jobs of the setting `scrapeJobs`, which are reported and fail nothing. */
  scrapeJobs: string[];
  /** The metrics that the host cannot provide, with the reasons; they are reported and fail nothing. */
  unavailable: { metric: string; reason: string }[];
  /** Whether GPUs are measured, or why they are not. */
  gpu: { measured: true } | { measured: false; reason: string };
  /** Where LLM servers are scraped: the container of the forwarder, where it is deployed. */
  llmServers?: { forwarder?: string };
  /** The container that measures the host, with the setting `hostMetrics`, and the disks that it measures. */
  host?: { exporter: string; disks: string[] };
  /** The stack's Alertmanager, where the setting `notify` has receivers: its URL and its container. */
  alertmanager?: { url: string; container: string };
  /** The stack's Grafana, with the setting `grafana`: its URL and its container. */
  grafana?: { url: string; container: string };
}

/** The result of one check. */
export interface Finding {
  /** What was checked, such as "cAdvisor is healthy". */
  check: string;
  actual: string;
}

/** The result of all checks: the stack output `probeReport`. */
export interface ProbeReport {
  /** When the last check passed, in ISO 8601. */
  at: string;
  findings: Finding[];
}
