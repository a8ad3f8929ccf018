import { readFile, statfs } from "node:fs/promises";
import { load } from "js-yaml";
import {
  CONTAINER_METRICS,
  HOST_METRICS,
  NODE_METRICS,
  REQUIRED_LABELS,
  REQUIRED_METRICS,
  ROOT_CGROUP_METRICS,
} from "../../prometheus/catalogue";
import type { ProbeReport } from "../../probes/report";
import { docker, hasContainerdStore, inspect, startContainer } from "../support/docker";
import { eventually } from "../support/eventually";
import { query } from "../support/prometheus";
import { type Containers, sharedStack } from "../support/sharedStack";
import { type Stack, succeeded } from "../support/stack";

interface Outputs {
  cadvisorUrl: string;
  prometheusUrl: string;
  networkName: string;
  scrapeInterval: string;
  jobNames: string[];
  cadvisorScrapeConfig: string;
  probeReport: ProbeReport;
}

let stack: Stack;
let outputs: Outputs;
let containers: Containers;

beforeAll(async () => {
  ({ stack, containers } = await sharedStack());
  outputs = await stack.outputs();
});

const samplesOf = (container: string) => query(stack.prometheus, `{name="${container}",job="cadvisor"}`);

/** Memory of this machine by its kind, in bytes. */
async function procMeminfo(): Promise<Record<string, number>> {
  const lines = (await readFile("/proc/meminfo", "utf8")).matchAll(/^(\w+): +(\d+) kB$/gm);
  return Object.fromEntries([...lines].map(([, kind = "", kilobytes]) => [kind, Number(kilobytes) * 1024]));
}

