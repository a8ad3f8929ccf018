import type { Builder, Dataquery } from "@grafana/grafana-foundation-sdk/cog";
import * as common from "@grafana/grafana-foundation-sdk/common";
import type { DynamicConfigValue } from "@grafana/grafana-foundation-sdk/dashboard";
import * as dashboard from "@grafana/grafana-foundation-sdk/dashboard";
import * as prometheus from "@grafana/grafana-foundation-sdk/prometheus";
import * as stat from "@grafana/grafana-foundation-sdk/stat";
import * as statetimeline from "@grafana/grafana-foundation-sdk/statetimeline";
import * as table from "@grafana/grafana-foundation-sdk/table";
import * as timeseries from "@grafana/grafana-foundation-sdk/timeseries";
import * as units from "@grafana/grafana-foundation-sdk/units";
import type { Query, Scope, Unit } from "../prometheus/queries";

/** Grafana's ids of the units. */
const UNITS: Record<Unit, string> = {
  cores: units.Short,
  bytes: units.BytesIEC,
  "bytes per second": units.BytesPerSecondIEC,
  "per second": "suffix:/s",
  "per joule": "suffix:/J",
  seconds: units.Seconds,
  ratio: units.PercentUnit,
  watts: units.Watt,
  celsius: units.Celsius,
  time: units.DateTimeFromNow,
  count: units.NoUnit,
  state: units.NoUnit,
};

/** The data source that the variable of that name chooses. */
export const DATASOURCE = { type: "prometheus", uid: "${datasource}" };

/** Rates over what a point of the chart stands for, and over four scrapes at least. */
const RATE_WINDOW = "$__rate_interval";

/** Half of the width of a dashboard. */
const HALF = 12;
const WHOLE = 24;

/** The texts of a panel. */
interface About {
  title: string;
  description: string;
  /** What it shows without data. */
  missing: string;
}

/** Queries by the names of their lines, which can have labels in double braces. */
type Lines = Record<string, Query>;

/** Words for the values 0 and 1, with Grafana's names of their colors. */
type Words = Record<0 | 1, { text: string; color: string }>;

/** How the rows of a table are sorted, and its height. */
interface TableOptions {
  sortBy: string;
  height?: number;
}

/** A query whose result has other labels than those of the scope. */
export const by = (labels: string, { expr, ...query }: Query): Query => ({
  ...query,
  expr: (scope) => expr({ ...scope, by: labels }),
});

/** Gives a panel its texts, and the data source. */
const described = <
  Panel extends Record<"title" | "description" | "noValue", (text: string) => Panel> & {
    datasource: (reference: typeof DATASOURCE) => Panel;
  },
>(
  panel: Panel,
  { title, description, missing }: About,
): Panel => panel.title(title).description(description).noValue(missing).datasource(DATASOURCE);

const instant = (expr: string, index: number): Builder<Dataquery> =>
  new prometheus.DataqueryBuilder()
    .expr(expr)
    .refId(refId(index))
    .instant()
    .format(prometheus.PromQueryFormat.Table)
    .datasource(DATASOURCE);

const overTime = (lines: Lines, scope: Scope): Builder<Dataquery>[] =>
  Object.entries(lines).map(([legend, query], index) =>
    new prometheus.DataqueryBuilder()
      .expr(query.expr({ window: RATE_WINDOW, ...scope }))
      .refId(refId(index))
      .range()
      .legendFormat(legend)
      .datasource(DATASOURCE),
  );

/** The unit of a panel: that of its first line. */
const unitOf = (lines: Lines): Unit => Object.values(lines)[0]?.unit ?? "count";

/** A, B, C and so on. */
const refId = (index: number) => String.fromCharCode("A".charCodeAt(0) + index);

/**
 * A chart over time.
 *
 * @param options.limits dashed lines above the others
 */
export function chart(
  about: About,
  {
    scope,
    lines,
    limits = {},
    stacked = false,
  }: { scope: Scope; lines: Lines; limits?: Lines; stacked?: boolean },
): timeseries.PanelBuilder {
  const unit = unitOf(lines);
  const panel = described(new timeseries.PanelBuilder(), about)
    .unit(UNITS[unit])
    .min(0)
    .span(HALF)
    .height(8)
    .lineWidth(1)
    .fillOpacity(stacked ? 40 : 10)
    .showPoints(common.VisibilityMode.Never)
    .legend(new common.VizLegendOptionsBuilder().showLegend(true).displayMode(common.LegendDisplayMode.List))
    .tooltip(new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi))
    .targets(overTime({ ...lines, ...limits }, scope));
  if (unit === "ratio") panel.max(1);
  if (unit === "cores") panel.axisLabel("cores");
  if (stacked) panel.stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal).group("A"));
  for (const index of Object.keys(limits).keys())
    panel.overrideByQuery(refId(Object.keys(lines).length + index), LIMIT);
  return panel;
}

