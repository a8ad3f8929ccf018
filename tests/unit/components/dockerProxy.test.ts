import { CADVISOR_CONTAINERD_API, CADVISOR_DOCKER_API } from "../../../components/cadvisor";
import { proxyConfig } from "../../../caddy/dockerProxy";
import { EXPORTER_DOCKER_API } from "../../../exporter/dockerApi";
import { settings } from "../../support/settings";
import { containerInputs, declare, declared, runtime } from "../../support/declare";

const socketsOf = (suffix: string) =>
  (containerInputs(suffix)["volumes"] as { hostPath?: string }[])
    .map(({ hostPath = "" }) => hostPath)
    .filter((file) => file.endsWith(".sock"));

test("with dockerAccess proxy, nothing but the proxy has a socket, and its clients reach it on an internal network", async () => {
  const containerdSocket = "/run/containerd/containerd.sock";
  await declare({ dockerAccess: "proxy" }, { ...runtime, containerdSocket });
  expect(socketsOf("docker-proxy-container")).toEqual(["/run/docker.sock", containerdSocket]);
  for (const suffix of ["cadvisor-container", "exporter-container", "prometheus-container"])
    expect(socketsOf(suffix)).toEqual([]);

  const networks = (suffix: string) =>
    (containerInputs(suffix)["networksAdvanced"] as { name: string }[]).map(({ name }) => name);
  expect(networks("docker-proxy-container")).toEqual(["llm-metrics-dev-docker"]);
  expect(networks("cadvisor-container")).toEqual(["llm-metrics-dev", "llm-metrics-dev-docker"]);
  expect(networks("exporter-container")).toEqual(["llm-metrics-dev", "llm-metrics-dev-docker"]);
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
  expect(containerInputs("exporter-container")).toMatchObject({
    envs: expect.arrayContaining(["DOCKER_HOST=tcp://docker-proxy:2385"]) as unknown,
  });
  expect(containerInputs("exporter-container")).not.toHaveProperty("groupAdds");
});

test("the proxy runs as nobody in the groups of the sockets, with nothing writable but the folder for containerd's", async () => {
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

test("without it, cAdvisor waits for no proxy, and there is none", async () => {
  const { cadvisor, stack } = await declare();
  expect(JSON.stringify(cadvisor)).not.toContain("2375");
  expect(stack.dockerProxy).toBeUndefined();
  expect(declared.map(({ name }) => name).join(" ")).not.toContain("proxy");
});

const ID = "0123456789abcdef".repeat(4);
const allowed = (client: "cadvisor" | "exporter", uri: string) => {
  const servers = proxyConfig({
    docker: { cadvisor: CADVISOR_DOCKER_API, exporter: EXPORTER_DOCKER_API },
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
  ["exporter", "/containers/json", true],
  ["exporter", "/containers/json?all=1&limit=1000", true],
  ["exporter", "/containers/json?all=1&limit=1000&size=1", false],
  ["exporter", "/containers/json?all=1", false],
  ["exporter", "/info", true],
  ["exporter", "/version", false],
] as const)("of the Docker API, %s may read %s: %s", (client, uri, is) => {
  expect(allowed(client, uri)).toBe(is);
});

test("of containerd, two methods are allowed, in Docker's namespace only, also when a call names another", () => {
  const { servers } = proxyConfig({
    docker: { cadvisor: CADVISOR_DOCKER_API, exporter: EXPORTER_DOCKER_API },
    containerd: CADVISOR_CONTAINERD_API,
  }).apps.http;
  expect(Object.keys(servers)).toEqual(["cadvisor", "exporter", "containerd"]);
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
