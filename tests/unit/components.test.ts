import * as pulumi from "@pulumi/pulumi";
import { load } from "js-yaml";
import { CADVISOR_CONTAINERD_API, CADVISOR_DOCKER_API } from "../../components/cadvisor";
import { ContainerMetrics } from "../../components/containerMetrics";
import { caddyCommand, proxyConfig } from "../../components/dockerProxy";
import { EXPORTER_DOCKER_API } from "../../exporter/containers";
import { gpuPlan } from "../../components/gpuExporter";
import type { HostFacts } from "../../components/dockerInfo";
import type { PrometheusConfig } from "../../prometheus/config";
import type { Expectation } from "../../probes/report";
import type { Settings } from "../../settings";
import { CERTIFICATE, HASH, KEY, settings } from "./fixtures";

interface Declared {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
}
let declared: Declared[] = [];

const host: HostFacts = {
  name: "llm-1",
  rootDirectory: "/data/docker",
  address: "unix:///run/docker.sock",
  dockerSocket: "/run/docker.sock",
  socketGroup: 998,
};
const runtime: Partial<HostFacts> = { gpus: { runtime: "nvidia" } };

beforeAll(async () => {
  await pulumi.runtime.setMocks({
    newResource: ({ type, name, id, inputs }) => {
      declared.push({ type, name, inputs: inputs as Record<string, unknown> });
      const stdout = JSON.stringify({ at: "now", findings: [] });
      return { id: id || `${name}-id`, state: { ...(inputs as object), stdout } };
    },
    call: ({ inputs }) => inputs as Record<string, unknown>,
  });
});

/** Declares the stack of an environment and gives the component and what it declared. */
async function declare(
  changes: Partial<Record<keyof Settings, unknown>> = {},
  facts: Partial<HostFacts> = {},
  environment = "dev",
  editedConfig = "",
) {
  declared = [];
  const stack = new ContainerMetrics(`llm-metrics-${environment}`, {
    settings: settings(changes),
    environment,
    host: { ...host, ...facts },
    gpu: gpuPlan(settings(changes).gpu, { ...host, ...facts }),
    editedConfig,
  });
  await new Promise((resolve) => stack.report.apply(resolve));
  const find = (type: string, suffix: string) => {
    const resource = declared.find((r) => r.type === type && r.name.endsWith(suffix));
    if (!resource) throw new Error(`${suffix} is not declared`);
    return resource.inputs;
  };
  return {
    stack,
    cadvisor: find("docker:index/container:Container", "cadvisor-container"),
    prometheus: find("docker:index/container:Container", "prometheus-container"),
    gateway: find("docker:index/container:Container", "gateway-container"),
    network: find("docker:index/network:Network", "network"),
    door: find("docker:index/network:Network", "door"),
    configuration: find("command:local:Command", "configuration"),
    probe: find("command:local:Command", "probe-command"),
  };
}

/** The files that the configuration step loads, and of them prometheus.yml. */
const files = (configuration: Record<string, unknown>) =>
  load(configuration["stdin"] as string) as Record<string, string>;
const prometheusYml = (configuration: Record<string, unknown>) =>
  load(files(configuration)["prometheus.yml"] ?? "") as PrometheusConfig;

test("cAdvisor monitors and never controls: one capability, nothing writable, nothing privileged", async () => {
  const { cadvisor } = await declare();
  expect(cadvisor).toMatchObject({
    readOnly: true,
    capabilities: { drops: ["ALL"], adds: ["CAP_SYSLOG"] },
    securityOpts: ["no-new-privileges:true"],
    devices: [{ hostPath: "/dev/kmsg", permissions: "r" }],
  });
  expect(cadvisor).not.toHaveProperty("privileged");
  expect(cadvisor).not.toHaveProperty("pidMode");
});

test("cAdvisor sees the socket, /proc, the cgroups and Docker's own root directory, read-only, and nothing else", async () => {
  const { cadvisor } = await declare();
  expect(cadvisor["volumes"]).toEqual([
    { hostPath: "/run/docker.sock", containerPath: "/var/run/docker.sock", readOnly: true },
    { hostPath: "/proc", containerPath: "/rootfs/proc", readOnly: true },
    { hostPath: "/sys/fs/cgroup", containerPath: "/sys/fs/cgroup", readOnly: true },
    { hostPath: "/data/docker", containerPath: "/rootfs/data/docker", readOnly: true },
  ]);
});

