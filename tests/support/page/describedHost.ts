/** A container of a described host, with levels around which its values vary. */
export interface DescribedContainer {
  name: string;
  image: string;
  llmServer?: string;
  project?: string;
  service?: string;
  /** Hours since its start. */
  hours?: number;
  cores: number;
  cpuLimit?: number;
  gibibytes: number;
  limitGibibytes?: number;
  healthy?: boolean;
  /** Bytes per second. */
  network?: number;
  disk?: number;
  /** Minutes ago. */
  oomKills?: number[];
  restarts?: number[];
  throttled?: number;
  gpus?: { gpu: number; gibibytes: number; use: number }[];
  /** What its LLM server reports about itself. */
  server?: DescribedServer;
}

/** What an LLM server reports: nothing of what its engine does not expose. */
export interface DescribedServer {
  /** The reason for which Prometheus does not scrape it. */
  notScraped?: string;
  /** Whether it has stopped to answer. */
  down?: boolean;
  model?: string;
  /** Tokens per second. */
  generated?: number;
  prompts?: number;
  running?: number;
  waiting?: number;
  /** Medians, in seconds. */
  firstToken?: number;
  outputToken?: number;
  duration?: number;
  /** Fractions. */
  kvCache?: number;
  cacheHits?: number;
  /** Per second. */
  requests?: number;
  preemptions?: number;
  errors?: number;
}

/** A container that does not run. */
export interface DescribedStopped {
  name: string;
  image: string;
  project?: string;
  state: string;
  exitCode: number;
  oomKilled?: boolean;
}

/** A host whose samples are made up, for pictures, benchmarks and tests of the page without an engine. */
export interface DescribedHost {
  name: string;
  cores: number;
  gibibytes: number;
  containers: DescribedContainer[];
  /** The number of its GPUs, each an H100. */
  gpus?: number;
  throttled?: { gpu: number; reason: string }[];
  unavailable?: { metric: string; reason: string }[];
  down?: string[];
  stopped?: DescribedStopped[];
  /** Fractions of the whole host that are used, and of its disks. */
  used?: { cpu: number; memory: number; disks: Record<string, number> };
}

/** The stack's own containers. */
const STACK: DescribedContainer[] = [
  {
    name: "llm-metrics-dev-prometheus",
    image: "prom/prometheus:v3.13.5",
    hours: 310,
    cores: 0.02,
    cpuLimit: 1,
    gibibytes: 0.12,
    limitGibibytes: 1,
    healthy: true,
  },
  {
    name: "llm-metrics-dev-cadvisor",
    image: "ghcr.io/google/cadvisor:v0.60.5",
    hours: 310,
    cores: 0.03,
    cpuLimit: 0.5,
    gibibytes: 0.08,
    limitGibibytes: 0.5,
    healthy: true,
  },
  {
    name: "llm-metrics-dev-gateway",
    image: "caddy:2.11.9-alpine",
    hours: 310,
    cores: 0.002,
    cpuLimit: 0.5,
    gibibytes: 0.03,
    limitGibibytes: 0.125,
    healthy: true,
  },
];

/** What a busy server of a large model reports. */
const CHAT_SERVER: DescribedServer = {
  model: "meta-llama/Llama-3.3-70B-Instruct",
  generated: 1840,
  prompts: 6200,
  running: 24,
  waiting: 3,
  firstToken: 0.21,
  outputToken: 0.018,
  duration: 7.4,
  kvCache: 0.68,
  cacheHits: 0.41,
  requests: 4.1,
  preemptions: 0.02,
  errors: 0,
};

