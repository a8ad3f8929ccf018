import { createHash } from "node:crypto";
import type { DescribedContainer, DescribedHost } from "./describedHost";

/** Values that vary around 1, always the same ones for a name, and their integral. */
function wave(name: string): { at: (minutes: number) => number; integral: (minutes: number) => number } {
  const [a = 0, b = 0, c = 0] = createHash("sha256").update(name).digest();
  const waves = [
    { height: 0.18, period: 7 + a / 20, phase: b },
    { height: 0.09, period: 1.7 + c / 90, phase: a },
    { height: 0.05, period: 0.3, phase: c },
  ];
  const summed = (part: (wave: (typeof waves)[number]) => number) =>
    waves.reduce((total, one) => total + part(one), 0);
  return {
    at: (minutes) => 1 + summed(({ height, period, phase }) => height * Math.sin(minutes / period + phase)),
    integral: (minutes) =>
      minutes +
      summed(
        ({ height, period, phase }) =>
          height * period * (Math.cos(phase) - Math.cos(minutes / period + phase)),
      ),
  };
}

/** Values that vary around a level. */
export function varied(name: string, level: number): (minutes: number) => number {
  const { at } = wave(name);
  return (minutes) => level * at(minutes);
}

/** A counter whose rate per second varies around a level. */
export function counter(name: string, level: number): (minutes: number) => number {
  const { integral } = wave(name);
  return (minutes) => level * 60 * integral(minutes);
}

/** A series, by its labels, with its value at a time: minutes since the first sample. */
export interface SeriesOf {
  labels: Record<string, string>;
  at: (minutes: number) => number | undefined;
}

/** A metric of the host. */
export interface Family {
  name: string;
  series: SeriesOf[];
}

/** How the samples lie in time: seconds. */
export interface Span {
  /** The first sample and the last one. */
  start: number;
  end: number;
  /** The time of which the description is. */
  now: number;
  /** From when they are as dense as scrapes are. */
  denseFrom: number;
  sparseStep: number;
  denseStep: number;
}

const escaped = (text: string) =>
  text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
const labelText = (labels: Record<string, string>) =>
  Object.entries(labels)
    .filter(([, value]) => value !== "")
    .map(([label, value]) => `${label}="${escaped(value)}"`)
    .join(",");

/** The samples of metrics as OpenMetrics, which promtool makes blocks of. Parts come one by one, since all of them can be large. */
export function* openMetrics(families: Iterable<Family>, span: Span): Generator<string> {
  const times: number[] = [];
  for (
    let time = span.start;
    time <= span.end;
    time += time < span.denseFrom ? span.sparseStep : span.denseStep
  )
    times.push(time);
  for (const { name, series } of families) {
    yield `# TYPE ${name} unknown\n`;
    for (const { labels, at } of series) {
      const text = labelText(labels);
      const lines = times.map((time) => {
        const value = at((time - span.start) / 60);
        return value === undefined ? "" : `${name}{${text}} ${value} ${time}\n`;
      });
      yield lines.join("");
    }
  }
  yield "# EOF\n";
}

/** The id of a container, as cAdvisor has it. */
const idOf = (name: string) => `/docker/${createHash("sha256").update(name).digest("hex")}`;

/** The labels of the exporter's series. */
export const exporterJob = (host: DescribedHost) => ({
  job: "exporter",
  instance: "exporter:23400",
  host: host.name,
});

/** The labels that all series of a container have. */
export function containerLabels({
  name,
  image,
  llmServer = "",
  project = "",
  service = "",
}: Pick<DescribedContainer, "name" | "image" | "llmServer" | "project" | "service">) {
  return {
    id: idOf(name),
    name,
    image,
    llm_server: llmServer,
    compose_project: project,
    compose_service: service,
  };
}
