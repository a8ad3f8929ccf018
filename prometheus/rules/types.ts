import type { AlertName } from "../../settings";

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
