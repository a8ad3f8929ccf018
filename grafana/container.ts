import { AnnotationQueryBuilder, RowBuilder } from "@grafana/grafana-foundation-sdk/dashboard";
import {
  CONTAINER_GPU_QUERIES,
  CONTAINER_QUERIES,
  containerGpuSeries,
  firingAlerts,
  LLM_QUERIES,
  type Query,
} from "../prometheus/queries";
import { containerVariable, createDashboard, ON_HOST, UIDS } from "./dashboards";
import { chart, DATASOURCE, labelRows, rows } from "./panels";
import { ALERT_LABELS, HEALTH } from "./words";

/** A third of the width of a dashboard. */
const THIRD = 8;

const matchers = `${ON_HOST},name="$name"`;
const scope = { matchers, by: "name" };
const ofGpus = { matchers, by: "gpu" };
const NO_SAMPLES = "There are no samples of the container in this time range.";
const NO_SERVER = "The container runs no LLM server, or its engine does not expose this.";
const NO_GPU = "The container has no GPU and uses none.";

/** The dashboard of one container: its CPU, memory, network, disk and GPUs over time, with restarts and out-of-memory kills as marks. */
export function containerDashboard() {
  const { cpu, cpuLimit, throttled, memory, memoryLimit, received, sent, read, written, disk } =
    CONTAINER_QUERIES;
  return createDashboard(
    UIDS.container,
    "Containers / Container",
    "One container over time: CPU, memory, network, disk and GPUs, with starts and out-of-memory kills as marks.",
  )
    .withVariable(containerVariable())
    .annotations([starts(), oomKills()])
    .withPanel(container())
    .withPanel(
      labelRows(
        {
          title: "Firing alerts",
          description: "The alerts about this container that fire now. docs/runbooks.md has what to do.",
          missing: "No alert about this container fires.",
        },
        firingAlerts(matchers),
        ALERT_LABELS,
        { sortBy: "Severity", height: 5 },
      ),
    )
    .withPanel(
      chart({ title: "CPU", description: "The limit is dashed.", missing: NO_SAMPLES }, [
        { query: cpu, scope, legend: "used" },
        { query: cpuLimit, scope, legend: "limit", isLimit: true },
      ]),
    )
    .withPanel(
      chart(
        {
          title: throttled.title,
          description: "Time in which the container wanted to run and its CPU limit did not let it.",
          missing: "The container has no CPU limit.",
        },
        [{ query: throttled, scope, legend: "waiting" }],
      ),
    )
    .withPanel(
      chart(
        {
          title: "Memory",
          description: "Without the page cache that the kernel can free. The limit is dashed.",
          missing: NO_SAMPLES,
        },
        [
          { query: memory, scope, legend: "used" },
          { query: memoryLimit, scope, legend: "limit", isLimit: true },
        ],
      ),
    )
    .withPanel(
      chart(
        {
          title: "Network",
          description: "Bytes received and sent, on all interfaces of the container.",
          missing: "The container has no network of its own (--network none or host), or has just started.",
        },
        [
          { query: received, scope, legend: "received" },
          { query: sent, scope, legend: "sent" },
        ],
      ),
    )
    .withPanel(
      chart(
        {
          title: "Disk",
          description: "Bytes read and written, on all disks.",
          missing: "The container has not read or written a disk in this time range.",
        },
        [
          { query: read, scope, legend: "read" },
          { query: written, scope, legend: "written" },
        ],
      ),
    )
    .withPanel(
      chart(
        {
          title: disk.title,
          description: "Disk space that the container's own files use, without volumes.",
          missing: "This host does not provide it: Docker has the containerd image store.",
        },
        [{ query: disk, scope, legend: "used" }],
      ),
    )
    .withRow(new RowBuilder("LLM server"))
    .withPanel(
      ofServer(
        "Tokens generated",
        "Tokens per second, and the same divided by the number of its GPUs.",
        { legend: "in total", query: LLM_QUERIES.generated },
        { legend: "per GPU", query: LLM_QUERIES.generatedPerGpu },
      ),
    )
    .withPanel(
      ofServer("Tokens per joule", "Generated tokens per joule that the GPUs consumed for the container.", {
        legend: "generated",
        query: LLM_QUERIES.tokensPerJoule,
      }),
    )
    .withPanel(
      ofServer("Tokens of prompts", "Tokens per second that the server reads.", {
        legend: "in total",
        query: LLM_QUERIES.prompts,
      }),
    )
    .withPanel(
      ofServer(
        "Requests running and waiting",
        "Requests that run, and those that wait.",
        { legend: "running", query: LLM_QUERIES.running },
        { legend: "waiting", query: LLM_QUERIES.waiting },
      ),
    )
    .withPanel(
      ofServer(
        "Time to first token",
        "Median, and the time that one request in twenty exceeds.",
        { legend: "median", query: LLM_QUERIES.firstTokenP50 },
        { legend: "p95", query: LLM_QUERIES.firstTokenP95 },
      ),
    )
    .withPanel(
      ofServer(
        "Time per output token",
        "Time of each token after the first one.",
        { legend: "median", query: LLM_QUERIES.outputTokenP50 },
        { legend: "p95", query: LLM_QUERIES.outputTokenP95 },
      ),
    )
    .withPanel(
      ofServer(
        "Duration of requests",
        "From the arrival of a request to its last token.",
        { legend: "median", query: LLM_QUERIES.durationP50 },
        { legend: "p95", query: LLM_QUERIES.durationP95 },
      ),
    )
    .withPanel(
      ofServer(
        "KV cache",
        "Part that is in use, and part of the prompts' tokens that a cache already had.",
        { legend: "in use", query: LLM_QUERIES.kvCache },
        { legend: "prefix cache hits", query: LLM_QUERIES.prefixCacheHits },
      ),
    )
    .withPanel(
      ofServer(
        "Requests per second",
        "Requests per second that ended, that failed, and that were preempted.",
        { legend: "ended", query: LLM_QUERIES.requests },
        { legend: "failed", query: LLM_QUERIES.errors },
        { legend: "preempted", query: LLM_QUERIES.preemptions },
      ),
    )
    .withRow(new RowBuilder("GPUs"))
    .withPanel(
      chart(
        {
          title: "GPU memory",
          description: "Memory of the container's processes on each GPU; that of the GPU is dashed.",
          missing: NO_GPU,
        },
        [
          { query: CONTAINER_GPU_QUERIES.memory, scope: ofGpus, legend: "GPU {{gpu}}" },
          {
            query: CONTAINER_GPU_QUERIES.memoryTotal,
            scope: ofGpus,
            legend: "GPU {{gpu}}: in total",
            isLimit: true,
          },
        ],
      ).span(THIRD),
    )
    .withPanel(
      chart(
        {
          title: "GPU use",
          description: "Part of each GPU's multiprocessors that the container's processes kept busy.",
          missing: NO_GPU,
        },
        [{ query: CONTAINER_GPU_QUERIES.use, scope: ofGpus, legend: "GPU {{gpu}}" }],
      ).span(THIRD),
    )
    .withPanel(
      chart(
        {
          title: "GPU power",
          description: "The container's share of the power of each GPU.",
          missing: "The container used no GPU, or the driver does not report energy.",
        },
        [{ query: CONTAINER_GPU_QUERIES.power, scope: ofGpus, legend: "GPU {{gpu}}" }],
      ).span(THIRD),
    )
    .withPanel(
      labelRows(
        { title: "Its GPUs", description: "How each GPU was allocated to the container.", missing: NO_GPU },
        containerGpuSeries(matchers),
        { gpu: "GPU", gpu_model: "Model", gpu_uuid: "UUID", allocation: "Allocation" },
        { sortBy: "GPU", height: 5 },
      ),
    );
}

