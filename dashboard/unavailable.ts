import type { Labels } from "./api";
import type { Series } from "./tagged";

/**
 * Why a host does not provide a metric.
 *
 * @param unavailable the labels of the series of monitoring_metric_unavailable, whose names of metrics can end in an asterisk
 */
export function reasonFor(metric: string, unavailable: readonly Labels[]): string | undefined {
  const found = unavailable.find(({ metric: pattern = "" }) =>
    pattern.endsWith("*") ? metric.startsWith(pattern.slice(0, -1)) : metric === pattern,
  );
  return found && `Not measured on this host: ${found["reason"] ?? ""}.`;
}

/** Whether a series has any value but 0. */
export const isMeasured = ({ values }: Series): boolean =>
  values.some((value) => value !== undefined && value !== 0);