/** A host with four GPUs on which some things are wrong. */
export const GPU_HOST: DescribedHost = {
  name: "llm-1",
  cores: 64,
  gibibytes: 512,
  gpus: 4,
  throttled: [{ gpu: 2, reason: "sw_power_cap" }],
  used: { cpu: 0.11, memory: 0.31, disks: { "/": 0.42, "/var/lib/docker": 0.83 } },
  stopped: [
    { name: "rag-migrate", image: "example/ingest:4.2", project: "rag", state: "exited", exitCode: 0 },
    { name: "rag-worker", image: "example/ingest:4.2", project: "rag", state: "restarting", exitCode: 1 },
  ],
  containers: [
    {
      name: "chat-vllm",
      image: "vllm/vllm-openai:v0.11.0",
      llmServer: "vllm",
      hours: 80,
      cores: 2.1,
      gibibytes: 41,
      limitGibibytes: 96,
      healthy: true,
      network: 410_000,
      disk: 2e6,
      gpus: [
        { gpu: 0, gibibytes: 71.2, use: 0.82 },
        { gpu: 1, gibibytes: 71.2, use: 0.79 },
      ],
      server: CHAT_SERVER,
    },
    {
      name: "summary",
      image: "ghcr.io/huggingface/text-generation-inference:3.3.5",
      llmServer: "tgi",
      hours: 310,
      cores: 0.6,
      gibibytes: 6.2,
      limitGibibytes: 16,
      healthy: true,
      network: 90_000,
      gpus: [{ gpu: 2, gibibytes: 9.4, use: 0.21 }],
      // TGI exposes no time to the first token, and no cache.
      server: {
        generated: 310,
        prompts: 2900,
        running: 6,
        waiting: 0,
        outputToken: 0.021,
        duration: 3.1,
        requests: 1.9,
        errors: 0,
      },
    },
    {
      name: "rerank-sglang",
      image: "lmsysorg/sglang:v0.5.3",
      llmServer: "sglang",
      hours: 29,
      cores: 1.2,
      gibibytes: 22,
      limitGibibytes: 64,
      healthy: true,
      network: 60_000,
      gpus: [{ gpu: 2, gibibytes: 38.6, use: 0.3 }],
      server: {
        model: "BAAI/bge-reranker-v2-gemma",
        generated: 44,
        prompts: 9100,
        running: 5,
        waiting: 0,
        firstToken: 0.06,
        outputToken: 0.011,
        duration: 0.09,
        kvCache: 0.12,
        cacheHits: 0.07,
        requests: 44,
        preemptions: 0,
      },
    },
    {
      name: "draft-ollama",
      image: "ollama/ollama:0.12.3",
      llmServer: "ollama",
      hours: 6,
      cores: 0.02,
      gibibytes: 1.1,
      gpus: [{ gpu: 3, gibibytes: 0, use: 0 }],
      server: { notScraped: "engine" },
    },
    {
      name: "chat-web",
      image: "ghcr.io/open-webui/open-webui:v0.6.32",
      project: "chat",
      service: "web",
      hours: 80,
      cores: 0.12,
      gibibytes: 0.9,
      limitGibibytes: 2,
      healthy: true,
      network: 40_000,
    },
    {
      name: "chat-db",
      image: "postgres:17.6",
      project: "chat",
      service: "db",
      hours: 310,
      cores: 0.21,
      gibibytes: 3.7,
      limitGibibytes: 8,
      healthy: true,
      network: 22_000,
      disk: 400_000,
    },
    {
      name: "chat-redis",
      image: "redis:8.2",
      project: "chat",
      service: "redis",
      hours: 310,
      cores: 0.04,
      gibibytes: 0.24,
      limitGibibytes: 1,
      network: 9000,
    },
    {
      name: "rag-ingest",
      image: "example/ingest:4.2",
      project: "rag",
      service: "ingest",
      hours: 9,
      cores: 1.9,
      cpuLimit: 2,
      throttled: 0.31,
      gibibytes: 7.5,
      limitGibibytes: 8,
      network: 310_000,
      disk: 9e6,
      oomKills: [8, 42],
      restarts: [8],
    },
    {
      name: "rag-qdrant",
      image: "qdrant/qdrant:v1.15",
      project: "rag",
      service: "qdrant",
      hours: 310,
      cores: 0.35,
      gibibytes: 11.4,
      limitGibibytes: 32,
      healthy: true,
      network: 70_000,
      disk: 800_000,
    },
    ...STACK,
  ],
};

/** The LLM servers among many containers. */
const SERVERS = 20;

