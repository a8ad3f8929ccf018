import { RE2JS } from "re2js";
import type { RelabelConfig } from "../../settings";

export type SeriesLabels = Record<string, string>;

const patterns = new Map<string, RE2JS>();

/** A regular expression, compiled once. */
function compile(regex: string): RE2JS {
  const pattern = patterns.get(regex) ?? RE2JS.compile(regex);
  patterns.set(regex, pattern);
  return pattern;
}

/** What relabeling leaves of a series, by the regular expressions of Prometheus's engine; undefined for a dropped one. */
export function relabeled(series: SeriesLabels, steps: readonly RelabelConfig[]): SeriesLabels | undefined {
  let labels = { ...series };
  for (const step of steps) {
    const { action = "replace", regex = "(.*)", source_labels = [], target_label = "" } = step;
    const compiled = compile(regex);
    const matcher = compiled.matcher(source_labels.map((label) => labels[label] ?? "").join(";"));
    const matches = matcher.matches();
    if ((action === "keep" && !matches) || (action === "drop" && matches)) return undefined;
    if (action === "labeldrop")
      labels = Object.fromEntries(Object.entries(labels).filter(([name]) => !compiled.matches(name)));
    if (action === "replace" && matches)
      labels[target_label] = (step.replacement ?? "$1").replace(
        /\$(\d)/g,
        (_, group: string) => matcher.group(Number(group)) ?? "",
      );
  }
  return Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== ""));
}
