import type { Grid, Labels, Range, Sample } from "./api";

/** The label that distinguishes the parts of a combined query. */
export const FIELD = "field";

/** One query for several expressions. Prometheus answers it once, where each alone would be a request. */
export const combined = (exprs: Readonly<Record<string, string>>): string =>
  Object.entries(exprs)
    .map(([field, expr]) => `label_replace(${expr}, "${FIELD}", "${field}", "", "")`)
    .join(" or ");

/** The values of a series at the points of a grid; undefined where there is none. */
export interface Series {
  values: (number | undefined)[];
}

/** The value at the end of a grid: the one of now. */
export const last = (series: Series | undefined): number | undefined => series?.values.at(-1);

/** Values by field, and by the values of some labels. */
export class Values<T> {
  private readonly byField = new Map<string, Map<string, T>>();

  constructor(private readonly labels: readonly string[]) {}

  private key = (labels: Labels) => this.labels.map((label) => labels[label] ?? "").join("\n");

  add(labels: Labels, value: T): void {
    const field = labels[FIELD] ?? "";
    const values = this.byField.get(field) ?? new Map<string, T>();
    values.set(this.key(labels), value);
    this.byField.set(field, values);
  }

  /** The value of a field for the thing with these labels. */
  get = (field: string, labels: Labels): T | undefined => this.byField.get(field)?.get(this.key(labels));
}

/** The values now in the answer to a combined query. */
export function valuesNow(samples: readonly Sample[], labels: string[]): Values<number> {
  const values = new Values<number>(labels);
  for (const { metric, value } of samples) {
    const number = Number(value[1]);
    if (Number.isFinite(number)) values.add(metric, number);
  }
  return values;
}

/** The number of points of a grid. */
export const points = ({ start, end, step }: Grid): number => Math.round((end - start) / step) + 1;

/** A series of an answer at the points of the grid. */
export function onGrid({ values }: Pick<Range, "values">, grid: Grid): Series {
  const series = Array.from<number | undefined>({ length: points(grid) });
  for (const [time, value] of values) {
    const number = Number(value);
    if (Number.isFinite(number)) series[Math.round((time - grid.start) / grid.step)] = number;
  }
  return { values: series };
}

/** The series in the answer to a combined range query. */
export function seriesOf(ranges: readonly Range[], grid: Grid, labels: string[]): Values<Series> {
  const values = new Values<Series>(labels);
  for (const range of ranges) values.add(range.metric, onGrid(range, grid));
  return values;
}
