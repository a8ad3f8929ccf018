import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { SERVERS } from "../../lib/names";
import { run } from "../../lib/run";
import { converse, statuses } from "../support/conversation";
import { GpuHost } from "../support/emulatedDriver/gpuHost";
import { configureRuntime, DAEMON_FOLDER } from "../support/daemonControl";
import { docker, inspect, RUNS_ALL_TESTS, startContainer } from "../support/docker";
import { h100 } from "../support/emulatedDriver/host";
import { eventually } from "../support/eventually";
import { forwarderAttacks, harmlessRequests, type Known } from "../support/forwarderAttacks";
import { LLM_PAGES, type LlmPage } from "../support/llmPages";
import { READINGS, shownBy } from "../support/llmReadings";
import {
  HOSTILITIES,
  receivedRequests,
  startHostileServers,
  startPageServer,
  startRecordingServer,
} from "../support/llmServers";
import { query } from "../support/prometheus";
import { expectNowhere, secretPlaces } from "../support/secretPlaces";
import { failed, Stack, succeeded } from "../support/stack";

const gpuHost = GpuHost.at(path.join(DAEMON_FOLDER, "gpu"));

let folder: string;
let network: string;
let stack: Stack;
/** The names of all containers, and of those that serve a page. */
const containers: string[] = [];
const servers: Record<string, string> = {};

const page = (version: string): LlmPage => {
  const found = LLM_PAGES[version];
  if (!found) throw new Error(`no page of ${version}`);
  // Other tests have images of these names.
  return { ...found, image: `${found.image}-page` };
};

async function start(version: string, ...options: string[]): Promise<string> {
  const name = await startPageServer(folder, page(version), options);
  containers.push(name);
  return name;
}

/** The values of a query, by the label `name`. */
const byName = async (promql: string) =>
  Object.fromEntries(
    (await query(stack.prometheus, promql)).map(({ metric, value }) => [
      metric["name"] ?? "",
      Number(value[1]),
    ]),
  );

/** The address at which Prometheus scrapes a container now. */
async function scrapedAt(name: string): Promise<string | undefined> {
  const response = await fetch(`${stack.prometheus}/api/v1/targets?state=active&scrapePool=llm-servers`);
  const { data } = (await response.json()) as {
    data: { activeTargets: { labels: Record<string, string>; scrapeUrl: string }[] };
  };
  return data.activeTargets.find(({ labels }) => labels["name"] === name)?.scrapeUrl;
}

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "llm-"));
  await configureRuntime("nvidia", gpuHost.runtime);
  await gpuHost.describe({ driver: "550.127.05", gpus: [h100(0)], processes: [] });
  stack = await Stack.create({ scrapeInterval: "1s", hostLabel: "host" });
  await succeeded(stack.up());
  ({ networkName: network } = await stack.outputs<{ networkName: string }>());
  for (const version of ["vLLM 0.11", "SGLang 0.5", "TGI 2", "llama.cpp of 2026", "Triton with TensorRT-LLM"])
    servers[version] = await start(version, "--network", network);
});
afterAll(async () => {
  await docker("rm", "-f", ...containers);
  await stack.remove();
  await rm(folder, { recursive: true });
  await configureRuntime("other", "runc");
});

