import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { type IncomingMessage, request } from "node:http";
import os from "node:os";
import path from "node:path";
import type { Browser } from "playwright-core";
import { buildShellImage } from "../../airgap/images";
import { bytes } from "../../dashboard/format";
import { queryDocker } from "../../host/docker";
import { SERVERS, target } from "../../lib/names";
import { h100, gpuUuid, type EmulatedHost } from "../support/emulatedDriver/host";
import { GpuHost } from "../support/emulatedDriver/gpuHost";
import { configureRuntime, DAEMON_FOLDER } from "../support/daemonControl";
import { dashboardQueries } from "../support/dashboards";
import {
  docker,
  DOCKER_HOST,
  hasContainerdStore,
  inspect,
  RUNS_ALL_TESTS,
  startContainer,
} from "../support/docker";
import { eventually } from "../support/eventually";
import { openPage, startBrowser } from "../support/page/browser";
import { query } from "../support/prometheus";
import { failed, Stack, succeeded } from "../support/stack";

const MIB = 1024 ** 2;
const gpuHost = GpuHost.at(path.join(DAEMON_FOLDER, "gpu"));

let stack: Stack;
let browser: Browser;
/** Names of the containers, by how they request GPUs. */
const containers: Record<string, string> = {};
let outputs: { probeReport: { findings: { check: string; actual: string }[] }; jobNames: string[] };

const pidOf = async (container: string) =>
  Number(await docker("inspect", "--format", "{{.State.Pid}}", container));
const pidIn = async (container: string, which: number) =>
  Number((await docker("top", container, "-eo", "pid")).split("\n")[which + 1]);

/** Describes two GPUs. Each container uses another amount of memory, so that no two can be confused. */
async function described(changes: Partial<EmulatedHost> = {}): Promise<EmulatedHost> {
  const use = async (which: string, gpu: number, memory: number, sm: number) => ({
    pid: await pidOf(containers[which] ?? ""),
    gpu,
    memory,
    sm,
  });
  return {
    driver: "550.127.05",
    gpus: [h100(0, { utilization: 70 }), h100(1)],
    processes: [
      await use("all", 0, 1000, 10),
      await use("all", 1, 2000, 20),
      { pid: await pidIn(containers["all"] ?? "", 1), gpu: 1, memory: 500, sm: 5 },
      await use("one", 1, 4000, 30),
      await use("runtime", 0, 8000, 40),
      await use("vllm", 0, 16_000, 15),
      ...(containers["cdi"] ? [await use("cdi", 0, 32_000, 1)] : []),
      ...(containers["cdiByType"] ? [await use("cdiByType", 1, 5000, 2)] : []),
      { pid: process.pid, gpu: 1, memory: 64, sm: 2 },
    ],
    ...changes,
  };
}

/** For Engine 29, which supports CDI devices. The Docker CLI of the tests does not, the API does. */
async function startWithCdi(name: string, device: string): Promise<string> {
  await buildShellImage("example/cdi:1", DOCKER_HOST);
  const create = request({
    method: "POST",
    socketPath: DOCKER_HOST.replace("unix://", ""),
    path: `/containers/create?name=${name}`,
    headers: { "content-type": "application/json" },
  });
  const response = once(create, "response") as Promise<[IncomingMessage]>;
  create.end(
    JSON.stringify({
      Image: "example/cdi:1",
      HostConfig: {
        DeviceRequests: [
          { Driver: "cdi", Count: 0, DeviceIDs: [`nvidia.com/gpu=${device}`], Capabilities: [] },
        ],
      },
    }),
  );
  const [answer] = await response;
  answer.resume(); // Jest does not exit while an answer is unread.
  expect(answer.statusCode).toBe(201);
  await docker("start", name);
  return name;
}

/** An image in place of Grafana's, which cannot be had here: its start script serves what it found. */
const GRAFANA_IMAGE = "example/dashboards:1";
const START_OF_GRAFANA = `#!/bin/sh
www=$GF_PATHS_DATA/www
mkdir -p $www/grafana/api
ls -R "$GF_PATHS_PROVISIONING/.." > $www/grafana/files
echo '{ "database": "ok" }' > $www/grafana/api/health
exec httpd -f -p 3000 -h $www
`;

async function buildGrafana(): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "grafana-"));
  const copy = path.join(folder, "run.sh");
  await writeFile(copy, START_OF_GRAFANA, { mode: 0o755 });
  await buildShellImage(GRAFANA_IMAGE, DOCKER_HOST, 'ENTRYPOINT ["/run.sh"]', { "run.sh": { copy } });
  await rm(folder, { recursive: true });
}

