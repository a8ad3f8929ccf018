import { readFile, stat } from "node:fs/promises";
import { connect } from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "../../lib/run";
import { SERVERS, target as hostAndPort } from "../../lib/names";
import { GpuHost } from "../support/emulatedDriver/gpuHost";
import { h100 } from "../support/emulatedDriver/host";
import {
  attacks,
  CONTAINERD_METHODS,
  effects,
  others,
  request,
  type Target,
} from "../support/dockerApiAttacks";
import { call, converse, statuses } from "../support/conversation";
import { configureRuntime, DAEMON_FOLDER } from "../support/daemonControl";
import { docker, DOCKER_HOST, hasContainerdStore, inspect, shimOf, startContainer } from "../support/docker";
import { eventually } from "../support/eventually";
import { query } from "../support/prometheus";
import { Stack, succeeded } from "../support/stack";

const gpuHost = GpuHost.at(path.join(DAEMON_FOLDER, "gpu"));
const SOCKET = DOCKER_HOST.replace("unix://", "");
const CADVISOR = "http://cadvisor:8080/metrics";
const GPU_EXPORTER = `http://${hostAndPort(SERVERS.exporter)}/metrics`;
const PROXY = { cadvisor: 2375, exporter: 2385 } as const;

/** One stack, deployed with the sockets first, then with the proxy. */
let stack: Stack;
/** Its metrics with the sockets. */
let throughSockets: { families: Record<string, string[]>[]; gpu: unknown; mounts: unknown };
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
  stack = await Stack.create({ scrapeInterval: "1s", hostLabel: "host" });
  await succeeded(stack.up());
  await eventually(async () => {
    throughSockets = {
      families: [await families(CADVISOR), await families(GPU_EXPORTER)],
      gpu: await gpuSamples(),
      mounts: await mountedSockets(),
    };
    expect(throughSockets.families[0]?.["container_memory_usage_bytes"]?.length).toBeGreaterThan(2);
    expect(throughSockets.families[1]?.["container_gpu_memory_used_bytes"]?.length).toBeGreaterThan(0);
  });
  await stack.configure({ dockerAccess: "proxy" });
  await succeeded(stack.up());
});
afterAll(async () => {
  await stack.remove();
  await docker("rm", "-f", ...names);
  await configureRuntime("other", "runc");
});