test("containerd's socket is mounted only where names come from it", async () => {
  const { cadvisor } = await declare({}, { containerdSocket: "/run/docker/containerd/containerd.sock" });
  expect(cadvisor["volumes"]).toContainEqual({
    hostPath: "/run/docker/containerd/containerd.sock",
    containerPath: "/run/containerd/containerd.sock",
    readOnly: true,
  });
});

test("Prometheus runs as nobody, without capabilities, and writes only to its two volumes", async () => {
  const { prometheus } = await declare();
  expect(prometheus).toMatchObject({
    user: "65534:65534",
    readOnly: true,
    capabilities: { drops: ["ALL"] },
    securityOpts: ["no-new-privileges:true"],
    volumes: [{ containerPath: "/prometheus" }, { containerPath: "/etc/prometheus" }],
  });
  expect(prometheus["capabilities"]).not.toHaveProperty("adds");
  expect(prometheus["command"]).not.toContain("--web.enable-lifecycle");
});

test.each(["cadvisor", "prometheus", "gateway"] as const)(
  "%s has a health check, limits, bounded logs and comes back by itself",
  async (which) => {
    expect((await declare())[which]).toMatchObject({
      healthcheck: { tests: expect.arrayContaining(["CMD"]) as unknown },
      memory: expect.any(Number) as unknown,
      memorySwap: expect.any(Number) as unknown,
      cpus: expect.any(String) as unknown,
      logOpts: { "max-size": "10m", "max-file": "3" },
      restart: "always",
    });
  },
);

test("the gateway alone publishes ports, on loopback only", async () => {
  const { gateway, door } = await declareGpu({}, runtime);
  expect(gateway["ports"]).toEqual([
    { internal: 8080, external: 8080, ip: "127.0.0.1" },
    { internal: 9090, external: 23001, ip: "127.0.0.1" },
  ]);
  expect(declared.filter(({ inputs }) => "ports" in inputs)).toHaveLength(1);
  expect(door["options"]).toMatchObject({ "com.docker.network.bridge.host_binding_ipv4": "127.0.0.1" });
});

test("the gateway runs as nobody, with nothing mounted, and its configuration is in the preview", async () => {
  const { gateway } = await declare();
  expect(gateway).toMatchObject({
    user: "65534:65534",
    readOnly: true,
    capabilities: { drops: ["ALL"], adds: ["CAP_NET_BIND_SERVICE"] },
    securityOpts: ["no-new-privileges:true"],
    envs: [expect.stringContaining('"dial": "prometheus:9090"') as unknown],
  });
  for (const input of ["volumes", "privileged", "devices"]) expect(gateway).not.toHaveProperty(input);
});

test("the gateway's own network has a router that is not there, at addresses of the stack's own", async () => {
  const addresses = async (environment: string) => {
    const [range] = (await declare({}, {}, environment)).door["ipamConfigs"] as [
      { subnet: string; gateway: string; auxAddress: { DefaultGatewayIPv4: string } },
    ];
    expect(range.subnet).toMatch(/^198\.1[89]\.\d+\.\d+\/29$/);
    expect(range.auxAddress.DefaultGatewayIPv4).not.toBe(range.gateway);
    return range.subnet;
  };
  expect(await addresses("dev")).toBe(await addresses("dev"));
  expect(await addresses("dev")).not.toBe(await addresses("prod"));
});

test("nothing has a way out, unless the settings give Prometheus one", async () => {
  const internal = () =>
    declared
      .filter(({ type, name }) => type === "docker:index/network:Network" && name.endsWith("-network"))
      .map(({ inputs }) => [inputs["name"], inputs["internal"]]);
  const networksOf = (inputs: Record<string, unknown>) =>
    (inputs["networksAdvanced"] as { name: string }[]).map(({ name }) => name);

  const closed = await declare({
    scrapeJobs: [{ job_name: "vllm", static_configs: [{ targets: ["vllm:8000"] }] }],
  });
  expect(internal()).toEqual([["llm-metrics-dev", true]]);
  expect(networksOf(closed.prometheus)).toEqual(["llm-metrics-dev"]);

  const open = await declare({ outbound: true });
  expect(internal()).toEqual([
    ["llm-metrics-dev", true],
    ["llm-metrics-dev-outbound", false],
  ]);
  expect(networksOf(open.prometheus)).toEqual(["llm-metrics-dev", "llm-metrics-dev-outbound"]);
  expect(networksOf(open.cadvisor)).toEqual(["llm-metrics-dev"]);
});