describe("Deployed stack", () => {
  it("serves cAdvisor's health check, UI and API", async () => {
    const health = await fetch(`${stack.cadvisor}/healthz`);
    expect([health.status, await health.text()]).toEqual([200, "ok"]);
    const page = await fetch(`${stack.cadvisor}/`);
    expect(page.status).toBe(200);
    expect(page.headers.get("content-type")).toContain("text/html");
    expect(await (await fetch(`${stack.cadvisor}/api/v1.3/containers`)).json()).toMatchObject({ name: "/" });
  });

  it("scrapes cAdvisor every 30 s", async () => {
    const response = await fetch(`${stack.prometheus}/api/v1/targets?scrapePool=cadvisor`);
    const { data } = (await response.json()) as { data: { activeTargets: unknown[] } };
    expect(data.activeTargets).toEqual([
      expect.objectContaining({
        health: "up",
        scrapeInterval: "30s",
        scrapeUrl: "http://cadvisor:8080/metrics?max_age=0s",
      }),
    ]);
    expect(await query(stack.prometheus, 'up{job="cadvisor"} == 1')).toHaveLength(1);
  });

  it("measures every container for a scrape that asks for it, also through the gateway", async () => {
    const start = Date.now();
    const page = await (await fetch(`${stack.cadvisor}/metrics?max_age=0s`)).text();
    const sample = /^container_cpu_usage_seconds_total\{.*name="([^"]+)".* (\d{13})$/gm;
    const times = new Map([...page.matchAll(sample)].map(([, name, time]) => [name, Number(time)]));
    for (const container of Object.values(containers))
      expect(times.get(container)).toBeGreaterThanOrEqual(start);
    const malformed = await fetch(`${stack.cadvisor}/metrics?max_age=soon`);
    expect([malformed.status, await malformed.text()]).toEqual([500, expect.stringContaining("'max_age'")]);
  });

  it("reports the last start of a container, not its first (google/cadvisor 2169), and limits as `docker update` sets them", async () => {
    const container = await startContainer("example/web:1", ["--memory", "64m"]);
    const measured = async (metric: string): Promise<number> => {
      const page = await (await fetch(`${stack.cadvisor}/metrics?max_age=0s`)).text();
      return Number(new RegExp(`^${metric}\\{.*name="${container}".*\\} (\\S+)`, "m").exec(page)?.[1]);
    };
    const limit = "container_spec_memory_limit_bytes";
    await eventually(async () => {
      expect(await measured(limit)).toBe(64 * 1024 ** 2);
    });
    await docker("update", "--memory", "32m", "--memory-swap", "64m", container);
    await docker("restart", "--time", "0", container);
    const started = Math.floor(Date.parse((await inspect(container)).State.StartedAt) / 1000);
    await eventually(async () => {
      expect(await measured("container_start_time_seconds")).toBe(started);
      expect(await measured(limit)).toBe(32 * 1024 ** 2);
    });
    await docker("rm", "-f", container);
  });

  it("has the CPU time, the network traffic and the disk space of a container once, so that sums are right", async () => {
    for (const metric of [
      "container_cpu_usage_seconds_total",
      "container_network_transmit_bytes_total",
      "container_fs_usage_bytes",
    ])
      for (const { metric: labels, value } of await query(
        stack.prometheus,
        `count by (name, interface) (${metric})`,
      ))
        expect([metric, labels["name"], value[1]]).toEqual([metric, labels["name"], "1"]);
  });

  it("lists every running container by its name", async () => {
    const running = (await docker("ps", "--format", "{{.Names}}")).split("\n").sort();
    await eventually(async () => {
      const listed = await query(stack.prometheus, 'container_start_time_seconds{job="cadvisor"}');
      expect(listed.map((sample) => sample.metric["name"]).sort()).toEqual(running);
    });
    expect(running).toEqual(
      expect.arrayContaining([
        stack.resource("cadvisor"),
        stack.resource("prometheus"),
        ...Object.values(containers),
      ]),
    );
  });

  it("exposes CPU, memory, network, disk, OOM, health and start time of each container, with every required label", async () => {
    const required = Object.keys(REQUIRED_METRICS);
    const containerdStore = await hasContainerdStore();
    for (const container of Object.values(containers)) {
      const samples = await samplesOf(container);
      const names = samples.map((sample) => sample.metric["__name__"] ?? "");
      expect(names).toEqual(
        expect.arrayContaining([
          ...required,
          "container_network_receive_bytes_total",
          "container_network_transmit_bytes_total",
        ]),
      );
      // The containerd image store has no writable layers that cAdvisor can measure.
      if (!containerdStore) expect(names).toContain("container_fs_usage_bytes");
      if (container === containers.limited) expect(names).toContain("container_fs_writes_bytes_total");
      for (const { metric } of samples)
        for (const label of REQUIRED_LABELS) expect(metric[label]).toBeTruthy();
    }
  });

  it("exposes limits and throttling of containers with limits", async () => {
    const values = new Map(
      (await samplesOf(containers.limited)).map((s) => [s.metric["__name__"], Number(s.value[1])]),
    );
    expect(values.get("container_spec_memory_limit_bytes")).toBe(64 * 1024 ** 2);
    expect(values.get("container_spec_cpu_quota")).toBe(50_000);
    expect(values.has("container_cpu_cfs_throttled_periods_total")).toBe(true);
    expect(values.has("container_cpu_cfs_throttled_seconds_total")).toBe(true);
  });

  it("stores at most 35 series of a container, all of them in the catalogue", async () => {
    const catalogue = new Set([
      ...Object.keys({ ...CONTAINER_METRICS, ...ROOT_CGROUP_METRICS }),
      ...HOST_METRICS,
    ]);
    const counts = await query(
      stack.prometheus,
      'count by (name) ({job="cadvisor",name!="",__name__!~"ALERTS.*"})',
    );
    expect(counts.length).toBeGreaterThanOrEqual(8);
    for (const { value } of counts) expect(Number(value[1])).toBeLessThanOrEqual(35);
    for (const { metric } of await query(
      stack.prometheus,
      'group by (__name__) ({job="cadvisor",__name__!~"up|scrape_.+|ALERTS.*"})',
    ))
      expect(catalogue).toContain(metric["__name__"]);
  });

  it("names container metrics container_*, and drops families of high cardinality", async () => {
    const stored = '{job="cadvisor",name!="",__name__!~"ALERTS.*"}';
    for (const { metric } of await query(stack.prometheus, `group by (__name__) (${stored})`))
      expect(metric["__name__"]).toMatch(/^container_[a-z0-9_]+$/);
    expect(
      await query(stack.prometheus, '{__name__=~"container_(network_(tcp|udp).*|tasks_state)"}'),
    ).toEqual([]);
  });

  it("stores no samples of the example configuration in Prometheus's image", async () => {
    expect(await query(stack.prometheus, 'count_over_time({instance="localhost:9090"}[1h])')).toEqual([]);
  });

  it("measures the host as its own /proc and df do, with few series", async () => {
    const valueOf = async (promql: string) => Number((await query(stack.prometheus, promql))[0]?.value[1]);
    const root = await docker("info", "--format", "{{.DockerRootDir}}");
    const onDisk = `{job="host",mountpoint="${root}"}`;
    const { bsize, blocks, files } = await statfs(root);
    await eventually(async () => {
      expect(await valueOf(`node_filesystem_size_bytes${onDisk}`)).toBe(bsize * blocks);
      expect(await valueOf(`node_filesystem_files${onDisk}`)).toBe(files);
      // Both move while tests run.
      const { bavail } = await statfs(root);
      const available = await valueOf(`node_filesystem_avail_bytes${onDisk}`);
      expect(Math.abs(available / (bsize * bavail) - 1)).toBeLessThan(0.05);
      const { MemTotal, MemAvailable = 0 } = await procMeminfo();
      expect(await valueOf("node_memory_MemTotal_bytes")).toBe(MemTotal);
      const freeMemory = await valueOf("node_memory_MemAvailable_bytes");
      expect(Math.abs(freeMemory / MemAvailable - 1)).toBeLessThan(0.3);
    });
    await eventually(async () => {
      const used = await valueOf("host:cpu_used:ratio");
      expect(used).toBeGreaterThan(0);
      expect(used).toBeLessThan(1.1);
      for (const record of ["load_per_core:avg15m", "memory_used:ratio", "filesystem_used:ratio"])
        expect(await valueOf(`host:${record}`)).toBeGreaterThan(0);
    });
    // The daemon of the tests is in a network namespace of its own; process 1 is in the host's.
    const interfaces = new Map(
      (await query(stack.prometheus, "machine_network_receive_bytes_total")).map(({ metric, value }) => [
        metric["interface"],
        Number(value[1]),
      ]),
    );
    const counters = (await readFile("/proc/1/net/dev", "utf8")).matchAll(/^ *((?:en|eth)\S*): *(\d+)/gm);
    for (const [, name, received] of counters) {
      expect(interfaces.get(name)).toBeLessThanOrEqual(Number(received));
      expect(interfaces.get(name)).toBeGreaterThan(Number(received) / 2);
    }
    for (const virtual of ["lo", "docker0"]) expect(interfaces.has(virtual)).toBe(false);

    const stored = await query(stack.prometheus, 'group by (__name__) ({job="host",__name__=~"node_.+"})');
    for (const { metric } of stored) expect(NODE_METRICS).toHaveProperty(metric["__name__"] ?? "");
    expect(await valueOf('count({job="host",__name__=~"node_.+"})')).toBeLessThan(20);
  });

  it("reports the state of each container as Docker does, with cAdvisor's labels", async () => {
    const labels = "host, id, name, image, llm_server, compose_project, compose_service, alerts";
    await eventually(async () => {
      const running = await query(
        stack.prometheus,
        `container_state{state="running"} and on (${labels}) container_last_seen{job="cadvisor"}`,
      );
      expect(running.map(({ metric }) => metric["name"])).toEqual(
        expect.arrayContaining([stack.resource("exporter"), ...Object.values(containers)]),
      );
      const health = await query(stack.prometheus, 'container_health_status{status="healthy"}');
      expect(health.map(({ metric }) => metric["name"])).toContain(stack.resource("prometheus"));
    });
    expect(
      await query(stack.prometheus, '{__name__=~"gpu_up|gpu_exporter_driver.*|gpu_driver_info"}'),
    ).toEqual([]);
  });

  it("labels LLM servers, Compose services and GPU containers", async () => {
    const labelsOf = async (container: string) => (await samplesOf(container))[0]?.metric ?? {};
    expect(await labelsOf(containers.vllm)).toMatchObject({
      llm_server: "vllm",
      image: "vllm/vllm-openai:v0.11.0",
    });
    expect(await labelsOf(containers.relabelled)).toMatchObject({ llm_server: "sglang" });
    expect(await labelsOf(containers.compose)).toMatchObject({
      compose_project: "chat",
      compose_service: "api",
    });
    expect(await labelsOf(containers.gpu)).toMatchObject({ nvidia_visible_devices: "0,1" });
    const plain = await labelsOf(containers.plain);
    for (const label of ["llm_server", "compose_project", "nvidia_visible_devices"])
      expect(plain).not.toHaveProperty(label);
    expect(Object.keys(plain).filter((label) => /^container_(label|env)_/.test(label))).toEqual([]);
  });

  it("passes the health checks of its containers", async () => {
    await eventually(async () => {
      for (const container of ["cadvisor", "exporter", "gateway", "node-exporter", "prometheus"] as const)
        expect(
          await docker("inspect", "--format", "{{.State.Health.Status}}", stack.resource(container)),
        ).toBe("healthy");
    });
  });

  it("gives no container a privilege that it does not need", async () => {
    const added = {
      cadvisor: ["SYSLOG"],
      exporter: [],
      gateway: ["NET_BIND_SERVICE"],
      prometheus: [],
      "node-exporter": [],
    };
    for (const which of ["cadvisor", "exporter", "gateway", "prometheus", "node-exporter"] as const) {
      const { HostConfig: host, Config: config } = await inspect(stack.resource(which));
      expect(host).toMatchObject({ Privileged: false, ReadonlyRootfs: true, PidMode: "", CapDrop: ["ALL"] });
      expect((host.CapAdd ?? []).map((name) => name.replace(/^CAP_/, ""))).toEqual(added[which]);
      expect(host.SecurityOpt).toContain("no-new-privileges:true");
      expect(
        Object.values(host.PortBindings ?? {})
          .flat()
          .map((binding) => binding.HostIp),
      ).toEqual(which === "gateway" ? ["127.0.0.1", "127.0.0.1"] : []);
      expect(host.Memory).toBeGreaterThan(0);
      expect(host.NanoCpus).toBeGreaterThan(0);
      expect(config.Healthcheck?.Test).toBeDefined();
    }
    expect((await inspect(stack.resource("cadvisor"))).HostConfig.Devices).toEqual([
      expect.objectContaining({ PathOnHost: "/dev/kmsg", CgroupPermissions: "r" }),
    ]);
    for (const which of ["exporter", "prometheus", "node-exporter"] as const)
      expect((await inspect(stack.resource(which))).Config.User).toBe("65534:65534");
  });

  it("mounts only what cAdvisor measures, read-only", async () => {
    const root = await docker("info", "--format", "{{.DockerRootDir}}");
    const mounts = (await inspect(stack.resource("cadvisor"))).Mounts;
    expect(mounts.every((mount) => !mount.RW)).toBe(true);
    const containerdStore = await hasContainerdStore();
    expect(mounts.map((mount) => mount.Destination).sort()).toEqual(
      ["/proc", root]
        .map((place) => `/rootfs${place}`)
        .concat("/sys/fs/cgroup", "/var/run/docker.sock", ...(containerdStore ? ["/run/containerd"] : []))
        .sort(),
    );
    expect((await inspect(stack.resource("node-exporter"))).Mounts).toEqual([]);
    const volumes = (await inspect(stack.resource("prometheus"))).Mounts;
    expect(volumes.map((mount) => [mount.Type, mount.Destination]).sort()).toEqual([
      ["volume", "/etc/prometheus"],
      ["volume", "/prometheus"],
    ]);
  });

  it("reports the result of each post-deploy check, and the metrics that the host does not provide", async () => {
    const unavailable = "the metrics that this host does not provide";
    const checks = outputs.probeReport.findings.map((finding) => finding.check);
    // Which ones, if any, depends on the kernel too.
    if (await hasContainerdStore()) expect(checks).toContain(unavailable);
    expect(checks.filter((check) => check !== unavailable)).toEqual([
      "cAdvisor is healthy",
      "Prometheus is ready",
      "the gateway serves the page",
      "Prometheus has loaded its configuration",
      "the target cadvisor is up",
      "the samples are fresh",
      "every running container is listed by name",
      "the required metrics are there with their labels",
      "the target exporter is up",
      "the running exporter has been scraped",
      "the exporter reads the containers from Docker",
      "the target host is up",
      "the host and its disks are measured",
      "every GPU container has its GPU series",
      "the LLM servers are scraped",
    ]);
    const [gpus, llmServers] = outputs.probeReport.findings.slice(-2).map(({ actual }) => actual);
    expect(gpus).toMatch(/^no GPU containers: Docker on this host/);
    expect(llmServers).toContain(`${containers.vllm} (it is neither on the stack's network nor`);
    expect(outputs.probeReport.findings[6]?.actual).toContain(containers.vllm);
  });

  it("returns outputs with which another Prometheus and another stack use it", async () => {
    expect(outputs).toMatchObject({
      cadvisorUrl: stack.cadvisor,
      prometheusUrl: stack.prometheus,
      scrapeInterval: "30s",
      jobNames: ["cadvisor", "prometheus", "gateway", "exporter", "host", "llm-servers"],
    });
    expect(load(outputs.cadvisorScrapeConfig)).toMatchObject({
      scrape_configs: [{ job_name: "cadvisor", params: { max_age: ["0s"] } }],
    });
    expect(await docker("network", "inspect", "--format", "{{.Name}}", outputs.networkName)).toBe(
      outputs.networkName,
    );
  });

  it("is not changed by a refresh or a second update", async () => {
    await succeeded(stack.refresh("--expect-no-changes"));
    await succeeded(stack.up("--expect-no-changes"));
  });
});