beforeAll(async () => {
  await configureRuntime("nvidia", gpuHost.runtime);
  await gpuHost.addCdi();
  const cudaEnvironment = [
    "-e",
    "NVIDIA_VISIBLE_DEVICES=all",
    "-e",
    "CUDA_VERSION=12.4.1",
    "-e",
    "NVIDIA_REQUIRE_CUDA=cuda>=12.4",
  ];
  Object.assign(containers, {
    all: await startContainer(
      "example/train:1",
      ["--gpus", "all"],
      ["sh", "-c", "sleep 9999 & sleep 100000"],
    ),
    one: await startContainer("example/embed:1", ["--gpus", "device=1"]),
    runtime: await startContainer("example/old:1", ["--runtime", "nvidia", "-e", "NVIDIA_VISIBLE_DEVICES=0"]),
    vllm: await startContainer("vllm/vllm-openai:v0.11.0", [
      ...["--gpus", `device=${gpuUuid(0)}`, "--memory", "256m", "--cpus", "0.5"],
    ]),
    idle: await startContainer("example/idle:1", ["--gpus", "device=1"]),
    cuda: await startContainer("nvidia/cuda:12.4.1-base-ubuntu22.04", cudaEnvironment),
    plain: await startContainer("example/web:1"),
  });
  if (await hasContainerdStore()) {
    containers["cdi"] = await startWithCdi("test-cdi", "0");
    containers["cdiByType"] = await startWithCdi("test-cdi-type", "gpu1");
  }
  await gpuHost.describe(await described());
  await buildGrafana();
  stack = await Stack.create({
    scrapeInterval: "1s",
    hostLabel: "gpu-host",
    grafana: "on",
    grafanaImage: GRAFANA_IMAGE,
  });
  await succeeded(stack.up());
  outputs = await stack.outputs();
  browser = await startBrowser();
});
afterAll(async () => {
  await (browser as Browser | undefined)?.close();
  await stack.remove();
  await docker("rm", "-f", ...Object.values(containers));
  await configureRuntime("other", "runc");
  await gpuHost.removeCdi();
});

/** The values of a metric, by container and GPU: none after a scrape that a busy machine did not answer within a second. */
async function values(metric: string): Promise<Record<string, number>> {
  const samples = await query(stack.prometheus, `${metric}{job="exporter"}`);
  const which = (name = "") =>
    Object.entries(containers).find(([, container]) => container === name)?.[0] ?? name;
  return Object.fromEntries(
    samples.map(({ metric: labels, value }) => [
      `${which(labels["name"])} ${labels["gpu"] ?? ""}`,
      Number(value[1]),
    ]),
  );
}
const withCdi = <T>(byIndex: T, byType: T): Record<string, T> =>
  containers["cdi"] ? { "cdi 0": byIndex, "cdiByType 1": byType } : {};

describe("Dashboards of Grafana", () => {
  /** What a host where nothing is wrong, and a container that does nothing, need not have. */
  const WITHOUT_DATA =
    /: (Firing alerts|Containers that do not run|CPU and memory of the host|Disks of the host|Not measured on this host|Lower clocks of GPUs|Disk|Writable layer|mark Out-of-memory kills),?/;
  /** The columns of health, of which its containers have no check, of restarts and of out-of-memory kills. */
  const WITHOUT_CHECK_OR_EVENT = [
    ...["host: LLM servers, G", "host: LLM servers, H", "host: LLM servers, I"],
    ...["host: Other containers, I", "host: Other containers, J"],
    ...["container: $name, B", "container: $name, D", "container: $name, E"],
  ];

  it("have the alerts that fire, but not the one that always does", async () => {
    const expr =
      dashboardQueries({ host: "gpu-host", name: "", gpu: "" }).find(({ place }) =>
        place.startsWith("host: Firing alerts"),
      )?.expr ?? "";
    const names = async (promql: string) =>
      (await query(stack.prometheus, promql)).map(({ metric }) => metric["alertname"]);
    await eventually(async () => {
      expect(await names(expr.replace('alertname!="Watchdog"', 'alertname="Watchdog"'))).toEqual([
        "Watchdog",
      ]);
    });
    expect(await names(expr)).not.toContain("Watchdog");
  });

  it("ask only what Prometheus has of a host with GPUs", async () => {
    // Its LLM servers report nothing; the part `page` has one that does.
    const queries = dashboardQueries({ host: "gpu-host", name: containers["vllm"] ?? "", gpu: "0" }).filter(
      ({ expr }) => !/\bllm:/.test(expr),
    );
    expect(queries.length).toBeGreaterThan(60);
    await eventually(async () => {
      const missing: string[] = [];
      for (const { place, expr } of queries)
        if ((await query(stack.prometheus, expr)).length === 0) missing.push(place);
      expect(
        missing.filter((place) => !WITHOUT_DATA.test(place) && !WITHOUT_CHECK_OR_EVENT.includes(place)),
      ).toEqual([]);
    });
  });
});