describe("LLM servers on the stack's network", () => {
  it("are scraped without a setting, and have the same records for all engines", async () => {
    await eventually(async () => {
      expect(await byName("llm:requests_running:sum")).toEqual({
        [servers["vLLM 0.11"] ?? ""]: 7,
        [servers["SGLang 0.5"] ?? ""]: 14,
        [servers["TGI 2"] ?? ""]: 16,
        [servers["llama.cpp of 2026"] ?? ""]: 4,
        [servers["Triton with TensorRT-LLM"] ?? ""]: 7,
      });
    });
  });

  if (RUNS_ALL_TESTS)
    it("have the values of each recorded page, by a second reading", async () => {
      const recorded = Object.entries(LLM_PAGES).filter(([, page]) => page.recorded);
      expect(recorded.length).toBeGreaterThan(12);
      const started: Record<string, string> = {};
      try {
        for (const [version] of recorded)
          started[version] = await startPageServer(folder, page(version), ["--network", network]);
        for (const record of [
          "llm:requests_running:sum",
          "llm:requests_waiting:sum",
          "llm:kv_cache_usage:ratio",
        ]) {
          const expected = recorded.flatMap(([version, { text }]) => {
            const shown = shownBy(version, text)[record];
            if (shown === undefined) return [];
            const byModel = typeof shown === "number" ? { [READINGS[version]?.model ?? ""]: shown } : shown;
            return Object.entries(byModel).map(([model, value]) => [
              `${started[version] ?? ""} ${model}`,
              expect.closeTo(value, 9) as number,
            ]);
          });
          await eventually(async () => {
            const names = Object.values(started).join("|");
            const samples = await query(stack.prometheus, `${record}{name=~"${names}"}`);
            expect(
              Object.fromEntries(
                samples.map(({ metric, value }) => [
                  `${metric["name"] ?? ""} ${metric["model"] ?? ""}`,
                  Number(value[1]),
                ]),
              ),
            ).toEqual(Object.fromEntries(expected));
          });
        }
      } finally {
        await docker("rm", "-f", ...Object.values(started));
      }
    });

  it("have the labels of cAdvisor's series, so that both can be joined", async () => {
    const joined = "llm:up * on (host, id, name, image, llm_server) container_memory_usage_bytes";
    await eventually(async () => {
      expect(Object.keys(await byName(joined)).sort()).toEqual(Object.values(servers).sort());
    });
  });

  it("store at most 150 series each, and a histogram as one", async () => {
    const all = `count by (name) ({job="llm-servers"})`;
    const requests = 'histogram_count(sum by (name) ({__name__="vllm:time_to_first_token_seconds"}))';
    await eventually(async () => {
      const series = await byName(all);
      expect(Object.keys(series)).toEqual(expect.arrayContaining(Object.values(servers)));
      expect(Math.max(...Object.values(series))).toBeLessThanOrEqual(150);
      expect(await query(stack.prometheus, `{job="llm-servers",__name__=~".*_bucket"}`)).toEqual([]);
      expect(await byName(requests)).toEqual({ [servers["vLLM 0.11"] ?? ""]: 12 });
    });
  });

  it("end with their container, and continue under another address", async () => {
    const name = servers["TGI 2"] ?? "";
    let before: string | undefined;
    await eventually(async () => {
      before = await scrapedAt(name);
      expect(before).toMatch(/^http:\/\/[\d.]+:80\/metrics$/);
    });
    await docker("stop", "--time", "0", name);
    await eventually(async () => {
      expect(await byName(`up{name="${name}"}`)).toEqual({});
    });
    // Docker gives an address that is free to the next container.
    await start("vLLM 0.8", "--network", network, "--label", "llm-metrics.scrape=false");
    await docker("start", name);
    await eventually(async () => {
      expect(await byName(`up{name="${name}"}`)).toEqual({ [name]: 1 });
      expect(await scrapedAt(name)).not.toBe(before);
    });
    const instances = await query(
      stack.prometheus,
      `count by (instance) (last_over_time(up{name="${name}"}[1h]))`,
    );
    expect(instances.map(({ metric }) => metric["instance"])).toEqual([`${name}:80`]);
  });

  it("are reported with the reason while Prometheus cannot scrape them, and scraped once they join", async () => {
    const apart = await start("vLLM 0.6");
    const excluded = await start("vLLM 0.6", "--network", network, "--label", "llm-metrics.scrape=false");
    const moved = await start("vLLM 0.6", "--network", network, "--label", "llm-metrics.port=x");
    await eventually(async () => {
      const reasons = await query(stack.prometheus, "llm_server_scraped == 0");
      expect(
        Object.fromEntries(reasons.map(({ metric }) => [metric["name"], metric["reason"]])),
      ).toMatchObject({
        [apart]: "network",
        [excluded]: "label",
        [moved]: "port",
      });
    });
    await docker("network", "connect", network, apart);
    await eventually(async () => {
      expect(await byName(`llm:requests_waiting:sum{name="${apart}"}`)).toEqual({ [apart]: 7 });
      expect(await byName(`llm_server_scraped{name="${apart}"}`)).toEqual({ [apart]: 1 });
    });
    expect(await byName(`up{name=~"${excluded}|${moved}"}`)).toEqual({});
  });

  it("are scraped in the host's network, too", async () => {
    // Another port than that of any other server on the machine of the tests.
    const port = 20_000 + (process.pid % 10_000);
    const name = await startContainer(
      "vllm/vllm-openai:v0.6.3-page",
      ["--network", "host", "--label", `llm-metrics.port=${port}`],
      ["sh", "-c", `mkdir /p; echo 'vllm:num_requests_running 3' > /p/metrics; httpd -f -p ${port} -h /p`],
    );
    containers.push(name);
    await eventually(async () => {
      expect(await byName(`llm:requests_running:sum{name="${name}"}`)).toEqual({ [name]: 3 });
    });

    // While the host's firewall drops these packets, the checks report what to do.
    const rule = ["INPUT", "-p", "tcp", "--dport", String(port), "-j", "DROP"];
    await run("iptables", ["-I", ...rule]);
    try {
      await eventually(async () => {
        expect(await byName(`up{name="${name}"}`)).toEqual({ [name]: 0 });
      });
      const { stdin } = await stack.inputs("-probe-command");
      expect(await succeeded(stack.probe(String(stdin)))).toMatch(
        new RegExp(`note: the LLM servers are scraped [(].*${name} [(].*the host's firewall must accept`),
      );
    } finally {
      await run("iptables", ["-D", ...rule]);
    }
  });

  it("give Prometheus no other network, and no access to Docker", async () => {
    const { Mounts, Id } = await inspect(stack.resource("prometheus"));
    expect(Mounts.map(({ Type }) => Type)).toEqual(["volume", "volume"]);
    const networks = await docker("inspect", "--format", "{{json .NetworkSettings.Networks}}", Id);
    expect(Object.keys(JSON.parse(networks) as object)).toEqual([network]);
  });
});