test("containers name the image by the tag that the settings give, so that a preview shows an upgrade", async () => {
  const { cadvisor, prometheus } = await declare({ prometheusImage: "prom/prometheus:v3.14.0" });
  expect(cadvisor["image"]).toBe(settings().cadvisorImage);
  expect(prometheus["image"]).toBe("prom/prometheus:v3.14.0");
});

test("two environments share no name on the host", async () => {
  const names = async (environment: string) => {
    await declare({}, {}, environment);
    return declared
      .filter((r) => r.type.startsWith("docker:") && !r.type.includes("Image"))
      .map((r) => r.inputs["name"]);
  };
  const [dev, prod] = [await names("dev"), await names("prod")];
  expect(dev).toHaveLength(7);
  expect(dev.filter((name) => prod.includes(name))).toEqual([]);
});

test("the host label is the daemon's name unless the settings give one", async () => {
  const label = async (changes: object) => {
    const { configuration } = await declare(changes);
    return prometheusYml(configuration).scrape_configs[0]?.static_configs[0]?.labels["host"];
  };
  expect(await label({})).toBe("llm-1");
  expect(await label({ hostLabel: "rack-7" })).toBe("rack-7");
});

test("a changed configuration is loaded, not deployed: the container's inputs stay the same", async () => {
  const before = await declare();
  const after = await declare({ retentionTime: "30d", alertmanagers: ["am:9093"] });
  expect(after.prometheus).toEqual(before.prometheus);
  expect(after.configuration["stdin"]).not.toBe(before.configuration["stdin"]);
});

test("an edit of the configuration by hand makes the step run again that loads the declared one", async () => {
  const environment = async (edit?: string) =>
    (await declare({}, {}, "dev", edit)).configuration["environment"];
  expect(await environment()).not.toHaveProperty("EDITED_BY_HAND");
  expect(await environment("+ by hand")).toMatchObject({ EDITED_BY_HAND: "+ by hand" });
});

test("alerts about the monitoring are there without GPUs, and name the host", async () => {
  const { configuration } = await declare({ hostLabel: "rack-7" });
  const {
    rule_files: [rules = ""],
  } = prometheusYml(configuration);
  expect(files(configuration)[rules.replace("/etc/prometheus/", "")]).toContain('host="rack-7"}[120s]');
});

test("the probe expects what is declared, and asks again when a container or the configuration changes", async () => {
  const { probe, configuration, stack } = await declare();
  const expectation = JSON.parse(probe["stdin"] as string) as Expectation;
  expect(expectation).toMatchObject({
    cadvisorUrl: "http://127.0.0.1:8080",
    prometheusUrl: "http://127.0.0.1:23001",
    scrapeIntervalSeconds: 30,
    config: files(configuration)["prometheus.yml"],
    gpu: { measured: false },
  });
  expect(probe["triggers"]).toEqual([
    "llm-metrics-dev-cadvisor-container-id",
    "llm-metrics-dev-prometheus-container-id",
    "llm-metrics-dev-gateway-container-id",
  ]);
  expect(load(stack.cadvisorScrapeConfig)).toMatchObject({ scrape_configs: [{ job_name: "cadvisor" }] });
});

/** The mounts, networks and the like that a container of the stack is declared with. */
const containerInputs = (suffix: string) =>
  declared.find(({ type, name }) => type === "docker:index/container:Container" && name.endsWith(suffix))
    ?.inputs ?? {};
const socketsOf = (suffix: string) =>
  (containerInputs(suffix)["volumes"] as { hostPath?: string }[])
    .map(({ hostPath = "" }) => hostPath)
    .filter((file) => file.endsWith(".sock"));

