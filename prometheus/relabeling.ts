import { MAX_LABEL_LENGTH } from "../lib/labels";
import { ALERTS_LABEL, LLM_SERVER_LABEL } from "../lib/names";
import type { RelabelConfig } from "../settings";
import { CONTAINER_METRICS, HOST_METRICS, ROOT_CGROUP_METRICS } from "./catalogue";
import { LLM_METRICS } from "./llmEngines";
import { llmServerRelabeling } from "./llmServers";

/** Docker labels that cAdvisor exports, and the label that each becomes. */
const COMPOSE_LABELS: Readonly<Record<string, string>> = {
  "com.docker.compose.project": "compose_project",
  "com.docker.compose.service": "compose_service",
};

/** The Docker labels that cAdvisor must export for {@link cadvisorRelabeling}. */
export const EXPORTED_CONTAINER_LABELS: readonly string[] = [
  ...Object.keys(COMPOSE_LABELS),
  LLM_SERVER_LABEL,
  ALERTS_LABEL,
];

/** The environment variables that cAdvisor must export for {@link cadvisorRelabeling}. */
export const EXPORTED_ENVIRONMENT: readonly string[] = ["NVIDIA_VISIBLE_DEVICES"];

/** The name under which cAdvisor exports a Docker label. */
const exported = (dockerLabel: string) => `container_label_${dockerLabel.replace(/[^a-zA-Z0-9_]/g, "_")}`;

const anyOf = (names: readonly string[]) => names.join("|");

/** As {@link cut} and {@link cutStart} do; Prometheus's `.` matches line breaks only from version 3 on. */
const BEGINNING = `(?s)(.{0,${MAX_LABEL_LENGTH}}).*`;
const END = `(?s).*?(.{0,${MAX_LABEL_LENGTH}})`;

/** As {@link BEGINNING}, for a label that can be missing. */
const BEGINNING_OF_ANY = `(?s)(.{1,${MAX_LABEL_LENGTH}}).*`;

/** Cuts the value of a label, or sets another label to the cut value. */
const cutLabel = (label: string, regex: string, to = label): RelabelConfig => ({
  source_labels: [label],
  regex,
  target_label: to,
});

/**
 * Interfaces that a container in the host's network namespace shares with the host: one for each other container or virtual
 * machine, and their bridges. 30 such containers would have 30 × 30 series of each metric (kubernetes/kubernetes 104647).
 */
const HOST_INTERFACES =
  "lo|docker.*|br-.*|veth.*|virbr.*|vnet.*|cni.*|flannel.*|cali.*|cilium.*|lxc.*|lxdbr.*|podman.*";

/** Keeps the named metrics and drops every other. */
export const keepMetrics = (names: readonly string[]): RelabelConfig => ({
  source_labels: ["__name__"],
  regex: anyOf(names),
  action: "keep",
});

/** Makes metrics of the host of those of the root cgroup, which has an id and no name. */
const ROOT_CGROUP: RelabelConfig[] = [
  ...Object.keys(ROOT_CGROUP_METRICS).map((name) => ({
    source_labels: ["__name__", "id"],
    regex: `${name.replace("machine_", "container_")};/`,
    target_label: "__name__",
    replacement: name,
  })),
  {
    source_labels: ["__name__"],
    regex: anyOf(Object.keys(ROOT_CGROUP_METRICS)),
    target_label: "id",
    replacement: "",
  },
];

/**
 * Relabeling of cAdvisor's series: keeps the metrics of the catalogue, for containers and the host, and shortens label names. With
 * 45 containers, it kept 892 of 3,068 series.
 *
 * @param hostMetrics whether the root cgroup is kept too, as metrics of the host
 */
export function cadvisorRelabeling(hostMetrics = true): RelabelConfig[] {
  return [
    keepMetrics([...Object.keys(CONTAINER_METRICS), ...HOST_METRICS]),
    ...(hostMetrics ? ROOT_CGROUP : []),
    // Other cgroups, such as system services, have an id and no name.
    { source_labels: ["id", "name"], regex: ".+;", action: "drop" },
    { source_labels: ["interface"], regex: HOST_INTERFACES, action: "drop" },
    ...Object.entries(COMPOSE_LABELS).map(([docker, label]) => cutLabel(exported(docker), BEGINNING, label)),
    cutLabel("container_env_nvidia_visible_devices", BEGINNING, "nvidia_visible_devices"),
    {
      source_labels: ["nvidia_visible_devices"],
      regex: "void|none",
      target_label: "nvidia_visible_devices",
      replacement: "",
    },
    ...llmServerRelabeling(exported(LLM_SERVER_LABEL)),
    { source_labels: [exported(ALERTS_LABEL)], regex: "none", target_label: "alerts", replacement: "none" },
    // After the LLM server was recognized by the whole image. Names that are equal so far differ in the id.
    ...["name", "image", "interface", "device"].map((label) => cutLabel(label, BEGINNING)),
    cutLabel("id", END),
    { regex: "container_label_.*|container_env_.*", action: "labeldrop" },
  ];
}

/** The names of the metrics that the stack itself measures, records and alerts by, none of which an engine exposes. */
const OWN_METRICS = [
  "(container|gpu|gpu_container|llm|host|machine|node|prometheus|alertmanager|caddy|gateway|monitoring|exporter|cadvisor|scrape)[_:].*",
  "DCGM_FI_.*",
  "up",
  "ALERTS.*",
].join("|");

const SGLANG_METRICS = anyOf(LLM_METRICS.filter((name) => name.startsWith("sglang:")));

/**
 * Relabeling of the series of LLM servers: each engine's label of the model becomes `model`.
 *
 * @param all whether metrics that no rule reads are kept
 */
export const llmRelabeling = (all: boolean): RelabelConfig[] => [
  // A client that escapes names, and routers that do so (sgl-project/sglang PR 12970).
  {
    source_labels: ["__name__"],
    regex: "(vllm|sglang)_(.+)",
    target_label: "__name__",
    replacement: "$1:$2",
  },
  all ? { source_labels: ["__name__"], regex: OWN_METRICS, action: "drop" } : keepMetrics(LLM_METRICS),
  cutLabel("model_name", BEGINNING_OF_ANY, "model"),
  // SGLang of 2024 names the model so, where Prometheus has the container's `name`. In other metrics, it is a function of SGLang.
  {
    source_labels: ["__name__", "exported_name"],
    regex: `(?:${SGLANG_METRICS});(.+)`,
    target_label: "model",
  },
  { source_labels: ["__name__"], regex: SGLANG_METRICS, target_label: "exported_name", replacement: "" },
  { regex: "model_name", action: "labeldrop" },
  cutLabel("model", BEGINNING),
];
