import { sparklineGrid, type Answers } from "../../../dashboard/answers";
import { chartGrid, containerHistory, historyQueries } from "../../../dashboard/containerHistory";
import { modelsText } from "../../../dashboard/llmServers";
import { overview } from "../../../dashboard/overview";
import { last } from "../../../dashboard/tagged";

const NOW = 1_790_000_000;
const STARTED = NOW - 3600;
const labels = { id: "/docker/chat", name: "chat", image: "vllm/vllm-openai:v0.11.0", llm_server: "vllm" };
const id = { id: labels.id };

const sample = (field: string, of: Record<string, string>, value: number) => ({
  metric: { field, ...of },
  value: [NOW, String(value)] as [number, string],
});
const range = (field: string, of: Record<string, string>, value: number, ago = 0) => ({
  metric: { field, ...of },
  values: [[NOW - ago, String(value)] as [number, string]],
});
const target = { job: "llm-servers", instance: "chat:8000", host: "llm-1", ...labels };

/** The first screen of a host with one server. */
function shown({ descriptions = [], now = [], others = [], targets = [] }: Partial<Answers>) {
  const answers = overview({
    grid: sparklineGrid(NOW),
    descriptions: [
      sample("targets", { job: "cadvisor", instance: "cadvisor:1", host: "llm-1" }, 1),
      sample("containers", labels, STARTED),
      ...descriptions,
    ],
    now: [sample("age", { job: "cadvisor", instance: "cadvisor:1" }, 4), ...now],
    containers: [],
    others,
    alerts: [],
    targets,
  });
  return { ...answers, server: answers.containers[0]?.server };
}

describe("LLM server on the first screen", () => {
  const answers = {
    descriptions: [
      sample("llmUp", id, 1),
      sample("models", { ...id, model: "b" }, 1),
      sample("models", { ...id, model: "a" }, 1),
    ],
    now: [sample("llm.prompts", id, 90)],
    others: [
      range("llm.generated", id, 12),
      range("llm.running", id, 3),
      range("llm.waiting", id, 1),
      range("host.generated", { host: "llm-1" }, 12),
      range("host.gpusBusy", { host: "llm-1" }, 0),
    ],
  };

  it("has what it reports, and leaves unknown what its engine does not expose", () => {
    const { server, host } = shown(answers);
    expect(server).toMatchObject({ models: ["a", "b"], prompts: 90, missing: undefined });
    expect([server?.generated, server?.running, server?.waiting].map(last)).toEqual([12, 3, 1]);
    expect([server?.firstToken, server?.kvCache]).toEqual([undefined, undefined]);
    expect([host.generated, host.waiting, host.gpusBusy].map(last)).toEqual([12, undefined, 0]);
  });

  it.each([
    ["network", /not scraped: it is on no network on which servers are scraped/],
    ["key", /not scraped: it has a key/],
    ["port", /llm-metrics\.port/],
    ["engine", /its engine exposes none/],
    ["label", /llm-metrics\.scrape is false/],
    ["something new", /not scraped: something new\.$/],
  ])("is not scraped for the reason %s, which the page explains", (reason, text) => {
    expect(shown({ descriptions: [sample("notScraped", { ...id, reason }, 0)] }).server?.missing).toMatch(
      text,
    );
  });

  it("does not answer, with the error of the scrape, once, beside the server", () => {
    const descriptions = [sample("targets", target, 0), sample("llmUp", id, 0)];
    const targets = [{ labels: target, health: "down" as const, lastError: "connection refused" }];
    const ever = [sample("llm.answered", id, NOW - 180)];
    const down = shown({ ...answers, descriptions, targets, now: ever });
    expect(down.server?.missing).toBe("It has not answered scrapes for 3 min (connection refused).");
    expect(down.notices.map(({ text }) => text).join()).not.toContain("chat:8000");
    // Before its restart, it answered.
    const before = [sample("llm.answered", id, STARTED - 60)];
    expect(shown({ descriptions, targets, now: before }).server?.missing).toBe(
      "It has not answered a scrape since its start, 1 h ago (connection refused). It may still load its model.",
    );
  });

  it("cannot be scraped while the forwarder to it is down, which is reported above", () => {
    const forwarder = { job: "llm-forwarder", instance: "llm-forwarder:23401", host: "llm-1" };
    const error = "lookup llm-forwarder: no such host";
    const { server, notices } = shown({
      descriptions: [sample("targets", target, 0), sample("targets", forwarder, 0)],
      targets: [target, forwarder].map((labels) => ({ labels, health: "down" as const, lastError: error })),
    });
    expect(server?.missing).toBe(`Its own metrics cannot be scraped now (${error}).`);
    expect(notices.map(({ text }) => text).join()).toMatch(/^The forwarder to LLM servers is down/);
  });

  it("is reported above, where cAdvisor does not list its container", () => {
    const other = { ...target, id: "/docker/other", instance: "other:8000" };
    const { notices } = shown({ descriptions: [sample("targets", other, 0)] });
    expect(notices.map(({ text }) => text)).toContain(
      "The target other:8000 of the job llm-servers is down.",
    );
  });

  it("answers without metrics of its engine, or is not scraped at all", () => {
    const descriptions = [sample("llmUp", id, 1)];
    expect(shown({ descriptions }).server?.missing).toBe(
      "It answers scrapes, without metrics of its engine.",
    );
    const gone = [range("llm.generated", id, 12, 600)];
    expect(shown({ descriptions, others: gone }).server?.missing).toBe(
      "It answers scrapes, without metrics of its engine.",
    );
    expect(shown({}).server?.missing).toMatch(/or the setting llmServers is off/);
  });

  it("names the first of many models", () => {
    expect(modelsText(["a", "b", "c"])).toBe("a, b, c");
    expect(modelsText(["a", "b", "c", "d", "e"])).toBe("a, b, c and 2 more");
  });
});