test("with dockerAccess proxy, nothing but the proxy has a socket, and its clients reach it on a closed network", async () => {
  const containerdSocket = "/run/containerd/containerd.sock";
  await declare({ dockerAccess: "proxy" }, { ...runtime, containerdSocket });
  expect(socketsOf("docker-proxy-container")).toEqual(["/run/docker.sock", containerdSocket]);
  for (const suffix of ["cadvisor-container", "gpu-exporter-container", "prometheus-container"])
    expect(socketsOf(suffix)).toEqual([]);

  const networks = (suffix: string) =>
    (containerInputs(suffix)["networksAdvanced"] as { name: string }[]).map(({ name }) => name);
  expect(networks("docker-proxy-container")).toEqual(["llm-metrics-dev-docker"]);
  expect(networks("cadvisor-container")).toEqual(["llm-metrics-dev", "llm-metrics-dev-docker"]);
  expect(networks("gpu-exporter-container")).toEqual(["llm-metrics-dev", "llm-metrics-dev-docker"]);
  expect(networks("prometheus-container")).toEqual(["llm-metrics-dev"]);
  const network = declared.find(({ inputs }) => inputs["name"] === "llm-metrics-dev-docker");
  expect(network?.inputs).toMatchObject({
    internal: true,
    options: { "com.docker.network.bridge.inhibit_ipv4": "true" },
  });

  expect(containerInputs("cadvisor-container")).toMatchObject({
    command: expect.arrayContaining(["--docker=tcp://docker-proxy:2375"]) as unknown,
    volumes: expect.arrayContaining([
      {
        volumeName: "llm-metrics-dev-docker-proxy-containerd",
        containerPath: "/run/containerd",
        readOnly: true,
      },
    ]) as unknown,
  });
  expect(containerInputs("gpu-exporter-container")).toMatchObject({
    envs: expect.arrayContaining(["DOCKER_HOST=tcp://docker-proxy:2385"]) as unknown,
  });
  expect(containerInputs("gpu-exporter-container")).not.toHaveProperty("groupAdds");
});

test("the proxy is nobody in the groups of the sockets, with nothing writable but the folder for containerd's", async () => {
  await declare({ dockerAccess: "proxy" });
  const plain = containerInputs("docker-proxy-container");
  expect(plain).toMatchObject({
    user: "65534:65534",
    groupAdds: ["998"],
    readOnly: true,
    capabilities: { drops: ["ALL"], adds: ["CAP_NET_BIND_SERVICE"] },
    securityOpts: ["no-new-privileges:true"],
    memory: expect.any(Number) as unknown,
    healthcheck: { tests: expect.arrayContaining(["http://127.0.0.1:2375/_ping"]) as unknown },
    volumes: [{ hostPath: "/run/docker.sock", containerPath: "/var/run/docker.sock", readOnly: true }],
    image: settings().caddyImage,
  });
  expect(plain).not.toHaveProperty("ports");
  await declare({ dockerAccess: "proxy" }, { containerdSocket: "/run/containerd/containerd.sock" });
  expect(containerInputs("docker-proxy-container")).toMatchObject({
    groupAdds: ["998", "0"],
    volumes: [{ readOnly: true }, { readOnly: true }, { containerPath: "/run/filtered" }],
  });
});

test("the proxy's configuration, at its largest, goes through the shell without a process that nobody would wait for", () => {
  const allowed = {
    docker: { cadvisor: CADVISOR_DOCKER_API, gpuExporter: EXPORTER_DOCKER_API },
    containerd: CADVISOR_CONTAINERD_API,
  };
  const [, , , config = ""] = caddyCommand(proxyConfig(allowed));
  expect(JSON.parse(config)).toEqual(JSON.parse(JSON.stringify(proxyConfig(allowed))));
  expect(config.length).toBeLessThan(4096);
});

test("without it, cAdvisor starts as its image does, and there is no proxy", async () => {
  const { cadvisor, stack } = await declare();
  expect(cadvisor).not.toHaveProperty("entrypoints");
  expect(stack.dockerProxy).toBeUndefined();
  expect(declared.map(({ name }) => name).join(" ")).not.toContain("proxy");
});

