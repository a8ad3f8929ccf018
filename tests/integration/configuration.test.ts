import { get } from "node:https";
import type { IncomingMessage } from "node:http";
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
const up = (...args: string[]) => stack.up("--refresh", ...WITH_POLICIES, ...args);
const preview = (...args: string[]) => stack.preview(...WITH_POLICIES, ...args);
const idOf = async (which: "cadvisor" | "prometheus") => (await inspect(stack.resource(which))).Id;

/** The time of the oldest sample, in Unix seconds. */
async function oldestSample(): Promise<number> {
  const times = 'min(min_over_time(timestamp(up{job="prometheus"})[1h:1s]))';
  return Number((await query(stack.prometheus, times))[0]?.value[1]);
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

  it("fails the update when Prometheus rejects it, and the old configuration stays in force", async () => {
    const job = {
      job_name: "bad",
      static_configs: [{ targets: ["bad:1"] }],
      relabel_configs: [{ action: "hashmod", source_labels: ["a"] }],
    };
    await stack.configure({ scrapeJobs: [job] });
    const output = await failed(up());
    expect(output).toContain("the old one stays in force");
    expect(output).toContain("hashmod");
    expect(await query(stack.prometheus, 'up{job="cadvisor"} == 1')).toHaveLength(1);
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

/** Settings that change in one update and go back in the next. */
interface Change {
  settings: Record<string, unknown>;
  secrets?: Record<string, string>;
  /** Checks that the settings are in force. */
  inForce: () => Promise<void>;
}

const status = async (url: string) => (await fetch(url)).status;

/** What Prometheus runs with. */
async function prometheusApi<T>(name: "config" | "runtimeinfo"): Promise<T> {
  const response = await fetch(`${stack.prometheus}/api/v1/status/${name}`);
  return ((await response.json()) as { data: T }).data;
}

/** The samples, and all that the settings decide: images, limits, ports, mounts and Prometheus's configuration. */
async function deployed(): Promise<object> {
  const mine = ["--filter", `label=llm-metrics.environment=${stack.name}`, "--format", "{{.Names}}"];
  const names = (await docker("ps", "--all", ...mine)).split("\n").sort();
  const containers = await Promise.all(names.map(inspect));
  return {
    oldestSample: await oldestSample(),
    volume: await docker(
      "volume",
      "inspect",
      "--format",
      "{{.CreatedAt}}",
      stack.resource("prometheus-data"),
    ),
    containers: containers.map(({ Config, HostConfig, Mounts }, i) => ({
      name: names[i],
      image: Config.Image,
      memory: HostConfig.Memory,
      ports: HostConfig.PortBindings,
      mounts: Mounts.map(({ Source, Destination }) => [Source, Destination]).sort(),
    })),
    configuration: await prometheusApi<{ yaml: string }>("config"),
  };
}

/** Gives an image of the stack another tag, as a release of the same program. */
async function retag(image: string, tag: string): Promise<string> {
  const retagged = image.replace(/:.*/, `:${tag}`);
  await docker("tag", image, retagged);
  return retagged;
}

describe("Documented settings", () => {
  const { cadvisorImage, prometheusImage, caddyImage, gpuExporterImage } = settings();
  const gpuHost = GpuHost.at(path.join(DAEMON_FOLDER, "gpu"));
  beforeAll(async () => {
    await gpuHost.addCdi();
    await gpuHost.describe({ driver: "550.127.05", gpus: [h100(0)], processes: [] });
    await retag(prometheusImage, "v3.13.98");
    await retag(caddyImage, "2.11.98-alpine");
    await retag(gpuExporterImage, "24.98.0-bookworm-slim");
  });
  afterAll(() => gpuHost.removeCdi());

  const CHANGES: Record<string, () => Promise<Change> | Change> = {
    "for containers": async () => ({
      settings: {
        dockerAccess: "proxy",
        gpu: "on",
        // A digest of the same image, which Docker providers have taken for another one in each update
        // (kreuzwerker/terraform-provider-docker 49, 426).
        cadvisorImage: await docker(
          "image",
          "inspect",
          "--format",
          "{{index .RepoDigests 0}}",
          cadvisorImage,
        ),
        prometheusImage: "prom/prometheus:v3.13.98",
        caddyImage: "caddy:2.11.98-alpine",
        gpuExporterImage: "node:24.98.0-bookworm-slim",
        cadvisorMemory: "300MB",
        prometheusMemory: "900MB",
        gpuExporterMemory: "200MB",
      },
      inForce: async () => {
        const sources = (await inspect(stack.resource("cadvisor"))).Mounts.map(({ Source }) => Source);
        expect(sources.filter((source) => source.endsWith(".sock"))).toEqual([]);
        const memory = async (which: "cadvisor" | "prometheus" | "gpu-exporter") =>
          (await inspect(stack.resource(which))).HostConfig.Memory / 1024 ** 2;
        expect([await memory("cadvisor"), await memory("prometheus"), await memory("gpu-exporter")]).toEqual([
          300, 900, 200,
        ]);
        const { images } = await stack.outputs<{ images: Record<string, string> }>();
        expect(images["cadvisor"]).toMatch(/@sha256:/);
        for (const [which, image] of Object.entries({
          cadvisor: images["cadvisor"],
          prometheus: "prom/prometheus:v3.13.98",
          gateway: "caddy:2.11.98-alpine",
          "docker-proxy": "caddy:2.11.98-alpine",
          "gpu-exporter": "node:24.98.0-bookworm-slim",
        } as const))
          expect((await inspect(`llm-metrics-${stack.name}-${which}`)).Config.Image).toBe(image);
      },
    }),
    "for Prometheus, its data and the ports, which change places": () => ({
      settings: {
        // pulumi/pulumi-docker 1356: the new container wanted the port of the old one.
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
      },
      inForce: async () => {
        expect(await status(`${stack.cadvisor}/metrics`)).toBe(200);
        expect(await status(`${stack.cadvisor}/api/v1.3/containers`)).toBe(403);
        // prometheus-operator/prometheus-operator 2898: a retention that changed, and did not.
        const { storageRetention } = await prometheusApi<{ storageRetention: string }>("runtimeinfo");
        expect(storageRetention).toBe("9d or 64MiB");
        const { yaml } = await prometheusApi<{ yaml: string }>("config");
        const { hostLabel } = await stack.outputs<{ hostLabel: string }>();
        expect(hostLabel).toBe(await docker("info", "--format", "{{.Name}}"));
        for (const part of [
          "scrape_interval: 2s",
          "absent:8000",
          "alertmanager:9093",
          "dcgm-exporter:9400",
          `host: ${hostLabel}`,
        ])
          expect(yaml).toContain(part);
        const networks = await docker(
          ...["inspect", "--format", "{{json .NetworkSettings.Networks}}", stack.resource("prometheus")],
        );
        expect(Object.keys(JSON.parse(networks) as object)).toContain(`llm-metrics-${stack.name}-outbound`);
        const { resources = [] } = await stack.deployment();
        expect(resources.find(({ urn }) => urn.endsWith("-prometheus-data"))).toMatchObject({
          protect: true,
        });
      },
    }),
    "for access from other hosts": () => ({
      settings: { bindAddress: "0.0.0.0", tlsNames: ["metrics.example.org"], clientCa: CERTIFICATE },
      secrets: { users: `ann:${HASH}\n` },
      inForce: async () => {
        const { prometheusUrl } = await stack.outputs<{ prometheusUrl: string }>();
        expect(prometheusUrl).toBe(`https://metrics.example.org:${new URL(stack.prometheus).port}`);
        const { HostConfig } = await inspect(stack.resource("gateway"));
        const addresses = Object.values(HostConfig.PortBindings ?? {}).flat();
        expect(addresses.map(({ HostIp }) => HostIp)).toEqual(["0.0.0.0", "0.0.0.0"]);
        const url = prometheusUrl.replace("metrics.example.org", "127.0.0.1");
        const insecure = { rejectUnauthorized: false };
        const answer = await new Promise<IncomingMessage>((resolve, reject) =>
          get(url, insecure, resolve).on("error", reject),
        );
        answer.resume();
        expect(answer.statusCode).toBe(401);
      },
    }),
  };

  it.each(Object.entries(CHANGES))(
    "%s, change and go back, each by an update that ends with status 0",
    async (_, change) => {
      const before = await deployed();
      const { settings: changed, secrets = {}, inForce } = await change();
      const { settings: previous } = stack.description();
      await stack.configure(changed, secrets);
      await succeeded(up());
      await inForce();

      const unset = Object.fromEntries(Object.keys(changed).map((key) => [key, undefined]));
      for (const key of Object.keys(secrets)) await succeeded(stack.pulumi("config", "rm", key));
      await stack.configure({ ...unset, ...previous });
      await succeeded(up());
      expect(await deployed()).toEqual(before);
      await succeeded(preview("--refresh", "--expect-no-changes"));
    },
  );
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

    await succeeded(up("--refresh"));
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
    await succeeded(up("--target-replace", container, "--target-dependents"));
    expect(await idOf("prometheus")).not.toBe(before);
    expect(await oldestSample()).toBe(first);
  });
});
