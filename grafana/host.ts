import { RowBuilder } from "@grafana/grafana-foundation-sdk/dashboard";
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
import { chart, labelRows, linkNames, numbers, rows, states } from "./panels";
import { ALERT_LABELS, HEALTH } from "./words";

const LLM_SERVERS = `${ON_HOST},llm_server!=""`;
const OTHERS = `${ON_HOST},llm_server=""`;
const NOT_MEASURED = "Nothing measures the whole host. The table at the end may have the reason.";
const NO_GPU = "No GPU is measured on this host. The table at the end has the reason.";

const NO_SERVER = "No LLM server on this host reports it. The row LLM servers has the reasons.";
const UNEXPOSED = "No engine on this host exposes it: docs/metrics.md has a table of what each one does.";

/** The dashboard of a host: alerts, LLM servers, GPUs, other containers, and the host itself. */
export const hostDashboard = () =>
  createDashboard(
    UIDS.host,
    "Containers / Host",
    "What runs on a host: firing alerts, LLM servers, GPUs with their memory by container, all other containers, and the host.",
  )
    .withVariable(gpuVariable())
    .withPanel(
      numbers(
        {
          title: "Tokens of all LLM servers",
          description: "Tokens per second that were generated, and those of prompts.",
          missing: NO_SERVER,
        },
        [
          { query: LLM_QUERIES.generated, scope: ofHost, legend: "generated" },
          { query: LLM_QUERIES.prompts, scope: ofHost, legend: "prompts" },
        ],
      ).span(10),
    )
    .withPanel(
      numbers(
        {
          title: "Requests of all LLM servers",
          description: "Requests that run, and those that wait.",
          missing: NO_SERVER,
        },
        [
          { query: LLM_QUERIES.running, scope: ofHost, legend: "running" },
          { query: LLM_QUERIES.waiting, scope: ofHost, legend: "waiting" },
        ],
      ).span(8),
    )
    .withPanel(
      numbers(
        {
          title: "Busy GPUs",
          description:
            "GPUs that ran kernels for more than 5 % of the last five minutes, and all whose use the driver reports.",
          missing: NO_GPU,
        },
        [
          { query: HOST_QUERIES.gpusBusy, scope: { matchers: ON_HOST, window: "5m" }, legend: "busy" },
          {
            query: HOST_QUERIES.gpusMeasured,
            scope: { matchers: ON_HOST, window: "5m" },
            legend: "in total",
          },
        ],
      ).span(6),
    )
    .withPanel(
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
    )
    .withPanel(llmServers())
    .withPanel(reportedByServers())
    .withRow(new RowBuilder("LLM servers"))
    .withPanel(
      ofServers(
        LLM_QUERIES.generated,
        "Tokens per second that each server generates. A server is a container.",
      ),
    )
    .withPanel(ofServers(LLM_QUERIES.prompts, "Tokens of prompts per second that each server reads."))
    .withPanel(ofServers(LLM_QUERIES.running, "Requests that each server works on."))
    .withPanel(ofServers(LLM_QUERIES.waiting, "Requests that wait in the queue of each server."))
    .withPanel(
      ofServers(
        LLM_QUERIES.firstTokenP95,
        "One request in twenty waits longer for its first token.",
        UNEXPOSED,
      ),
    )
    .withPanel(ofServers(LLM_QUERIES.kvCache, "Part of each server's KV cache that is in use.", UNEXPOSED))
    .withPanel(
      chart(
        {
          title: MODEL_MEMORY.title,
          description:
            "GPU memory of the containers that serve a model. A container that serves several models counts for each.",
          missing: NO_SERVER,
        },
        [{ query: MODEL_MEMORY, scope: { matchers: ON_HOST }, legend: "{{model}}" }],
      ),
    )
    .withPanel(
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
    )
    .withRow(new RowBuilder("GPUs"))
    .withPanel(gpus())
    .withPanel(gpusOfContainers())
    .withPanel(memoryOfGpu())
    .withPanel(
      chart({ title: "Use of GPUs", description: "Time in which a kernel ran.", missing: NO_GPU }, [
        { query: GPU_QUERIES.use, scope: ofGpus, legend: "GPU {{gpu}}" },
      ]),
    )
    .withPanel(
      chart({ title: "Power of GPUs", description: "Power draw; the limit is dashed.", missing: NO_GPU }, [
        { query: GPU_QUERIES.power, scope: ofGpus, legend: "GPU {{gpu}}" },
        { query: GPU_QUERIES.powerLimit, scope: ofGpus, legend: "GPU {{gpu}}: limit", isLimit: true },
      ]),
    )
    .withPanel(
      chart(
        { title: "Temperature of GPUs", description: "Temperature of each GPU's core.", missing: NO_GPU },
        [{ query: GPU_QUERIES.temperature, scope: ofGpus, legend: "GPU {{gpu}}" }],
      ),
    )
    .withPanel(
      states(
        {
          title: "Lower clocks of GPUs",
          description:
            "The reasons for which the driver lowers the clocks. sw_power_cap is normal under load; slowdowns by heat or power brake are faults.",
          missing: NO_GPU,
        },
        {
          query: GPU_QUERIES.throttled,
          scope: { matchers: ON_HOST, by: "gpu, reason" },
          legend: "GPU {{gpu}}: {{reason}}",
        },
      ),
    )
    .withRow(new RowBuilder("Containers"))
    .withPanel(otherContainers())
    .withPanel(
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
    )
    .withRow(new RowBuilder("Host"))
    .withPanel(
      chart(
        {
          title: "CPU and memory of the host",
          description: "Parts that are used, by containers and by everything else.",
          missing: NOT_MEASURED,
        },
        [
          { query: HOST_QUERIES.cpu, scope: { matchers: ON_HOST }, legend: "CPU" },
          { query: HOST_QUERIES.memory, scope: { matchers: ON_HOST }, legend: "memory" },
        ],
      ),
    )
    .withPanel(
      chart(
        {
          title: "Disks of the host",
          description: "Part of each disk that is used.",
          missing: NOT_MEASURED,
        },
        [{ query: HOST_QUERIES.disks, scope: { matchers: ON_HOST }, legend: "{{mountpoint}}" }],
      ),
    )
    .withPanel(
      chart(
        {
          title: "CPU of all containers",
          description: "The cores of the host are dashed.",
          missing: "cAdvisor has no samples in this time range.",
        },
        [
          {
            query: HOST_QUERIES.containersCpu,
            scope: { matchers: ON_HOST, window: "$__rate_interval" },
            legend: "containers",
          },
          { query: HOST_QUERIES.cores, scope: { matchers: ON_HOST }, legend: "host", isLimit: true },
        ],
      ),
    )
    .withPanel(
      chart(
        {
          title: "Memory of all containers",
          description: "Without the page cache that the kernel can free. The memory of the host is dashed.",
          missing: "cAdvisor has no samples in this time range.",
        },
        [
          { query: HOST_QUERIES.containersMemory, scope: { matchers: ON_HOST }, legend: "containers" },
          { query: HOST_QUERIES.memoryTotal, scope: { matchers: ON_HOST }, legend: "host", isLimit: true },
        ],
      ),
    )
    .withPanel(
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
    );