if (RUNS_ALL_TESTS)
  describe("A hostile LLM server", () => {
    it("fails its own scrape, and no other", async () => {
      const hostile = await startHostileServers(folder, network);
      try {
        await eventually(async () => {
          const up = await byName('max_over_time(up{name=~"hostile-.*"}[10m])');
          expect(up).toEqual(
            Object.fromEntries(HOSTILITIES.map((one) => [hostile[one], one === "time" ? 1 : 0])),
          );
        });
        const { Id: id } = await inspect(hostile.time);
        await eventually(async () => {
          const series = await byName(
            'count by (name) ({name=~"hostile-.*",__name__!~"up|scrape_.*|container_.*|llm.*|ALERTS.*"})',
          );
          expect(series).toEqual({ [hostile.time]: 1 });
          // The sample has the labels of its container, and the time of its scrape.
          const [sample] = await query(stack.prometheus, `vllm:num_requests_running{name="${hostile.time}"}`);
          expect(sample?.metric).toMatchObject({ job: "llm-servers", host: "host", model: "</script>" });
          expect(sample?.metric["id"]).toContain(id);
        });
        // The others, and the stack, go on. On a busy machine, a scrape can take longer than the interval of a second.
        await eventually(async () => {
          const others = await query(stack.prometheus, 'max_over_time(up{name!~"hostile-.*"}[10s])');
          expect(others.length).toBeGreaterThan(8);
          expect(others.filter(({ value }) => value[1] !== "1")).toEqual([]);
        });
        const { State } = await inspect(stack.resource("prometheus"));
        expect(State.Running).toBe(true);
        expect(await docker("inspect", "--format", "{{.RestartCount}}", stack.resource("prometheus"))).toBe(
          "0",
        );
      } finally {
        await docker("rm", "-f", ...Object.values(hostile));
      }
    });
  });

