import type { RelabelRule } from "../settings";
import { CONTAINER_METRICS, HOST_METRICS } from "./catalogue";
import { LLM_SERVER_LABEL, llmServerRules } from "./llmServers";

/** The container labels that cAdvisor exports, and the label that each becomes. */
const CLEAN_LABELS: Readonly<Record<string, string>> = {
  "com.docker.compose.project": "compose_project",
  "com.docker.compose.service": "compose_service",
};

/** The container labels that cAdvisor has to export for {@link cadvisorRelabeling}. */
export const EXPORTED_CONTAINER_LABELS: readonly string[] = [...Object.keys(CLEAN_LABELS), LLM_SERVER_LABEL];

/** The environment variables that cAdvisor has to export for {@link cadvisorRelabeling}. */
export const EXPORTED_ENVIRONMENT: readonly string[] = ["NVIDIA_VISIBLE_DEVICES"];

/** How cAdvisor writes a Docker label's name. */
const exported = (dockerLabel: string) => `container_label_${dockerLabel.replace(/[^a-zA-Z0-9_]/g, "_")}`;

const anyOf = (names: readonly string[]) => names.join("|");

/** Keeps the named metrics and drops every other. */
export const keepMetrics = (names: readonly string[]): RelabelRule => ({
  source_labels: ["__name__"],
  regex: anyOf(names),
  action: "keep",
});

/**
 * What happens to each series of cAdvisor when it is scraped: only the catalogue is kept, only for containers, and the
 * labels get short names. Of 45 containers, 892 of 3,068 series were left.
 */
export function cadvisorRelabeling(): RelabelRule[] {
  return [
    keepMetrics([...CONTAINER_METRICS.map((m) => m.name), ...HOST_METRICS]),
    // Other cgroups (the root, system services) have an id, but no container's name.
    { source_labels: ["id", "name"], regex: ".+;", action: "drop" },
    // With the host's network, a container reports the host's own interfaces.
    {
      source_labels: ["interface"],
      regex: "lo|docker.*|br-.*|veth.*|virbr.*|cni.*|flannel.*",
      action: "drop",
    },
    ...Object.entries(CLEAN_LABELS).map(([docker, clean]) => ({
      source_labels: [exported(docker)],
      // An image can bring a label that is longer than Prometheus's limit, which refuses the whole scrape.
      regex: "(.{0,200}).*",
      target_label: clean,
    })),
    { source_labels: ["container_env_nvidia_visible_devices"], target_label: "nvidia_visible_devices" },
    {
      source_labels: ["nvidia_visible_devices"],
      regex: "void|none",
      target_label: "nvidia_visible_devices",
      replacement: "",
    },
    ...llmServerRules(exported(LLM_SERVER_LABEL)),
    { regex: "container_label_.*|container_env_.*", action: "labeldrop" },
  ];
}
