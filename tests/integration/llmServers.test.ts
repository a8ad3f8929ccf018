import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { GpuHost } from "../support/emulatedDriver/gpuHost";
import { configureRuntime, DAEMON_FOLDER } from "../support/daemonControl";
import { docker, inspect, startContainer } from "../support/docker";
import { h100 } from "../support/emulatedDriver/host";
import { eventually } from "../support/eventually";
import { LLM_PAGES, type LlmPage } from "../support/llmPages";
import { HOSTILITIES, startHostileServers, startPageServer } from "../support/llmServers";
import { query } from "../support/prometheus";
import { Stack, succeeded } from "../support/stack";

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
  });

  it("give Prometheus no other network, and no access to Docker", async () => {
    const { Mounts, Id } = await inspect(stack.resource("prometheus"));
    expect(Mounts.map(({ Type }) => Type)).toEqual(["volume", "volume"]);
    const networks = await docker("inspect", "--format", "{{json .NetworkSettings.Networks}}", Id);
    expect(Object.keys(JSON.parse(networks) as object)).toEqual([network]);
  });
});

describe("A hostile LLM server", () => {
  it("fails its own scrape, and no other", async () => {
    const hostile = await startHostileServers(folder, network);
    containers.push(...Object.values(hostile));
    await eventually(async () => {
      const up = await byName('up{name=~"hostile-.*"}');
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
      const others = await query(stack.prometheus, 'up{name!~"hostile-.*"}');
      expect(others.length).toBeGreaterThan(8);
      expect(others.filter(({ value }) => value[1] !== "1")).toEqual([]);
    });
    const { State } = await inspect(stack.resource("prometheus"));
    expect(State.Running).toBe(true);
    expect(await docker("inspect", "--format", "{{.RestartCount}}", stack.resource("prometheus"))).toBe("0");
  });
});
