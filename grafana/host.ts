import {
  CONTAINER_GPU_QUERIES,
  CONTAINER_QUERIES,
  DESCRIPTIONS,
  firingAlerts,
  GPU_QUERIES,
  HOST_QUERIES,
  LLM_QUERIES,
  MODEL_MEMORY,
  notScraped,
  stoppedSeries,
  type Query,
} from "../prometheus/queries";
import { createDashboard, gpuVariable, ON_HOST, UIDS } from "./dashboards";
import { by, chart, labelRows, numbers, rows, states } from "./panels";
import { ALERT_LABELS, HEALTH } from "./words";

const ofHost = { matchers: ON_HOST };
const ofContainers = { matchers: ON_HOST, by: "name" };
const ofGpus = { matchers: ON_HOST, by: "gpu" };

const NOT_MEASURED = "Nothing measures the whole host. The table at the end may have the reason.";
const NO_GPU = "No GPU is measured on this host. The table at the end has the reason.";
const NO_SERVER = "No LLM server on this host reports it. The row LLM servers has the reasons.";
const UNEXPOSED = "No engine on this host exposes it: docs/metrics.md has a table of what each one does.";

/** The dashboard of a host: alerts, LLM servers, GPUs, other containers, and the host itself. */
export const hostDashboard = () =>
  createDashboard({
    uid: UIDS.host,
    title: "Containers / Host",
    description:
      "What runs on a host: firing alerts, LLM servers, GPUs with their memory by container, all other containers, and the host.",
    variable: gpuVariable(),
    rows: {
      "": atAGlance(),
      "LLM servers": servers(),
      GPUs: gpus(),
      Containers: otherContainers(),
      Host: host(),
    },
  });

function atAGlance() {
  const { cpu, memory, memoryLimitUsed, health, started, restarts, oomKills } = CONTAINER_QUERIES;
  const { generated, generatedPerGpu, prompts, running, waiting, errors, preemptions } = LLM_QUERIES;
  const { firstTokenP95, outputTokenP95, kvCache, prefixCacheHits } = LLM_QUERIES;
  return [
    numbers(
      {
        title: "Tokens of all LLM servers",
        description: "Tokens per second that were generated, and those of prompts.",
        missing: NO_SERVER,
      },
      { matchers: ON_HOST, by: "host" },
      { generated, prompts },
    ).span(10),
    numbers(
      {
        title: "Requests of all LLM servers",
        description: "Requests that run, and those that wait.",
        missing: NO_SERVER,
      },
      { matchers: ON_HOST, by: "host" },
      { running, waiting },
    ).span(8),
    numbers(
      {
        title: "Busy GPUs",
        description:
          "GPUs that ran kernels for more than 5 % of the last five minutes, and all whose use the driver reports.",
        missing: NO_GPU,
      },
      { matchers: ON_HOST, window: "5m" },
      { busy: HOST_QUERIES.gpusBusy, "in total": HOST_QUERIES.gpusMeasured },
    ).span(6),
    labelRows(
      {
        title: "Firing alerts",
        description:
          "The alerts that fire now. docs/runbooks.md has what to do, and so has the page at the address of Prometheus.",
        missing: "No alert fires.",
      },
      // Alerts about what is missing have no label of a host.
      firingAlerts('host=~"$host|"'),
      ALERT_LABELS,
      { sortBy: "Severity", height: 6 },
    ),
    rows(
      {
        title: "LLM servers",
        description:
          "The containers whose image or label names an LLM server. Restarts and out-of-memory kills are those of the last day.",
        missing: "No LLM server runs on this host.",
      },
      {
        labels: { name: "Container", llm_server: "Server", image: "Image" },
        scope: { matchers: `${ON_HOST},llm_server!=""`, by: "name" },
        columns: [
          by("name, llm_server, image", started),
          CONTAINER_GPU_QUERIES.memory,
          { ...CONTAINER_GPU_QUERIES.use, title: "Use of its busiest GPU" },
          cpu,
          memory,
          memoryLimitUsed,
          { ...health, words: HEALTH },
          restarts,
          oomKills,
        ],
        linkTo: UIDS.container,
        sortBy: "GPU memory",
      },
    ),
    rows(
      {
        title: "What LLM servers report",
        description: "Requests, tokens, times and caches of each server, as far as its engine exposes them.",
        missing: NO_SERVER,
      },
      {
        labels: { name: "Container" },
        scope: ofContainers,
        columns: [
          ...[generated, generatedPerGpu, prompts, running, waiting, firstTokenP95, outputTokenP95],
          ...[kvCache, prefixCacheHits, preemptions, errors],
        ],
        linkTo: UIDS.container,
        sortBy: generated.title,
      },
    ),
  ];
}

