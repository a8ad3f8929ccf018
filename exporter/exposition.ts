import { boundedValue } from "../lib/labels";

/**
 * Metrics in the text format of Prometheus. A metric appears with its first value; one whose name ends in `_total` is a counter.
 * Source: prometheus/docs, instrumenting/exposition_formats.md.
 */
export class Exposition<Name extends string> {
  /** The values of each metric, by the text of their labels. */
  private readonly metrics = new Map<Name, Map<string, number>>();

  constructor(private readonly help: Readonly<Record<Name, string>>) {}

  /** Adds values with the same labels, without those that are undefined. Values of one series add up. */
  add(values: Partial<Record<Name, number | undefined>>, labels: Record<string, string> = {}): void {
    const text = labelsText(labels);
    for (const [name, value] of Object.entries(values) as [Name, number | undefined][]) {
      if (value === undefined) continue;
      const series = this.metrics.get(name) ?? new Map<string, number>();
      series.set(text, (series.get(text) ?? 0) + value);
      this.metrics.set(name, series);
    }
  }

  text(): string {
    const lines = [...this.metrics].flatMap(([name, series]) => [
      `# HELP ${name} ${this.help[name]}`,
      `# TYPE ${name} ${name.endsWith("_total") ? "counter" : "gauge"}`,
      ...[...series].map(([labels, value]) => `${name}${labels} ${value}`),
      "",
    ]);
    return lines.join("\n");
  }
}

function labelsText(labels: Record<string, string>): string {
  const written = Object.entries(labels).map(
    ([name, value]) => `${name}="${escaped(boundedValue(name, value))}"`,
  );
  return written.length > 0 ? `{${written.join(",")}}` : "";
}

const escaped = (value: string): string =>
  value.replace(/[\\"\n]/g, (character) => (character === "\n" ? "\\n" : `\\${character}`));
