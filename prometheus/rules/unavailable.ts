import { ruleGroup, type RuleGroup } from "./ruleGroup";

/** A metric that a host cannot provide. */
export interface UnavailableMetric {
  /** Its name, or the beginning of several names with an asterisk. */
  metric: string;
  /** Why, and what changes that. */
  reason: string;
}

const RECORD = "monitoring_metric_unavailable";

/**
 * The rules about metrics that the host cannot provide: a series for each, and one alert.
 *
 * @param host value of the label `host`
 */
export const unavailableRules = (host: string, unavailable: readonly UnavailableMetric[]): RuleGroup =>
  ruleGroup("unavailable_metrics", [
    ...unavailable.map(({ metric, reason }) => ({
      record: RECORD,
      expr: "vector(1)",
      labels: { host, metric, reason },
    })),
    {
      alert: "MetricUnavailable",
      expr: `${RECORD} == 1`,
      severity: "info",
      summary: "The host {{ $labels.host }} does not provide {{ $labels.metric }}",
      description: "{{ $labels.reason }}.",
    },
  ]);