const ID = "0123456789abcdef".repeat(4);
const allowed = (client: "cadvisor" | "gpuExporter", uri: string) => {
  const servers = proxyConfig({
    docker: { cadvisor: CADVISOR_DOCKER_API, gpuExporter: EXPORTER_DOCKER_API },
  }).apps.http.servers;
  const [{ match = [] } = {}, last] = servers[client]?.routes ?? [];
  expect(last).toMatchObject({ handle: [{ handler: "static_response", status_code: 403 }] });
  const [matcher] = match as [{ method: string[]; vars_regexp: Record<string, { pattern: string }> }];
  expect(matcher.method).toEqual(["GET", "HEAD"]);
  return new RegExp(matcher.vars_regexp["{http.request.orig_uri}"]?.pattern ?? "$^").test(uri);
};

test.each([
  ["cadvisor", "/_ping", true],
  ["cadvisor", "/v1.41/info", true],
  ["cadvisor", "/version", true],
  ["cadvisor", "/images/json", true],
  ["cadvisor", `/v1.54/containers/${ID}/json`, true],
  ["cadvisor", "/containers/json", false],
  ["cadvisor", `/containers/${ID}/json?size=1`, false],
  ["cadvisor", `/containers/${ID}/logs`, false],
  ["cadvisor", `/containers/${ID}/archive/../json`, false],
  ["cadvisor", `/containers/web/json`, false],
  ["cadvisor", "/v1.41/v1.41/info", false],
  ["cadvisor", "/info\n/networks", false],
  ["gpuExporter", "/containers/json", true],
  ["gpuExporter", "/containers/json?all=1", false],
  ["gpuExporter", "/info", true],
  ["gpuExporter", "/version", false],
] as const)("of the Docker API, %s may read %s: %s", (client, uri, is) => {
  expect(allowed(client, uri)).toBe(is);
});

test("of containerd, two methods of Docker's namespace pass, whatever other namespace a call names", () => {
  const { servers } = proxyConfig({
    docker: { cadvisor: CADVISOR_DOCKER_API },
    containerd: CADVISOR_CONTAINERD_API,
  }).apps.http;
  expect(Object.keys(servers)).toEqual(["cadvisor", "containerd"]);
  expect(servers["containerd"]).toMatchObject({
    protocols: ["h1", "h2c"],
    routes: [
      {
        match: [
          {
            method: ["POST"],
            header: { "Containerd-Namespace": ["moby"] },
            vars_regexp: {
              "{http.request.orig_uri}": {
                pattern:
                  "^/(containerd\\.services\\.version\\.v1\\.Version/Version|containerd\\.services\\.containers\\.v1\\.Containers/Get)$",
              },
            },
          },
        ],
        handle: [{}, { headers: { request: { set: { "Containerd-Namespace": ["moby"] } } } }],
      },
      { handle: [{ status_code: 403 }] },
    ],
  });
});

test("with TLS, the gateway's secrets go into its volume by a secret standard input, and the probes come in by a secret login", async () => {
  const secrets = { tlsKey: KEY, users: `ann:${HASH}` };
  const { gateway, door, probe, configuration } = await declare({
    bindAddress: "192.0.2.7",
    tlsCertificate: CERTIFICATE,
    ...secrets,
  });
  const install = declared.find(({ name }) => name.endsWith("gateway-install"))?.inputs;
  expect(gateway["volumes"]).toEqual([
    { volumeName: "llm-metrics-dev-gateway-files", containerPath: "/gateway" },
  ]);
  expect(gateway["ports"]).toMatchObject([{ ip: "192.0.2.7" }, { ip: "192.0.2.7" }]);
  expect(door).not.toHaveProperty("ipamConfigs");
  expect(install?.["stdin"]).toMatchObject({ value: expect.stringContaining(HASH) as unknown });
  for (const step of [probe, configuration])
    // Pulumi makes all of a secret of what has one in it.
    expect(step["environment"]).toMatchObject({
      value: {
        GATEWAY_ADDRESS: "192.0.2.7",
        GATEWAY_CA: CERTIFICATE,
        GATEWAY_LOGIN: expect.stringMatching(/^llm-metrics-probe:/) as unknown,
      },
    });
  expect(JSON.parse(probe["stdin"] as string)).toMatchObject({
    prometheusUrl: "https://metrics.example.org:23001",
    login: true,
  });
  for (const { inputs } of declared.filter(({ name }) => !name.endsWith("gateway-install")))
    expect(JSON.stringify(inputs)).not.toContain(HASH);
});