describe("View of an LLM server", () => {
  const grid = chartGrid("1h", NOW);
  const view = (fields: string[], descriptions = [sample("llmUp", id, 1)], gpus = 1) =>
    containerHistory({
      name: "chat",
      grid,
      descriptions: [
        sample("containers", labels, STARTED),
        ...Array.from({ length: gpus }, (_, gpu) => sample("containerGpus", { ...id, gpu: String(gpu) }, 1)),
        ...descriptions,
      ],
      ranges: fields.map((field) => range(field, {}, 1)),
      alerts: [],
    });
  const charts = (...args: Parameters<typeof view>) =>
    view(...args).charts.map(({ title, lines }) => [title, ...lines.map(({ label }) => label)]);

  it("has a chart of what has samples, and names the rest", () => {
    const fields = ["generated", "running", "waiting", "durationP95"];
    expect(charts(fields).slice(0, 4)).toEqual([
      ["Tokens generated", "in total"],
      ["Requests running and waiting", "running", "waiting"],
      ["Duration of requests", "p95"],
      ["GPU memory"],
    ]);
    expect(view(fields).server?.missing).toBe(
      "No samples in this time range: Tokens of prompts, Time to first token, Time per output token, KV cache, Requests per second. The engine does not expose them, or there was no request.",
    );
  });

  it("has the tokens per GPU where it has several", () => {
    const fields = ["generated", "generatedPerGpu"];
    expect(charts(fields, undefined, 2)[0]).toEqual(["Tokens generated", "in total", "per GPU"]);
    expect(charts(fields)[0]).toEqual(["Tokens generated", "in total"]);
  });

  it("has the reason why it reports nothing", () => {
    const reason = sample("notScraped", { ...id, reason: "port" }, 0);
    expect(view([], [reason]).server?.missing).toMatch(/its port is unknown/);
    expect(view([]).server?.missing).toBe("It answers scrapes, without metrics of its engine.");
    const down = [sample("llmUp", id, 0), sample("answered", id, NOW - 60)];
    expect(view([], down).server?.missing).toBe("It has not answered scrapes for 1 min.");
  });

  it("has its model, and none of this for another container", () => {
    const model = sample("models", { ...id, model: "Qwen/Qwen3-32B" }, 1);
    expect(view(["generated"], [sample("llmUp", id, 1), model]).server?.models).toEqual(["Qwen/Qwen3-32B"]);
    const other = sample("containers", { ...labels, llm_server: "" }, STARTED);
    const { server, charts: all } = containerHistory({
      name: "chat",
      grid,
      descriptions: [other],
      ranges: [],
      alerts: [],
    });
    expect(server).toBeUndefined();
    expect(all.map(({ title }) => title)).toEqual(["CPU", "Memory", "Network", "Disk", "Writable layer"]);
  });

  it("queries the records of the container by its name", () => {
    expect(historyQueries("chat", grid).kvCache.expr).toBe(
      'max by (name) (llm:kv_cache_usage:ratio{name="chat"})',
    );
  });
});
