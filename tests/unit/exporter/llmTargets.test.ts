import { LLM_SERVER_METRICS } from "../../../prometheus/catalogue";
import { containerId, emulate, type EmulatedContainer } from "../../support/emulatedExporter";
import { DRIVER, RunningExporter, values } from "../../support/runningExporter";

let exporter: RunningExporter;
beforeEach(async () => {
  exporter = await new RunningExporter().start();
  emulate({ driver: DRIVER, gpus: [], processes: [] });
});
afterEach(() => exporter.stop());

interface Group {
  targets: string[];
  labels: Record<string, string>;
}

const instanceOf = ({ labels }: Group) => labels["instance"] ?? "";
const answer = () => fetch(`http://127.0.0.1:${exporter.port}/llm-targets`);
/** The groups by their instance: containers are listed in the order in which Docker inspects them. */
const groups = async () => {
  const response = await answer();
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/json");
  const listed = (await response.json()) as Group[];
  return listed.sort((a, b) => instanceOf(a).localeCompare(instanceOf(b)));
};

/** Runs a container of an image on the stack's network, at an address that ends with its number. */
const server = (n: number, image: string, labels: Record<string, string> = {}): EmulatedContainer => ({
  name: `server-${n}`,
  image,
  pids: [n],
  labels,
  networks: { stack: `172.18.0.${n}`, other: `172.19.0.${n}` },
});

