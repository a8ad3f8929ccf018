import type { ComponentChildren } from "preact";
import { hashOf } from "../address";
import { format } from "../format";
import { Sparkline } from "../sparkline";
import { last, type Series } from "../tagged";
import type { Unit } from "../../prometheus/queries";

/** Text for screen readers alone. */
export const Hidden = ({ children }: { children: ComponentChildren }) => (
  <span class="hidden">{children}</span>
);

/** What stands for a value that Prometheus does not have; never 0. */
export const Unknown = () => (
  <span class="unknown">
    <span aria-hidden="true">–</span>
    <Hidden>unknown</Hidden>
  </span>
);

/** A value, or that it is unknown. */
export const Value = ({ value, unit }: { value: number | undefined; unit: Unit }) =>
  value === undefined ? <Unknown /> : <>{format(value, unit)}</>;

/**
 * A value of now beside its last hour.
 *
 * @param other a second line of the last hour, whose value is among the children
 */
export const Trend = ({
  series,
  other,
  unit,
  max,
  children,
}: {
  series: Series | undefined;
  other?: Series | undefined;
  unit: Unit;
  max?: number | undefined;
  children?: ComponentChildren;
}) => (
  <div class="trend">
    <span class="number">
      <Value value={last(series)} unit={unit} />
      {children}
    </span>
    <Sparkline series={series} other={other} max={max} />
  </div>
);

/** The whole of which a value is a part, where that is known. */
export const Of = ({ value, unit }: { value: number | undefined; unit: Unit }) =>
  value === undefined ? null : <span class="quiet"> of {format(value, unit)}</span>;

/** A value with its title, in a list of facts. */
export const Fact = ({ title, children }: { title: string; children: ComponentChildren }) => (
  <div>
    <dt>{title}</dt>
    <dd>{children}</dd>
  </div>
);

/** A bar that is filled to a fraction. */
export const Meter = ({ ratio, label }: { ratio: number; label: string }) => (
  <div class={`meter ${level(ratio)}`} role="img" aria-label={label}>
    <div style={{ width: `${(100 * Math.min(1, ratio)).toFixed(1)}%` }} />
  </div>
);

/** How much attention a fraction of a limit deserves. */
const level = (ratio: number) => {
  if (ratio > 0.9) return "bad";
  return ratio > 0.8 ? "poor" : "good";
};

/** A link to the view of a container. */
export const ContainerLink = ({ name }: { name: string }) => (
  <a href={hashOf({ page: "container", name, range: "1h" })}>{name}</a>
);

/** A short word about a state. */
export const Badge = ({
  kind,
  title,
  children,
}: {
  kind: "critical" | "warning" | "info" | "good" | "plain";
  title?: string;
  children: ComponentChildren;
}) => (
  <span class={`badge ${kind}`} title={title}>
    {children}
  </span>
);

/** A column of a table. */
export interface Column {
  title: string;
  className?: string;
}

/** A cell. On a phone, where there are no columns, the column's title stands above it. */
export const Cell = ({ column, children }: { column: Column; children?: ComponentChildren }) => (
  <td role="cell" class={column.className} data-label={column.title}>
    {children}
  </td>
);

/** A cell with a text instead of the values of several columns. */
export const NoValues = ({ columns, children }: { columns: number; children: ComponentChildren }) => (
  <td role="cell" class="no-values" colSpan={columns}>
    {children}
  </td>
);

/** A table without sorting. */
export const Table = ({ columns, children }: { columns: readonly Column[]; children: ComponentChildren }) => (
  <table role="table">
    <thead role="rowgroup">
      <tr role="row">
        {columns.map(({ title, className }) => (
          <th key={title} role="columnheader" scope="col" class={className}>
            {title}
          </th>
        ))}
      </tr>
    </thead>
    <tbody role="rowgroup">{children}</tbody>
  </table>
);

/** A part of the page with a heading. */
export const Section = ({
  id,
  title,
  aside,
  children,
}: {
  id: string;
  title: string;
  aside?: ComponentChildren;
  children: ComponentChildren;
}) => (
  <section aria-labelledby={id}>
    <div class="heading">
      <h2 id={id}>{title}</h2>
      {aside}
    </div>
    {children}
  </section>
);

/** A text of an alert, whose commands stand between backticks. */
export const Text = ({ children }: { children: string }) => (
  <>{children.split("`").map((part, at) => (at % 2 === 1 ? <code key={at}>{part}</code> : part))}</>
);
