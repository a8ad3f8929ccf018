import { readFile, stat } from "node:fs/promises";
import { connect } from "node:net";
import path from "node:path";
import { settings } from "../support/settings";
import { run } from "../../lib/run";
import { SERVERS } from "../../lib/names";
import { GpuHost } from "../support/emulatedDriver/gpuHost";
import { h100 } from "../support/emulatedDriver/host";
import { attacks, CONTAINERD_METHODS, effects, others, request, type Target } from "../support/dockerApiAttacks";
import { call, converse, statuses } from "../support/conversation";
import { configureRuntime, DAEMON_FOLDER, restartDaemon } from "../support/daemonControl";
import { docker, DOCKER_HOST, hasContainerdStore, inspect, startContainer } from "../support/docker";
import { eventually } from "../support/eventually";
import { query } from "../support/prometheus";
import { Stack, succeeded } from "../support/stack";

const gpuHost = GpuHost.at(path.join(DAEMON_FOLDER, "gpu"));
const SOCKET = DOCKER_HOST.replace("unix://", "");
const PROXY = { cadvisor: 2375, "gpu-exporter": 2385 } as const;

/** The same host, measured through the sockets and through the proxy. */
let open: Stack;
let filtered: Stack;
let target: Target;
let names: string[];

beforeAll(async () => {
  await configureRuntime("nvidia", gpuHost.runtime);
  const name = await startContainer("example/web:1", ["--restart=always", "--memory=64m"]);
  names = [
    name,
    await startContainer("example/beside:1", [`--network=container:${name}`]),
    await startContainer("vllm/vllm-openai:v0.11.0", [
      "--gpus",
      "all",
      "--label=com.docker.compose.service=chat",
    ]),
  ];
  const pid = Number(await docker("inspect", "--format", "{{.State.Pid}}", names[2] ?? ""));
  await gpuHost.describe({
    driver: "550.127.05",
    gpus: [h100(0, { utilization: 70 })],
    processes: [{ pid, gpu: 0, memory: 1000, sm: 10 }],
  });
  target = { id: (await inspect(name)).Id, name, image: "example/web:1" };
  const common = { scrapeInterval: "1s", hostLabel: "host" };
  filtered = await Stack.create({ ...common, dockerAccess: "proxy" });
  await succeeded(filtered.up());
  open = await Stack.create(common);
  await succeeded(open.up());
});
afterAll(async () => {
  await open.remove();
  await filtered.remove();
  await docker("rm", "-f", ...names);
  await configureRuntime("other", "runc");
});

