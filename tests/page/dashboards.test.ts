import { DASHBOARDS, dashboard, dashboardQueries } from "../support/dashboards";
import { GPU_HOST, type DescribedContainer } from "../support/page/describedHost";
import { startPageServer, type PageServer } from "../support/page/pageServer";
import { query } from "../support/prometheus";
import {
  CONTAINER_GPU_QUERIES,
  CONTAINER_QUERIES,
  DESCRIPTIONS,
  GPU_QUERIES,
  HOST_QUERIES,
  LAST_ANSWER,
  LLM_QUERIES,
  SAMPLE_AGE,
} from "../../prometheus/queries";

jest.setTimeout(300_000);

const GIB = 1024 ** 3;

/** A container that has everything that a description can have. */
const CONTAINER: DescribedContainer = {
  name: "chat",
  image: "vllm/vllm-openai:v0.11.0",
  llmServer: "vllm",
  hours: 1,
  cores: 1,
  cpuLimit: 2,
  throttled: 0.4,
  gibibytes: 9,
  limitGibibytes: 10,
  healthy: true,
  disk: 1e6,
  // All the time, so that one is in the minute of each query.
  oomKills: Array.from({ length: 40 }, (_, minute) => minute - 20),
  restarts: [8],
  gpus: [
    { gpu: 0, gibibytes: 4, use: 0.1 },
    { gpu: 1, gibibytes: 6, use: 0.2 },
  ],
  server: {
    model: "a",
    generated: 900,
    prompts: 3000,
    running: 9,
    waiting: 2,
    firstToken: 0.2,
    outputToken: 0.02,
    duration: 4,
    kvCache: 0.5,
    cacheHits: 0.3,
    requests: 2,
    preemptions: 0.1,
    errors: 0.1,
  },
};
const HOST = {
  ...GPU_HOST,
  containers: [CONTAINER, ...GPU_HOST.containers],
  stopped: [
    { name: "killed", image: "example/batch:1", state: "exited", exitCode: 137, oomKilled: true },
    ...(GPU_HOST.stopped ?? []),
  ],
  unavailable: [{ metric: "container_oom_events_total", reason: "no kernel log" }],
};

let server: PageServer;
beforeAll(async () => {
  server = await startPageServer(HOST, 3);
});
afterAll(() => (server as PageServer | undefined)?.stop());

const ask = (expr: string) => query(server.url.slice(0, -1), expr);

describe("Queries of the dashboards", () => {
  const queries = dashboardQueries({ host: HOST.name, name: CONTAINER.name, gpu: "0" });

  it("all return data, except those about what a described host does not have", async () => {
    const empty: string[] = [];
    for (const { place, expr } of queries) if ((await ask(expr)).length === 0) empty.push(place);
    expect(empty).toEqual([
      // The samples of a described host lie in the future too, and Prometheus stores none before them, as those of alerts.
      "host: Firing alerts, A",
      "container: Firing alerts, A",
    ]);
  });

  it("of the page all return data, except those about what a described host does not have", async () => {
    const exprs = {
      ...Object.fromEntries(
        [CONTAINER_QUERIES, CONTAINER_GPU_QUERIES, GPU_QUERIES, HOST_QUERIES, LLM_QUERIES].flatMap(
          (queries) => Object.values(queries).map(({ title, expr }) => [title, expr()]),
        ),
      ),
      ...DESCRIPTIONS,
      lastAnswer: LAST_ANSWER.expr(),
      sampleAge: SAMPLE_AGE,
    };
    const empty: string[] = [];
    for (const [title, expr] of Object.entries(exprs)) if ((await ask(expr)).length === 0) empty.push(title);
    expect(empty).toEqual(["unmatched"]);
  });

  it("have one value for each row of a table, and the numbers of the host", async () => {
    const at = (wanted: string) => queries.find(({ place }) => place === wanted)?.expr ?? "";
    const values = async (place: string, ...labels: string[]) =>
      Object.fromEntries(
        (await ask(at(place))).map(({ metric, value }) => [
          labels.map((label) => metric[label]).join(" "),
          Number(value[1]),
        ]),
      );
    expect(await values("host: LLM servers, B", "name")).toMatchObject({
      chat: 10 * GIB,
      "chat-vllm": 2 * 71.2 * GIB,
      "draft-ollama": 0,
    });
    expect(await values("host: Containers on GPUs, A", "name", "gpu")).toMatchObject({
      "chat 0": 4 * GIB,
      "chat 1": 6 * GIB,
      "chat-vllm 0": 71.2 * GIB,
    });
    expect(await values("host: Memory of GPU $gpu, A", "name")).toEqual({
      chat: 4 * GIB,
      "chat-vllm": 71.2 * GIB,
    });
    expect(await values("host: Containers on GPUs, D", "name", "gpu")).toEqual({ "draft-ollama 3": 1 });
    expect(await values("host: GPUs, I", "gpu")).toEqual({ "3": 1 });
    const { generated = 0 } = CONTAINER.server ?? {};
    const reported = await values("host: What LLM servers report, A", "name");
    expect(Object.keys(reported).sort()).toEqual(["chat", "chat-vllm", "rerank-sglang", "summary"]);
    expect(reported["chat"]).toBeGreaterThan(generated / 2);
    expect(await values("host: Other containers, A", "name")).not.toHaveProperty("chat");
    expect(await values("container: CPU, B", "name")).toEqual({ chat: 2 });
  });

  it("have the labels that each table shows, once for each row", async () => {
    for (const name of DASHBOARDS)
      for (const { title = "", type, targets = [], transformations = [] } of dashboard(name).panels) {
        if (type !== "table" || targets.length === 1) continue;
        const { names } = (
          transformations.find(({ id }) => id === "filterFieldsByName")?.options as {
            include: { names: string[] };
          }
        ).include;
        const labels = names.filter((field) => !field.startsWith("Value"));
        const rows = await ask(queries.find(({ place }) => place === `${name}: ${title}, A`)?.expr ?? "");
        expect(rows.length).toBeGreaterThan(0);
        for (const { metric } of rows) expect(Object.keys(metric)).toContain(labels[0]);
        for (const { refId } of targets) {
          const series = await ask(
            queries.find(({ place }) => place === `${name}: ${title}, ${refId}`)?.expr ?? "",
          );
          const keys = series.map(({ metric }) => labels.map((label) => metric[label]).join("\n"));
          expect([title, refId, new Set(keys).size]).toEqual([title, refId, keys.length]);
        }
      }
  });
});
