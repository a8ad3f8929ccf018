import { createServer, type Server } from "node:http";
import { createServer as createTcpServer, type AddressInfo } from "node:net";
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

const ask = (name: string) => {
  const expectation = {
    cadvisorUrl: url,
    prometheusUrl: url,
    containers: { cadvisor: "cadvisor", prometheus: "prometheus", gateway: "gateway" },
    login: true,
    scrapeIntervalSeconds: 30,
    startTimeoutSeconds: 60,
    scrapeJobs: ["vllm", "sglang", "tgi"],
    metrics: [],
    labels: [],
    unavailable: [
      { metric: "container_oom_events_total", reason: "no kernel log" },
      { metric: "container_fs_usage_bytes", reason: "containerd" },
      { metric: "container_fs_limit_bytes", reason: "containerd" },
    ],
    gpu: { measured: true, exporter: "gpu-exporter" } as const,
  };
  const check = checks(expectation).find((c) => c.name.includes(name));
  if (!check) throw new Error(`no check ${name}`);
  return check.query();
};

test("a healthy cAdvisor passes, another answer fails with actual, expected and hint", async () => {
  answers.set("/healthz", { status: 200, body: "ok" });
  await expect(ask("cAdvisor is healthy")).resolves.toBe("ok");
  answers.set("/healthz", { status: 500, body: "broken" });
  await expect(ask("cAdvisor is healthy")).rejects.toThrow(
    /actual: .*500: broken\n {2}expected: status 200\n {2}hint: Run/,
  );
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
  samples({ "timestamp(gpu_exporter_driver_up": [[{}, started - 1]] });
  await expect(ask("running GPU exporter")).rejects.toThrow("only samples of the previous exporter");
  samples({ "timestamp(gpu_exporter_driver_up": [[{}, started + 3]] });
  await expect(ask("running GPU exporter")).resolves.toBe("3 s after it started");
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

test("metrics that the host does not provide are reported with their reasons, and fail nothing", async () => {
  await expect(ask("does not provide")).resolves.toBe(
    "container_oom_events_total (no kernel log); container_fs_usage_bytes, container_fs_limit_bytes (containerd)",
  );
});