/** A host with many containers, of which 20 are LLM servers, and eight GPUs. */
export function largeHost(containers: number): DescribedHost {
  return {
    name: "large",
    cores: 128,
    gibibytes: 1024,
    gpus: 8,
    containers: Array.from({ length: containers }, (_, n) => ({
      name: `service-${n}`,
      ...(n < SERVERS
        ? {
            image: "vllm/vllm-openai:v0.11.0",
            llmServer: "vllm",
            gpus: [{ gpu: n % 8, gibibytes: 20, use: 0.3 }],
            server: { ...CHAT_SERVER, model: `example/model-${n}` },
          }
        : {
            image: `registry.example.org/team-${n % 12}/service-${n % 50}:1.${n}`,
            project: `project-${n % 24}`,
            service: `service-${n % 50}`,
          }),
      hours: 40 + n,
      cores: 0.02 + (n % 17) / 10,
      gibibytes: 0.05 + (n % 29) / 4,
      limitGibibytes: 16,
      cpuLimit: 4,
      healthy: true,
    })),
  };
}

/** Changes of containers of {@link GPU_HOST}. */
const FAULTS: Record<string, Partial<DescribedContainer>> = {
  "chat-vllm": { healthy: false, server: { ...CHAT_SERVER, down: true } },
  "rerank-sglang": {
    server: {
      ...CHAT_SERVER,
      model: "Qwen/Qwen3-32B",
      kvCache: 1.5,
      firstToken: 8.5,
      waiting: 61,
      errors: 0.4,
    },
  },
  summary: { server: { notScraped: "network" } },
  "rag-ingest": { gibibytes: 4, throttled: 0, oomKills: [], restarts: [] },
};

/** A host on which a server has stopped to answer, another one cannot cope, and a third one cannot be reached. */
export const FAULTY_HOST: DescribedHost = {
  ...GPU_HOST,
  containers: GPU_HOST.containers.map((container) => ({ ...container, ...FAULTS[container.name] })),
};

/** A host without GPUs, with ten containers, one of which is an LLM server. */
export const SMALL_HOST: DescribedHost = {
  name: "office",
  cores: 16,
  gibibytes: 64,
  used: { cpu: 0.34, memory: 0.41, disks: { "/": 0.57 } },
  containers: [
    {
      name: "assistant",
      image: "ghcr.io/ggml-org/llama.cpp:server-b6700",
      llmServer: "llama.cpp",
      hours: 51,
      cores: 4.6,
      cpuLimit: 8,
      throttled: 0,
      gibibytes: 9.8,
      limitGibibytes: 16,
      healthy: true,
      network: 12_000,
      server: { generated: 17.4, prompts: 96, running: 2, waiting: 1 },
    },
    ...GPU_HOST.containers.filter(({ name }) => /^(chat-(web|db|redis)|rag-qdrant)$/.test(name)),
    {
      name: "gitea",
      image: "gitea/gitea:1.24",
      hours: 930,
      cores: 0.03,
      gibibytes: 0.4,
      limitGibibytes: 2,
      healthy: true,
      network: 6000,
    },
    {
      name: "backup",
      image: "restic/restic:0.18.0",
      hours: 3,
      cores: 0.4,
      gibibytes: 0.6,
      limitGibibytes: 1,
      disk: 22e6,
    },
    ...STACK,
  ],
};

/** A host on which the stack has just been deployed. */
export const EMPTY_HOST: DescribedHost = {
  name: "new",
  cores: 8,
  gibibytes: 32,
  used: { cpu: 0.03, memory: 0.09, disks: { "/": 0.21 } },
  containers: [
    ...STACK,
    {
      name: "llm-metrics-dev-exporter",
      image: "node:24.11.1-bookworm-slim",
      cores: 0.003,
      cpuLimit: 0.5,
      gibibytes: 0.014,
      limitGibibytes: 0.25,
      healthy: true,
    },
    {
      name: "llm-metrics-dev-node-exporter",
      image: "prom/node-exporter:v1.12.1",
      cores: 0.002,
      cpuLimit: 0.5,
      gibibytes: 0.012,
      limitGibibytes: 0.0625,
      healthy: true,
    },
  ].map((container) => ({ ...container, hours: 0.2 })),
};