const ofGpus = { matchers: ON_HOST, by: "gpu" };
const ofHost = { matchers: ON_HOST, by: "host" };

/** A chart with a line for each LLM server. */
const ofServers = (query: Query, description: string, missing = NO_SERVER) =>
  chart({ title: `${query.title}, by server`, description, missing }, [
    { query, scope: { matchers: ON_HOST, by: "name" }, legend: "{{name}}" },
  ]);

/** What LLM servers report of themselves. */
function reportedByServers() {
  const scope = { matchers: ON_HOST, by: "name" };
  const { generated, generatedPerGpu, prompts, running, waiting, errors, preemptions } = LLM_QUERIES;
  const { firstTokenP95, outputTokenP95, kvCache, prefixCacheHits } = LLM_QUERIES;
  return linkNames(
    rows(
      {
        title: "What LLM servers report",
        description: "Requests, tokens, times and caches of each server, as far as its engine exposes them.",
        missing: NO_SERVER,
      },
      { name: "Container" },
      [
        { query: generated, scope },
        { query: generatedPerGpu, scope },
        { query: prompts, scope },
        { query: running, scope },
        { query: waiting, scope },
        { query: firstTokenP95, scope },
        { query: outputTokenP95, scope },
        { query: kvCache, scope },
        { query: prefixCacheHits, scope },
        { query: preemptions, scope },
        { query: errors, scope },
      ],
      { sortBy: generated.title },
    ),
    UIDS.container,
  );
}

