import { Component } from "preact";
import { useMemo } from "preact/hooks";
import { firstDirection, type OverviewView } from "../address";
import {
  byProject,
  combine,
  isFailed,
  isUnhealthy,
  matches,
  sorted,
  stateText,
  sum,
  type Container,
  type SortKey,
} from "../containers";
import { bytes, duration, format, percent } from "../format";
import { modelsText, type ServerReport } from "../llmServers";
import { last } from "../tagged";
import { Waiting } from "./firstLine";
import {
  Badge,
  Cell,
  ContainerLink,
  Hidden,
  Meter,
  NoValues,
  Section,
  Table,
  Trend,
  Unknown,
  Value,
  type Column,
} from "./parts";

const SERVER_COLUMNS = {
  name: { title: "Server" },
  tokens: { title: "Tokens" },
  requests: { title: "Requests" },
  firstToken: { title: "First token p95" },
  kvCache: { title: "KV cache" },
  gpuUse: { title: "GPU use" },
  gpuMemory: { title: "GPU memory" },
  cpu: { title: "CPU", className: "wide" },
  memory: { title: "Memory", className: "wide" },
  state: { title: "State" },
  uptime: { title: "Uptime", className: "wide" },
} as const;

/** The LLM servers, with their GPUs. */
export const LlmServers = ({ containers, now }: { containers: readonly Container[]; now: number }) => (
  <Section id="servers" title="LLM servers">
    {containers.length === 0 ? (
      <p class="calm">
        No container runs an LLM server. Containers of a known image, such as vllm/vllm-openai, or with the
        label <code>llm-metrics.server=vllm</code> are listed here.
      </p>
    ) : (
      <Table columns={Object.values(SERVER_COLUMNS)}>
        {sorted(containers, "importance", "descending").map((container) => (
          <tr key={container.id} role="row">
            <NameCell container={container} />
            <ServerCells server={container.server} />
            <Cell column={SERVER_COLUMNS.gpuUse}>
              <GpuUse container={container} />
            </Cell>
            <Cell column={SERVER_COLUMNS.gpuMemory}>
              <GpuMemory container={container} />
            </Cell>
            <Cell column={SERVER_COLUMNS.cpu}>
              <Cpu container={container} />
            </Cell>
            <Cell column={SERVER_COLUMNS.memory}>
              <Memory container={container} />
            </Cell>
            <Cell column={SERVER_COLUMNS.state}>
              <State container={container} />
            </Cell>
            <Cell column={SERVER_COLUMNS.uptime}>
              <Uptime container={container} now={now} />
            </Cell>
          </tr>
        ))}
      </Table>
    )}
  </Section>
);

/** The number of columns with what a server reports about itself. */
const REPORTED_COLUMNS = 4;

/** What a server reports about itself, or why it reports nothing. */
function ServerCells({ server }: { server: ServerReport | undefined }) {
  if (!server || server.missing)
    return (
      <NoValues columns={REPORTED_COLUMNS}>
        <span class="quiet">{server?.missing}</span>
      </NoValues>
    );
  const { generated, prompts, running, waiting, firstToken, kvCache } = server;
  return (
    <>
      <Cell column={SERVER_COLUMNS.tokens}>
        <Trend series={generated} unit="per second" />
        {prompts === undefined ? null : (
          <span class="below">
            prompts <Value value={prompts} unit="per second" />
          </span>
        )}
      </Cell>
      <Cell column={SERVER_COLUMNS.requests}>
        <Trend series={running} other={waiting} unit="count">
          {" running"}
        </Trend>
        <span class="below">
          <Waiting value={last(waiting)} />
        </span>
      </Cell>
      <Cell column={SERVER_COLUMNS.firstToken}>
        <Trend series={firstToken} unit="seconds" />
      </Cell>
      <Cell column={SERVER_COLUMNS.kvCache}>
        <Trend series={kvCache} unit="ratio" max={1} />
      </Cell>
    </>
  );
}

function GpuUse({ container: { gpus } }: { container: Container }) {
  if (gpus.length === 0) return <>no GPU</>;
  const average = combine(
    gpus.map(({ use }) => use),
    "average",
  );
  return (
    <>
      <Trend series={average} unit="ratio" max={1} />
      <span class="below">
        {gpus.length === 1 ? "GPU" : "GPUs"} {gpus.map(({ gpu }) => gpu).join(", ")}
      </span>
    </>
  );
}