/** What a target of Prometheus serves: each family with its help and type, and its series of the containers of this test. */
async function families(stack: Stack, url: string): Promise<Record<string, string[]>> {
  const text = await docker("exec", stack.resource("prometheus"), "wget", "-qO-", url);
  const found: Record<string, string[]> = {};
  for (const line of text.split("\n")) {
    if (line.includes("gpu_exporter_errors_total")) continue; // It comes with the first error since the exporter's start.
    const [, about = "", family = ""] = /^# (HELP|TYPE) (\S+)/.exec(line) ?? [];
    if (about) (found[family] ??= []).push(line);
    const [, series = ""] = /^(\w+\{.*\}) /.exec(line) ?? [];
    if (names.some((name) => series.includes(`name="${name}"`))) {
      const name = series.replace(/\{.*/, "");
      (found[name] ?? found[name.replace(/_(bucket|sum|count)$/, "")] ?? (found[name] = [])).push(series);
    }
  }
  return found;
}

test.each([
  ["cAdvisor", "http://cadvisor:8080/metrics", "container_memory_usage_bytes"],
  [
    "the GPU exporter",
    `http://gpu-exporter:${SERVERS.gpuExporter.port}/metrics`,
    "container_gpu_memory_used_bytes",
  ],
])("%s measures the same through the proxy as through the socket, family by family", async (_, url, one) => {
  await eventually(async () => {
    const [through, direct] = [await families(filtered, url), await families(open, url)];
    expect(through).toEqual(direct);
    expect(through[one]?.length).toBeGreaterThan(2);
  });
});

test("GPUs, names and images are in Prometheus as through the socket, with their values", async () => {
  const seen = (stack: Stack) =>
    query(stack.prometheus, `{__name__=~"container_gpu_(memory_used|allocated).*",name="${names[2] ?? ""}"}`);
  const plain = (samples: Awaited<ReturnType<typeof seen>>) =>
    samples.map(({ metric, value }) => [metric, value[1]]);
  await eventually(async () => {
    const through = plain(await seen(filtered));
    expect(through.length).toBeGreaterThan(0);
    expect(through).toEqual(plain(await seen(open)));
  });
});

test("a second update and a refresh change nothing", async () => {
  await succeeded(filtered.preview("--expect-no-changes", "--refresh"));
  await succeeded(filtered.refresh("--expect-no-changes"));
});

test("no container but the proxy has a socket of the host", async () => {
  const withSocket = async (stack: Stack) => {
    const found = [];
    for (const which of ["cadvisor", "docker-proxy", "gpu-exporter", "prometheus"] as const) {
      const container = await inspect(stack.resource(which)).catch(() => undefined);
      for (const { Source, RW } of container?.Mounts ?? [])
        if ((await stat(Source)).isSocket()) found.push([which, path.basename(Source), RW]);
    }
    return found.sort();
  };
  const containerd = (await hasContainerdStore()) ? ["containerd.sock"] : [];
  const sockets = (which: string) => [...containerd, "docker.sock"].map((file) => [which, file, false]);
  expect(await withSocket(filtered)).toEqual(sockets("docker-proxy"));
  expect(await withSocket(open)).toEqual([...sockets("cadvisor"), ["gpu-exporter", "docker.sock", false]]);
});

test("the proxy is nobody, without a capability in effect, and leads nowhere", async () => {
  const { HostConfig: host, Config: config, Id } = await inspect(filtered.resource("docker-proxy"));
  expect(config.User).toBe("65534:65534");
  expect(host).toMatchObject({ Privileged: false, ReadonlyRootfs: true, CapDrop: ["ALL"], PortBindings: {} });
  const pid = await docker("inspect", "--format", "{{.State.Pid}}", Id);
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  expect(status).toMatch(/^Name:\s+caddy$/m);
  expect(status).toMatch(/^CapEff:\s+0+$/m);
  expect(status).toMatch(/^CapPrm:\s+0+$/m);
  const [network = ""] = Object.keys(
    JSON.parse(await docker("inspect", "--format", "{{json .NetworkSettings.Networks}}", Id)) as object,
  );
  expect(await docker("network", "inspect", "--format", "{{.Internal}}", network)).toBe("true");
  await eventually(async () => {
    expect(await docker("inspect", "--format", "{{.State.Health.Status}}", Id)).toBe("healthy");
  });
});

test("users of the host, who may not open Docker's socket, do not get to the proxy either", async () => {
  const networks = "{{range $name, $it := .NetworkSettings.Networks}}{{$name}} {{$it.IPAddress}},{{end}}";
  const addresses = async (which: "cadvisor" | "docker-proxy") =>
    (await docker("inspect", "--format", networks, filtered.resource(which)))
      .split(",")
      .filter(Boolean)
      .map((entry) => entry.split(" ")[1] ?? "");
  const reached = (host: string, port: number) =>
    new Promise<boolean>((resolve) => {
      const socket = connect({ host, port });
      const end = (is: boolean) => () => {
        socket.destroy();
        resolve(is);
      };
      socket.setTimeout(2000, end(false)).on("error", end(false)).on("connect", end(true));
    });
  const [address = ""] = await addresses("docker-proxy");
  expect(address).toMatch(/^[\d.]+$/);
  for (const port of Object.values(PROXY)) expect(await reached(address, port)).toBe(false);
  const others = await Promise.all((await addresses("cadvisor")).map((one) => reached(one, 8080)));
  expect(others.sort()).toEqual([false, true]); // On the stack's own network, the host gets to cAdvisor.
});

/** What there is on the host, but for the containers that attack. */
async function everything(): Promise<string[]> {
  const lists = [
    ["ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.Image}} {{.State}}"],
    ["image", "ls", "-a", "--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}"],
    ["network", "ls", "--no-trunc", "--format", "{{.ID}} {{.Name}}"],
    ["volume", "ls", "--format", "{{.Name}}"],
  ];
  return Promise.all(lists.map(async (list) => (await docker(...list)).split("\n").sort().join("\n")));
}

/** Asserts that what is done leaves the host as it is, and that Docker notes nothing about the container under attack. */
async function withoutEffect(act: () => Promise<void>): Promise<void> {
  const [before, since] = [await everything(), Date.now() / 1000];
  await act();
  expect(await everything()).toEqual(before);
  const until = String(Date.now() / 1000);
  const events = ["events", "--since", String(since), "--until", until];
  expect(await docker(...events, "--filter", `container=${target.id}`)).toBe("");
}

const everyRequest = () => [
  ...effects(target).map(([method, url, , body]) => [method, url, body] as const),
  ...others(target).map(([method, url]) => [method, url, undefined] as const),
];

test.each(["cadvisor", "gpu-exporter"] as const)(
  "from inside %s, whatever writes and whatever is not on its list is answered by 403",
  async (client) => {
    const ports = client === "cadvisor" ? [PROXY.cadvisor] : Object.values(PROXY);
    await withoutEffect(async () => {
      for (const port of ports) {
        const requests = everyRequest();
        const answers = await converse(
          filtered.resource(client),
          { host: "docker-proxy", port },
          requests.map(([method, url, body]) => [request(method, url, body, ["Connection: close"])]),
        );
        expect(answers.map((answer, i) => [...(requests[i] ?? []).slice(0, 2), statuses(answer)])).toEqual(
          requests.map(([method, url]) => [method, url, [403]]),
        );
      }
    });
  },
);

test("the reads on the lists are answered, each at its client's port", async () => {
  const reads = [
    "/_ping",
    "/info",
    "/v1.41/version",
    "/images/json",
    "/containers/json",
    `/containers/${target.id}/json`,
  ];
  const codes = async (port: number) => {
    const answers = await converse(
      filtered.resource("cadvisor"),
      { host: "docker-proxy", port },
      reads.map((url) => [request("GET", url, undefined, ["Connection: close"])]),
    );
    return answers.map((answer) => statuses(answer)[0]);
  };
  expect(await codes(PROXY.cadvisor)).toEqual([200, 200, 200, 200, 403, 200]);
  expect(await codes(PROXY["gpu-exporter"])).toEqual([403, 200, 403, 403, 200, 200]);
});

test("the same requests through a socket that is mounted read-only do what they say", async () => {
  const done = effects(target);
  const answers = await converse(
    undefined,
    { path: "/var/run/docker.sock" },
    done.map(([method, url, , body]) => [request(method, url, body, ["Connection: close"])]),
    ["-v", `${SOCKET}:/var/run/docker.sock:ro`],
  );
  expect(answers.map((answer, i) => [...(done[i] ?? []).slice(0, 2), statuses(answer)[0]])).toEqual(
    done.map(([method, url, status]) => [method, url, status]),
  );
});

test("no attack on the filter passes what is not on the list", async () => {
  const all = attacks(target);
  expect(all.length).toBeGreaterThan(60);
  await withoutEffect(async () => {
    const answers = await converse(
      filtered.resource("cadvisor"),
      { host: "docker-proxy", port: PROXY.cadvisor },
      all.map(([, message]) => message),
    );
    const passed = answers.map((answer, i) => [
      all[i]?.[0],
      statuses(answer).filter((code) => code < 400).length,
    ]);
    expect(passed).toEqual(all.map(([what, , passes = 0]) => [what, passes]));
    const refusals = answers.flatMap(statuses).filter((code) => code >= 400);
    expect(refusals.filter((code) => ![400, 403, 431, 501, 505].includes(code))).toEqual([]);
  });
});

test("what is refused is in the proxy's log, and what passes is not", async () => {
  const log = await run("sh", ["-c", 'docker logs "$0" 2>&1', filtered.resource("docker-proxy")]);
  expect(log).toMatch(/"uri":"\/swarm\/init".*"status":403/);
  expect(log).not.toMatch(/"status":2\d\d/);
  expect(log).not.toMatch(/"level":"error"/);
});

test("of the two sockets of containerd, the proxy's carries two calls, and the host's every one", async () => {
  if (!(await hasContainerdStore())) {
    // Where names do not come from containerd, nobody has its socket.
    const { Mounts } = await inspect(filtered.resource("docker-proxy"));
    expect(Mounts.map(({ Destination }) => Destination)).toEqual(["/var/run/docker.sock"]);
    return;
  }
  const pid = await docker("inspect", "--format", "{{.State.Pid}}", filtered.resource("cadvisor"));
  const through = path.join("/proc", pid, "root", "run/containerd/containerd.sock");
  const { Address: direct } = JSON.parse(await docker("info", "--format", "{{json .Containerd}}")) as {
    Address: string;
  };
  const text = (value: string) => Buffer.concat([Buffer.from([0x0a, value.length]), Buffer.from(value)]);
  const service = "/containerd.services";
  const version = `${service}.version.v1.Version/Version`;
  const get = `${service}.containers.v1.Containers/Get`;
  const list = `${service}.namespaces.v1.Namespaces/List`;

  for (const method of CONTAINERD_METHODS)
    expect([method, (await call(through, method)).http]).toEqual([method, 403]);
  for (const method of [
    `${version}/`,
    `/${version}`,
    `${version}?`,
    `${version}/../../${list.slice(1)}`,
    version.replace("V", "%56"),
  ])
    expect([method, (await call(through, method)).http]).toEqual([method, 403]);
  // Of the real socket only what an empty message does no harm to: Containers/Create ends containerd.
  for (const method of CONTAINERD_METHODS.filter((one) => /\/(List\w*|Plugins|Server)$/.test(one)))
    expect([method, (await call(direct, method)).http]).toEqual([method, 200]);

  const state = () => docker("inspect", "--format", "{{.State.Status}}", target.id);
  const intrusions = [
    [`${service}.namespaces.v1.Namespaces/Create`, text(text("intruder").toString("latin1"))],
    [`${service}.tasks.v1.Tasks/Pause`, text(target.id)],
  ] as const;
  for (const [method, message] of intrusions) expect((await call(through, method, message)).http).toBe(403);
  expect((await call(direct, list)).message.toString()).not.toContain("intruder");
  expect(await state()).toBe("running");
  for (const [method, message] of intrusions)
    expect(await call(direct, method, message)).toMatchObject({ http: 200, grpc: 0 });
  expect((await call(direct, list)).message.toString()).toContain("intruder");
  await eventually(async () => {
    expect(await state()).toBe("paused");
  });
  for (const [method, message] of [
    [`${service}.namespaces.v1.Namespaces/Delete`, text("intruder")],
    [`${service}.tasks.v1.Tasks/Resume`, text(target.id)],
  ] as const)
    expect(await call(direct, method, message)).toMatchObject({ http: 200, grpc: 0 });

  for (const socket of [through, direct]) {
    expect(await call(socket, version)).toMatchObject({ http: 200, grpc: 0 });
    expect((await call(socket, get, text(target.id))).message.toString()).toContain(target.image);
  }
  expect((await call(through, get, text(target.id), ["k8s.io"])).http).toBe(403);
  expect((await call(through, get, text(target.id), ["k8s.io", "moby"])).message.toString()).toContain(
    target.image,
  );
});

/** Asserts that a new container comes to its name, and that those that are there keep theirs. */
async function named(): Promise<void> {
  const late = await startContainer("example/late:1");
  try {
    await eventually(async () => {
      const samples = await query(filtered.prometheus, `container_last_seen{name=~"${late}|${target.name}"}`);
      expect(samples).toHaveLength(2);
    });
  } finally {
    await docker("rm", "-f", late);
  }
}

test("a proxy that is stopped ends in order, and cAdvisor waits for it and goes on", async () => {
  const [proxy, cadvisor] = [filtered.resource("docker-proxy"), filtered.resource("cadvisor")];
  await docker("stop", "--time", "10", proxy);
  expect(await docker("inspect", "--format", "{{.State.ExitCode}}", proxy)).toBe("0");
  await docker("start", proxy);
  await named();
  await docker("stop", proxy);
  await docker("restart", "--time", "0", cadvisor);
  await docker("start", proxy);
  await named();
});

test("after a restart of the daemon everything has its name again", async () => {
  await restartDaemon("SIGTERM");
  await eventually(named);
});

test("a stack goes from the socket to the proxy and back, in one update each", async () => {
  await open.configure({ dockerAccess: "proxy", caddyImage: settings().caddyImage });
  await succeeded(open.up());
  await succeeded(open.preview("--expect-no-changes", "--refresh"));
  await open.configure({ dockerAccess: "socket" });
  await succeeded(open.up());
  expect(await docker("ps", "-a", "--format", "{{.Names}}")).not.toContain(open.resource("docker-proxy"));
});
