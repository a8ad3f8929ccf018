import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { get } from "node:https";
import path from "node:path";
import { buildShellImage } from "../../airgap/images";
import { DAEMON_FOLDER } from "../support/daemonControl";
import { docker, DOCKER_HOST, inspect } from "../support/docker";
import { eventually } from "../support/eventually";
import { GpuHost } from "../support/emulatedDriver/gpuHost";
import { h100 } from "../support/emulatedDriver/host";
import { query } from "../support/prometheus";
import { CERTIFICATE, HASH, settings } from "../support/settings";
import { failed, Stack, succeeded, WITH_POLICIES } from "../support/stack";

let stack: Stack;

beforeAll(async () => {
  stack = await Stack.create({ scrapeInterval: "1s", gpu: "off" });
  await succeeded(up());
});
afterAll(() => stack.remove());

/** With the flags of `npm run up`. */
const up = () => stack.up("--refresh", ...WITH_POLICIES);
const preview = (...args: string[]) => stack.preview(...WITH_POLICIES, ...args);
const idOf = async (which: "cadvisor" | "prometheus") => (await inspect(stack.resource(which))).Id;

/** The time of the oldest sample, in Unix seconds. */
async function oldestSample(): Promise<number> {
  const times = 'min(min_over_time(timestamp(up{job="prometheus"})[1h:1s]))';
  return Number((await query(stack.prometheus, times))[0]?.value[1]);
}

/** Since when an alert is pending or fires, by the id of the container. */
async function activeSince(alert: string): Promise<Record<string, string>> {
  const response = await fetch(`${stack.prometheus}/api/v1/alerts`);
  const { data } = (await response.json()) as {
    data: { alerts: { activeAt: string; labels: Record<string, string> }[] };
  };
  const found = data.alerts.filter(({ labels }) => labels["alertname"] === alert);
  return Object.fromEntries(found.map(({ activeAt, labels }) => [labels["id"] ?? "", activeAt]));
}