describe("Grafana", () => {
  const status = async (path: string, init: RequestInit = {}) =>
    (await fetch(`${stack.prometheus}/grafana${path}`, init)).status;

  it("is at /grafana/ on the port of Prometheus, with the files of dashboards/", async () => {
    expect(outputs.probeReport.findings).toContainEqual({
      check: "Grafana is healthy",
      actual: '{ "database": "ok" }',
    });
    const answer = await fetch(`${stack.prometheus}/grafana/files`);
    expect(answer.headers.get("content-security-policy")).toContain("default-src 'self'");
    const files = await answer.text();
    for (const file of ["host.json", "container.json", "llm-metrics.yaml"]) expect(files).toContain(file);
  });

  it("can be read and queried through the gateway, and reaches no other paths of Prometheus", async () => {
    const datasource = "/api/datasources/uid/llm-metrics/resources";
    // The image of the test has no such files, and its server takes no POST.
    for (const path of ["/d/llm-metrics-host", "/api/search", `${datasource}/api/v1/label/host/values`])
      expect([path, await status(path)]).toEqual([path, 404]);
    for (const path of ["/api/ds/query", `${datasource}/api/v1/series`])
      expect([path, await status(path, { method: "POST" })]).not.toEqual([path, 403]);
    for (const path of [
      ...[
        "/metrics",
        "/debug/pprof/heap",
        "/api/gnet/plugins",
        "/api/datasources/proxy/uid/llm-metrics/metrics",
      ],
      ...[`${datasource}/metrics`, `${datasource}/debug/pprof/heap`, "/api/plugin-proxy/any"],
      ...["/api/plugins/any/resources/any", "/API/DATASOURCES/PROXY/1/metrics"],
    ])
      expect([path, await status(path)]).toEqual([path, 403]);
    for (const [method, path] of [
      ...[["POST", "/api/dashboards/db"] as const, ["POST", "/login"] as const],
      ...[["DELETE", "/api/datasources/1"] as const, ["PUT", "/api/org"] as const],
      ["POST", `${datasource}/api/v1/admin/tsdb/snapshot`] as const,
    ])
      expect([path, await status(path, { method })]).toEqual([path, 403]);
  });

  it("runs as its own user, without capabilities, ports or anything writable outside of memory", async () => {
    const { HostConfig: host, Config: config, Mounts: mounts } = await inspect(stack.resource("grafana"));
    expect(host).toMatchObject({ Privileged: false, ReadonlyRootfs: true, CapDrop: ["ALL"] });
    expect([host.CapAdd ?? [], Object.keys(host.PortBindings ?? {})]).toEqual([[], []]);
    expect(config.User).toBe("472:472");
    expect(mounts.map(({ Destination, RW }) => [Destination, RW])).toEqual([
      ["/etc/grafana/llm-metrics", false],
    ]);
  });
});

