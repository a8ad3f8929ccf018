import { createHash } from "node:crypto";
import { createServer, type Server } from "node:http";
import { createServer as createTcpServer, type AddressInfo } from "node:net";
import { advise, type Check } from "../../probes/check";
import { checks } from "../../probes/checks";
import { docker } from "../../host/docker";
import { get, query } from "../../host/http";
import { Mismatch, retry } from "../../lib/retry";

jest.mock("../../host/docker", () => ({
  ...jest.requireActual<object>("../../host/docker"),
  docker: jest.fn(),
}));

let server: Server;
let url: string;
/** What the server answers, by path: a text, an object, or what a function makes of the request. */
const answers = new Map<string, { status: number; body: unknown }>();

beforeAll(async () => {
  server = createServer((request, response) => {
    const requested = new URL(request.url ?? "", "http://x");
    const { status, body } = answers.get(requested.pathname) ?? { status: 404, body: "none" };
    const content = typeof body === "function" ? (body as (request: URL) => unknown)(requested) : body;
    response.writeHead(status).end(typeof content === "string" ? content : JSON.stringify(content));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());
beforeEach(() => {
  answers.clear();
});

const checkNamed = (name: string): Check => {
  const expectation = {
    environment: "dev",
    cadvisorUrl: url,
    prometheusUrl: url,
    containers: { cadvisor: "cadvisor", prometheus: "prometheus", gateway: "gateway", exporter: "exporter" },
    login: true,
    scrapeIntervalSeconds: 30,
    startTimeoutSeconds: 60,
    scrapeJobs: ["vllm", "sglang", "tgi"],
    metrics: ["container_memory_rss", "container_start_time_seconds"],
    labels: ["name", "image"],
    unavailable: [
      { metric: "container_oom_events_total", reason: "no kernel log" },
      { metric: "container_fs_usage_bytes", reason: "containerd" },
      { metric: "container_fs_limit_bytes", reason: "containerd" },
    ],
    gpu: { measured: true } as const,
    llmServers: { forwarder: "llm-forwarder" },
    host: { exporter: "node-exporter", disks: ["/var/lib/docker", "/data"] },
    alertmanager: { url: `${url}/alertmanager`, container: "alertmanager" },
    grafana: { url: `${url}/grafana`, container: "grafana" },
  };
  const check = checks(expectation).find((c) => c.name.includes(name));
  if (!check) throw new Error(`no check ${name}`);
  return check;
};
const ask = (name: string) => checkNamed(name).query();
/** What a check reports of containers that are not of the stack. */
const advice = async (name: string) => (await checkNamed(name).advisory?.()) ?? { actual: "", gaps: [] };

test("a healthy cAdvisor passes, another answer fails with actual, expected and hint", async () => {
  answers.set("/healthz", { status: 200, body: "ok" });
  await expect(ask("cAdvisor is healthy")).resolves.toBe("ok");
  answers.set("/healthz", { status: 500, body: "broken" });
  await expect(ask("cAdvisor is healthy")).rejects.toThrow(
    /actual: .*500: broken\n {2}expected: status 200\n {2}hint: Run/,
  );
});

test("a gateway without the page, or without its script, is found", async () => {
  answers.set("/", { status: 404, body: "" });
  await expect(ask("serves the page")).rejects.toThrow("status 404, without the page");
  answers.set("/", { status: 200, body: '<script src="page-0a1b.js"></script>' });
  await expect(ask("serves the page")).rejects.toThrow("page-0a1b.js is not there");
  answers.set("/page-0a1b.js", { status: 200, body: "" });
  await expect(ask("serves the page")).resolves.toBe("page-0a1b.js");
});

test("a gateway that answers without a login is found", async () => {
  answers.set("/metrics", { status: 401, body: "" });
  await expect(ask("requires a login")).resolves.toBe("401 from both servers");
  answers.set("/metrics", { status: 200, body: "up 1" });
  await expect(ask("requires a login")).rejects.toThrow("answered with status 200 and 200");
});

test("a server that is not there yet is queried again until it answers", async () => {
  let queries = 0;
  const logged: string[] = [];
  const later = async () => (queries++ < 2 ? (await get("http://127.0.0.1:1/")).body : "there");
  await expect(retry(later, 30, ({ actual }) => logged.push(actual))).resolves.toBe("there");
  expect(logged).toEqual([expect.stringContaining("did not answer")]);
});

test("a proxy that closes the connection at once counts as a server that is not there", async () => {
  const proxy = createTcpServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  await expect(get(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}/`)).rejects.toThrow(
    "did not answer",
  );
  proxy.close();
});

test("retries end at the deadline with the last answer", async () => {
  await expect(
    retry(
      () => Promise.reject(new Mismatch("red", "green", "wait")),
      0.3,
      () => undefined,
    ),
  ).rejects.toThrow("actual: red");
});

test("an error that no retry can repair ends the retries at once", async () => {
  let queries = 0;
  const broken = () => {
    queries++;
    return Promise.reject(new Error("docker is not installed"));
  };
  await expect(retry(broken, 30, () => undefined)).rejects.toThrow("docker is not installed");
  expect(queries).toBe(1);
});

test.each([
  ["down", { health: "down", lastError: "connection refused", scrapeUrl: "" }, "down: connection refused"],
  ["not scraped yet", { health: "unknown", lastError: "", scrapeUrl: "" }, "not scraped yet"],
])("a target that is %s is not up", async (_, target, seen) => {
  answers.set("/api/v1/targets", { status: 200, body: { data: { activeTargets: [target] } } });
  await expect(ask("target cadvisor is up")).rejects.toThrow(seen);
});

test("a job without a target is not up", async () => {
  answers.set("/api/v1/targets", { status: 200, body: { data: { activeTargets: [] } } });
  await expect(ask("target cadvisor is up")).rejects.toThrow("no target");
});

test("samples older than two intervals are not fresh", async () => {
  const sample = (value: string) => ({ data: { result: [{ metric: {}, value: [0, value] }] } });
  answers.set("/api/v1/query", { status: 200, body: sample("12") });
  await expect(ask("samples are fresh")).resolves.toBe("last scrape 12 s ago");
  answers.set("/api/v1/query", { status: 200, body: sample("300") });
  await expect(ask("samples are fresh")).rejects.toThrow("the last scrape is 300 s old\n");
  answers.set("/metrics", { status: 200, body: "# HELP x\nprometheus_tsdb_wal_writes_failed_total 46\n" });
  await expect(ask("samples are fresh")).rejects.toThrow(
    /300 s old, and 46 writes to the disk of Prometheus failed\n.*\n.*Free space/,
  );
});

test("a configuration that Prometheus failed to load is found", async () => {
  answers.set("/metrics", { status: 200, body: "# HELP x\nprometheus_config_last_reload_successful 1\n" });
  await expect(ask("loaded its configuration")).resolves.toBe("the last reload was successful");
  answers.set("/metrics", { status: 200, body: "# HELP x\nprometheus_config_last_reload_successful 0\n" });
  await expect(ask("loaded its configuration")).rejects.toThrow("it runs with the previous configuration");
});

test("the user's own scrape jobs are reported, and fail nothing", async () => {
  const target = (job: string, health: string, lastError: string) => ({
    labels: { job },
    health,
    lastError,
    scrapeUrl: `http://${job}:8000/metrics`,
  });
  const activeTargets = [
    target("cadvisor", "up", ""),
    target("vllm", "up", ""),
    target("sglang", "down", "no such host"),
  ];
  answers.set("/api/v1/targets", { status: 200, body: { data: { activeTargets } } });
  await expect(ask("setting scrapeJobs")).resolves.toBe(
    "vllm is up; sglang (http://sglang:8000/metrics) is down: no such host; tgi has no target",
  );
});

describe("LLM servers", () => {
  const target = (name: string, health: string, lastError = "", network = "stack") => ({
    labels: { job: "llm-servers", name },
    discoveredLabels: { __meta_docker_network_name: network },
    health,
    lastError,
    scrapeUrl: network === "host" ? "http://172.18.0.1:8000/metrics" : "http://llm-forwarder:23401/0a1b",
  });
  const targets = (...activeTargets: object[]) => {
    answers.set("/api/v1/targets", { status: 200, body: { data: { activeTargets } } });
  };

  it("are listed, and nothing else where all answer", async () => {
    targets(target("rag", "up"), target("chat", "up"));
    samples({ llm_server_scraped: [[{ name: "ollama", reason: "engine" }, 0]] });
    expect(await advice("LLM servers are scraped")).toEqual({ actual: "2 of 2 answer: chat, rag", gaps: [] });
    targets();
    expect((await advice("LLM servers are scraped")).actual).toBe("no LLM server runs");
  });

  it.each([
    ["network", /it is neither on the stack's network nor .*: add its network to the setting/],
    ["port", /its port is unknown: set the container label llm-metrics.port/],
    ["key", /another process could get its key: give it a network of its own/],
  ])("that are not scraped are reported with the reason %s in words", async (reason, text) => {
    targets(target("chat", "up"));
    samples({ llm_server_scraped: [[{ name: "rag", reason }, 0]] });
    const { actual, gaps } = await advice("LLM servers are scraped");
    expect(actual).toMatch(/^1 of 2 answer: chat; not scraped: rag [(]/);
    expect(actual).toMatch(text);
    expect(gaps).toMatchObject([{ name: "rag", mayClose: false }]);
  });

  it.each([
    ["host", "context deadline exceeded", /in the host's network, it must listen on 172.18.0.1 .*firewall/],
    ["chat_default", "server returned HTTP status 502 Bad Gateway", /the forwarder cannot connect to it/],
    ["chat_default", "server returned HTTP status 401 Unauthorized", /its metrics require a key/],
    ["stack", "connection refused", /connection refused[)]/],
  ])(
    "that do not answer on the network %s (%s) are reported with what to do",
    async (network, error, text) => {
      targets(target("rag", "down", error, network));
      samples({});
      const { actual } = await advice("LLM servers are scraped");
      expect(actual).toContain(`0 of 1 answer: none; not scraped: rag (${error}`);
      expect(actual).toMatch(text);
    },
  );

  it("that were not scraped yet are waited for", async () => {
    targets(target("rag", "unknown"));
    samples({});
    expect((await advice("LLM servers are scraped")).gaps).toMatchObject([{ mayClose: true }]);
  });

  it("have a forwarder that answers, or the check fails with the reason", async () => {
    jest.mocked(docker).mockResolvedValue("");
    await expect(ask("forwarder to LLM servers")).resolves.toBe("ok");
    jest.mocked(docker).mockRejectedValue(new Error("container is not running"));
    await expect(ask("forwarder to LLM servers")).rejects.toThrow(/is not running\n.*\n.*llmNetworks exists/);
  });
});

test("a rejected query is an error with the query", async () => {
  answers.set("/api/v1/query", { status: 400, body: "parse error" });
  await expect(query(url, "up{")).rejects.toThrow(/the query up\{ answered 400: parse error/);
});

/** Answers queries by the metric that they begin with. */
function samples(byMetric: Record<string, [labels: object, value: number][]>): void {
  answers.set("/api/v1/query", {
    status: 200,
    body: (request: URL) => {
      const found = Object.entries(byMetric).find(([metric]) =>
        request.searchParams.get("query")?.startsWith(metric),
      );
      return {
        data: {
          result: (found?.[1] ?? []).map(([metric, value]) => ({ metric, value: [0, String(value)] })),
        },
      };
    },
  });
}

test("samples of the exporter that ran before do not pass for those of the one that runs", async () => {
  jest.mocked(docker).mockResolvedValue("2026-11-26T02:51:58.123456789Z\n");
  const started = Date.parse("2026-11-26T02:51:58Z") / 1000;
  samples({ "max(timestamp(gpu_exporter_docker_up": [[{}, started - 1]] });
  await expect(ask("running exporter")).rejects.toThrow("only samples of the previous exporter");
  samples({ "max(timestamp(gpu_exporter_docker_up": [[{}, started + 3]] });
  await expect(ask("running exporter")).resolves.toBe("3 s after it started");
});

test("the containers that the exporter reads from Docker are counted, and it fails while Docker does not answer", async () => {
  samples({ gpu_exporter_docker_up: [[{}, 1]], count: [[{}, 7]] });
  await expect(ask("reads the containers")).resolves.toBe(
    "7 containers, with those that stopped in the last day",
  );
  samples({ gpu_exporter_docker_up: [[{}, 0]] });
  await expect(ask("reads the containers")).rejects.toThrow("gets no answer from Docker");
});

test("a driver that does not answer is reported with the reason", async () => {
  samples({ gpu_exporter_driver_up: [[{}, 0]], gpu_exporter_errors_total: [[{ reason: "timeout" }, 3]] });
  await expect(ask("GPU driver answers")).rejects.toThrow("no answer from the driver: timeout");
});

test("a GPU that fell off the bus is reported by its UUID", async () => {
  const gpus = (up: number): [object, number][] => [
    [{ gpu_uuid: "GPU-a" }, 1],
    [{ gpu_uuid: "GPU-b" }, up],
  ];
  samples({ gpu_exporter_driver_up: [[{}, 1]], gpu_up: gpus(1) });
  await expect(ask("GPU driver answers")).resolves.toBe("2 GPUs and MIG devices");
  samples({ gpu_exporter_driver_up: [[{}, 1]], gpu_up: gpus(0) });
  await expect(ask("GPU driver answers")).rejects.toThrow("1 of 2 do not answer: GPU-b");
});

/** A container as Docker lists and inspects it, and its labels in Prometheus. */
interface HostContainer {
  name: string;
  /** Its other names, by links. */
  aliases?: string[];
  environment?: string;
  state?: object;
  restarts?: number;
  secondsOld?: number;
  config?: object;
  /** Whether it ends between `docker ps` and `docker inspect`. */
  vanishes?: boolean;
}
const idOf = (name: string) => createHash("sha256").update(name).digest("hex");

/** Answers the Docker CLI for a host with some containers. */
function host(containers: HostContainer[], inspectFails?: Error): void {
  const inspection = ({ name, state, restarts = 0, secondsOld = 3600, config = {} }: HostContainer) => ({
    Id: idOf(name),
    RestartCount: restarts,
    Config: { Env: [], ...config },
    HostConfig: { DeviceRequests: null, ...config },
    State: {
      Status: "running",
      ExitCode: 0,
      StartedAt: new Date(Date.now() - secondsOld * 1000).toISOString(),
      ...state,
    },
  });
  jest.mocked(docker).mockImplementation(([command, ...args]) => {
    if (command === "ps") {
      const lines = containers.map(({ name, aliases = [], environment = "" }) =>
        JSON.stringify({ id: idOf(name), names: [...aliases, name].join(","), environment }),
      );
      return Promise.resolve(`${lines.join("\n")}\n`);
    }
    if (command === "info")
      return Promise.resolve(
        JSON.stringify({ DefaultRuntime: "runc", Runtimes: { runc: { path: "runc" } } }),
      );
    if (inspectFails) return Promise.reject(inspectFails);
    const asked = containers.filter(({ name }) => args.includes(idOf(name)));
    const stdout = JSON.stringify(asked.filter(({ vanishes }) => !vanishes).map(inspection));
    if (!asked.some(({ vanishes }) => vanishes)) return Promise.resolve(stdout);
    // The message has only the end of a long output.
    const cause = { stdout, stderr: "Error: No such container: 0f" };
    return Promise.reject(new Error("docker inspect failed: …", { cause }));
  });
}

/** Samples of cAdvisor for the named containers. */
const series = (names: string[]): [object, number][] =>
  names.map((name) => [{ id: `/docker/${idOf(name)}`, name, image: "a:1" }, 1]);
const own = (name: string): HostContainer => ({ name, environment: "dev", secondsOld: 3 });

describe("Check of container names", () => {
  const LISTED = "listed by name";

  it("fails until every container of the stack is listed", async () => {
    host([own("cadvisor"), own("prometheus")]);
    samples({ container_start_time_seconds: series(["cadvisor"]) });
    await expect(ask(LISTED)).rejects.toThrow("1 of the 2 containers of this stack are missing: prometheus");
    samples({ container_start_time_seconds: series(["cadvisor", "prometheus"]) });
    await expect(ask(LISTED)).resolves.toBe("2 containers: cadvisor, prometheus");
  });

  it("reports other containers that are not listed with the reason, and fails for none of them", async () => {
    host([
      own("cadvisor"),
      { name: "web" },
      { name: "crashy", state: { Status: "restarting", ExitCode: 1 }, restarts: 7, secondsOld: 1 },
      { name: "flappy", restarts: 7, secondsOld: 2 },
      { name: "late", secondsOld: 4 },
      { name: "odd" },
      { name: "of-another-stack", environment: "prod", secondsOld: 9 },
    ]);
    samples({ container_start_time_seconds: series(["cadvisor", "web"]) });
    await expect(ask(LISTED)).resolves.toBe("1 containers: cadvisor");
    expect((await advice(LISTED)).actual).toBe(
      "5 of 7 containers are not listed: crashy (restarting, exit status 1), flappy (started 2 s ago by restart 7), " +
        "late (started 4 s ago), odd (cAdvisor has no series of it: see its log), of-another-stack (started 9 s ago)",
    );
  });

  it("waits for containers that a scrape can still list, and for no others", async () => {
    const waitsFor = async (container: HostContainer) => {
      host([container]);
      samples({});
      return (await advice(LISTED)).gaps.map(({ mayClose }) => mayClose);
    };
    expect(await waitsFor({ name: "young", secondsOld: 4 })).toEqual([true]);
    expect(await waitsFor({ name: "odd" })).toEqual([true]);
    expect(await waitsFor({ name: "crashy", state: { Status: "restarting" } })).toEqual([false]);
    // On a host that starts a container every few seconds, there is always a newer one.
    expect(await waitsFor({ name: "newer", secondsOld: -1 })).toEqual([false]);
  });

  it("finds a container to which another one links by its own name", async () => {
    host([{ name: "db", aliases: ["web/db"] }, { name: "web" }]);
    samples({ container_start_time_seconds: series(["db", "web"]) });
    expect((await advice(LISTED)).actual).toBe("2 containers: db, web");
  });

  it("finds a container by its name as relabeling cuts it", async () => {
    const name = "x".repeat(250);
    host([{ name }]);
    samples({ container_start_time_seconds: [[{ id: `/docker/${idOf(name)}`, name: "x".repeat(200) }, 1]] });
    expect((await advice(LISTED)).gaps).toEqual([]);
  });

  it("finds a container by the last id of its cgroup", async () => {
    host([{ name: "nested" }]);
    const id = `/docker/${idOf("kind")}/docker/${idOf("nested")}`;
    samples({ container_start_time_seconds: [[{ id, name: "nested" }, 1]] });
    expect((await advice(LISTED)).gaps).toEqual([]);
  });

  it("leaves out a container that ends between the commands of the Docker CLI", async () => {
    host([{ name: "web" }, { name: "gone", vanishes: true }]);
    samples({ container_start_time_seconds: series(["web"]) });
    expect((await advice(LISTED)).gaps).toEqual([]);
  });

  it("reports a container on which Docker hangs (moby/moby 18848)", async () => {
    const killed = new Error("docker inspect failed: timed out", { cause: { timedOut: true } });
    host([own("cadvisor"), { name: "hung" }], killed);
    samples({ container_start_time_seconds: series(["cadvisor"]) });
    await expect(ask(LISTED)).resolves.toContain("cadvisor");
    const { actual, gaps } = await advice(LISTED);
    expect(actual).toContain(
      "hung (cAdvisor has no series of it: see its log; docker inspect did not answer",
    );
    expect(gaps).toEqual([expect.objectContaining({ mayClose: false })]);
  });

  it("names at most 20 of the containers that are not listed", async () => {
    host([...Array(23).keys()].map((n) => ({ name: `c${n}` })));
    samples({});
    expect((await advice(LISTED)).actual).toMatch(/^23 of 23 .* and 3 others$/);
  });
});

describe("Check of metrics", () => {
  const COMPLETE = "required metrics";
  const both = (names: string[], partial: string[]) => {
    const of = (metric: string, some: string[]) =>
      series(some).map(([labels, value]): [object, number] => [{ ...labels, __name__: metric }, value]);
    samples({
      "{__name__": [
        ...of("container_start_time_seconds", [...names, ...partial]),
        ...of("container_memory_rss", names),
      ],
    });
  };

  it("fails for a container of the stack that lacks a metric", async () => {
    host([own("cadvisor")]);
    both([], ["cadvisor"]);
    await expect(ask(COMPLETE)).rejects.toThrow("cadvisor has no container_memory_rss");
    both(["cadvisor"], []);
    await expect(ask(COMPLETE)).resolves.toContain("2 metrics of 1 containers, each with name, image");
  });

  it("reports another container that lacks one", async () => {
    host([own("cadvisor"), { name: "web" }, { name: "odd" }]);
    both(["cadvisor", "web"], ["odd"]);
    await expect(ask(COMPLETE)).resolves.toContain("2 metrics");
    expect((await advice(COMPLETE)).actual).toBe(
      "2 metrics of 2 containers, each with name, image; incomplete: odd (no container_memory_rss)",
    );
  });
});

describe("The check of the host", () => {
  const measured = (...names: string[]) => {
    const disk = (mountpoint: string) => ({ __name__: "node_filesystem_avail_bytes", mountpoint });
    const result = names.map((name) => ({
      metric: name.startsWith("/") ? disk(name) : { __name__: name },
      value: [0, "1"],
    }));
    answers.set("/api/v1/query", { status: 200, body: { status: "success", data: { result } } });
  };
  const METRICS = ["machine_cpu_usage_seconds_total", "node_load15", "node_memory_MemAvailable_bytes"];

  it("passes with CPU, load, memory and every disk", async () => {
    measured(...METRICS, "/var/lib/docker", "/data");
    await expect(ask("the host and its disks")).resolves.toBe(
      "CPU, load, memory, and the disks of /var/lib/docker, /data",
    );
  });

  it("names what is missing", async () => {
    measured("node_load15", "/var/lib/docker");
    await expect(ask("the host and its disks")).rejects.toThrow(
      "Prometheus has no samples of node_memory_MemAvailable_bytes, /data",
    );
  });

  it("passes without the CPU time of the root cgroup, which old kernels do not have, and reports that", async () => {
    measured(...METRICS.slice(1), "/var/lib/docker", "/data");
    await expect(ask("the host and its disks")).resolves.toMatch(/cAdvisor reports no CPU time of the host$/);
  });
});

describe("Check of Grafana", () => {
  it("fails while Grafana does not answer, or has no database", async () => {
    for (const status of [502, 503]) {
      answers.set("/grafana/api/health", { status, body: "" });
      await expect(ask("Grafana is healthy")).rejects.toThrow(`answered ${status}`);
    }
    answers.set("/grafana/api/health", { status: 200, body: '{\n  "database": "ok"\n}' });
    await expect(ask("Grafana is healthy")).resolves.toBe('{ "database": "ok" }');
  });
});

describe("Checks of Alertmanager", () => {
  it("fail while it is not ready, or its last reload failed", async () => {
    answers.set("/alertmanager/-/ready", { status: 502, body: "" });
    await expect(ask("Alertmanager is ready")).rejects.toThrow("answered 502");
    answers.set("/alertmanager/-/ready", { status: 200, body: "OK" });
    await expect(ask("Alertmanager is ready")).resolves.toBe("OK");
    const metric = "alertmanager_config_last_reload_successful";
    answers.set("/alertmanager/metrics", { status: 200, body: `${metric} 0\n` });
    await expect(ask("Alertmanager has loaded")).rejects.toThrow("it runs with the previous configuration");
    answers.set("/alertmanager/metrics", { status: 200, body: `${metric} 1\n` });
    await expect(ask("Alertmanager has loaded")).resolves.toBe("the last reload was successful");
  });

  it("fail while Prometheus sends alerts to others only", async () => {
    const discovered = (...hosts: string[]) => {
      const activeAlertmanagers = hosts.map((host) => ({ url: `http://${host}/api/v2/alerts` }));
      answers.set("/api/v1/alertmanagers", { status: 200, body: { data: { activeAlertmanagers } } });
    };
    discovered();
    await expect(ask("sends alerts to Alertmanager")).rejects.toThrow(
      "actual: it sends alerts to no Alertmanager",
    );
    discovered("other:9093");
    await expect(ask("sends alerts to Alertmanager")).rejects.toThrow("http://other:9093/api/v2/alerts");
    discovered("other:9093", "alertmanager:9093");
    await expect(ask("sends alerts to Alertmanager")).resolves.toBe("http://alertmanager:9093/api/v2/alerts");
  });
});

describe("Check of GPU containers", () => {
  const GPUS = "GPU container has";
  const withGpu = (id: string) => ({ DeviceRequests: [{ DeviceIDs: [id], Capabilities: [["gpu"]] }] });
  const info = (name: string): [object, number] => [
    {
      ...{ id: `/docker/${idOf(name)}`, name, image: "a:1" },
      ...{ gpu: "0", gpu_uuid: "GPU-a", gpu_model: "H100" },
    },
    1,
  ];

  it("reports a container whose GPU does not exist, and fails for none", async () => {
    host([
      { name: "chat", config: withGpu("0") },
      { name: "lost", config: withGpu("GPU-z") },
    ]);
    samples({ container_gpu_info: [info("chat")], gpu_exporter_docker_up: [[{}, 1]] });
    await expect(ask(GPUS)).resolves.toContain("containers");
    expect((await advice(GPUS)).actual).toBe(
      "1 of 2 GPU containers have no complete series: lost (no GPU of this host is GPU-z)",
    );
    samples({ container_gpu_info: [info("chat"), info("lost")], gpu_exporter_docker_up: [[{}, 1]] });
    expect((await advice(GPUS)).actual).toBe("2 containers with their number of GPUs: chat (1), lost (1)");
  });

  it("fails when the exporter gets no answer from Docker", async () => {
    samples({ gpu_exporter_docker_up: [[{}, 0]] });
    await expect(ask(GPUS)).rejects.toThrow("gets no answer from Docker");
  });
});

describe("Advice", () => {
  const gap = (mayClose: boolean) => ({ actual: "a gap", gaps: [{ name: "a", reason: "b", mayClose }] });
  const neverCalled = () => {
    throw new Error("waited");
  };

  it("ends at once without gaps, and with gaps that no scrape closes", async () => {
    const far = Date.now() + 60_000;
    const none = { actual: "all", gaps: [] };
    await expect(advise(() => Promise.resolve(none), far, neverCalled)).resolves.toEqual(none);
    await expect(advise(() => Promise.resolve(gap(false)), far, neverCalled)).resolves.toEqual(gap(false));
  });

  it("ends at its deadline with the gaps, and reports the wait once", async () => {
    const waits: string[] = [];
    const result = advise(
      () => Promise.resolve(gap(true)),
      Date.now() + 1500,
      (actual) => waits.push(actual),
    );
    await expect(result).resolves.toEqual(gap(true));
    expect(waits).toEqual(["a gap"]);
  });

  it("reports a query that fails", async () => {
    const result = advise(() => Promise.reject(new Error("docker: broken")), 0, neverCalled);
    expect((await result).actual).toBe("unknown: docker: broken");
  });
});

test("metrics that the host does not provide are reported with their reasons, and fail nothing", async () => {
  await expect(ask("does not provide")).resolves.toBe(
    "container_oom_events_total (no kernel log); container_fs_usage_bytes, container_fs_limit_bytes (containerd)",
  );
});
