import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { ContainerMetrics } from "../../components/containerMetrics";
import { gpuPlan } from "../../components/exporter";
import { policies } from "../../policy/policies";
import { settings } from "../support/settings";

interface Resource {
  type: string;
  props: Record<string, unknown>;
  name?: string;
  protect?: boolean;
}
interface Environment {
  stack?: string;
  config?: Record<string, string>;
}

/** What the named policy, or all of them, find in the resources of a stack. */
function violations(
  resources: Resource[],
  policy?: string,
  { stack = "dev", config = {} }: Environment = {},
) {
  const found: string[] = [];
  const seen = resources.map(({ type, props, name = "main", protect = false }) => ({
    type,
    props,
    name,
    urn: `urn:pulumi:${stack}::any::${type}::${name}`,
    opts: { protect, ignoreChanges: [], aliases: [], additionalSecretOutputs: [] },
  }));
  for (const one of policies(config).filter(({ name }) => !policy || name === policy)) {
    const report = (message: string) => found.push(message);
    if ("validateStack" in one) throw new Error(`${one.name} would see resources that an update deletes`);
    for (const validate of [one.validateResource ?? []].flat())
      for (const resource of seen) void validate(resource as never, report);
  }
  return found;
}

const container = (props: Record<string, unknown>, name = "main"): Resource => ({
  type: "docker:index/container:Container",
  props,
  name,
});
const volume = (name: string, protect: boolean): Resource => ({
  type: "docker:index/volume:Volume",
  props: { name },
  protect,
});
const STACK: Resource = { type: "pulumi:pulumi:Stack", props: {} };
const configuration = (interval: string): Resource => ({
  type: "command:local:Command",
  props: {
    stdin: `prometheus.yml: |\n  global:\n    scrape_interval: ${interval}\n    evaluation_interval: 30s\n`,
  },
});
const socket = { hostPath: "/var/run/docker.sock", containerPath: "/var/run/docker.sock", readOnly: true };
const PROD = { stack: "prod" };