function GpuMemory({ container: { gpus } }: { container: Container }) {
  if (gpus.length === 0) return null;
  const used = combine(
    gpus.map(({ memory }) => memory),
    "sum",
  );
  const total = sum(gpus.map(({ memoryTotal }) => memoryTotal));
  return (
    <>
      <Trend series={used} unit="bytes" max={total} />
      {total === undefined ? null : <span class="below">of {bytes(total)}</span>}
    </>
  );
}

/** The columns of the table of containers, by which it is sorted. */
const COLUMNS: Record<SortKey, Column> = {
  name: { title: "Container", className: "first" },
  cpu: { title: "CPU" },
  memory: { title: "Memory" },
  limit: { title: "Of limit", className: "wide" },
  importance: { title: "State", className: "wider" },
  uptime: { title: "Uptime", className: "wide" },
};
const SORT_KEYS = Object.keys(COLUMNS) as SortKey[];

/** The number of containers that are shown at first, so that the page stays quick. */
const SHOWN = 50;

/** All other containers, sorted, searched and grouped. */
export function Containers({
  containers,
  now,
  view,
  onView,
}: {
  containers: readonly Container[];
  now: number;
  view: OverviewView;
  onView: (changes: Partial<OverviewView>) => void;
}) {
  const found = useMemo(
    () => sorted(containers, view.sort, view.direction).filter((one) => matches(one, view.search)),
    [containers, view.sort, view.direction, view.search],
  );
  const rows = view.all ? found : found.slice(0, SHOWN);
  const hasProjects = containers.some(({ project }) => project);
  const groups: [project: string, containers: Container[]][] =
    view.grouped && hasProjects ? byProject(rows) : [["", rows]];
  return (
    <Section
      id="containers"
      title="Containers"
      aside={
        <search class="tools">
          <input
            type="search"
            aria-label="Search containers by name, image and project"
            placeholder="Search"
            value={view.search}
            onInput={({ currentTarget }) => {
              onView({ search: currentTarget.value });
            }}
          />
          {hasProjects ? (
            <label>
              <input
                type="checkbox"
                checked={view.grouped}
                onChange={({ currentTarget }) => {
                  onView({ grouped: currentTarget.checked });
                }}
              />{" "}
              by Compose project
            </label>
          ) : null}
          <span class="quiet" role="status">
            {found.length === containers.length
              ? containers.length
              : `${found.length} of ${containers.length}`}
          </span>
        </search>
      }
    >
      {containers.length === 0 ? <p class="calm">No other container runs.</p> : null}
      {containers.length > 0 && found.length === 0 ? (
        <p class="calm">No container matches “{view.search}”.</p>
      ) : null}
      {found.length > 0 ? (
        <table role="table" class="fixed">
          <thead role="rowgroup" class="sortable">
            <tr role="row">
              {SORT_KEYS.map((key) => (
                <SortHeader key={key} sortKey={key} view={view} onView={onView} />
              ))}
            </tr>
          </thead>
          {groups.map(([project, members]) => (
            <tbody key={project} role="rowgroup">
              {groups.length > 1 || project ? (
                <tr role="row" class="group">
                  <th role="rowheader" scope="rowgroup" colSpan={SORT_KEYS.length}>
                    {project || "No Compose project"}
                  </th>
                </tr>
              ) : null}
              {members.map((container) => (
                <Row key={container.id} container={container} now={now} />
              ))}
            </tbody>
          ))}
        </table>
      ) : null}
      {rows.length < found.length ? (
        <p>
          <button
            type="button"
            onClick={() => {
              onView({ all: true });
            }}
          >
            Show {found.length - rows.length} more
          </button>
        </p>
      ) : null}
    </Section>
  );
}

/** A column's title, which sorts by it. */
const SortHeader = ({
  sortKey,
  view,
  onView,
}: {
  sortKey: SortKey;
  view: OverviewView;
  onView: (changes: Partial<OverviewView>) => void;
}) => (
  <th
    role="columnheader"
    scope="col"
    class={COLUMNS[sortKey].className}
    aria-sort={view.sort === sortKey ? view.direction : undefined}
  >
    <button
      type="button"
      onClick={() => {
        onView({ sort: sortKey, direction: nextDirection(view, sortKey) });
      }}
    >
      {COLUMNS[sortKey].title}
      <span aria-hidden="true">{sortMark(view, sortKey)}</span>
    </button>
  </th>
);

function nextDirection(view: OverviewView, key: SortKey): OverviewView["direction"] {
  if (view.sort !== key) return firstDirection(key);
  return view.direction === "ascending" ? "descending" : "ascending";
}

function sortMark(view: OverviewView, key: SortKey): string {
  if (view.sort !== key) return "";
  return view.direction === "ascending" ? " ▲" : " ▼";
}

