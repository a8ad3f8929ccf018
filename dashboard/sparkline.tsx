import type { Series } from "./tagged";

const WIDTH = 72;
const HEIGHT = 20;
/** Keeps the line within the picture. */
const MARGIN = 1.5;

/**
 * A small chart of the last hour.
 *
 * @param other a second line, in another color
 * @param max the value at its top; by default, the largest one
 */
export function Sparkline({
  series,
  other,
  max,
}: {
  series?: Series | undefined;
  other?: Series | undefined;
  max?: number | undefined;
}) {
  if (!series) return null;
  const top = max ?? Math.max(largest(series), largest(other));
  return (
    <svg
      class="sparkline"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      width={WIDTH}
      height={HEIGHT}
      aria-hidden="true"
    >
      <path d={path(series, top)} />
      {other ? <path class="other" d={path(other, top)} /> : null}
    </svg>
  );
}

const largest = (series?: Series) => Math.max(0, ...(series?.values ?? []).map((value) => value ?? 0));

/** The line of a series, with a gap wherever a value is unknown. */
function path({ values }: Series, top: number): string {
  const x = (at: number) => MARGIN + (at / Math.max(1, values.length - 1)) * (WIDTH - 2 * MARGIN);
  const y = (value: number) =>
    HEIGHT - MARGIN - Math.min(1, top > 0 ? value / top : 0) * (HEIGHT - 2 * MARGIN);
  return values
    .map((value, at) => {
      if (value === undefined) return "";
      const isAlone = values[at - 1] === undefined && values[at + 1] === undefined;
      const point = `${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
      if (isAlone) return `M${point}h0.1`;
      return values[at - 1] === undefined ? `M${point}` : `L${point}`;
    })
    .join("");
}