/** The families that a target exposes, each with its help, its type, and its series of the containers of this test. */
async function families(url: string): Promise<Record<string, string[]>> {
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

/** The GPU samples of a container in Prometheus, with their values. */
async function gpuSamples(): Promise<unknown> {
  const gpu = `{__name__=~"container_gpu_(memory_used|allocated).*",name="${names[2] ?? ""}"}`;
  const samples = await query(stack.prometheus, gpu);
  expect(samples.length).toBeGreaterThan(0);
  return samples.map(({ metric, value }) => [metric, value[1]]);
}

/** The sockets of the host that the containers of the stack mount, or containerd's folder with its socket, and whether writable. */
async function mountedSockets(): Promise<unknown[]> {
  const found = [];
  for (const which of ["cadvisor", "docker-proxy", "exporter", "prometheus"] as const) {
    const container = await inspect(stack.resource(which)).catch(() => undefined);
    for (const { Source, RW } of container?.Mounts ?? [])
      if ((await stat(Source)).isSocket() || path.basename(Source) === "containerd")
        found.push([which, path.basename(Source), RW]);
  }
  return found.sort();
}

describe("Docker proxy", () => {
  it.each([
    ["cAdvisor", CADVISOR, 0],
    ["the exporter", GPU_EXPORTER, 1],
  ])("gives %s the same metrics as the socket, family by family", async (_, url, index) => {
    await eventually(async () => {
      expect(await families(url)).toEqual(throughSockets.families[index]);
    });
  });

  it("stores the same GPU samples, names and images as the socket", async () => {
    await eventually(async () => {
      expect(await gpuSamples()).toEqual(throughSockets.gpu);
    });
  });

  it("is not changed by a refresh or a second update", async () => {
    await succeeded(stack.refresh("--expect-no-changes"));
    await succeeded(stack.preview("--expect-no-changes"));
  });

  it("is the only container with a socket of the host", async () => {
    const ofContainerd = async (file: string) => ((await hasContainerdStore()) ? [file] : []);
    const mounts = (which: string, files: string[]) => files.map((file) => [which, file, false]);
    expect(await mountedSockets()).toEqual(
      mounts("docker-proxy", [...(await ofContainerd("containerd.sock")), "docker.sock"]),
    );
    expect(throughSockets.mounts).toEqual([
      ...mounts("cadvisor", [...(await ofContainerd("containerd")), "docker.sock"]),
      ...mounts("exporter", ["docker.sock"]),
    ]);
  });

  it("runs as nobody, without effective capabilities, on an internal network", async () => {
    const { HostConfig: host, Config: config, Id } = await inspect(stack.resource("docker-proxy"));
    expect(config.User).toBe("65534:65534");
    expect(host).toMatchObject({
      Privileged: false,
      ReadonlyRootfs: true,
      CapDrop: ["ALL"],
    });
    expect(Object.keys(host.PortBindings ?? {})).toEqual([]);
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

  it("cannot be reached by users of the host", async () => {
    const networks = "{{range $name, $it := .NetworkSettings.Networks}}{{$name}} {{$it.IPAddress}},{{end}}";
    const addresses = async (which: "cadvisor" | "docker-proxy") =>
      (await docker("inspect", "--format", networks, stack.resource(which)))
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

  it.each(["cadvisor", "exporter"] as const)(
    "answers requests of %s that write or are not on its list with 403",
    async (client) => {
      const ports = client === "cadvisor" ? [PROXY.cadvisor] : Object.values(PROXY);
      await withoutEffect(async () => {
        for (const port of ports) {
          const requests = everyRequest();
          const answers = await converse(
            stack.resource(client),
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

  it("answers the reads of each client at the client's port", async () => {
    const reads = [
      "/_ping",
      "/info",
      "/v1.41/version",
      "/images/json",
      "/containers/json",
      "/containers/json?all=1&limit=1000",
      `/containers/${target.id}/json`,
    ];
    const codes = async (port: number) => {
      const answers = await converse(
        stack.resource("cadvisor"),
        { host: "docker-proxy", port },
        reads.map((url) => [request("GET", url, undefined, ["Connection: close"])]),
      );
      return answers.map((answer) => statuses(answer)[0]);
    };
    expect(await codes(PROXY.cadvisor)).toEqual([200, 200, 200, 200, 403, 403, 200]);
    expect(await codes(PROXY.exporter)).toEqual([403, 200, 403, 403, 200, 200, 200]);
  });

  it("blocks requests that work through a socket mounted read-only", async () => {
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

  it("blocks attacks on its filter", async () => {
    const all = attacks(target);
    expect(all.length).toBeGreaterThan(60);
    await withoutEffect(async () => {
      const answers = await converse(
        stack.resource("cadvisor"),
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

  it("logs rejected requests, and no others", async () => {
    const log = await run("sh", ["-c", 'docker logs "$0" 2>&1', stack.resource("docker-proxy")]);
    expect(log).toMatch(/"uri":"\/swarm\/init".*"status":403/);
    expect(log).not.toMatch(/"status":2\d\d/);
    expect(log).not.toMatch(/"level":"error"/);
  });

  it("allows two of containerd's calls, where the host's socket allows all", async () => {
    if (!(await hasContainerdStore())) {
      // Where names do not come from containerd, no container mounts its socket.
      const { Mounts } = await inspect(stack.resource("docker-proxy"));
      expect(Mounts.map(({ Destination }) => Destination)).toEqual(["/var/run/docker.sock"]);
      return;
    }
    const pid = await docker("inspect", "--format", "{{.State.Pid}}", stack.resource("cadvisor"));
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
        const samples = await query(stack.prometheus, `container_last_seen{name=~"${late}|${target.name}"}`);
        expect(samples).toHaveLength(2);
      });
    } finally {
      await docker("rm", "-f", late);
    }
  }

  /** cAdvisor can lose the kernel log when it starts, and then starts again by itself, but not at once. */
  const readsKernelLog = () =>
    eventually(async () => {
      const cadvisor = stack.resource("cadvisor");
      const started = `until wget -q --spider http://127.0.0.1:${SERVERS.cadvisor.port}/healthz; do sleep 1; done; sleep 2`;
      const files = await docker("exec", cadvisor, "sh", "-c", `${started}; ls -l /proc/1/fd`);
      if (files.includes("/dev/kmsg")) return;
      await docker("restart", cadvisor);
      throw new Error("cAdvisor did not read the kernel log");
    });

  it("counts out-of-memory kills, in whole numbers, and has no sample of a container soon after its end", async () => {
    await readsKernelLog();
    const victim = await startContainer(
      "example/web:1",
      ["--memory", "16m", "--memory-swap", "16m"],
      ["sh", "-c", "while true; do dd if=/dev/zero of=/dev/null bs=64M count=1; sleep 1; done"],
    );
    const valueOf = async (promql: string) => Number((await query(stack.prometheus, promql))[0]?.value[1]);
    await eventually(async () => {
      expect(await valueOf(`container_oom_events_total{name="${victim}"}`)).toBeGreaterThan(0);
    });
    await docker("rm", "-f", victim);
    await eventually(async () => {
      // With the next scrape; without its stale markers, the samples would stay for five minutes.
      expect(await query(stack.prometheus, `{name="${victim}",job="cadvisor"}`)).toEqual([]);
      const kills = await valueOf(`last_over_time(container_oom_events_total{name="${victim}"}[10m])`);
      expect(kills).toBeGreaterThan(0);
      expect(await valueOf(`sum_over_time(container:oom_events:increase{name="${victim}"}[1h])`)).toBe(kills);
    });
  });

  it("lets a scrape measure all other containers while Docker does not answer for one", async () => {
    const stuck = await startContainer("example/stuck:1");
    const shim = await shimOf(stuck);
    process.kill(shim, "SIGSTOP");
    // This waits for the shim, and inspections of the container wait for this.
    const waiting = docker("kill", "--signal=USR1", stuck);
    try {
      await sleep(2000);
      const start = Date.now();
      const signal = AbortSignal.timeout(10_000);
      const page = await (await fetch(`${stack.cadvisor}/metrics?max_age=0s`, { signal })).text();
      const time = new RegExp(`^container_cpu_usage_seconds_total.*name="${target.name}".* (\\d{13})$`, "m");
      expect(Number(time.exec(page)?.[1])).toBeGreaterThanOrEqual(start);
    } finally {
      process.kill(shim, "SIGCONT");
      await waiting;
      await docker("rm", "-f", stuck);
    }
  });

  it("stops in order, and cAdvisor waits for it and goes on", async () => {
    const [proxy, cadvisor] = [stack.resource("docker-proxy"), stack.resource("cadvisor")];
    await docker("stop", "--time", "10", proxy);
    expect(await docker("inspect", "--format", "{{.State.ExitCode}}", proxy)).toBe("0");
    await docker("start", proxy);
    await named();
    await docker("stop", proxy);
    await docker("restart", "--time", "0", cadvisor);
    await docker("start", proxy);
    await named();
  });
});
