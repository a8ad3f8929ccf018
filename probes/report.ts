/** What the running system has to show, as the components declare it and the probe reads it from standard input. */
export interface Expectation {
  cadvisorUrl: string;
  prometheusUrl: string;
  /** Names of the containers that serve them. */
  containers: { cadvisor: string; prometheus: string; gateway: string };
  /** Whether the gateway asks who somebody is. */
  login: boolean;
  /** Seconds between two scrapes. */
  scrapeIntervalSeconds: number;
  /** Seconds until a started server has to answer; a check that needs scrapes waits two intervals longer. */
  patienceSeconds: number;
  /** Metrics that every running container has. */
  metrics: string[];
  /** Labels that are not empty on each of these metrics. */
  labels: string[];
  /** The declared prometheus.yml. */
  config: string;
  /** Whether GPUs are measured, by which container, or why not. */
  gpu: { measured: true; exporter: string } | { measured: false; reason: string };
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