/** As {@link declare}, with the inputs of the GPU exporter's container where it is declared. */
async function declareGpu(...args: Parameters<typeof declare>) {
  const all = await declare(...args);
  return { ...all, exporter: declared.find(({ name }) => name.endsWith("gpu-exporter-container"))?.inputs };
}

test("where the host has NVIDIA's runtime, the GPU exporter looks at every GPU, as nobody, with nothing writable and no port", async () => {
  const { exporter } = await declareGpu({}, runtime);
  expect(exporter).toMatchObject({
    runtime: "nvidia",
    envs: ["NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=utility"],
    user: "65534:65534",
    groupAdds: ["998"],
    pidMode: "host",
    cgroupnsMode: "host",
    readOnly: true,
    capabilities: { drops: ["ALL"] },
    securityOpts: ["no-new-privileges:true", "label=disable"],
    memory: 192,
    volumes: [
      { containerPath: "/exporter", readOnly: true },
      { hostPath: "/run/docker.sock", containerPath: "/var/run/docker.sock", readOnly: true },
    ],
  });
  for (const input of ["ports", "privileged", "deviceRequests"]) expect(exporter).not.toHaveProperty(input);
  expect(exporter?.["capabilities"]).not.toHaveProperty("adds");
});

test("where the host has CDI devices only, the GPU exporter gets the one that stands for all", async () => {
  const { exporter } = await declareGpu({}, { gpus: { cdiDevice: "nvidia.com/gpu=all" } });
  expect(exporter).toMatchObject({ deviceRequests: [{ driver: "cdi", deviceIds: ["nvidia.com/gpu=all"] }] });
  expect(exporter).not.toHaveProperty("runtime");
});

test("the GPU exporter's program is put into its volume whenever there is a new container, and a changed program makes one", async () => {
  const { exporter } = await declareGpu({}, runtime);
  const install = declared.find(({ name }) => name.endsWith("gpu-exporter-install"))?.inputs;
  expect((exporter?.["command"] as string[]).join(" ")).toMatch(/\/exporter\/exporter-[0-9a-f]{12}\.cjs/);
  expect(install).toMatchObject({
    create: expect.stringContaining("installExporter.ts") as unknown,
    environment: { VOLUME: "llm-metrics-dev-gpu-exporter-program", IMAGE: settings().gpuExporterImage },
    triggers: ["llm-metrics-dev-gpu-exporter-container-id"],
  });
});

test.each([
  ["auto on a host without GPUs", "auto", {}, /neither NVIDIA's container runtime nor CDI devices/],
  ["off", "off", runtime, /the setting gpu is off/],
] as const)("gpu: %s deploys no exporter and tells why", async (_, gpu, facts, reason) => {
  const { exporter, stack, probe } = await declareGpu({ gpu }, facts);
  expect(exporter).toBeUndefined();
  expect(stack.jobNames).toEqual(["cadvisor", "prometheus", "gateway"]);
  const { gpu: measured } = JSON.parse(probe["stdin"] as string) as Expectation;
  expect(measured).toEqual({ measured: false, reason: expect.stringMatching(reason) as unknown });
});

test("gpu: on is refused on a host without GPUs, with the reason and the remedy", () => {
  expect(() => gpuPlan("on", host)).toThrow(
    /llm-metrics:gpu is "on", but .* nothing was changed.*nvidia-ctk runtime configure/,
  );
  expect(gpuPlan("on", { ...host, ...runtime })).toEqual({ access: { runtime: "nvidia" } });
});

test("with GPUs, Prometheus scrapes the exporter and records what GPU containers use beside", async () => {
  const { stack, configuration } = await declareGpu({ dcgmExporter: "dcgm-exporter:9400" }, runtime);
  expect(stack.jobNames).toEqual(["cadvisor", "prometheus", "gateway", "gpu", "dcgm"]);
  const {
    rule_files: [rules = ""],
    scrape_configs,
  } = prometheusYml(configuration);
  expect(files(configuration)[rules.replace("/etc/prometheus/", "")]).toContain(
    "gpu_container:gpu_memory_used_bytes:sum",
  );
  expect(scrape_configs[3]).toMatchObject({ static_configs: [{ targets: ["gpu-exporter:9835"] }] });
});
