import type { Labels, PrometheusAlert } from "./api";

export type Severity = "critical" | "warning" | "info";

/** A firing alert. */
export interface Alert {
  name: string;
  severity: Severity;
  summary: string;
  /** What it means and what to do. */
  description: string;
  /** The address of its runbook. */
  runbook?: URL | undefined;
  /** Since when, in Unix seconds. */
  since: number;
  /** The container that it is about. */
  container?: { name: string; id: string } | undefined;
  labels: Labels;
}

const SEVERITIES: readonly Severity[] = ["critical", "warning", "info"];

/** Fires always. */
const WATCHDOG = "Watchdog";

/** The firing alerts, the worst first. */
export function alertsOf(alerts: readonly PrometheusAlert[]): Alert[] {
  const rank = ({ severity }: Alert) => SEVERITIES.indexOf(severity);
  return alerts
    .filter(({ state, labels }) => state === "firing" && labels["alertname"] !== WATCHDOG)
    .map(({ labels, annotations, activeAt }) => ({
      name: labels["alertname"] ?? "",
      severity: SEVERITIES.find((severity) => severity === labels["severity"]) ?? "warning",
      summary: annotations["summary"] ?? labels["alertname"] ?? "",
      description: annotations["description"] ?? "",
      runbook: webAddress(annotations["runbook_url"]),
      since: Date.parse(activeAt) / 1000,
      container: labels["name"] ? { name: labels["name"], id: labels["id"] ?? "" } : undefined,
      labels,
    }))
    .sort((a, b) => rank(a) - rank(b) || b.since - a.since);
}

/** Whether rules are evaluated: the alert that always fires is there. */
export const isWatched = (alerts: readonly PrometheusAlert[]): boolean =>
  alerts.some(({ labels }) => labels["alertname"] === WATCHDOG);

/** An address of the web; a rule could have any text. */
function webAddress(text = ""): URL | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  return ["http:", "https:"].includes(url.protocol) ? url : undefined;
}