describe("Changed setting", () => {
  it("shows in the preview and is loaded without a restart", async () => {
    const before = await idOf("prometheus");
    await stack.configure({ hostLabel: "renamed" });
    expect(await succeeded(preview("--diff"))).toMatch(/host *: ".+" => "renamed"/);
    await succeeded(up());
    expect(await idOf("prometheus")).toBe(before);
    await eventually(async () => {
      expect(await query(stack.prometheus, 'up{job="cadvisor",host="renamed"} == 1')).toHaveLength(1);
    });
  });

  it("fails the update when promtool rejects it, and the old configuration stays in force", async () => {
    const job = {
      job_name: "bad",
      static_configs: [{ targets: ["bad:1"] }],
      relabel_configs: [{ action: "hashmod", source_labels: ["a"] }],
    };
    await stack.configure({ scrapeJobs: [job] });
    const output = await failed(up());
    expect(output).toMatch(/nothing was changed:\s+the scrape job bad: .*hashmod/);
    await eventually(async () => {
      expect(await query(stack.prometheus, 'up{job="cadvisor"} == 1')).toHaveLength(1);
    });
  });

  it("adds a scrape job for a container on the stack's network", async () => {
    const { networkName } = await stack.outputs<{ networkName: string }>();
    const page = "mkdir -p /www && echo 'my_requests_total 7' > /www/metrics && httpd -f -p 8000 -h /www";
    await buildShellImage("example/web:1", DOCKER_HOST);
    const onNetwork = ["--network", networkName, "--network-alias", "my-llm"];
    const server = await docker("run", "-d", ...onNetwork, "example/web:1", "sh", "-c", page);
    const job = { job_name: "my-llm", static_configs: [{ targets: ["my-llm:8000"] }] };
    await stack.configure({ scrapeJobs: [{ ...job, fallback_scrape_protocol: "PrometheusText0.0.4" }] });
    await succeeded(up());
    await eventually(async () => {
      const requests = 'my_requests_total{job="my-llm",host="renamed"} == 7';
      expect(await query(stack.prometheus, requests)).toHaveLength(1);
    });
    await docker("rm", "-f", server);
    await stack.configure({ scrapeJobs: [] });
  });

  it("of an alert applies without a restart, and not to a container with the label llm-metrics.alerts=none", async () => {
    const before = await idOf("prometheus");
    await buildShellImage("example/web:1", DOCKER_HOST);
    const start = (...labels: string[]) =>
      docker("run", "-d", "--memory", "64m", ...labels, "example/web:1", "sh", "-c", "sleep 1000");
    const started = [await start(), await start("--label", "llm-metrics.alerts=none")];
    const alerts = { containerMemoryRatio: 0.0001, containerMemoryFor: "1s" };
    await stack.configure({ alerts });
    await succeeded(up());
    expect(await idOf("prometheus")).toBe(before);
    const [alerted = "", exempt = ""] = started.map((id) => `id=~".*${id}.*"`);
    const count = async (series: string) => (await query(stack.prometheus, series)).length;
    const firing = 'alertname="ContainerMemoryNearLimit",alertstate="firing"';
    await eventually(async () => {
      expect(await count(`ALERTS{${firing},${alerted}}`)).toBe(1);
      expect(await count(`container:memory_limit_used:ratio{alerts="none",${exempt}} > 0.0001`)).toBe(1);
    });
    expect(await count(`ALERTS{${exempt}}`)).toBe(0);

    const active = await activeSince("ContainerMemoryNearLimit");
    expect(active).not.toEqual({});
    await succeeded(
      stack.loadConfig(await stack.configFiles({ alerts: { ...alerts, containerDropsFor: "9m" } })),
    );
    expect(await activeSince("ContainerMemoryNearLimit")).toMatchObject(active);
    await docker("rm", "-f", ...started);
    await stack.configure({ alerts: undefined });
  });

  it("is rejected in the preview by its key, with all other bad settings", async () => {
    const before = [await idOf("cadvisor"), await idOf("prometheus")];
    const bad = {
      cadvisorImage: "gcr.io/cadvisor/cadvisor:v0.49.1",
      cadvisorPort: 70_000,
      prometheusImage: "prom/prometheus:latest",
      bindAddress: "0.0.0.0",
      scrapeJobs: [{ job_name: "a", scrape_intervall: "5s", static_configs: [{ targets: ["a:1"] }] }],
      unknownKey: "x",
    };
    const good = Object.fromEntries(Object.keys(bad).map((key) => [key, undefined]));
    const ports = { cadvisorPort: Number(new URL(stack.cadvisor).port) };
    await stack.configure(bad);
    const keys = [
      "cadvisorImage",
      "cadvisorPort",
      "prometheusImage",
      "bindAddress",
      "scrapeJobs[0].scrape_intervall",
      "unknownKey",
    ];
    for (const attempt of [preview, up]) {
      const output = await failed(attempt());
      for (const key of keys) expect(output).toContain(`llm-metrics:${key} `);
    }
    await stack.configure({ ...good, ...ports });
    expect([await idOf("cadvisor"), await idOf("prometheus")]).toEqual(before);
  });

  it("fails the update when the image is not cAdvisor, with actual, expected and hint, and the end of its log", async () => {
    const start = 'ENTRYPOINT ["sh","-c","echo I am another; sleep 100000"]';
    await buildShellImage("example/not-cadvisor:1", DOCKER_HOST, start);
    const first = await oldestSample();
    await stack.configure({ cadvisorImage: "example/not-cadvisor:1" });
    const output = await failed(up());
    expect(output).toMatch(/check failed after \d+ s: cAdvisor is healthy/);
    for (const part of ["actual: ", "expected: ", "hint: "]) expect(output).toContain(part);
    // The program of the image, or the missing one of cAdvisor.
    expect(output).toMatch(/cadvisor ends with:\s+(I am another|.*cadvisor: not found)/);
    await stack.configure({ cadvisorImage: undefined });
    await succeeded(up());
    await succeeded(preview("--expect-no-changes"));
    expect(await oldestSample()).toBe(first);
  });
});

/** What Prometheus runs with. */
async function prometheusStatus<T>(name: "config" | "runtimeinfo"): Promise<T> {
  const response = await fetch(`${stack.prometheus}/api/v1/status/${name}`);
  return ((await response.json()) as { data: T }).data;
}