function servers() {
  const { generated, prompts, running, waiting, firstTokenP95, kvCache } = LLM_QUERIES;
  const byServer = (query: Query, description: string, missing = NO_SERVER) =>
    chart(
      { title: `${query.title}, by server`, description, missing },
      { scope: ofContainers, lines: { "{{name}}": query } },
    );
  return [
    byServer(generated, "Tokens per second that each server generates. A server is a container."),
    byServer(prompts, "Tokens of prompts per second that each server reads."),
    byServer(running, "Requests that each server works on."),
    byServer(waiting, "Requests that wait in the queue of each server."),
    byServer(firstTokenP95, "One request in twenty waits longer for its first token.", UNEXPOSED),
    byServer(kvCache, "Part of each server's KV cache that is in use.", UNEXPOSED),
    chart(
      {
        title: MODEL_MEMORY.title,
        description:
          "GPU memory of the containers that serve a model. A container that serves several models counts for each.",
        missing: NO_SERVER,
      },
      { scope: ofHost, lines: { "{{model}}": MODEL_MEMORY } },
    ),
    labelRows(
      {
        title: "LLM servers without metrics of their own",
        description:
          "LLM servers that Prometheus does not scrape, with the reasons, which docs/metrics.md explains.",
        missing: "Prometheus scrapes every LLM server of this host, or none runs.",
      },
      notScraped(ON_HOST),
      { name: "Container", llm_server: "Server", reason: "Reason" },
      { sortBy: "Container", height: 8 },
    ).span(12),
  ];
}

function gpus() {
  const { responds, use, memory, memoryTotal, hostMemory, power, powerLimit, temperature } = GPU_QUERIES;
  const ofContainer = CONTAINER_GPU_QUERIES;
  return [
    rows(
      {
        title: "GPUs",
        description:
          "Each GPU, and how many containers have it allocated and have not used it in the last hour.",
        missing: NO_GPU,
      },
      {
        labels: { gpu: "GPU", gpu_model: "Model" },
        scope: ofGpus,
        columns: [
          {
            ...by("gpu, gpu_model", responds),
            words: { 0: { text: "no", color: "red" }, 1: { text: "yes", color: "green" } },
          },
          ...[use, memory, memoryTotal, hostMemory, power, powerLimit, temperature, ofContainer.idle],
        ],
        sortBy: "Memory",
        height: 7,
      },
    ),
    rows(
      {
        title: "Containers on GPUs",
        description:
          "Which container uses how much of which GPU. An idle one has it allocated and has not used it in the last hour.",
        missing: NO_GPU,
      },
      {
        labels: { name: "Container", gpu: "GPU" },
        scope: { matchers: ON_HOST, by: "name, gpu" },
        columns: [ofContainer.memory, ofContainer.memoryTotal, ofContainer.use, ofContainer.idle],
        linkTo: UIDS.container,
        sortBy: "GPU memory",
      },
    ),
    chart(
      {
        title: "Memory of GPU $gpu",
        description: "By container, and by processes outside of containers; the memory in total is dashed.",
        missing: NO_GPU,
      },
      {
        scope: { matchers: `${ON_HOST},gpu=~"$gpu"`, by: "gpu" },
        lines: { "{{name}}": by("name", ofContainer.memory), "processes of the host": hostMemory },
        limits: { "in total": memoryTotal },
        stacked: true,
      },
    )
      // The repeated panels fill the width, two side by side.
      .span(24)
      .repeat("gpu")
      .repeatDirection("h")
      .maxPerRow(2),
    chart(
      { title: "Use of GPUs", description: "Time in which a kernel ran.", missing: NO_GPU },
      { scope: ofGpus, lines: { "GPU {{gpu}}": use } },
    ),
    chart(
      { title: "Power of GPUs", description: "Power draw; the limit is dashed.", missing: NO_GPU },
      { scope: ofGpus, lines: { "GPU {{gpu}}": power }, limits: { "GPU {{gpu}}: limit": powerLimit } },
    ),
    chart(
      { title: "Temperature of GPUs", description: "Temperature of each GPU's core.", missing: NO_GPU },
      { scope: ofGpus, lines: { "GPU {{gpu}}": temperature } },
    ),
    states(
      {
        title: "Lower clocks of GPUs",
        description:
          "The reasons for which the driver lowers the clocks. sw_power_cap is normal under load; slowdowns by heat or power brake are faults.",
        missing: NO_GPU,
      },
      { matchers: ON_HOST, by: "gpu, reason" },
      { "GPU {{gpu}}: {{reason}}": GPU_QUERIES.throttled },
    ),
  ];
}