describe("GPU metrics", () => {
  it("stores each container's use of each GPU, for every form of allocation", () =>
    eventually(async () => {
      expect(await values("container_gpu_memory_used_bytes")).toEqual({
        "all 0": 1000 * MIB,
        "all 1": 2500 * MIB,
        "one 1": 4000 * MIB,
        "idle 1": 0,
        "runtime 0": 8000 * MIB,
        "vllm 0": 16_000 * MIB,
        ...withCdi(32_000 * MIB, 5000 * MIB),
      });
      expect(await values("container_gpu_utilization_ratio")).toEqual({
        "all 0": 0.1,
        "all 1": 0.25,
        "one 1": 0.3,
        "idle 1": 0,
        "runtime 0": 0.4,
        "vllm 0": 0.15,
        ...withCdi(0.01, 0.02),
      });
      expect(await values("container_gpu_processes")).toMatchObject({ "all 0": 1, "all 1": 2, "one 1": 1 });
    }));

  it("stores no GPU series of CUDA images without a GPU, plain containers and its own containers", () =>
    eventually(async () => {
      const names = await query(stack.prometheus, 'group by (name) ({__name__=~"container_gpu_.+"})');
      const seen = names.map(({ metric }) => metric["name"]);
      expect(seen.sort()).toEqual(
        ["all", "one", "idle", "runtime", "vllm", "cdi", "cdiByType"]
          .flatMap((which) => containers[which] ?? [])
          .sort(),
      );
    }));

  it("labels GPU series with the device, the LLM server, and cAdvisor's labels of the same container", () =>
    eventually(async () => {
      const [gpu] = await query(stack.prometheus, `container_gpu_info{name="${containers["vllm"] ?? ""}"}`);
      expect(gpu?.metric).toMatchObject({
        job: "exporter",
        host: "gpu-host",
        image: "vllm/vllm-openai:v0.11.0",
        llm_server: "vllm",
        gpu: "0",
        gpu_uuid: gpuUuid(0),
        gpu_model: "NVIDIA H100 80GB HBM3",
        allocation: "device_request",
      });
      const joined = await query(
        stack.prometheus,
        "container_memory_working_set_bytes and on (host, id, name, image) container_gpu_info",
      );
      expect(joined).toHaveLength(containers["cdi"] ? 7 : 5);
    }));

  it("counts the GPU memory of host processes separately, and the sum is that of the device", () =>
    eventually(async () => {
      const [host] = await query(stack.prometheus, 'gpu_host_memory_used_bytes{gpu="1"}');
      expect(Number(host?.value[1])).toBe(64 * MIB);
      const sums = await query(
        stack.prometheus,
        "sum by (gpu_uuid) (container_gpu_memory_used_bytes) + on (gpu_uuid) gpu_host_memory_used_bytes == on (gpu_uuid) gpu_memory_used_bytes",
      );
      expect(sums).toHaveLength(2);
    }));

  it("answers every question of the documentation, and names the container that wastes its GPU", async () => {
    const documented = [
      ...(await readFile("docs/metrics.md", "utf8")).matchAll(/^\| [^|]+\? .*\| `(.+)` *\|$/gm),
    ];
    const questions = documented.map(([, promql = ""]) => promql.replaceAll("\\|", "|"));
    expect(questions.length).toBeGreaterThan(15);
    for (const promql of questions) await query(stack.prometheus, promql);
    const wasted =
      questions.find((promql) => promql.includes("max_over_time(container_gpu_utilization_ratio")) ?? "";
    await eventually(async () => {
      const names = (await query(stack.prometheus, wasted)).map(({ metric }) => metric["name"]);
      expect(names).toEqual([containers["idle"]]);
    });
  });

  it("records CPU and memory of GPU containers beside their GPU use", async () => {
    await eventually(async () => {
      for (const rule of [
        "cpu_usage_cores:rate5m",
        "memory_working_set_bytes:sum",
        "gpu_memory_used_bytes:sum",
        "gpu_memory_total_bytes:sum",
        "gpu_utilization_ratio:avg",
      ]) {
        const samples = await query(stack.prometheus, `gpu_container:${rule}`);
        expect(samples.map(({ metric }) => metric["name"])).toContain(containers["one"]);
        expect(samples.map(({ metric }) => metric["name"])).not.toContain(containers["plain"]);
      }
      const [used] = await query(
        stack.prometheus,
        `gpu_container:gpu_memory_used_bytes:sum{name="${containers["all"] ?? ""}"}`,
      );
      expect(Number(used?.value[1])).toBe(3500 * MIB);
    });
  });

  it("reports each GPU container with its number of GPUs", () => {
    const seen = (check: string) =>
      outputs.probeReport.findings.find((finding) => finding.check === check)?.actual;
    expect(outputs.jobNames).toContain("exporter");
    expect(seen("the running exporter has been scraped")).toMatch(/^\d+ s after it started$/);
    expect(seen("the GPU driver answers")).toBe("2 GPUs and MIG devices");
    expect(seen("every GPU container has its GPU series")).toContain(`${containers["all"] ?? ""} (2)`);
    expect(seen("every GPU container has its GPU series")).toContain(`${containers["vllm"] ?? ""} (1)`);
  });

  it("runs the exporter as nobody, without capabilities, ports, or anything writable", async () => {
    const { HostConfig: host, Config: config, Mounts: mounts } = await inspect(stack.resource("exporter"));
    expect(host).toMatchObject({
      Privileged: false,
      ReadonlyRootfs: true,
      CapDrop: ["ALL"],
      PidMode: "host",
    });
    expect([host.CapAdd ?? [], Object.keys(host.PortBindings ?? {})]).toEqual([[], []]);
    expect(config.User).toBe("65534:65534");
    expect(mounts.map(({ Destination, RW }) => [Destination, RW]).sort()).toEqual([
      ["/exporter", false],
      ["/var/run/docker.sock", false],
    ]);
  });

  it("exposes metrics that pass promtool's check", async () => {
    const check = `wget -qO- http://${target(SERVERS.exporter)}/metrics | promtool check metrics 2>&1`;
    expect(await docker("exec", stack.resource("prometheus"), "sh", "-c", check)).toBe("");
  });

  it("adds the GPU series of a new container, and drops those of one that ended", async () => {
    const name = await startContainer("example/late:1", ["--gpus", "device=0"]);
    containers["late"] = name;
    const host = await described();
    await gpuHost.describe({
      ...host,
      processes: [...host.processes, { pid: await pidOf(name), gpu: 0, memory: 7 }],
    });
    await eventually(async () => {
      expect(await values("container_gpu_memory_used_bytes")).toMatchObject({ "late 0": 7 * MIB });
    });
    await docker("rm", "-f", name);
    await eventually(async () => {
      expect(await query(stack.prometheus, `{__name__=~"container_gpu_.+",name="${name}"}`)).toEqual([]);
    });
    delete containers["late"];
    await gpuHost.describe(host);
  });

  it("reports a container that requests a GPU that the host does not have, and keeps all other series", async () => {
    let before = {};
    await eventually(async () => {
      before = await values("container_gpu_memory_used_bytes");
      expect(before).toMatchObject({ "all 0": 1000 * MIB });
    });
    const name = await startContainer("example/moved:1", ["--gpus", '"device=1,GPU-0badc0de"']);
    await eventually(async () => {
      const [unmatched] = await query(stack.prometheus, "container_gpu_unmatched_devices");
      expect(unmatched).toMatchObject({ metric: { job: "exporter", name }, value: [expect.anything(), "1"] });
      expect(await values("container_gpu_memory_used_bytes")).toEqual({ ...before, [`${name} 1`]: 0 });
    });
    await docker("rm", "-f", name);
    await eventually(async () => {
      expect(await query(stack.prometheus, "container_gpu_unmatched_devices")).toEqual([]);
    });
  });

  it("shows on the page which container uses how much of each GPU, as the API has it", async () => {
    const { page, faults } = await openPage(await browser.newContext(), stack.prometheus);
    const rows = page.locator("section[aria-labelledby=gpus] tbody tr");
    await eventually(async () => {
      await page.getByRole("button", { name: "Refresh" }).click();
      for (const gpu of ["0", "1"]) {
        const shown = await rows.nth(Number(gpu)).innerText();
        const used = await query(stack.prometheus, `container_gpu_memory_used_bytes{gpu="${gpu}"} > 0`);
        expect(used.length).toBeGreaterThan(1);
        for (const { metric, value } of used)
          expect(shown).toContain(`${metric["name"] ?? ""} ${bytes(Number(value[1]))}`);
      }
      expect(await rows.nth(1).innerText()).toContain(`processes of the host ${bytes(64 * MIB)}`);
      const [server] = await page.locator("section[aria-labelledby=servers] tbody tr").allInnerTexts();
      expect(server).toContain(containers["vllm"]);
      expect(server).toMatch(new RegExp(`${bytes(16_000 * MIB)}\\s+of`));
    });
    expect(faults).toEqual({ errors: [], foreign: [] });
  });

  if (RUNS_ALL_TESTS)
    it("names on the page the component that does not respond, and recovers automatically", async () => {
      const { page } = await openPage(await browser.newContext(), stack.prometheus);
      const refresh = page.getByRole("button", { name: "Refresh" });
      for (const [part, text] of [
        ["exporter", "The exporter is down"],
        ["cadvisor", "cAdvisor is down"],
        ["prometheus", "Prometheus does not answer"],
      ] as const) {
        // A restart would change addresses, which a refresh reports, and leave series without stale markers.
        await docker("pause", stack.resource(part));
        try {
          await eventually(async () => {
            await refresh.click();
            expect(await page.locator(".notices .critical, .failure").allInnerTexts()).toEqual([
              expect.stringContaining(text),
            ]);
          });
        } finally {
          await docker("unpause", stack.resource(part));
        }
        await eventually(async () => {
          await refresh.click();
          expect(await page.locator(".notices .critical, .failure").count()).toBe(0);
        });
      }
    });

  it("reports a driver that hangs by a metric, a failed check and on the page, while the target stays up", async () => {
    const probe = JSON.stringify({
      ...(JSON.parse((await stack.inputs("probe-command"))["stdin"] as string) as object),
      startTimeoutSeconds: 5,
    });
    await gpuHost.describe(await described({ fault: "hang" }));
    try {
      await eventually(async () => {
        // A slow answer that was under way before may still come, in 8 s at most.
        expect(await query(stack.prometheus, "max_over_time(gpu_exporter_driver_up[10s]) == 0")).toHaveLength(
          1,
        );
        expect(await query(stack.prometheus, 'up{job="exporter"} == 1')).toHaveLength(1);
        expect(await query(stack.prometheus, 'gpu_exporter_errors_total{reason="timeout"} > 0')).toHaveLength(
          1,
        );
        expect(await values("container_gpu_info")).toMatchObject({ "vllm 0": 1 });
        expect(await values("container_gpu_memory_used_bytes")).toEqual({});
      });
      const { page } = await openPage(await browser.newContext(), stack.prometheus);
      await page.getByText("The NVIDIA driver does not respond").waitFor();
      const output = await failed(stack.probe(probe));
      expect(output).toMatch(
        /check failed after \d+ s: the GPU driver answers\n\s+actual: no answer from the driver: timeout/,
      );
    } finally {
      await gpuHost.describe(await described());
    }
    await eventually(async () => {
      expect(await values("container_gpu_memory_used_bytes")).toMatchObject({ "vllm 0": 16_000 * MIB });
    });
    await succeeded(stack.probe(probe));
  });

  it("is not changed by a refresh or an update, and restores an exporter that was removed", async () => {
    await succeeded(stack.refresh("--expect-no-changes"));
    await succeeded(stack.up("--expect-no-changes"));
    await docker("rm", "-f", stack.resource("exporter"));
    await succeeded(stack.up("--refresh"));
    expect((await inspect(stack.resource("exporter"))).State.Running).toBe(true);
  });

  it("gives the exporter its GPUs by CDI where Docker has no NVIDIA runtime", async () => {
    await configureRuntime("other", "runc");
    // Engine 20.10 knows no CDI: then the next test is about that.
    if (!JSON.stringify(await queryDocker(DOCKER_HOST, "/info")).includes("nvidia.com/gpu=all")) return;
    await succeeded(stack.up());
    const { HostConfig: host } = await inspect(stack.resource("exporter"));
    expect(host.DeviceRequests).toMatchObject([{ Driver: "cdi", DeviceIDs: ["nvidia.com/gpu=all"] }]);
    await eventually(async () => {
      expect(await values("container_gpu_memory_used_bytes")).toMatchObject({ "cdi 0": 32_000 * MIB });
    });
    await succeeded(stack.refresh("--expect-no-changes"));
  });

  it("deploys the exporter without GPUs where there are none, reports the reason, and rejects gpu: on", async () => {
    await gpuHost.removeCdi();
    await eventually(async () => {
      expect(JSON.stringify(await queryDocker(DOCKER_HOST, "/info"))).not.toContain("nvidia.com/gpu");
    });
    const output = await succeeded(stack.up());
    expect(output).toContain(
      "GPUs are not measured: Docker on this host has neither NVIDIA's container runtime",
    );
    const { probeReport, jobNames } = await stack.outputs<typeof outputs>();
    expect(jobNames).toEqual(["cadvisor", "prometheus", "gateway", "exporter", "host", "llm-servers"]);
    const series = probeReport.findings.find(
      ({ check }) => check === "every GPU container has its GPU series",
    );
    expect(series?.actual).toMatch(/^no GPU containers: Docker on this host/);
    const { HostConfig: host, Config: config } = await inspect(stack.resource("exporter"));
    expect([host.PidMode, host.DeviceRequests ?? []]).toEqual(["", []]);
    expect(config.Env).toContain("NVIDIA_VISIBLE_DEVICES=void");

    await stack.configure({ gpu: "on" });
    expect(await failed(stack.up())).toMatch(/llm-metrics:gpu is "on", but .*nvidia-ctk runtime configure/s);
    await stack.configure({ gpu: "auto" });
    await succeeded(stack.preview("--expect-no-changes"));
  });
});
