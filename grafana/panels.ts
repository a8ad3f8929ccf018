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

/** What a panel says of itself. */
interface About {
  title: string;
  description: string;
  /** What it shows without data. */
  missing: string;
}

/** A line of a chart, or one for each value of the labels in the scope. */
interface Line {
  query: Query;
  scope: Scope;
  /** The name of the line, with labels in double braces. */
  legend: string;
  /** Whether it is a limit of the other lines. */
  isLimit?: boolean;
}

/** A column of a table, with one value for each row. */
interface Column {
  query: Query;
  scope: Scope;
  /** Default: the title of the query. */
  title?: string;
  /** The words for the values 0 and 1, with Grafana's names of their colors. */
  words?: Record<0 | 1, { text: string; color: string }>;
}

const instant = (expr: string, refId: string): Builder<Dataquery> =>
  new prometheus.DataqueryBuilder()
    .expr(expr)
    .refId(refId)
    .instant()
    .format(prometheus.PromQueryFormat.Table)
    .datasource(DATASOURCE);

const overTime = ({ query, scope, legend }: Line, index: number): Builder<Dataquery> =>
  new prometheus.DataqueryBuilder()
    .expr(query.expr({ window: RATE_WINDOW, ...scope }))
    .refId(refId(index))
    .range()
    .legendFormat(legend)
    .datasource(DATASOURCE);

/** A, B, C and so on. */
const refId = (index: number) => String.fromCharCode("A".charCodeAt(0) + index);

/** A chart over time. The first line has its unit. */
export function chart(
  { title, description, missing }: About,
  lines: [Line, ...Line[]],
  { stacked = false }: { stacked?: boolean } = {},
): timeseries.PanelBuilder {
  const panel = new timeseries.PanelBuilder()
    .title(title)
    .description(description)
    .noValue(missing)
    .datasource(DATASOURCE)
    .unit(UNITS[lines[0].query.unit])
    .min(0)
    .span(HALF)
    .height(8)
    .lineWidth(1)
    .fillOpacity(stacked ? 40 : 10)
    .showPoints(common.VisibilityMode.Never)
    .legend(new common.VizLegendOptionsBuilder().showLegend(true).displayMode(common.LegendDisplayMode.List))
    .tooltip(new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi))
    .targets(lines.map(overTime));
  if (lines[0].query.unit === "ratio") panel.max(1);
  if (lines[0].query.unit === "cores") panel.axisLabel("cores");
  if (stacked) panel.stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal).group("A"));
  for (const [index, { isLimit }] of lines.entries()) if (isLimit) panel.overrideByQuery(refId(index), LIMIT);
  return panel;
}

/** A limit is a dashed line, which is not stacked. */
const LIMIT: DynamicConfigValue[] = [
  { id: "custom.lineStyle", value: { fill: "dash", dash: [10, 10] } },
  { id: "custom.fillOpacity", value: 0 },
  { id: "custom.stacking", value: { mode: common.StackingMode.None } },
];

/** Numbers of now with their last hours, side by side. The first one has its unit. */
export const numbers = (
  { title, description, missing }: About,
  lines: [Line, ...Line[]],
): stat.PanelBuilder =>
  new stat.PanelBuilder()
    .title(title)
    .description(description)
    .noValue(missing)
    .datasource(DATASOURCE)
    .unit(UNITS[lines[0].query.unit])
    .min(0)
    .span(HALF / 2)
    .height(4)
    .graphMode(common.BigValueGraphMode.Area)
    .colorMode(common.BigValueColorMode.None)
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(["last"]))
    .targets(lines.map(overTime));

/** A chart of what is so at which time: 1, or 0. */
export function states({ title, description, missing }: About, line: Line): statetimeline.PanelBuilder {
  return new statetimeline.PanelBuilder()
    .title(title)
    .description(description)
    .noValue(missing)
    .datasource(DATASOURCE)
    .span(HALF)
    .height(8)
    .mappings([wordsFor({ 0: { text: "no", color: "green" }, 1: { text: "yes", color: "orange" } })])
    .targets([overTime(line, 0)]);
}

/** A table with a row for each value of the labels, and a column for each label and each query. The largest values come first. */
export function rows(
  { title, description, missing }: About,
  labels: Record<string, string>,
  columns: [Column, ...Column[]],
  options: { sortBy: string; height?: number },
): table.PanelBuilder {
  const values = columns.map(({ query, title: own, scope }, index) => {
    const expr = query.expr(scope);
    return {
      // Grafana's times are in milliseconds.
      target: instant(query.unit === "time" ? `${expr} * 1000` : expr, refId(index)),
      field: columns.length === 1 ? "Value" : `Value #${refId(index)}`,
      title: own ?? query.title,
    };
  });
  const fields = { ...labels, ...Object.fromEntries(values.map(({ field, title: name }) => [field, name])) };
  const panel = labelTable({ title, description, missing }, fields, options, true).targets(
    values.map(({ target }) => target),
  );
  for (const { query, title: own, words } of columns)
    panel.overrideByName(own ?? query.title, [
      { id: "unit", value: UNITS[query.unit] },
      ...(query.unit === "ratio" ? USED : []),
      ...(words ? [{ id: "mappings", value: [wordsFor(words)] }, COLORED] : []),
    ]);
  return panel;
}

/** A table of the labels of series. */
export const labelRows = (
  about: About,
  expr: string,
  labels: Record<string, string>,
  options: { sortBy: string; height?: number },
): table.PanelBuilder => labelTable(about, labels, options, false).targets([instant(expr, refId(0))]);

/** @param fields titles of the columns, by the names of their fields */
const labelTable = (
  { title, description, missing }: About,
  fields: Record<string, string>,
  { sortBy, height = 8 }: { sortBy: string; height?: number },
  descending: boolean,
): table.PanelBuilder =>
  new table.PanelBuilder()
    .title(title)
    .description(description)
    .noValue(missing)
    .datasource(DATASOURCE)
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

const wordsFor = (words: NonNullable<Column["words"]>): dashboard.ValueMap => ({
  type: dashboard.MappingType.ValueToText,
  options: words,
});

/** The names of containers in a table lead to the dashboard of the container. */
export const linkNames = (panel: table.PanelBuilder, uid: string): table.PanelBuilder =>
  panel.overrideByName("Container", [
    {
      id: "links",
      value: [
        {
          title: "Open the container's dashboard",
          url: `/d/${uid}?\${datasource:queryparam}&\${host:queryparam}&var-name=\${__value.raw:percentencode}&\${__url_time_range}`,
        },
      ],
    },
  ]);