function otherContainers() {
  const { cpu, throttled, memory, memoryLimitUsed, received, sent, health, started, restarts, oomKills } =
    CONTAINER_QUERIES;
  return [
    rows(
      {
        title: "Other containers",
        description:
          "All containers but LLM servers. Restarts and out-of-memory kills are those of the last day.",
        missing: "No other container runs on this host.",
      },
      {
        labels: { name: "Container", compose_project: "Project", image: "Image" },
        scope: { matchers: `${ON_HOST},llm_server=""`, by: "name" },
        columns: [
          by("name, compose_project, image", started),
          ...[cpu, throttled, memory, memoryLimitUsed, received, sent],
          { ...health, words: HEALTH },
          restarts,
          oomKills,
        ],
        linkTo: UIDS.container,
        sortBy: "Memory",
        height: 12,
      },
    ),
    labelRows(
      {
        title: "Containers that do not run",
        description:
          "Containers that Docker has and that have ended, restart or are dead, with their states.",
        missing: "Every container runs, or nothing reports those that do not.",
      },
      stoppedSeries(ON_HOST),
      { name: "Container", state: "State", compose_project: "Project", image: "Image" },
      { sortBy: "State", height: 6 },
    ),
  ];
}

function host() {
  const { cpu, memory, disks, containersCpu, cores, containersMemory, memoryTotal } = HOST_QUERIES;
  return [
    chart(
      {
        title: "CPU and memory of the host",
        description: "Parts that are used, by containers and by everything else.",
        missing: NOT_MEASURED,
      },
      { scope: ofHost, lines: { CPU: cpu, memory } },
    ),
    chart(
      { title: "Disks of the host", description: "Part of each disk that is used.", missing: NOT_MEASURED },
      { scope: ofHost, lines: { "{{mountpoint}}": disks } },
    ),
    chart(
      {
        title: "CPU of all containers",
        description: "The cores of the host are dashed.",
        missing: "cAdvisor has no samples in this time range.",
      },
      { scope: ofHost, lines: { containers: containersCpu }, limits: { host: cores } },
    ),
    chart(
      {
        title: "Memory of all containers",
        description: "Without the page cache that the kernel can free. The memory of the host is dashed.",
        missing: "cAdvisor has no samples in this time range.",
      },
      { scope: ofHost, lines: { containers: containersMemory }, limits: { host: memoryTotal } },
    ),
    labelRows(
      {
        title: "Not measured on this host",
        description: "The metrics that this host does not provide, with the reasons.",
        missing: "The host provides every metric.",
      },
      `${DESCRIPTIONS.unavailable}{${ON_HOST}}`,
      { metric: "Metric", reason: "Reason" },
      { sortBy: "Metric", height: 6 },
    ),
  ];
}
