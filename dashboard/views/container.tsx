import { useCallback, useEffect } from "preact/hooks";
import { hashOf, OVERVIEW_VIEW, RANGES, type ContainerView, type RangeName, type View } from "../address";
import { LineChart } from "../chart";
import { stateText } from "../containers";
import type { Chart, ContainerHistory, Mark } from "../containerHistory";
import { dateAndTime, duration, format, shortId } from "../format";
import { loadContainer } from "../load";
import { modelsText } from "../llmServers";
import { prometheusPage } from "../prometheusPage";
import { useRefreshed } from "../refresh";
import { last } from "../tagged";
import { AlertItem } from "./alertList";
import { Failure, Header } from "./header";
import { Section } from "./parts";

/** The view of one container. */
export function ContainerPage({ view, onView }: { view: ContainerView; onView: (view: View) => void }) {
  const { name, range } = view;
  const load = useCallback(() => loadContainer(name, range), [name, range]);
  const loaded = useRefreshed(load, hashOf(view));
  const { data } = loaded;
  useEffect(() => {
    document.title = name;
  }, [name]);
  return (
    <>
      <Header title={name} loaded={loaded} at={data?.grid.end} />
      <main aria-busy={!data && !loaded.failure}>
        <p>
          <a href={hashOf(OVERVIEW_VIEW)}>← all containers</a>
        </p>
        <Failure loaded={loaded} at={data?.grid.end} />
        <div class="ranges" role="group" aria-label="Time range">
          {(Object.keys(RANGES) as RangeName[]).map((one) => (
            <button
              key={one}
              type="button"
              aria-pressed={one === range}
              onClick={() => {
                onView({ ...view, range: one });
              }}
            >
              {one}
            </button>
          ))}
        </div>
        {data ? <History history={data} range={range} /> : null}
        {!data && !loaded.failure ? <p class="calm">Loading…</p> : null}
      </main>
    </>
  );
}

function History({ history, range }: { history: ContainerHistory; range: RangeName }) {
  const { labels, started, stopped, server, alerts, charts, marks, noMarks, grid } = history;
  return (
    <>
      {labels ? (
        <p>
          {labels["image"]}
          <span class="quiet">
            {" "}
            · {shortId(labels["id"] ?? "")}
            {started === undefined ? "" : ` · up ${duration(grid.end - started)}`}
            {server && server.models.length > 0 ? ` · ${modelsText(server.models)}` : ""}
          </span>
        </p>
      ) : null}
      {started === undefined ? (
        <p class="notices">
          {stopped ? `It does not run: ${stateText(stopped)}.` : "No container of this name runs now."} The
          charts show what ran before.
        </p>
      ) : null}
      {server?.missing ? <p class="calm">{server.missing}</p> : null}
      {alerts.length > 0 ? (
        <Section id="alerts" title="Alerts">
          <ul class="alerts">
            {alerts.map((alert) => (
              <AlertItem key={JSON.stringify(alert.labels)} alert={alert} now={grid.end} />
            ))}
          </ul>
        </Section>
      ) : null}
      <Marks marks={marks} missing={noMarks} />
      <div class="charts">
        {charts.map((chart) => (
          <ChartFigure key={chart.title} chart={chart} history={history} range={range} />
        ))}
      </div>
      <Labels history={history} />
    </>
  );
}

/** The marks of the charts in words. */
const Marks = ({ marks, missing }: { marks: readonly Mark[]; missing: string }) =>
  marks.length === 0 ? (
    <p class="calm">{missing}</p>
  ) : (
    <ul class="marks">
      {marks.map(({ time, kind }) => (
        <li key={`${kind} ${time}`} class={kind === "restart" ? "restart" : "kill"}>
          {kind} <span class="quiet">{dateAndTime(time)}</span>
        </li>
      ))}
    </ul>
  );

function ChartFigure({
  chart,
  history,
  range,
}: {
  chart: Chart;
  history: ContainerHistory;
  range: RangeName;
}) {
  const { title, unit, lines, missing, expr } = chart;
  const now = lines
    .map(({ label, series }) => ({ label, value: last(series) }))
    .flatMap(({ label, value }) => (value === undefined ? [] : `${label} ${format(value, unit)}`));
  return (
    <figure>
      <figcaption>
        <h2>{title}</h2>
        <span class="quiet">{now.join(", ")}</span>
        <a href={prometheusPage(expr, range)} aria-label={`${title} in Prometheus`}>
          in Prometheus
        </a>
      </figcaption>
      {lines.length === 0 ? (
        <p class="calm">{missing}</p>
      ) : (
        <LineChart chart={chart} grid={history.grid} marks={history.marks} />
      )}
    </figure>
  );
}

const LABELS_OF_THE_QUERY = ["__name__", "field"];

const Labels = ({ history: { labels, gpus } }: { history: ContainerHistory }) =>
  labels ? (
    <Section id="labels" title="Labels">
      <table class="labels">
        <tbody>
          {Object.entries(labels)
            .filter(([label]) => !LABELS_OF_THE_QUERY.includes(label))
            .map(([label, value]) => (
              <tr key={label}>
                <th scope="row">{label}</th>
                <td>{value}</td>
              </tr>
            ))}
          {gpus.map(({ gpu = "", gpu_uuid = "", gpu_model = "", allocation = "" }) => (
            <tr key={gpu_uuid}>
              <th scope="row">GPU {gpu}</th>
              <td>
                {gpu_model}, {gpu_uuid}, allocated by {allocation}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Section>
  ) : null;
