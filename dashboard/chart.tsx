import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import type { Grid } from "./api";
import { times, type Chart, type Mark } from "./containerHistory";
import { format } from "./format";

const HEIGHT = 180;
/** Distances of the lines of a grid of bytes: powers of two, so that their labels are round. */
const POWERS = Array.from({ length: 60 }, (_, n) => 2 ** n);
/** Room for a value with its unit. */
const AXIS = 76;

/** The lines of a chart over time, with marks. */
export function LineChart({ chart, grid, marks }: { chart: Chart; grid: Grid; marks: readonly Mark[] }) {
  const element = useRef<HTMLDivElement>(null);
  const dark = useDarkness();
  useEffect(() => {
    const parent = element.current;
    if (!parent) return;
    const plot = new uPlot(options(chart, marks, parent.clientWidth), data(chart, grid), parent);
    const observer = new ResizeObserver(() => {
      plot.setSize({ width: parent.clientWidth, height: HEIGHT });
    });
    observer.observe(parent);
    return () => {
      observer.disconnect();
      plot.destroy();
    };
  }, [chart, grid, marks, dark]);
  return <div class="chart" ref={element} />;
}

/** Whether the reader prefers dark colors, which a canvas does not follow by itself. */
function useDarkness(): boolean {
  const [preference] = useState(() => matchMedia("(prefers-color-scheme: dark)"));
  const [dark, setDark] = useState(preference.matches);
  useEffect(() => {
    const onChange = () => {
      setDark(preference.matches);
    };
    preference.addEventListener("change", onChange);
    return () => {
      preference.removeEventListener("change", onChange);
    };
  }, [preference]);
  return dark;
}

const data = ({ lines }: Chart, grid: Grid): uPlot.AlignedData => [
  times(grid),
  ...lines.map(({ series }) => series.values.map((value) => value ?? null)),
];

/** The value of a custom property of the style sheet. */
const color = (name: string) =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function options({ lines, unit }: Chart, marks: readonly Mark[], width: number): uPlot.Options {
  const axis = { stroke: color("quiet"), grid: { stroke: color("line"), width: 1 }, ticks: { show: false } };
  return {
    width,
    height: HEIGHT,
    scales: { y: { range: (_, __, max) => [0, max > 0 ? max * 1.05 : 1] } },
    axes: [
      axis,
      {
        ...axis,
        size: AXIS,
        ...(unit.startsWith("bytes") && { incrs: POWERS }),
        values: (_, values) => values.map((value) => format(value, unit)),
      },
    ],
    series: [
      {},
      ...lines.map(({ label, isLimit }, at) => ({
        label,
        stroke: color(isLimit ? "limit" : `color-${at % 8}`),
        width: 1.5,
        ...(isLimit && { dash: [6, 4] }),
        points: { show: false },
        value: (_: uPlot, value: number | null) => (value === null ? "–" : format(value, unit)),
      })),
    ],
    cursor: { drag: { setScale: false } },
    hooks: {
      draw: [
        (plot) => {
          drawMarks(plot, marks);
        },
      ],
    },
  };
}

/** Draws a vertical line at each mark. */
function drawMarks(plot: uPlot, marks: readonly Mark[]): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.setLineDash([]);
  ctx.lineWidth = 1.5 * devicePixelRatio;
  for (const { time, kind } of marks) {
    const x = Math.round(plot.valToPos(time, "x", true));
    ctx.strokeStyle = color(kind === "restart" ? "limit" : "critical");
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}