type Case = [resources: Resource[], environment?: Environment];
/** The resources that each policy allows, and those that it rejects, with a part of the message. */
const CASES: Record<string, { passes: Case[]; stops: [message: string, ...Case][] }> = {
  "image-pinned": {
    passes: [
      [[container({ image: "prom/prometheus:v3.13.5" })]],
      [[container({ image: `localhost:5000/prometheus@sha256:${"a".repeat(64)}` })]],
      [[container({ image: `sha256:${"a".repeat(64)}` })]],
      [[{ type: "docker:index/remoteImage:RemoteImage", props: { name: "localhost:5000/a/b:1" } }]],
    ],
    stops: [
      ["by a tag other than latest", [container({ image: "prom/prometheus" })]],
      ["the image is prom/prometheus:latest", [container({ image: "prom/prometheus:latest" })]],
      ["the image is localhost:5000/prometheus", [container({ image: "localhost:5000/prometheus" })]],
      ["the image is a", [{ type: "docker:index/remoteImage:RemoteImage", props: { name: "a" } }]],
    ],
  },
  "not-privileged": {
    passes: [[[container({ privileged: false, securityOpts: ["label=disable"] })]]],
    stops: [
      ["it is privileged: remove that", [container({ privileged: true })]],
      ["seccomp=unconfined", [container({ securityOpts: ["seccomp=unconfined"] })]],
    ],
  },
  capabilities: {
    passes: [
      [[container({ capabilities: { drops: ["ALL"] } })]],
      [[container({ name: "a-cadvisor", capabilities: { drops: ["all"], adds: ["CAP_SYSLOG"] } })]],
    ],
    stops: [
      ['set capabilities.drops to ["ALL"]', [container({})]],
      ['set capabilities.drops to ["ALL"]', [container({ capabilities: { drops: ["CAP_CHOWN"] } })]],
      ["adds the capability SYSLOG", [container({ capabilities: { drops: ["ALL"], adds: ["SYSLOG"] } })]],
      [
        "adds the capability CAP_SYS_ADMIN",
        [container({ name: "a-cadvisor", capabilities: { drops: ["ALL"], adds: ["CAP_SYS_ADMIN"] } })],
      ],
    ],
  },
  "read-only-root": {
    passes: [[[container({ readOnly: true })]]],
    stops: [["set readOnly to true", [container({})]]],
  },
  "no-new-privileges": {
    passes: [
      [[container({ securityOpts: ["no-new-privileges:true"] })]],
      [[container({ securityOpts: ["no-new-privileges"] })]],
    ],
    stops: [
      ['add "no-new-privileges:true"', [container({})]],
      ['add "no-new-privileges:true"', [container({ securityOpts: ["no-new-privileges:false"] })]],
    ],
  },
  sockets: {
    passes: [
      [[container({ name: "llm-metrics-dev-cadvisor", volumes: [socket] })]],
      [[container({ name: "llm-metrics-dev-docker-proxy", volumes: [socket] })]],
      [
        [
          container({
            volumes: [
              { hostPath: "/var/lib/docker", containerPath: "/x" },
              { volumeName: "run", containerPath: "/run" },
            ],
          }),
        ],
      ],
    ],
    stops: [
      [
        "mounts /var/run/docker.sock writable",
        [container({ name: "a-cadvisor", volumes: [{ ...socket, readOnly: false }] })],
      ],
      ["use a docker-proxy", [container({ name: "a-prometheus", volumes: [socket] })]],
      ["use a docker-proxy", [container({ name: "a-node-exporter", volumes: [socket] })]],
      ["use a docker-proxy", [container({ volumes: [socket] }, "a-prometheus")]],
      [
        "mounts /run/containerd/containerd.sock",
        [container({ volumes: [{ hostPath: "/run/containerd/containerd.sock", readOnly: true }] })],
      ],
      [
        "mounts /var/run/docker/containerd, which gives it control of the host",
        [container({ volumes: [{ hostPath: "/var/run/docker/containerd", readOnly: true }] })],
      ],
      [
        "mounts /srv/docker.sock",
        [container({ mounts: [{ type: "bind", source: "/srv/docker.sock", target: "/d", readOnly: true }] })],
      ],
      [
        "mounts /var/run/,",
        [container({ volumes: [{ hostPath: "/var/run/", containerPath: "/r", readOnly: true }] })],
      ],
      ["mounts /,", [container({ volumes: [{ hostPath: "/", containerPath: "/rootfs", readOnly: true }] })]],
    ],
  },
  "sockets-behind-proxy": {
    passes: [
      [[container({ name: "a-cadvisor", volumes: [socket] })]],
      [[container({ name: "a-cadvisor" }), container({ name: "a-docker-proxy", volumes: [socket] })]],
    ],
    stops: [
      [
        "a-cadvisor mounts /var/run/docker.sock though there is a docker-proxy",
        [
          container({ name: "a-docker-proxy", volumes: [socket] }),
          container({ name: "a-cadvisor", volumes: [socket] }),
        ],
      ],
      [
        "a-cadvisor mounts /var/run/docker.sock though there is a docker-proxy",
        [
          container({ name: "a-cadvisor", volumes: [socket] }),
          container({ name: "a-docker-proxy", volumes: [socket] }),
        ],
      ],
    ],
  },
  loopback: {
    passes: [
      [
        [
          container({
            ports: [
              { internal: 80, ip: "127.0.0.1" },
              { internal: 81, ip: "::1" },
            ],
          }),
        ],
      ],
      [
        [container({ name: "a-gateway", ports: [{ internal: 80, ip: "10.0.0.7" }] })],
        { config: { "llm-metrics:tlsNames": '["a.example"]', "llm-metrics:users": "[secret]" } },
      ],
    ],
    stops: [
      ...[
        { "llm-metrics:tlsNames": "[]", "llm-metrics:users": "[secret]" },
        { "llm-metrics:tlsCertificate": "-----BEGIN", "llm-metrics:clientCa": "" },
      ].map((config): [string, ...Case] => [
        "on 10.0.0.7",
        [container({ name: "a-gateway", ports: [{ internal: 80, ip: "10.0.0.7" }] })],
        { config },
      ]),
      [
        "on 10.0.0.8",
        [container({ ports: [{ internal: 80, ip: "10.0.0.8" }] })],
        { config: { "llm-metrics:tlsNames": '["a.example"]', "llm-metrics:users": "[secret]" } },
      ],
      ["it publishes port 80 on 0.0.0.0: set ip to 127.0.0.1", [container({ ports: [{ internal: 80 }] })]],
      [
        "on 10.0.0.7",
        [
          container({
            ports: [
              { internal: 80, ip: "127.0.0.1" },
              { internal: 81, ip: "10.0.0.7" },
            ],
          }),
        ],
      ],
      ["publishes all ports", [container({ publishAllPorts: true })]],
    ],
  },
  "host-namespaces": {
    passes: [
      [[container({ networkMode: "bridge" })]],
      [[container({ name: "a-exporter", cgroupnsMode: "host" })]],
      [[container({ name: "a-exporter", cgroupnsMode: "host", pidMode: "host", runtime: "nvidia" })]],
    ],
    stops: [
      ["its networkMode is host", [container({ name: "a-exporter", networkMode: "host" })]],
      ["its pidMode is host", [container({ name: "a-cadvisor", pidMode: "host" })]],
      ["its pidMode is host", [container({ name: "a-node-exporter", pidMode: "host" })]],
      ["its pidMode is host", [container({ name: "a-exporter", pidMode: "host" })]],
      ["its cgroupnsMode is host", [container({ name: "a-cadvisor", cgroupnsMode: "host" })]],
    ],
  },
  limits: {
    passes: [[[container({ memory: 64, cpus: "0.5" })]]],
    stops: [
      ["set memory", [container({ cpus: "0.5" })]],
      ["set cpus", [container({ memory: 64 })]],
    ],
  },
  "health-check": {
    passes: [[[container({ healthcheck: { tests: ["CMD", "true"] } })]]],
    stops: [
      ["set healthcheck", [container({})]],
      ["set healthcheck", [container({ healthcheck: { tests: ["NONE"] } })]],
    ],
  },
  "scrape-interval": {
    passes: [
      [[STACK, configuration("30s")], { ...PROD, config: { "llm-metrics:scrapeInterval": "30s" } }],
      [[STACK], PROD],
      [
        [STACK, configuration("1s")],
        { stack: "test-1a2b3c", config: { "llm-metrics:scrapeInterval": "1s" } },
      ],
    ],
    stops: [
      ["is 10s, and prod is a real", [STACK], { ...PROD, config: { "llm-metrics:scrapeInterval": "10s" } }],
      ["is 1s, and device-lab is a real", [configuration("1s")], { stack: "device-lab" }],
      [
        "set llm-metrics:scrapeInterval to 30s",
        [container({ uploads: [{ file: "/p.yml", content: "global:\n  scrape_interval: 15s\n" }] })],
        PROD,
      ],
    ],
  },
  "data-protected": {
    passes: [
      [[STACK, volume("a-data", true)], { ...PROD, config: { "llm-metrics:protectData": "true" } }],
      [[STACK, volume("a-data", false)], { config: { "llm-metrics:protectData": "false" } }],
      [[STACK, volume("a-config", false)], PROD],
    ],
    stops: [
      [
        "llm-metrics:protectData is false: set it to true",
        [STACK],
        { ...PROD, config: { "llm-metrics:protectData": "false" } },
      ],
      ["protect to true", [volume("a-data", false)], PROD],
      ["protect to true", [volume("a-data", false)], { config: { "llm-metrics:protectData": "true" } }],
    ],
  },
};