/** The samples, and what the settings decide: images, limits, ports, mounts and Prometheus's configuration. */
async function deployed(): Promise<object> {
  const mine = `label=llm-metrics.environment=${stack.name}`;
  const names = await docker("ps", "--all", "--filter", mine, "--format", "{{.Names}}");
  const containers = names
    .split("\n")
    .sort()
    .map(async (name) => {
      const { Config, HostConfig, Mounts } = await inspect(name);
      const mounts = Mounts.map(({ Source, Destination }) => `${Source}:${Destination}`).sort();
      return { name, image: Config.Image, memory: HostConfig.Memory, ports: HostConfig.PortBindings, mounts };
    });
  return {
    oldestSample: await oldestSample(),
    containers: await Promise.all(containers),
    configuration: await prometheusStatus("config"),
  };
}

/** Changes settings by one update, and puts them back by another. Neither fails, and nothing is left. */
async function changeAndGoBack(
  changed: Record<string, unknown>,
  secrets: Record<string, string>,
  inForce: () => Promise<void>,
): Promise<void> {
  const before = await deployed();
  const { settings: previous } = stack.description();
  await stack.configure(changed, secrets);
  await succeeded(up());
  await inForce();
  await succeeded(preview("--refresh", "--expect-no-changes"));

  const unset = Object.fromEntries(Object.keys(changed).map((key) => [key, undefined]));
  for (const key of Object.keys(secrets)) await succeeded(stack.pulumi("config", "rm", key));
  await stack.configure({ ...unset, ...previous });
  await succeeded(up());
  expect(await deployed()).toEqual(before);
  await succeeded(preview("--refresh", "--expect-no-changes"));
}

describe("Documented settings change and go back, each time by an update that ends with status 0", () => {
  const gpuHost = GpuHost.at(path.join(DAEMON_FOLDER, "gpu"));
  beforeAll(async () => {
    await gpuHost.addCdi();
    await gpuHost.describe({ driver: "550.127.05", gpus: [h100(0)], processes: [] });
  });
  afterAll(() => gpuHost.removeCdi());

  test("those of the containers, of Prometheus and of its data, and ports that change places", async () => {
    const { cadvisorImage, prometheusImage, caddyImage, exporterImage, nodeExporterImage } = settings();
    // A digest of the same image was another image in each update (kreuzwerker/terraform-provider-docker 49, 426).
    const digest = await docker("image", "inspect", "--format", "{{index .RepoDigests 0}}", cadvisorImage);
    const images = {
      cadvisorImage: digest,
      prometheusImage: "prom/prometheus:v3.13.98",
      caddyImage: "caddy:2.11.98-alpine",
      exporterImage: "node:24.98.0-bookworm-slim",
      nodeExporterImage: "prom/node-exporter:v1.98.0",
    };
    await docker("tag", prometheusImage, images.prometheusImage);
    await docker("tag", caddyImage, images.caddyImage);
    await docker("tag", exporterImage, images.exporterImage);
    await docker("tag", nodeExporterImage, images.nodeExporterImage);
    // The post-deploy checks require its disk.
    const hostDisks = ["/usr/local"];
    const memory = { cadvisorMemory: "300MB", prometheusMemory: "900MB", exporterMemory: "200MB" };

    const changed = {
      dockerAccess: "proxy",
      gpu: "on",
      hostDisks,
      ...images,
      ...memory,
      // The new container wanted the port of the old one (pulumi/pulumi-docker 1356).
      cadvisorPort: Number(new URL(stack.prometheus).port),
      prometheusPort: Number(new URL(stack.cadvisor).port),
      hostLabel: "",
      scrapeInterval: "2s",
      retentionTime: "9d",
      retentionSize: "64MB",
      cadvisorApi: "off",
      outbound: true,
      protectData: true,
      scrapeJobs: [{ job_name: "absent", static_configs: [{ targets: ["absent:8000"] }] }],
      alertmanagers: ["alertmanager:9093"],
      dcgmExporter: "dcgm-exporter:9400",
    };
    await changeAndGoBack(changed, {}, async () => {
      const expected = {
        cadvisor: [digest, 300],
        prometheus: [images.prometheusImage, 900],
        gateway: [images.caddyImage, expect.anything()],
        "docker-proxy": [images.caddyImage, expect.anything()],
        exporter: [images.exporterImage, 200],
        "node-exporter": [images.nodeExporterImage, expect.anything()],
      } as const;
      for (const which of Object.keys(expected) as (keyof typeof expected)[]) {
        const { Config, HostConfig, Mounts } = await inspect(stack.resource(which));
        expect([Config.Image, HostConfig.Memory / 1024 ** 2]).toEqual(expected[which]);
        const mountsSocket = Mounts.some(({ Source }) => Source.endsWith(".sock"));
        expect([which, mountsSocket]).toEqual([which, which === "docker-proxy"]);
      }
      const status = async (url: string) => (await fetch(url)).status;
      expect(await status(`${stack.cadvisor}/metrics`)).toBe(200);
      expect(await status(`${stack.cadvisor}/api/v1.3/containers`)).toBe(403);
      // A changed retention was not in force (prometheus-operator/prometheus-operator 2898).
      expect(await prometheusStatus("runtimeinfo")).toMatchObject({ storageRetention: "9d or 64MiB" });

      const daemon = await docker("info", "--format", "{{.Name}}");
      const { yaml } = await prometheusStatus<{ yaml: string }>("config");
      const targets = ["absent:8000", "alertmanager:9093", "dcgm-exporter:9400"];
      for (const part of ["scrape_interval: 2s", daemon, ...targets]) expect(yaml).toContain(part);

      const format = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}";
      const networks = await docker("inspect", "--format", format, stack.resource("prometheus"));
      expect(networks).toContain(`llm-metrics-${stack.name}-outbound`);
      const { resources = [] } = await stack.deployment();
      const data = resources.find(({ urn }) => urn.endsWith("-prometheus-data"));
      expect(data).toMatchObject({ protect: true });
    });
  });

  test("those of access from other hosts, and of the metrics of the host", async () => {
    const access = { bindAddress: "0.0.0.0", tlsNames: ["metrics.example.org"], clientCa: CERTIFICATE };
    const changed = { ...access, hostMetrics: "off" };
    await changeAndGoBack(changed, { users: `ann:${HASH}\n` }, async () => {
      expect(await docker("ps", "--all", "--format", "{{.Names}}")).not.toContain(
        stack.resource("node-exporter"),
      );
      const { prometheusUrl } = await stack.outputs<{ prometheusUrl: string }>();
      expect(prometheusUrl).toBe(`https://metrics.example.org:${new URL(stack.prometheus).port}`);
      const { HostConfig } = await inspect(stack.resource("gateway"));
      const addresses = Object.values(HostConfig.PortBindings ?? {}).flat();
      expect(addresses.map(({ HostIp }) => HostIp)).toEqual(["0.0.0.0", "0.0.0.0"]);

      const request = get(prometheusUrl.replace("metrics.example.org", "127.0.0.1"), {
        rejectUnauthorized: false,
      });
      const [answer] = (await once(request, "response")) as [IncomingMessage];
      answer.resume();
      expect(answer.statusCode).toBe(401);
    });
  });
});

