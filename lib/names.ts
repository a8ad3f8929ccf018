/** Docker label of every resource of a stack; its value is the environment's name. */
export const ENVIRONMENT_LABEL = "llm-metrics.environment";

/** Docker label of a container that overrides the LLM server that its image indicates; `none` means that it is none. */
export const LLM_SERVER_LABEL = "llm-metrics.server";

/** Docker labels of a container: port and path of the metrics of its LLM server, where they differ from the engine's usual ones. */
export const LLM_PORT_LABEL = "llm-metrics.port";
export const LLM_PATH_LABEL = "llm-metrics.path";

/** Docker label of a container; with the value `false`, Prometheus does not scrape its LLM server. */
export const LLM_SCRAPE_LABEL = "llm-metrics.scrape";

/** The path of the exporter at which Prometheus discovers LLM servers. */
export const LLM_TARGETS_PATH = "/llm-targets";

/** Headers in which the exporter returns the LLM server of a container to the forwarder. */
export const LLM_HEADERS = {
  /** host:port of the server; the host is an IPv4 address. */
  address: "X-Llm-Address",
  path: "X-Llm-Path",
  /** The name of its container. */
  container: "X-Llm-Container",
} as const;

/** Docker label of a container; with the value `none`, no alert is about this container. */
export const ALERTS_LABEL = "llm-metrics.alerts";

/** Docker label of a container of the stack that lists the ids of its networks. */
export const NETWORKS_LABEL = "llm-metrics.networks";

/** The folder of Prometheus's configuration in its container. */
export const CONFIG_FOLDER = "/etc/prometheus";

/** The folder with a copy of each file as it was last loaded, in the configuration folder of a server. */
export const APPLIED = "applied";

/** The folder in Prometheus's container for files of `file_sd_configs`, which users copy there. */
export const TARGETS_FOLDER = `${CONFIG_FOLDER}/targets`;

/** The folder of Alertmanager's configuration in its container. */
export const ALERTMANAGER_FOLDER = "/etc/alertmanager";

/** A file that Docker mounts into each container, and whose disk is that of Docker's root directory. */
export const DOCKER_ROOT_FILE = "/etc/hostname";

/** The folder in node_exporter's container for the directories of the setting `hostDisks`. */
export const DISKS_FOLDER = "/disks";

/** User and group `nobody`, which the stack's programs run as. */
export const NOBODY = 65_534;

/** The names of the scrape jobs that the program itself declares; a job of the setting `scrapeJobs` cannot have one of them. */
export const OWN_JOBS = {
  cadvisor: "cadvisor",
  prometheus: "prometheus",
  gateway: "gateway",
  exporter: "exporter",
  dcgm: "dcgm",
  /** Every LLM server that the exporter discovers. */
  llm: "llm-servers",
  /** Only with the setting `notify`. */
  alertmanager: "alertmanager",
  /** Only with the setting `hostMetrics`. Not `node`, which is the name of many a user's own job. */
  host: "host",
} as const;

/** The servers of a stack: the alias of each on the stack's network, and its port. */
export const SERVERS = {
  cadvisor: { alias: "cadvisor", port: 8080 },
  prometheus: { alias: "prometheus", port: 9090 },
  alertmanager: { alias: "alertmanager", port: 9093 },
  grafana: { alias: "grafana", port: 3000 },
  /** The gateway's own metrics. */
  gateway: { alias: "gateway", port: 9180 },
  /** Not a registered port of another exporter. Source: github.com/prometheus/prometheus/wiki/Default-port-allocations. */
  exporter: { alias: "exporter", port: 23_400 },
  /** With the setting hostMetrics. */
  nodeExporter: { alias: "node-exporter", port: 9100 },
  /** With the settings llmNetworks and llmKeys. */
  llmForwarder: { alias: "llm-forwarder", port: 23_401 },
} as const;

/** host:port of a server on the stack's network. */
export const target = ({ alias, port }: { alias: string; port: number }): string => `${alias}:${port}`;