describe("Targets of LLM servers", () => {
  it.each([
    ["vllm/vllm-openai:v0.11.0", 8000],
    ["lmsysorg/sglang:v0.5.6", 30_000],
    ["ghcr.io/huggingface/text-generation-inference:2.4.0", 80],
    ["ghcr.io/ggml-org/llama.cpp:server", 8080],
    ["nvcr.io/nvidia/tritonserver:25.10-py3", 8002],
  ])("are found by the image, at the port of the engine: %s", async (image, port) => {
    exporter.docker.run([server(7, image)]);
    const [group, ...others] = await groups();
    expect(others).toEqual([]);
    expect(group?.targets).toEqual([`172.18.0.7:${port}`]);
    expect(group?.labels["__metrics_path__"]).toBe("/metrics");
  });

  it("go on while Docker hangs on a server that it inspected before, and end with the server", async () => {
    const chat = server(7, "vllm/vllm-openai:v0.11.0");
    exporter.docker.run([chat, server(8, "lmsysorg/sglang:v0.5.6")]);
    expect(await groups()).toHaveLength(2);
    exporter.docker.hangsOn = chat.name;
    // It was started again, and has to be inspected.
    exporter.docker.run([{ ...chat, pids: [17] }, server(8, "lmsysorg/sglang:v0.5.6")]);
    for (let i = 0; i < 2; i++)
      expect((await groups()).map(({ targets }) => targets)).toEqual([
        ["172.18.0.7:8000"],
        ["172.18.0.8:30000"],
      ]);
    exporter.docker.run([server(8, "lmsysorg/sglang:v0.5.6")]);
    expect((await groups()).map(({ targets }) => targets)).toEqual([["172.18.0.8:30000"]]);
  });

  it("have the labels of the container's other metrics, and its name as the instance", async () => {
    const labels = {
      "com.docker.compose.project": "rag",
      "com.docker.compose.service": "chat",
      "llm-metrics.alerts": "none",
    };
    exporter.docker.run([server(7, "vllm/vllm-openai:v0.11.0", labels)]);
    expect((await groups()).map((group) => group.labels)).toEqual([
      {
        __metrics_path__: "/metrics",
        __meta_docker_network_name: "stack",
        instance: "server-7:8000",
        id: `/system.slice/docker-${containerId("server-7")}.scope`,
        name: "server-7",
        image: "vllm/vllm-openai:v0.11.0",
        llm_server: "vllm",
        compose_project: "rag",
        compose_service: "chat",
        alerts: "none",
      },
    ]);
  });

  it("have another port and path where container labels say so, also without a known engine", async () => {
    exporter.docker.run([
      server(7, "vllm/vllm-openai:v0.11.0", {
        "llm-metrics.port": "9000",
        "llm-metrics.path": "/engine_metrics",
      }),
      server(8, "example/chat:1", { "llm-metrics.server": "own", "llm-metrics.port": "9000" }),
      server(9, "ollama/ollama:0.12", { "llm-metrics.port": "9001" }),
    ]);
    expect((await groups()).map(({ targets, labels }) => [targets[0], labels["__metrics_path__"]])).toEqual([
      ["172.18.0.7:9000", "/engine_metrics"],
      ["172.18.0.8:9000", "/metrics"],
      ["172.18.0.9:9001", "/metrics"],
    ]);
  });

  it.each([
    ["172.18.0.2", "172.18.0.1"],
    // The network is 172.18.16.0/20.
    ["172.18.31.254", "172.18.16.1"],
    ["10.255.255.200", "10.255.240.1"],
  ])(
    "in the host's network are at the first address of the stack's: beside %s at %s",
    async (beside, host) => {
      const exporterContainer = {
        name: "exporter",
        image: "node:24",
        pids: [5],
        networks: { stack: beside },
      };
      exporter.docker.run([
        { ...server(7, "vllm/vllm-openai:v0.11.0"), networks: { host: "" } },
        exporterContainer,
      ]);
      expect((await groups()).map(({ targets }) => targets)).toEqual([[`${host}:8000`]]);
    },
  );

  it("follow a running container that joins the network, and one that starts again at another address", async () => {
    const apart = { ...server(7, "vllm/vllm-openai:v0.11.0"), networks: {} };
    exporter.docker.run([apart]);
    expect(await groups()).toEqual([]);
    for (const address of ["172.18.0.7", "172.18.0.99"]) {
      exporter.docker.run([{ ...apart, networks: { stack: address } }]);
      expect((await groups()).flatMap(({ targets }) => targets)).toEqual([`${address}:8000`]);
    }
    exporter.docker.run([]);
    expect(await groups()).toEqual([]);
  });

  it.each(["0", "65536", "80 ", "8000/tcp", "99999999999", "-1", "a"])(
    "leave out a server whose label llm-metrics.port is %j",
    async (port) => {
      exporter.docker.run([server(7, "vllm/vllm-openai:v0.11.0", { "llm-metrics.port": port })]);
      expect(await groups()).toEqual([]);
      expect(values(await exporter.scrape(), "llm_server_scraped", "name", "reason")).toEqual({
        "server-7 port": 0,
      });
    },
  );

  it.each(["metrics", "/a b", "/a?b=c", "/a\nb", `/${"a".repeat(300)}`])(
    "have the usual path where the label llm-metrics.path is %j",
    async (path) => {
      exporter.docker.run([server(7, "vllm/vllm-openai:v0.11.0", { "llm-metrics.path": path })]);
      expect((await groups())[0]?.labels["__metrics_path__"]).toBe("/metrics");
    },
  );

  it("are not answered while Docker does not answer, so that Prometheus keeps those that it has", async () => {
    await exporter.docker.stop();
    expect((await answer()).status).toBe(503);
  });
});

