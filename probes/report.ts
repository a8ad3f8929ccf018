/** What the running system has to show, as the components declare it and the probe reads it from standard input. */
export interface Expectation {
  cadvisorUrl: string;
  prometheusUrl: string;
  /** Seconds between two scrapes. */
  scrapeIntervalSeconds: number;
  /** Metrics that every running container has. */
  metrics: string[];
  /** Labels that are not empty on each of these metrics. */
  labels: string[];
  /** The declared prometheus.yml. */
  config: string;
  /** Whether GPUs are measured, and why not. */
  gpu: { measured: true } | { measured: false; reason: string };
}

/** One answer of the running system. */
export interface Finding {
  /** What was asked, such as "cAdvisor is healthy". */
  check: string;
  /** What was seen. */
  seen: string;
}

/** What the probe writes to standard output: the stack output `probeReport`. */
export interface ProbeReport {
  /** When the last check passed, in ISO 8601. */
  at: string;
  findings: Finding[];
}
