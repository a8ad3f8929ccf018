import type { RelabelConfig } from "../../settings";
import { relabeled, type SeriesLabels } from "./relabel";

/** A sample of a page in Prometheus's text format. */
export interface Sample {
  name: string;
  labels: SeriesLabels;
  value: number;
}

/** A native histogram with custom buckets, as Prometheus makes one of a classic histogram. */
export interface Histogram {
  name: string;
  labels: SeriesLabels;
  /** Upper bounds, without +Inf. */
  bounds: number[];
  /** Observations in each bucket, the last one up to +Inf. */
  counts: number[];
  sum: number;
}

/** The samples of a page. */
export const samples = (text: string): Sample[] =>
  [...text.matchAll(/^([a-zA-Z_:]\w*(?::\w+)*)(?:\{(.*)\})? (\S+)$/gm)].map(
    ([, name = "", labels = "", value]) => ({
      name,
      labels: Object.fromEntries(
        [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label = "", content = ""]) => [label, content]),
      ),
      value: Number(value),
    }),
  );

/** What Prometheus makes of a page, with classic histograms converted: floats and histograms. */
export function converted(text: string): (Sample | Histogram)[] {
  const families = [...text.matchAll(/^# TYPE (\S+) histogram$/gm)].map(([, name = ""]) => name);
  const familyOf = (name: string) =>
    families.find((family) => ["_bucket", "_sum", "_count"].some((suffix) => name === family + suffix));
  const all = samples(text);
  const groups = new Map<string, { name: string; labels: SeriesLabels; parts: Sample[] }>();
  for (const sample of all) {
    const name = familyOf(sample.name);
    if (name === undefined) continue;
    const labels = Object.fromEntries(Object.entries(sample.labels).filter(([label]) => label !== "le"));
    const key = name + JSON.stringify(Object.entries(labels).sort());
    const group = groups.get(key) ?? { name, labels, parts: [] };
    group.parts.push(sample);
    groups.set(key, group);
  }
  const histograms = [...groups.values()].map(({ name, labels, parts }): Histogram => {
    const buckets = parts.filter((part) => part.name.endsWith("_bucket"));
    const upTo = buckets.map(({ value }) => value);
    return {
      name,
      labels,
      bounds: buckets.map(({ labels: { le } }) => Number(le)).filter(Number.isFinite),
      counts: upTo.map((count, n) => count - (upTo[n - 1] ?? 0)),
      sum: parts.find((part) => part.name.endsWith("_sum"))?.value ?? 0,
    };
  });
  return [...all.filter(({ name }) => familyOf(name) === undefined), ...histograms];
}

/** What Prometheus stores of a page: with the labels of the target, which win, and after relabeling. */
export function stored(
  text: string,
  target: SeriesLabels,
  steps: readonly RelabelConfig[],
): (Sample | Histogram)[] {
  return converted(text).flatMap((one) => {
    const own = Object.entries(one.labels).map(([label, value]) => [
      label in target ? `exported_${label}` : label,
      value,
    ]);
    const labels = relabeled(
      { __name__: one.name, ...(Object.fromEntries(own) as SeriesLabels), ...target },
      steps,
    );
    if (!labels) return [];
    const { __name__: name = "", ...rest } = labels;
    return [{ ...one, name, labels: rest }];
  });
}