function llmServers() {
  const scope = { matchers: LLM_SERVERS, by: "name" };
  const { cpu, memory, memoryLimitUsed, health, started, restarts, oomKills } = CONTAINER_QUERIES;
  return linkNames(
    rows(
      {
        title: "LLM servers",
        description:
          "The containers whose image or label names an LLM server. Restarts and out-of-memory kills are those of the last day.",
        missing: "No LLM server runs on this host.",
      },
      { name: "Container", llm_server: "Server", image: "Image" },
      [
        { query: started, scope: { ...scope, by: "name, llm_server, image" } },
        { query: CONTAINER_GPU_QUERIES.memory, scope },
        { query: CONTAINER_GPU_QUERIES.use, scope, title: "Use of its busiest GPU" },
        { query: cpu, scope },
        { query: memory, scope },
        { query: memoryLimitUsed, scope },
        { query: health, scope, words: HEALTH },
        { query: restarts, scope },
        { query: oomKills, scope },
      ],
      { sortBy: "GPU memory" },
    ),
    UIDS.container,
  );
}

function gpus() {
  const { responds, use, memory, memoryTotal, hostMemory, power, powerLimit, temperature } = GPU_QUERIES;
  return rows(
    {
      title: "GPUs",
      description:
        "Each GPU, and how many containers have it allocated and have not used it in the last hour.",
      missing: NO_GPU,
    },
    { gpu: "GPU", gpu_model: "Model" },
    [
      {
        query: responds,
        scope: { ...ofGpus, by: "gpu, gpu_model" },
        words: { 0: { text: "no", color: "red" }, 1: { text: "yes", color: "green" } },
      },
      { query: use, scope: ofGpus },
      { query: memory, scope: ofGpus },
      { query: memoryTotal, scope: ofGpus },
      { query: hostMemory, scope: ofGpus },
      { query: power, scope: ofGpus },
      { query: powerLimit, scope: ofGpus },
      { query: temperature, scope: ofGpus },
      { query: CONTAINER_GPU_QUERIES.idle, scope: ofGpus },
    ],
    { sortBy: "Memory", height: 7 },
  );
}

function gpusOfContainers() {
  const scope = { matchers: ON_HOST, by: "name, gpu" };
  const { memory, memoryTotal, use, idle } = CONTAINER_GPU_QUERIES;
  return linkNames(
    rows(
      {
        title: "Containers on GPUs",
        description:
          "Which container uses how much of which GPU. An idle one has it allocated and has not used it in the last hour.",
        missing: NO_GPU,
      },
      { name: "Container", gpu: "GPU" },
      [
        { query: memory, scope },
        { query: memoryTotal, scope },
        { query: use, scope },
        { query: idle, scope },
      ],
      { sortBy: "GPU memory" },
    ),
    UIDS.container,
  );
}

/** The memory of one GPU by container, repeated for each GPU. */
const memoryOfGpu = () => {
  const matchers = `${ON_HOST},gpu=~"$gpu"`;
  return (
    chart(
      {
        title: "Memory of GPU $gpu",
        description: "By container, and by processes outside of containers; the memory in total is dashed.",
        missing: NO_GPU,
      },
      [
        { query: CONTAINER_GPU_QUERIES.memory, scope: { matchers, by: "name" }, legend: "{{name}}" },
        { query: GPU_QUERIES.hostMemory, scope: { matchers, by: "gpu" }, legend: "processes of the host" },
        { query: GPU_QUERIES.memoryTotal, scope: { matchers, by: "gpu" }, legend: "in total", isLimit: true },
      ],
      { stacked: true },
    )
      // The repeated panels fill the width, two side by side.
      .span(24)
      .repeat("gpu")
      .repeatDirection("h")
      .maxPerRow(2)
  );
};

function otherContainers() {
  const scope = { matchers: OTHERS, by: "name" };
  const { cpu, throttled, memory, memoryLimitUsed, received, sent, health, started, restarts, oomKills } =
    CONTAINER_QUERIES;
  return linkNames(
    rows(
      {
        title: "Other containers",
        description:
          "All containers but LLM servers. Restarts and out-of-memory kills are those of the last day.",
        missing: "No other container runs on this host.",
      },
      { name: "Container", compose_project: "Project", image: "Image" },
      [
        { query: started, scope: { ...scope, by: "name, compose_project, image" } },
        { query: cpu, scope },
        { query: throttled, scope },
        { query: memory, scope },
        { query: memoryLimitUsed, scope },
        { query: received, scope },
        { query: sent, scope },
        { query: health, scope, words: HEALTH },
        { query: restarts, scope },
        { query: oomKills, scope },
      ],
      { sortBy: "Memory", height: 12 },
    ),
    UIDS.container,
  );
}