interface ServerLine {
  legend: string;
  query: Query;
}

const inScope = ({ legend, query }: ServerLine) => ({ query, scope, legend });

/** A chart of what an LLM server reports. */
const ofServer = (title: string, description: string, first: ServerLine, ...others: ServerLine[]) =>
  chart({ title, description, missing: NO_SERVER }, [inScope(first), ...others.map(inScope)]);

function container() {
  const { started, health, restarts, memoryLimitUsed } = CONTAINER_QUERIES;
  return rows(
    {
      title: "$name",
      description: "What the container is. Restarts are those of the last day.",
      missing: "No container of this name runs on the host.",
    },
    {
      name: "Container",
      image: "Image",
      llm_server: "Server",
      compose_project: "Project",
      compose_service: "Service",
    },
    [
      {
        query: started,
        scope: { matchers, by: "name, image, llm_server, compose_project, compose_service" },
      },
      { query: health, scope, words: HEALTH },
      { query: memoryLimitUsed, scope },
      { query: restarts, scope },
      { query: CONTAINER_QUERIES.oomKills, scope },
    ],
    { sortBy: "Container", height: 4 },
  );
}

/** Seconds between two looks for a mark. */
const STEP = "60s";

const marks = (name: string, color: string, expr: string, text: string) =>
  new AnnotationQueryBuilder()
    .name(name)
    .datasource(DATASOURCE)
    .enable(true)
    .iconColor(color)
    .expr(expr)
    .step(STEP)
    .titleFormat(text);

/** The value is the time of the start, in milliseconds; Grafana shows equal times as one mark. */
const starts = () =>
  marks(
    "Starts",
    "blue",
    `${CONTAINER_QUERIES.started.expr(scope)} * 1000`,
    "Start of {{name}}",
  ).useValueForTime(true);

const oomKills = () =>
  marks(
    CONTAINER_QUERIES.oomKills.title,
    "red",
    `${CONTAINER_QUERIES.oomKills.expr({ ...scope, window: STEP })} > 0`,
    "Out-of-memory kill in {{name}}",
  );