describe("Targets of LLM servers on networks of their own", () => {
  const vllm = (n: number, networks: Record<string, string>, name = `server-${n}`): EmulatedContainer => ({
    ...server(n, "vllm/vllm-openai:v0.11.0"),
    name,
    networks,
  });
  const id = (n: number) => containerId(`server-${n}`);
  const lookUp = (path: string) => fetch(`http://127.0.0.1:${exporter.port}/llm-targets/${path}`);
  /** What the exporter returns to the forwarder. */
  const located = async (path: string) => {
    const { status, headers } = await lookUp(path);
    return status === 200
      ? ["address", "path", "container"].map((name) => headers.get(`x-llm-${name}`))
      : status;
  };

  it("are requested from the forwarder by the id of the container; those on the stack's network are not", async () => {
    exporter.docker.run([
      vllm(7, { chat: "172.20.0.7" }),
      vllm(8, { chat: "172.20.0.8", stack: "172.18.0.8" }),
      vllm(9, { rag: "172.20.0.7" }),
    ]);
    expect(
      (await groups()).map(({ targets, labels }) => [
        ...targets,
        ...["__metrics_path__", "__meta_docker_network_name", "instance"].map((name) => labels[name]),
      ]),
    ).toEqual([
      ["llm-forwarder:23401", `/${id(7)}`, "chat", "server-7:8000"],
      ["172.18.0.8:8000", "/metrics", "stack", "server-8:8000"],
      ["llm-forwarder:23401", `/${id(9)}`, "rag", "server-9:8000"],
    ]);
  });

  it("have the address, port and path of the container that has the id now", async () => {
    const labels = { "llm-metrics.port": "9000", "llm-metrics.path": "/engine_metrics" };
    exporter.docker.run([{ ...vllm(7, { chat: "172.20.0.7" }), labels }]);
    expect(await located(id(7))).toEqual(["172.20.0.7:9000", "/engine_metrics", "server-7"]);
    // It ended, and another container has its address.
    exporter.docker.run([vllm(8, { chat: "172.20.0.7" })]);
    expect(await located(id(7))).toBe(404);
    expect(await located(id(8))).toEqual(["172.20.0.7:8000", "/metrics", "server-8"]);
  });

  it("are those of servers on these networks alone", async () => {
    const stopped = { name: "exited" as const, since: Date.now() - 1000 };
    exporter.docker.run([
      vllm(1, { stack: "172.18.0.1" }),
      vllm(2, { other: "172.19.0.2" }),
      vllm(3, { host: "" }),
      { ...vllm(4, { chat: "172.20.0.4" }), labels: { "llm-metrics.scrape": "false" } },
      { ...vllm(5, { chat: "172.20.0.5" }), image: "example/web:1" },
      { ...vllm(6, { chat: "" }), state: stopped },
      vllm(7, { chat: "172.20.0.7" }),
    ]);
    for (const n of [1, 2, 3, 4, 5, 6]) expect([n, await located(id(n))]).toEqual([n, 404]);
    for (const path of ["", "server-7", id(7).slice(0, 12), `${id(7)}/`, `${id(7)}/..`, "__proto__"])
      expect([path, await located(path)]).toEqual([path, 404]);
    expect(await located(id(7))).toEqual(["172.20.0.7:8000", "/metrics", "server-7"]);
  });

  it("include the server with a key on the stack's network, and not in the host's, where another process could get the key", async () => {
    exporter.docker.run([vllm(7, { stack: "172.18.0.7" }, "keyed")]);
    expect((await groups()).map(({ targets }) => targets)).toEqual([["llm-forwarder:23401"]]);
    expect(await located(containerId("keyed"))).toEqual(["172.18.0.7:8000", "/metrics", "keyed"]);
    exporter.docker.run([vllm(7, { host: "" }, "keyed"), vllm(8, { stack: "172.18.0.8" })]);
    expect((await groups()).map(({ targets }) => targets)).toEqual([["172.18.0.8:8000"]]);
    expect(await located(containerId("keyed"))).toBe(404);
    expect(values(await exporter.scrape(), "llm_server_scraped", "name", "reason")).toMatchObject({
      "keyed key": 0,
    });
  });

  it("are not returned while Docker does not answer", async () => {
    await exporter.docker.stop();
    expect(await located(id(7))).toBe(503);
  });
});

describe("The metric llm_server_scraped", () => {
  it("names the reason for each LLM server that is not scraped", async () => {
    const apart = { ...server(4, "vllm/vllm-openai:v0.11.0"), networks: { other: "172.19.0.4" } };
    exporter.docker.run([
      server(1, "vllm/vllm-openai:v0.11.0"),
      server(2, "ollama/ollama:0.12"),
      server(3, "example/chat:1", { "llm-metrics.server": "own" }),
      apart,
      server(5, "lmsysorg/sglang:v0.5.6", { "llm-metrics.scrape": "false" }),
      server(6, "example/web:1"),
      server(7, "vllm/vllm-openai:v0.11.0", { "llm-metrics.server": "none" }),
    ]);
    const series = await exporter.scrape();
    expect(values(series, "llm_server_scraped", "name", "reason")).toEqual({
      "server-1 ": 1,
      "server-2 engine": 0,
      "server-3 port": 0,
      "server-4 network": 0,
      "server-5 label": 0,
    });
    expect(Object.keys(LLM_SERVER_METRICS)).toEqual(["llm_server_scraped"]);
  });
});
