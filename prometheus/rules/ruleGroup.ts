import type { AlertName } from "../../settings";
import { CONTAINER_LABELS } from "../catalogue";

/** The labels by which the series of a container are aggregated, as PromQL. */
export const BY_CONTAINER = ["host", ...CONTAINER_LABELS].join(", ");

/** Identifies a container in an annotation. */
export const CONTAINER = "The container {{ $labels.name }} on {{ $labels.host }}";

/** A recording rule of Prometheus. Its name is level:metric:operation. */
export interface RecordingRule {
  record: string;
  expr: string;
  labels?: Record<string, string>;
}

/** An alerting rule of Prometheus. */
export interface AlertingRule {
  alert: AlertName;
  expr: string;
  for?: string;
  labels: { severity: "critical" | "warning" | "info" | "none"; host?: string };
  /** {@link withSettings} adds the address of the runbook. */
  annotations: { summary: string; description: string; runbook_url?: string };
}

export interface RuleGroup {
  name: string;
  rules: (RecordingRule | AlertingRule)[];
}

/** An alert of this program, from which {@link ruleGroup} makes a rule. */
export interface Alert extends Pick<AlertingRule, "alert" | "expr" | "for"> {
  severity: AlertingRule["labels"]["severity"];
  /** Labels besides the severity. */
  labels?: { host: string };
  summary: string;
  description: string;
}

/** A group of recording rules and alerts. */
export const ruleGroup = (name: string, rules: readonly (RecordingRule | Alert)[]): RuleGroup => ({
  name,
  rules: rules.map((rule) => ("alert" in rule ? alertingRule(rule) : rule)),
});

const alertingRule = ({ severity, labels, summary, description, ...rule }: Alert): AlertingRule => ({
  ...rule,
  labels: { severity, ...labels },
  annotations: { summary, description },
});