describe("Containers that drifted", () => {
  it("are found by a refreshing preview and repaired by an update", async () => {
    const [removed, stopped, limited] = (["cadvisor", "prometheus", "gateway"] as const).map(stack.resource);
    const { HostConfig: before } = await inspect(limited ?? "");
    await docker("rm", "-f", removed ?? "");
    await docker("stop", stopped ?? "");
    await docker("update", "--memory", "300m", "--memory-swap", "300m", limited ?? "");
    const output = await failed(preview("--refresh", "--expect-no-changes"));
    for (const which of ["cadvisor", "prometheus", "gateway"])
      expect(output).toMatch(new RegExp(`-${which}-container`));

    await succeeded(up());
    for (const container of [removed, stopped, limited])
      expect((await inspect(container ?? "")).State.Running).toBe(true);
    expect((await inspect(limited ?? "")).HostConfig.Memory).toBe(before.Memory);
    expect((await inspect(removed ?? "")).HostConfig.Memory).toBe(256 * 1024 ** 2);
    await succeeded(preview("--refresh", "--expect-no-changes"));
  });
});

describe("Replaced Prometheus", () => {
  it("keeps its samples", async () => {
    const before = await idOf("prometheus");
    const first = await oldestSample();
    const container = `**::${stack.resource("prometheus")}-container`;
    await succeeded(stack.up(...WITH_POLICIES, "--target-replace", container, "--target-dependents"));
    expect(await idOf("prometheus")).not.toBe(before);
    expect(await oldestSample()).toBe(first);
  });
});