describe("LLM servers on networks of their own", () => {
  const key = `key-${randomBytes(20).toString("hex")}`;
  const suffix = randomBytes(3).toString("hex");
  const [rag, chat] = [`rag_${suffix}`, `chat_${suffix}`];
  const keyed = `keyed-${suffix}`;
  /** The names of servers by their Compose project, and of one on Docker's default network. */
  const own: Record<"rag" | "chat" | "plain", string> = { rag: "", chat: "", plain: "" };
  const outputs: string[] = [];
  /** All containers that were started. */
  const started: string[] = [];
  const record = async (...args: [running: number, options?: string[], key?: string]) => {
    const name = await startRecordingServer(folder, ...args);
    started.push(name);
    return name;
  };

  const networksOf = async (container: string) =>
    Object.keys(
      JSON.parse(
        await docker("inspect", "--format", "{{json .NetworkSettings.Networks}}", container),
      ) as object,
    );
  const addressOn = (container: string, on: string, field = "IPAddress") =>
    docker("inspect", "--format", `{{(index .NetworkSettings.Networks "${on}").${field}}}`, container);
  const compose = (project: string) => [
    ...["--network", `${project}_${suffix}`, "--label", `com.docker.compose.project=${project}`],
    ...["--label", "com.docker.compose.service=vllm", "--network-alias", "vllm"],
  ];
  const isUp = (name: string) =>
    eventually(async () => {
      expect(await byName(`up{name="${name}"}`)).toEqual({ [name]: 1 });
    });

  beforeAll(async () => {
    for (const network of [rag, chat]) await docker("network", "create", network);
    own.rag = await record(4, compose("rag"));
    own.chat = await record(5, compose("chat"));
    own.plain = await record(6);
    await record(7, ["--network", network, "--name", keyed], key);
    await stack.configure({ llmNetworks: [rag, chat, "bridge"] }, { [`llmKeys.${keyed}`]: key });
    outputs.push(await succeeded(stack.preview("--diff")), await succeeded(stack.up()));
  });
  afterAll(async () => {
    await docker("rm", "-f", stack.resource("llm-forwarder"), ...started);
    await docker("network", "rm", rag, chat);
  });

  it("are scraped through the forwarder, and labeled with their Compose project", async () => {
    await eventually(async () => {
      const running = await query(stack.prometheus, 'llm:requests_running:sum{compose_service="vllm"}');
      expect(
        Object.fromEntries(running.map(({ metric, value }) => [metric["compose_project"], value[1]])),
      ).toEqual({ rag: "4", chat: "5" });
      expect(await byName(`llm:requests_running:sum{name="${own.plain}"}`)).toEqual({ [own.plain]: 6 });
    });
  });

  it("give no network to Prometheus, and none but the forwarder's own to the exporter", async () => {
    expect(await networksOf(stack.resource("prometheus"))).toEqual([network]);
    expect((await networksOf(stack.resource("exporter"))).sort()).toEqual([
      network,
      stack.resource("llm-forwarder"),
    ]);
    await succeeded(stack.preview("--expect-no-changes", "--refresh"));
  });

  it("are not called down while the forwarder is, which is a target of its own", async () => {
    const forwarder = stack.resource("llm-forwarder");
    // Other tests have servers on Docker's default network.
    const names = [own.rag, own.chat, own.plain, keyed];
    const state = async () => ({
      forwarder: (await query(stack.prometheus, 'up{job="llm-forwarder"}')).map(({ value }) => value[1]),
      behind: await byName(`up{forwarder="llm-forwarder",name=~"${names.join("|")}"}`),
      servers: await byName(`llm:up{name=~"${[own.rag, keyed, servers["SGLang 0.5"]].join("|")}"}`),
    });
    const behind = (up: number) => Object.fromEntries(names.map((name) => [name, up]));
    const direct = { [servers["SGLang 0.5"] ?? ""]: 1 };
    await eventually(async () => {
      const all = { ...direct, [own.rag]: 1, [keyed]: 1 };
      expect(await state()).toEqual({ forwarder: ["1"], behind: behind(1), servers: all });
    });
    await docker("stop", "--time", "0", forwarder);
    try {
      await eventually(async () => {
        expect(await state()).toEqual({ forwarder: ["0"], behind: behind(0), servers: direct });
      });
    } finally {
      await docker("start", forwarder);
    }
    await isUp(own.rag);
  });

  it("get the key of their container, and no other server does", async () => {
    await isUp(keyed);
    expect((await receivedRequests(keyed)).filter(({ authorized }) => authorized)).not.toEqual([]);
    for (const name of Object.values(own))
      for (const { headers } of await receivedRequests(name)) expect(headers).not.toContain("authorization");
  });

  it("have keys that are in plaintext nowhere", async () => {
    const pages = ["/api/v1/status/config", "/api/v1/targets?state=any", "/api/v1/targets/relabel_steps"];
    expectNowhere([key], await secretPlaces(stack, "prometheus", outputs, pages));
  });

  it("receive requests for their metrics and no others from the forwarder, for any request of a client", async () => {
    const forwarder = stack.resource("llm-forwarder");
    const idOf = async (name: string) => (await inspect(name)).Id;
    const excluded = await record(8, [...compose("rag"), "--label", "llm-metrics.scrape=false"]);
    const neighbor = await startContainer("example/web:1", compose("rag"));
    started.push(neighbor);
    const known: Known = {
      id: await idOf(own.rag),
      name: own.rag,
      address: await addressOn(own.rag, rag),
      host: await addressOn(own.rag, rag, "Gateway"),
      others: await Promise.all(
        [
          ...[excluded, neighbor, servers["SGLang 0.5"] ?? ""],
          ...[forwarder, stack.resource("prometheus"), stack.resource("exporter")],
        ].map(idOf),
      ),
    };
    const attacks = forwarderAttacks(known);
    expect(attacks.length).toBeGreaterThan(80);
    const harmless = harmlessRequests(known);
    const { alias, port } = SERVERS.llmForwarder;
    for (const [from, host] of [
      [stack.resource("prometheus"), alias],
      [forwarder, "127.0.0.1"],
    ] as const) {
      const answers = await converse(
        from,
        { host, port },
        [...attacks, ...harmless].map(([, message]) => message),
      );
      const answered = attacks.filter((_, n) => statuses(answers[n] ?? "").some((code) => code < 400));
      expect(answered).toEqual([]);
      for (const [n, [header]] of harmless.entries())
        expect([header, answers[attacks.length + n]]).toEqual([
          header,
          expect.stringContaining("vllm:num_requests_running 4"),
        ]);
    }
    const received = await receivedRequests(own.rag);
    expect(received.length).toBeGreaterThan(2 * harmless.length);
    expect(new Set(received.map((one) => JSON.stringify(one)))).toEqual(
      new Set([
        JSON.stringify({
          request: "GET /metrics",
          headers: ["accept", "connection", "host", "user-agent"],
          host: `${known.address}:8000`,
          authorized: false,
        }),
      ]),
    );
    expect(await receivedRequests(excluded)).toEqual([]);
  });

  it("get no connection to the stack, by no route through the forwarder and by none of its names", async () => {
    const forwarder = stack.resource("llm-forwarder");
    const metrics = `/${(await inspect(own.rag)).Id}`;
    const [on, inStack] = [await addressOn(forwarder, rag), await addressOn(forwarder, network)];
    const [refused] = await converse(own.rag, { host: on, port: SERVERS.llmForwarder.port }, [
      [`GET ${metrics} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`],
    ]);
    expect(refused).toBe("");
    expect(await docker("exec", forwarder, "cat", "/proc/sys/net/ipv4/ip_forward")).toBe("0");

    // A container that routes to the stack's network through the forwarder, and has the names of its servers.
    const subnet = await docker(
      "network",
      "inspect",
      "--format",
      "{{(index .IPAM.Config 0).Subnet}}",
      network,
    );
    const names = ["exporter", "llm-forwarder", "prometheus"].flatMap((name) => ["--network-alias", name]);
    const attacker = await record(9, [...compose("rag"), ...names]);
    const router = await startContainer("example/web:1", [
      ...["--network", `container:${attacker}`, "--cap-add", "NET_ADMIN"],
    ]);
    started.push(router);
    await docker("exec", router, "busybox", "ip", "route", "add", subnet, "via", on);
    const answerOf = async (host: string, port: number, target: string) => {
      const message = `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
      return (await converse(router, { host, port }, [[message]]))[0];
    };
    expect(await answerOf(await addressOn(own.rag, rag), 8000, "/metrics")).toContain("200 OK");
    const prometheus = await addressOn(stack.resource("prometheus"), network);
    expect(await answerOf(prometheus, SERVERS.prometheus.port, "/-/ready")).toBe("");
    for (const target of [metrics, "/healthz"])
      expect(await answerOf(inStack, SERVERS.llmForwarder.port, target)).toBe("");
    // The names lead the forwarder nowhere, also when it starts again.
    await docker("restart", "--time", "0", forwarder);
    await isUp(own.rag);
    const received = await receivedRequests(attacker);
    expect(received.filter(({ request }) => request !== "GET /metrics")).toEqual([]);
  });

  if (RUNS_ALL_TESTS)
    it("cost their own scrape, and no other, when they are hostile", async () => {
      const hostile = await startHostileServers(folder, chat);
      try {
        await eventually(async () => {
          const up = Object.fromEntries(HOSTILITIES.map((one) => [hostile[one], Number(one === "time")]));
          const names = Object.values(hostile).join("|");
          expect(await byName(`max_over_time(up{name=~"${names}"}[10m])`)).toEqual(up);
        });
        for (const name of Object.values(own)) await isUp(name);
        const forwarder = stack.resource("llm-forwarder");
        expect(await docker("inspect", "--format", "{{.RestartCount}} {{.State.OOMKilled}}", forwarder)).toBe(
          "0 false",
        );
      } finally {
        await docker("rm", "-f", ...Object.values(hostile));
      }
    });

  it("are reported by the update when their network is gone, and scraped again once it is back", async () => {
    const forwarder = stack.resource("llm-forwarder");
    await docker("stop", "--time", "0", own.chat);
    await docker("network", "disconnect", "--force", chat, forwarder);
    await docker("network", "rm", chat);
    await isUp(own.rag);
    expect(await failed(stack.preview())).toMatch(
      new RegExp(`llm-metrics:llmNetworks\\[1\\] is "${chat}", but Docker has no network of that name`),
    );
    await docker("network", "create", chat);
    own.chat = await record(5, compose("chat"));
    await succeeded(stack.up());
    await isUp(own.chat);
  });
});