describe.each(Object.entries(CASES))("the policy %s", (policy, { passes, stops }) => {
  for (const [resources, environment] of passes)
    test(`allows ${JSON.stringify(resources.map(({ props }) => props))}`, () => {
      expect(violations(resources, policy, environment)).toEqual([]);
    });
  for (const [message, resources, environment] of stops)
    test(`rejects ${JSON.stringify(resources.map(({ props }) => props))}: ${message}`, () => {
      expect(violations(resources, policy, environment)).toEqual([expect.stringContaining(message)]);
    });
});

test("every policy has cases that pass and cases that it stops", () => {
  expect(Object.keys(CASES)).toEqual(policies({}).map(({ name }) => name));
});

test("the pack starts by its executable, and prints the port on which it serves the engine", async () => {
  const pack = spawn("./pulumi-analyzer-policy-llm-metrics", { cwd: path.join(__dirname, "../../policy") });
  try {
    const [output] = (await once(pack.stdout, "data")) as [Buffer];
    expect(output.toString()).toMatch(/^\d+\n$/);
  } finally {
    pack.kill();
    await once(pack, "close");
  }
}, 60_000);

test("what the program declares keeps to every policy, with GPUs and without", async () => {
  const declared: Resource[] = [];
  await pulumi.runtime.setMocks({
    newResource: ({ type, name, inputs }) => {
      declared.push({ type, name, props: inputs as Record<string, unknown> });
      const read = { ipamConfigs: [{ subnet: "172.18.0.0/16" }], stdout: '{"at":"now","findings":[]}' };
      return { id: name, state: { ...read, ...(inputs as object) } };
    },
    call: ({ inputs }) => inputs as Record<string, unknown>,
  });
  const host = {
    name: "a",
    rootDirectory: "/var/lib/docker",
    address: "unix:///run/docker.sock",
    dockerSocket: "/run/docker.sock",
    socketGroup: 1,
    kernelLog: true,
    selinux: true,
    unaccounted: [],
  };
  const ways = [{ runtime: "nvidia" }, { cdiDevice: "nvidia.com/gpu=all" }, undefined];
  for (const [gpus, dockerAccess] of ways.flatMap((way) => [
    [way, "socket"] as const,
    [way, "proxy"] as const,
  ])) {
    declared.length = 0;
    const facts = { ...host, ...(gpus && { gpus }), containerdSocket: "/run/containerd/containerd.sock" };
    const stack = new ContainerMetrics("llm-metrics-staging", {
      settings: settings({ dockerAccess, llmKeys: { chat: "key" } }),
      environment: "staging",
      host: facts,
      gpu: gpuPlan("auto", facts),
      configurationDrift: "",
    });
    await new Promise((resolve) => stack.report.apply(resolve));
    const containers = 6 + (dockerAccess === "proxy" ? 1 : 0);
    expect(declared.filter(({ type }) => type === container({}).type)).toHaveLength(containers);
    expect(violations(declared, undefined, { stack: "staging" })).toEqual([]);
  }
});
