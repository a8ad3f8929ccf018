import { readFileSync } from "node:fs";

/** A panel of a dashboard, as it is committed. */
export interface Panel {
  id?: number;
  type: string;
  title?: string;
  description?: string;
  gridPos: { x: number; y: number; w: number; h: number };
  datasource?: { type: string; uid: string };
  targets?: { refId: string; expr: string; legendFormat?: string; datasource: unknown }[];
  repeat?: string;
  transformations?: { id: string; options: Record<string, unknown> }[];
  fieldConfig?: {
    defaults: { unit?: string; noValue?: string };
    overrides: { matcher: { id: string; options: string }; properties: { id: string; value: unknown }[] }[];
  };
}

export interface Dashboard {
  uid: string;
  title: string;
  tags: string[];
  schemaVersion: number;
  links: { tags: string[] }[];
  panels: Panel[];
  templating: { list: { name: string; type: string; query: unknown; definition?: string }[] };
  annotations: { list?: { name: string; expr: string }[] };
}

export const DASHBOARDS = ["host", "container"] as const;

export const dashboard = (name: (typeof DASHBOARDS)[number]): Dashboard =>
  JSON.parse(readFileSync(`dashboards/${name}.json`, "utf8")) as Dashboard;

/** A query of a dashboard, by its place, with values of the variables. */
export interface PlacedQuery {
  place: string;
  expr: string;
}

/**
 * Every query of the dashboards: of panels, annotations and variables.
 *
 * @param values of the variables
 */
export const dashboardQueries = (values: { host: string; name: string; gpu: string }): PlacedQuery[] =>
  DASHBOARDS.flatMap((file) => {
    const { panels, annotations, templating } = dashboard(file);
    return [
      ...panels.flatMap(({ title = "", targets = [] }) =>
        targets.map(({ refId, expr }) => ({ place: `${file}: ${title}, ${refId}`, expr })),
      ),
      ...(annotations.list ?? []).map(({ name, expr }) => ({ place: `${file}: mark ${name}`, expr })),
      ...templating.list.flatMap(({ name, definition }) =>
        definition ? [{ place: `${file}: variable ${name}`, expr: labelValues(definition) }] : [],
      ),
    ].map(({ place, expr }) => ({ place, expr: withValues(expr, { ...values, __rate_interval: "5m" }) }));
  });

/** The series of `label_values(SERIES, LABEL)`, with the label. */
function labelValues(definition: string): string {
  const [, series = "", label = ""] = /^label_values\((.+), (\w+)\)$/.exec(definition) ?? [];
  return `count by (${label}) (${series})`;
}

const withValues = (expr: string, values: Record<string, string>) =>
  expr.replace(/\$\{?(\w+)\}?/g, (variable, name: string) => values[name] ?? variable);
