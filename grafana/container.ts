import { AnnotationQueryBuilder } from "@grafana/grafana-foundation-sdk/dashboard";
import {
  CONTAINER_GPU_QUERIES,
  CONTAINER_QUERIES,
  containerGpuSeries,
  firingAlerts,
  LLM_QUERIES,
  type Query,
} from "../prometheus/queries";
import { containerVariable, createDashboard, ON_HOST, UIDS } from "./dashboards";
import { by, chart, DATASOURCE, labelRows, rows } from "./panels";
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
export const containerDashboard = () =>
  createDashboard({
    uid: UIDS.container,
    title: "Containers / Container",
    description:
      "One container over time: CPU, memory, network, disk and GPUs, with starts and out-of-memory kills as marks.",
    variable: containerVariable(),
    rows: { "": ofContainer(), "LLM server": ofServer(), GPUs: ofItsGpus() },
  }).annotations([starts(), oomKills()]);

function ofContainer() {
  const { cpu, cpuLimit, throttled, memory, memoryLimit, received, sent, read, written, disk } =
    CONTAINER_QUERIES;
  const { started, health, restarts, memoryLimitUsed, oomKills } = CONTAINER_QUERIES;
  return [
    rows(
      {
        title: "$name",
        description: "What the container is. Restarts are those of the last day.",
        missing: "No container of this name runs on the host.",
      },
      {
        labels: {
          name: "Container",
          image: "Image",
          llm_server: "Server",
          compose_project: "Project",
          compose_service: "Service",
        },
        scope,
        columns: [
          by("name, image, llm_server, compose_project, compose_service", started),
          { ...health, words: HEALTH },
          memoryLimitUsed,
          restarts,
          oomKills,
        ],
        sortBy: "Container",
        height: 4,
      },
    ),
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
    chart(
      { title: "CPU", description: "The limit is dashed.", missing: NO_SAMPLES },
      { scope, lines: { used: cpu }, limits: { limit: cpuLimit } },
    ),
    chart(
      {
        title: throttled.title,
        description: "Time in which the container wanted to run and its CPU limit did not let it.",
        missing: "The container has no CPU limit.",
      },
      { scope, lines: { waiting: throttled } },
    ),
    chart(
      {
        title: "Memory",
        description: "Without the page cache that the kernel can free. The limit is dashed.",
        missing: NO_SAMPLES,
      },
      { scope, lines: { used: memory }, limits: { limit: memoryLimit } },
    ),
    chart(
      {
        title: "Network",
        description: "Bytes received and sent, on all interfaces of the container.",
        missing: "The container has no network of its own (--network none or host), or has just started.",
      },
      { scope, lines: { received, sent } },
    ),
    chart(
      {
        title: "Disk",
        description: "Bytes read and written, on all disks.",
        missing: "The container has not read or written a disk in this time range.",
      },
      { scope, lines: { read, written } },
    ),
    chart(
      {
        title: disk.title,
        description: "Disk space that the container's own files use, without volumes.",
        missing: "This host does not provide it: Docker has the containerd image store.",
      },
      { scope, lines: { used: disk } },
    ),
  ];
}

function ofServer() {
  const { generated, generatedPerGpu, tokensPerJoule, prompts, running, waiting } = LLM_QUERIES;
  const { firstTokenP50, firstTokenP95, outputTokenP50, outputTokenP95, durationP50, durationP95 } =
    LLM_QUERIES;
  const { kvCache, prefixCacheHits, requests, errors, preemptions } = LLM_QUERIES;
  const reported = (title: string, description: string, lines: Record<string, Query>) =>
    chart({ title, description, missing: NO_SERVER }, { scope, lines });
  return [
    reported("Tokens generated", "Tokens per second, and the same divided by the number of its GPUs.", {
      "in total": generated,
      "per GPU": generatedPerGpu,
    }),
    reported("Tokens per joule", "Generated tokens per joule that the GPUs consumed for the container.", {
      generated: tokensPerJoule,
    }),
    reported("Tokens of prompts", "Tokens per second that the server reads.", { "in total": prompts }),
    reported("Requests running and waiting", "Requests that run, and those that wait.", { running, waiting }),
    reported("Time to first token", "Median, and the time that one request in twenty exceeds.", {
      median: firstTokenP50,
      p95: firstTokenP95,
    }),
    reported("Time per output token", "Time of each token after the first one.", {
      median: outputTokenP50,
      p95: outputTokenP95,
    }),
    reported("Duration of requests", "From the arrival of a request to its last token.", {
      median: durationP50,
      p95: durationP95,
    }),
    reported("KV cache", "Part that is in use, and part of the prompts' tokens that a cache already had.", {
      "in use": kvCache,
      "prefix cache hits": prefixCacheHits,
    }),
    reported("Requests per second", "Requests per second that ended, that failed, and that were preempted.", {
      ended: requests,
      failed: errors,
      preempted: preemptions,
    }),
  ];
}

function ofItsGpus() {
  const { memory, memoryTotal, use, power } = CONTAINER_GPU_QUERIES;
  return [
    chart(
      {
        title: "GPU memory",
        description: "Memory of the container's processes on each GPU; that of the GPU is dashed.",
        missing: NO_GPU,
      },
      {
        scope: ofGpus,
        lines: { "GPU {{gpu}}": memory },
        limits: { "GPU {{gpu}}: in total": memoryTotal },
      },
    ).span(THIRD),
    chart(
      {
        title: "GPU use",
        description: "Part of each GPU's multiprocessors that the container's processes kept busy.",
        missing: NO_GPU,
      },
      { scope: ofGpus, lines: { "GPU {{gpu}}": use } },
    ).span(THIRD),
    chart(
      {
        title: "GPU power",
        description: "The container's share of the power of each GPU.",
        missing: "The container used no GPU, or the driver does not report energy.",
      },
      { scope: ofGpus, lines: { "GPU {{gpu}}": power } },
    ).span(THIRD),
    labelRows(
      { title: "Its GPUs", description: "How each GPU was allocated to the container.", missing: NO_GPU },
      containerGpuSeries(matchers),
      { gpu: "GPU", gpu_model: "Model", gpu_uuid: "UUID", allocation: "Allocation" },
      { sortBy: "GPU", height: 5 },
    ),
  ];
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