/** A row that is drawn again only when its container has new values, so that sorting only moves rows. */
class Row extends Component<{ container: Container; now: number }> {
  override shouldComponentUpdate(next: { container: Container }): boolean {
    return next.container !== this.props.container;
  }

  override render({ container, now }: { container: Container; now: number }) {
    return (
      <tr role="row">
        <NameCell container={container} />
        <Cell column={COLUMNS.cpu}>
          <Cpu container={container} />
        </Cell>
        <Cell column={COLUMNS.memory}>
          {container.stopped ? null : <Trend series={container.memory} unit="bytes" />}
        </Cell>
        <Cell column={COLUMNS.limit}>
          <Limit container={container} />
        </Cell>
        <Cell column={COLUMNS.importance}>
          <State container={container} />
        </Cell>
        <Cell column={COLUMNS.uptime}>
          <Uptime container={container} now={now} />
        </Cell>
      </tr>
    );
  }
}

const NameCell = ({ container: { name, image, server } }: { container: Container }) => (
  <th role="rowheader" scope="row" class="name">
    <ContainerLink name={name} />
    {server && server.models.length > 0 ? <span class="model">{modelsText(server.models)}</span> : null}
    <span class="image">{image}</span>
  </th>
);

const Cpu = ({ container: { stopped, cpu } }: { container: Container }) =>
  stopped ? null : <Trend series={cpu} unit="cores" />;

const Memory = ({ container: { stopped, memory, memoryLimit } }: { container: Container }) =>
  stopped ? null : (
    <>
      <Trend series={memory} unit="bytes" />
      {memoryLimit === undefined ? null : <span class="below">of {bytes(memoryLimit)}</span>}
    </>
  );

function Limit({ container: { stopped, memoryLimit, memoryLimitUsed } }: { container: Container }) {
  if (stopped) return null;
  if (memoryLimit === undefined) return <span class="quiet">no limit</span>;
  if (memoryLimitUsed === undefined) return <Unknown />;
  return (
    <div class="trend">
      <span class="number">
        <Value value={memoryLimitUsed} unit="ratio" />
        <span class="quiet"> of {bytes(memoryLimit)}</span>
      </span>
      <Meter ratio={memoryLimitUsed} label={`${percent(memoryLimitUsed)} of its memory limit`} />
    </div>
  );
}

const Uptime = ({ container: { started }, now }: { container: Container; now: number }) =>
  started === undefined ? null : <>{duration(now - started)}</>;

/** More than this fraction of the periods of a CPU limit is worth a word. */
const THROTTLED = 0.05;

/** What is remarkable about a container, in words. */
function State({ container }: { container: Container }) {
  const { alerts, health, stopped, oomKills, restarts, throttled = 0, unmatchedGpus } = container;
  const urgent = alerts.filter(({ severity }) => severity !== "info");
  return (
    <div class="state">
      {[...new Set(urgent.map(({ name }) => name))].map((name) => (
        <Badge key={name} kind={urgent.find((alert) => alert.name === name)?.severity ?? "warning"}>
          {name}
        </Badge>
      ))}
      {stopped ? <Badge kind={isFailed(container) ? "critical" : "plain"}>{stateText(stopped)}</Badge> : null}
      {health === "no health check" ? null : <Badge kind={healthKind(container)}>{health}</Badge>}
      {oomKills > 0 ? (
        <Badge kind="critical" title="in the last day">
          {oomKills === 1 ? "1 OOM kill" : `${format(oomKills, "count")} OOM kills`}
        </Badge>
      ) : null}
      {restarts > 0 ? (
        <Badge kind="warning" title="in the last day">
          {restarts === 1 ? "1 restart" : `${format(restarts, "count")} restarts`}
        </Badge>
      ) : null}
      {throttled > THROTTLED ? (
        <Badge kind="warning" title="the fraction of time in which it waits for its CPU limit">
          throttled {percent(throttled)}
        </Badge>
      ) : null}
      {unmatchedGpus > 0 ? <Badge kind="warning">requests GPUs that are not there</Badge> : null}
      {stopped || health !== "no health check" ? null : <Hidden>runs, without a health check</Hidden>}
    </div>
  );
}

function healthKind(container: Container): "good" | "warning" | "plain" {
  if (container.health === "healthy") return "good";
  return isUnhealthy(container) ? "warning" : "plain";
}

/** Whether a container belongs to the table of LLM servers. */
export const isLlmServer = ({ llmServer }: Container): boolean => llmServer !== "";