/** A limit is a dashed line, which is not stacked. */
const LIMIT: DynamicConfigValue[] = [
  { id: "custom.lineStyle", value: { fill: "dash", dash: [10, 10] } },
  { id: "custom.fillOpacity", value: 0 },
  { id: "custom.stacking", value: { mode: common.StackingMode.None } },
];

/** Numbers of now with their last hours, side by side. */
export const numbers = (about: About, scope: Scope, lines: Lines): stat.PanelBuilder =>
  described(new stat.PanelBuilder(), about)
    .unit(UNITS[unitOf(lines)])
    .min(0)
    .span(HALF / 2)
    .height(4)
    .graphMode(common.BigValueGraphMode.Area)
    .colorMode(common.BigValueColorMode.None)
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(["last"]))
    .targets(overTime(lines, scope));

/** A chart of what is so at which time: 1, or 0. */
export const states = (about: About, scope: Scope, lines: Lines): statetimeline.PanelBuilder =>
  described(new statetimeline.PanelBuilder(), about)
    .span(HALF)
    .height(8)
    .mappings([wordsFor({ 0: { text: "no", color: "green" }, 1: { text: "yes", color: "orange" } })])
    .targets(overTime(lines, scope));

/**
 * A table with a row for each value of the labels, and a column for each label and each query. The largest values come first.
 *
 * @param options.labels titles of the columns of labels, by label
 * @param options.linkTo uid of the dashboard that the names of containers lead to
 */
export function rows(
  about: About,
  {
    labels,
    scope,
    columns,
    linkTo,
    ...options
  }: TableOptions & {
    labels: Record<string, string>;
    scope: Scope;
    columns: (Query & { words?: Words })[];
    linkTo?: string;
  },
): table.PanelBuilder {
  // Grafana's times are in milliseconds.
  const exprs = columns.map(({ unit, expr }) => (unit === "time" ? `${expr(scope)} * 1000` : expr(scope)));
  const titles = Object.fromEntries(columns.map(({ title }, index) => [`Value #${refId(index)}`, title]));
  const panel = labelTable(about, { ...labels, ...titles }, options, true).targets(exprs.map(instant));
  for (const { title, unit, words } of columns)
    panel.overrideByName(title, [
      { id: "unit", value: UNITS[unit] },
      ...(unit === "ratio" ? USED : []),
      ...(words ? [{ id: "mappings", value: [wordsFor(words)] }, COLORED] : []),
    ]);
  if (linkTo) panel.overrideByName("Container", [{ id: "links", value: [linkToContainer(linkTo)] }]);
  return panel;
}

/** A table of the labels of series. */
export const labelRows = (
  about: About,
  expr: string,
  labels: Record<string, string>,
  options: TableOptions,
): table.PanelBuilder => labelTable(about, labels, options, false).targets([instant(expr, 0)]);

/** @param fields titles of the columns, by the names of their fields */
const labelTable = (
  about: About,
  fields: Record<string, string>,
  { sortBy, height = 8 }: TableOptions,
  descending: boolean,
): table.PanelBuilder =>
  described(new table.PanelBuilder(), about)
    .span(WHOLE)
    .height(height)
    .filterable(true)
    .sortBy([new common.TableSortByFieldStateBuilder().displayName(sortBy).desc(descending)])
    .transformations([
      { id: "merge", options: {} },
      { id: "filterFieldsByName", options: { include: { names: Object.keys(fields) } } },
      {
        id: "organize",
        options: {
          indexByName: Object.fromEntries(Object.keys(fields).map((field, index) => [field, index])),
          renameByName: fields,
        },
      },
    ]);

/** A part of a whole is a bar, from 0 to 1. */
const USED: DynamicConfigValue[] = [
  { id: "min", value: 0 },
  { id: "max", value: 1 },
  { id: "custom.cellOptions", value: { type: "gauge", mode: "basic", valueDisplayMode: "text" } },
];
const COLORED: DynamicConfigValue = { id: "custom.cellOptions", value: { type: "color-text" } };

const wordsFor = (words: Words): dashboard.ValueMap => ({
  type: dashboard.MappingType.ValueToText,
  options: words,
});

const linkToContainer = (uid: string) => ({
  title: "Open the container's dashboard",
  url: `/d/${uid}?\${datasource:queryparam}&\${host:queryparam}&var-name=\${__value.raw:percentencode}&\${__url_time_range}`,
});
