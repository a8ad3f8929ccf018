import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { load } from "js-yaml";
import type { Expectation } from "../../../probes/report";
import { settings, WITH_JOB_SECRETS } from "../../support/settings";
import { containerInputs, declare, declared, files, prometheusYml, runtime } from "../../support/declare";

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

test("cAdvisor measures when it is scraped, and by itself only once a minute", async () => {
  const { cadvisor } = await declare();
  expect(cadvisor["command"]).toEqual(
    expect.arrayContaining([
      "--max_procs=1",
      "--housekeeping_interval=60s",
      "--allow_dynamic_housekeeping=false",
      "--global_housekeeping_interval=30s",
    ]),
  );
});

test("cAdvisor collects garbage seldom, and within its memory limit", async () => {
  const { cadvisor } = await declare({ cadvisorMemory: "400MB" });
  expect(cadvisor).toMatchObject({ memory: 400, envs: ["GOGC=400", "GOMEMLIMIT=300MiB"] });
});

test("cAdvisor reports the CPU time of a container once, not per CPU, which doubles sums (google/cadvisor 3853)", async () => {
  const { cadvisor } = await declare();
  const groups = (cadvisor["command"] as string[]).find((flag) => flag.startsWith("--enable_metrics="));
  expect(groups).toMatch(/[=,]cpu(,|$)/);
  expect(groups).not.toContain("percpu");
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

test.each([
  // Its folder has the new socket after a restart of containerd.
  ["/run/docker/containerd/containerd.sock", "/run/docker/containerd", "/run/containerd"],
  // These folders have more than containerd's.
  ["/run/containerd.sock", "/run/containerd.sock", "/run/containerd/containerd.sock"],
  ["/run/c/other.sock", "/run/c/other.sock", "/run/containerd/containerd.sock"],
])(
  "where names come from containerd at %s, %s is mounted",
  async (containerdSocket, hostPath, containerPath) => {
    const { cadvisor } = await declare({}, { containerdSocket });
    expect(cadvisor["volumes"]).toContainEqual({ hostPath, containerPath, readOnly: true });
  },
);

test("on a host without the kernel log, cAdvisor starts without the device, and without the capability to read it", async () => {
  const { cadvisor } = await declare({}, { kernelLog: false });
  expect(cadvisor).not.toHaveProperty("devices");
  expect(cadvisor["capabilities"]).toEqual({ drops: ["ALL"] });
});

test("with SELinux, only the containers that read the host are not confined", async () => {
  const options = async (selinux: boolean, facts: Parameters<typeof declare>[1] = runtime) => {
    await declare({ dockerAccess: "proxy" }, { selinux, ...facts });
    return ["cadvisor", "docker-proxy", "exporter", "prometheus", "gateway"].map((name) =>
      (containerInputs(`${name}-container`)["securityOpts"] as string[]).includes("label=disable"),
    );
  };
  expect(await options(true)).toEqual([true, true, true, false, false]);
  expect(await options(true, {})).toEqual([true, true, false, false, false]);
  expect(await options(false)).toEqual([false, false, true, false, false]);
  await declare({}, { selinux: true });
  expect(containerInputs("exporter-container")["securityOpts"]).toContain("label=disable");
});

describe("A container that mounts Docker's socket", () => {
  /**
   * Runs the script of a container where its socket has a number of links, and returns whether the container ends by itself.
   *
   * @param kernelLog whether its program reads the kernel log; default: the host has none
   * @param age of the container, in seconds
   */
  async function ends(
    script: string,
    links: number,
    metrics = METRICS,
    kernelLog?: "read" | "not read",
    age = 5,
  ): Promise<boolean> {
    const folder = mkdtempSync(path.join(os.tmpdir(), "script-"));
    const log = path.join(folder, "kmsg");
    if (kernelLog) writeFileSync(log, "");
    const program = `${kernelLog === "read" ? `exec 9< ${log};` : ""} exec /bin/sleep 3`;
    const standIns = {
      stat: `[ "$2" = %h ] && echo ${links} || echo $(($(date +%s) - ${age}))`,
      sleep: "[ $1 -gt 1000 ] || exec /bin/sleep 0.$1; exec /bin/sleep 9",
      wget: metrics,
    };
    for (const [name, text] of Object.entries({
      ...standIns,
      cadvisor: program,
      caddy: program,
      node: program,
    }))
      writeFileSync(path.join(folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    writeFileSync(path.join(folder, "file"), "");
    const container = spawn("sh", ["-c", script.replaceAll("/dev/kmsg", log), path.join(folder, "file")], {
      env: { PATH: `${folder}:/usr/bin:/bin`, CONFIG: "{}" },
      stdio: "ignore",
      detached: true,
    });
    const [, signal] = (await once(container, "exit")) as [number | null, string | null];
    process.kill(-(container.pid ?? 0), "SIGKILL"); // Where a container ends, all of its processes do.
    rmSync(folder, { recursive: true });
    return signal === "SIGTERM";
  }
  const METRICS = `echo 'x{id="a",name="web"} "Name":"containerd"'`;
  const scripts = async (facts: Parameters<typeof declare>[1] = {}) => {
    await declare({}, { ...runtime, ...facts });
    const socket = [containerInputs("cadvisor-container"), containerInputs("exporter-container")];
    await declare({ dockerAccess: "proxy" }, { ...runtime, ...facts });
    const [cadvisor, exporter] = socket.map(
      (inputs) => ((inputs["entrypoints"] ?? inputs["command"]) as string[])[2] ?? "",
    );
    const proxy = (containerInputs("docker-proxy-container")["command"] as string[])[2] ?? "";
    return { cadvisor: cadvisor ?? "", exporter: exporter ?? "", proxy };
  };

  it("ends when the socket was removed, so that Docker starts it with the new one, and else goes on", async () => {
    const all = Object.values(await scripts());
    expect(await Promise.all(all.map((script) => ends(script, 0)))).toEqual([true, true, true]);
    expect(await Promise.all(all.map((script) => ends(script, 1)))).toEqual([false, false, false]);
  }, 30_000);

  it("ends as cAdvisor when no container has a name half a minute after its start", async () => {
    const { cadvisor } = await scripts();
    expect(await ends(cadvisor, 1, 'echo \'x{id="/",image="",name=""}\'')).toBe(true);
    expect(await ends(cadvisor, 1, "exit 1")).toBe(false); // It does not answer yet.
  }, 30_000);

  it("ends as cAdvisor when it does not read the kernel log, which it closes for good on an error", async () => {
    const { cadvisor } = await scripts();
    expect(await ends(cadvisor, 1, METRICS, "not read")).toBe(true);
    expect(await ends(cadvisor, 1, METRICS, "read")).toBe(false);
    expect(await ends(cadvisor, 1, METRICS, "not read", 31)).toBe(false); // It is looked at later, and seldom.
  }, 30_000);

  it("waits, as proxy of containerd, until Docker is connected to containerd again", async () => {
    const { proxy } = await scripts({ containerdSocket: "/run/containerd/containerd.sock" });
    const onlyContainerd = proxy.replace(/.*docker\.sock.*\n/, "");
    expect(await ends(onlyContainerd, 0)).toBe(true);
    expect(await ends(onlyContainerd, 0, 'echo \'"Name":"Engine"\'')).toBe(false);
  }, 30_000);
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

test("Prometheus scrapes and deletes nothing until its configuration was loaded: it does not start with the example in its image", async () => {
  const { prometheus } = await declare();
  const folder = mkdtempSync(path.join(os.tmpdir(), "prometheus-"));
  const file = path.join(folder, "prometheus.yml");
  const script = (prometheus["entrypoints"] as string[])[2] ?? "";
  const configurationAtStart = (before: string) => {
    writeFileSync(file, before);
    const shown = script.replaceAll("/etc/prometheus", folder).replace('prometheus "$@"', `cat ${file}`);
    return execFileSync("sh", ["-c", shown], { encoding: "utf8" });
  };
  expect(load(configurationAtStart("the example"))).toEqual({
    storage: { tsdb: { retention: { time: "100y" } } },
  });
  mkdirSync(path.join(folder, "applied"));
  expect(configurationAtStart("the stack's own")).toBe("the stack's own");
  rmSync(folder, { recursive: true });
});

test.each(["cadvisor", "prometheus", "gateway", "node-exporter"])(
  "%s has a health check, limits, bounded logs and comes back by itself",
  async (which) => {
    await declare();
    expect(containerInputs(`${which}-container`)).toMatchObject({
      healthcheck: { tests: expect.arrayContaining(["CMD"]) as unknown },
      memory: expect.any(Number) as unknown,
      memorySwap: expect.any(Number) as unknown,
      cpus: expect.any(String) as unknown,
      logOpts: { "max-size": "10m", "max-file": "3" },
      restart: "always",
    });
  },
);

test("no container has egress, unless the settings allow it to Prometheus", async () => {
  const internal = () =>
    declared
      .filter(({ type, name }) => type === "docker:index/network:Network" && name.endsWith("-network"))
      .map(({ inputs }) => [inputs["name"], inputs["internal"]]);
  const networksOf = (inputs: Record<string, unknown>) =>
    (inputs["networksAdvanced"] as { name: string }[]).map(({ name }) => name);

  const closed = await declare({
    scrapeJobs: [{ job_name: "vllm", static_configs: [{ targets: ["vllm:8000"] }] }],
  });
  expect(internal()).toEqual([
    ["llm-metrics-dev", true],
    ["llm-metrics-dev-gateway", undefined],
  ]);
  expect(networksOf(closed.prometheus)).toEqual(["llm-metrics-dev"]);

  const open = await declare({ outbound: true });
  expect(internal()).toEqual([
    ["llm-metrics-dev", true],
    ["llm-metrics-dev-outbound", false],
    ["llm-metrics-dev-gateway", undefined],
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
  expect(dev).toHaveLength(11);
  expect(dev.filter((name) => prod.includes(name))).toEqual([]);
});

test("the host label is the daemon's name unless the settings give one", async () => {
  const label = async (changes: object) => {
    const { configuration } = await declare(changes);
    return prometheusYml(configuration).scrape_configs[0]?.static_configs?.[0]?.labels?.["host"];
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

test("secrets of scrape jobs reach Prometheus by a secret standard input, and are in no other input", async () => {
  const job = { job_name: "vllm", static_configs: [{ targets: ["vllm:8000"] }] };
  const scrapeJobs = [{ ...job, authorization: { credentials: "hunter2" } }];
  const { configuration, stack } = await declare({ scrapeJobs }, {}, "dev", "", WITH_JOB_SECRETS);
  expect(configuration["stdin"]).toMatchObject({ value: expect.stringContaining("hunter2") as unknown });
  for (const { inputs } of declared.filter(({ name }) => !name.endsWith("-configuration")))
    expect(JSON.stringify(inputs)).not.toContain("hunter2");
  expect(JSON.stringify([stack.configuration.files, stack.configuration.config])).not.toContain("hunter2");
  expect((await declare({ scrapeJobs: [job] })).configuration["stdin"]).toEqual(expect.any(String));
});

test("a manual edit of the configuration makes the step run again that loads the declared one", async () => {
  const environment = async (edit?: string) =>
    (await declare({}, {}, "dev", edit)).configuration["environment"];
  expect(await environment()).not.toHaveProperty("CONFIGURATION_DRIFT");
  expect(await environment("+ manual edit")).toMatchObject({ CONFIGURATION_DRIFT: "+ manual edit" });
});

test("alerts about the monitoring are there without GPUs, and name the host", async () => {
  const { configuration } = await declare({ hostLabel: "rack-7" });
  expect(files(configuration)["rules.yml"]).toContain('host="rack-7"}[120s]');
});

test("the probe expects what is declared, and runs again when a container or the configuration changes", async () => {
  const { probe } = await declare();
  const expectation = JSON.parse(probe["stdin"] as string) as Expectation;
  expect(expectation).toMatchObject({
    cadvisorUrl: "http://127.0.0.1:8080",
    prometheusUrl: "http://127.0.0.1:23001",
    scrapeIntervalSeconds: 30,
    scrapeJobs: [],
    gpu: { measured: false },
  });
  expect(probe["triggers"]).toEqual([
    "llm-metrics-dev-cadvisor-container-id",
    "llm-metrics-dev-prometheus-container-id",
    "llm-metrics-dev-gateway-container-id",
    "llm-metrics-dev-exporter-container-id",
    "llm-metrics-dev-node-exporter-container-id",
  ]);
});
