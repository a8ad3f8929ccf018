import type { Answers } from "../../../dashboard/answers";
import type { PrometheusAlert } from "../../../dashboard/api";
import { sparklineGrid } from "../../../dashboard/answers";
import { byProject, isFailed, matches, sorted, type Container } from "../../../dashboard/containers";
import { overview } from "../../../dashboard/overview";
import { last } from "../../../dashboard/tagged";

const NOW = 1_790_000_000;
const GIB = 1024 ** 3;
const grid = sparklineGrid(NOW);

const sample = (field: string, labels: Record<string, string>, value: number) => ({
  metric: { field, ...labels },
  value: [NOW, String(value)] as [number, string],
});
/** A series of the last 10 minutes. */
const range = (field: string, labels: Record<string, string>, ...values: number[]) => ({
  metric: { field, ...labels },
  values: values.map((value, at): [number, string] => [NOW - 300 * (values.length - 1 - at), String(value)]),
});
const container = (name: string, labels = {}) => ({
  id: `/docker/${name}`,
  name,
  image: `example/${name}:1`,
  job: "cadvisor",
  ...labels,
});
const up = (job: string, value = 1) => sample("targets", { job, instance: `${job}:1`, host: "llm-1" }, value);
const ages = ["cadvisor", "prometheus", "exporter"].map((job) =>
  sample("age", { job, instance: `${job}:1` }, 4),
);
const alert = (labels: Record<string, string>, annotations = {}): PrometheusAlert => ({
  labels,
  annotations: { summary: `about ${labels["name"] ?? ""}`, ...annotations },
  state: "firing",
  activeAt: new Date((NOW - 60) * 1000).toISOString(),
});
const watchdog = alert({ alertname: "Watchdog", severity: "none" });

const shownAnswers: Answers = {
  grid,
  descriptions: [
    up("cadvisor"),
    up("prometheus"),
    up("exporter"),
    sample("containers", container("chat", { llm_server: "vllm" }), NOW - 7200),
    sample("containers", container("web", { compose_project: "shop" }), NOW - 60),
    sample("gpus", { gpu: "10", gpu_uuid: "GPU-b", gpu_model: "H100" }, 1),
    sample("gpus", { gpu: "2", gpu_uuid: "GPU-a", gpu_model: "H100" }, 1),
    sample("containerGpus", { ...container("chat"), gpu: "2", gpu_uuid: "GPU-a", allocation: "cdi" }, 1),
    sample("containerGpus", { ...container("chat"), gpu: "10", gpu_uuid: "GPU-b", allocation: "cdi" }, 1),
    sample("containerGpus", { ...container("web"), gpu: "2", gpu_uuid: "GPU-a", allocation: "none" }, 1),
    sample("driverUp", { job: "exporter" }, 1),
  ],
  now: [
    ...ages,
    sample("memoryLimit", { id: "/docker/chat" }, 8 * GIB),
    sample("memoryLimitUsed", { id: "/docker/chat" }, 0.5),
    sample("health", { id: "/docker/chat" }, 1),
    sample("health", { id: "/docker/web" }, 0),
    sample("gpu.memoryTotal", { gpu_uuid: "GPU-a" }, 80 * GIB),
    sample("gpu.hostMemory", { gpu_uuid: "GPU-a" }, GIB),
    sample("containerGpu.idle", { id: "/docker/chat", gpu_uuid: "GPU-b" }, 1),
  ],
  containers: [
    range("cpu", { id: "/docker/chat" }, 1, 2),
    range("memory", { id: "/docker/chat" }, 3 * GIB, 4 * GIB),
  ],
  others: [
    range("gpu.memory", { gpu_uuid: "GPU-a" }, 40 * GIB, 41 * GIB),
    range("containerGpu.memory", { id: "/docker/chat", gpu_uuid: "GPU-a" }, 30 * GIB),
    range("containerGpu.memory", { id: "/docker/web", gpu_uuid: "GPU-a" }, 9.5 * GIB),
    // Between two points of the sparkline, it was used.
    range("containerGpu.use", { id: "/docker/chat", gpu_uuid: "GPU-a" }, 0, 0),
    range("containerGpu.use", { id: "/docker/chat", gpu_uuid: "GPU-b" }, 0, 0),
  ],
  alerts: [watchdog],
  targets: [],
};
const shown = (changes: Partial<Answers> = {}) => overview({ ...shownAnswers, ...changes });
const named = (name: string, changes?: Partial<Answers>) =>
  shown(changes).containers.find((one) => one.name === name);
const texts = (changes: Partial<Answers>) => shown(changes).notices.map(({ text }) => text);

describe("First screen", () => {
  it("joins a container's series by its id, and leaves missing values undefined", () => {
    const chat = named("chat");
    expect(chat).toMatchObject({
      llmServer: "vllm",
      memoryLimit: 8 * GIB,
      health: "healthy",
      oomKills: 0,
      gpus: [{ gpu: "2" }, { gpu: "10" }],
    });
    expect([last(chat?.cpu), last(chat?.memory)]).toEqual([2, 4 * GIB]);
    const web = named("web");
    expect(web).toMatchObject({ health: "unhealthy or starting", cpu: undefined, memoryLimit: undefined });
  });

  it("takes health from Docker where the exporter has it, and lists containers that do not run", () => {
    const { containers } = shown({
      descriptions: [
        up("cadvisor"),
        sample("containers", container("chat"), NOW - 7200),
        sample("health", { id: "/docker/chat", status: "starting" }, 1),
        sample("notRunning", container("job", { state: "exited", job: "exporter" }), 1),
        sample("notRunning", container("crashy", { state: "restarting", job: "exporter" }), 1),
      ],
      now: [
        sample("health", { id: "/docker/chat" }, 0),
        sample("exitCode", { id: "/docker/job" }, 0),
        sample("exitCode", { id: "/docker/crashy" }, 137),
        sample("oomKilled", { id: "/docker/crashy" }, 1),
      ],
    });
    expect(
      containers.map(({ name, health, started, stopped }) => ({ name, health, started, stopped })),
    ).toEqual([
      { name: "chat", health: "starting", started: NOW - 7200, stopped: undefined },
      {
        name: "job",
        health: "no health check",
        started: undefined,
        stopped: { state: "exited", exitCode: 0, oomKilled: false },
      },
      {
        name: "crashy",
        health: "no health check",
        started: undefined,
        stopped: { state: "restarting", exitCode: 137, oomKilled: true },
      },
    ]);
    expect(sorted(containers, "importance", "descending").map(({ name }) => name)).toEqual([
      "crashy",
      "chat",
      "job",
    ]);
  });

  it("adds up the parts of a GPU's memory to all that is used", () => {
    const [gpu] = shown().gpus;
    expect(gpu?.parts.map(({ label, bytes }) => [label, bytes / GIB])).toEqual([
      ["chat", 30],
      ["web", 9.5],
      ["processes of the host", 1],
      ["the driver", 0.5],
    ]);
  });

  it("names the MIG devices of a GPU, in which its memory is used", () => {
    const { gpus } = shown({
      descriptions: [
        ...shownAnswers.descriptions,
        sample("gpus", { gpu: "2:0", gpu_uuid: "MIG-a", gpu_model: "H100 1g.10gb" }, 1),
      ],
      others: [
        range("gpu.memory", { gpu_uuid: "GPU-a" }, 41 * GIB),
        range("gpu.memory", { gpu_uuid: "GPU-b" }, 41 * GIB),
        range("gpu.memory", { gpu_uuid: "MIG-a" }, 0.25 * GIB),
      ],
    });
    expect(gpus.map(({ gpu, parts }) => [gpu, parts.map(({ label }) => label)])).toEqual([
      ["2", ["processes of the host", "its MIG devices"]],
      ["2:0", ["the driver"]],
      ["10", ["not accounted for"]],
    ]);
  });

  it("takes the host's name from cAdvisor's target, not from one of a user's own job", () => {
    const other = sample("targets", { job: "others", instance: "others:1", host: "llm-2" }, 1);
    expect(shown({ descriptions: [other, ...shownAnswers.descriptions] }).host.name).toBe("llm-1");
  });

  it.each([
    ["exited", 0, false, false],
    ["exited", 143, false, false],
    ["exited", 137, false, false],
    ["exited", 130, false, false],
    ["created", 0, false, false],
    ["removing", 0, false, false],
    ["exited", 1, false, true],
    ["exited", 137, true, true],
    ["exited", 139, false, true],
    ["created", 127, false, true],
    ["restarting", 0, false, true],
    ["dead", 0, false, true],
  ])("judges %s (%d), killed for memory: %j, as a failure: %j", (state, exitCode, oomKilled, failed) => {
    expect(isFailed({ stopped: { state, exitCode, oomKilled } })).toBe(failed);
  });

  it("shows no memory of 0 where the kernel does not account for it", () => {
    const { descriptions } = shownAnswers;
    const zero = [range("memory", { id: "/docker/chat" }, 0, 0)];
    const reason = sample("unavailable", { metric: "container_memory_*", reason: "cgroup_enable=memory" }, 1);
    expect(last(named("chat", { containers: zero })?.memory)).toBe(0);
    expect(
      named("chat", { containers: zero, descriptions: [...descriptions, reason] })?.memory,
    ).toBeUndefined();
  });

  it("orders GPUs by number, and names containers that do not use an allocated one", () => {
    const { gpus } = shown();
    expect(gpus.map(({ gpu, idle }) => [gpu, idle.map(({ name }) => name)])).toEqual([
      ["2", []],
      ["10", ["chat"]],
    ]);
  });

  it("lists firing alerts, the worst first, with their containers, and links only to the web", () => {
    const { alerts, containers } = shown({
      alerts: [
        watchdog,
        { ...alert({ alertname: "Pending", severity: "critical" }), state: "pending" },
        alert({ alertname: "Low", severity: "warning", name: "web" }, { runbook_url: "javascript:alert(1)" }),
        alert(
          { alertname: "High", severity: "critical" },
          { runbook_url: "https://runbooks.example.org/#high" },
        ),
      ],
    });
    expect(alerts.map(({ name, runbook }) => [name, runbook?.href])).toEqual([
      ["High", "https://runbooks.example.org/#high"],
      ["Low", undefined],
    ]);
    expect(containers.find(({ name }) => name === "web")?.alerts).toEqual([alerts[1]]);
  });
});

describe("What is missing on the page", () => {
  const { descriptions } = {
    descriptions: [up("cadvisor"), up("prometheus"), sample("containers", container("chat"), NOW)],
  };

  it("is nothing where everything responds", () => {
    expect(texts({})).toEqual([]);
  });

  it.each([
    [
      "a target that is down, with the error",
      [up("prometheus"), up("cadvisor", 0)],
      [/^cAdvisor is down.*\(connection refused\)/],
    ],
    ["no names", [up("cadvisor"), up("prometheus")], [/lists no container by name/]],
    ["no samples", [], [/no sample of the last five minutes/]],
    ["a driver that is down", [...descriptions, sample("driverUp", {}, 0)], [/driver does not respond/]],
    [
      "a Docker that does not answer",
      [...descriptions, sample("dockerUp", {}, 0)],
      [/Docker does not answer the exporter/],
    ],
    [
      "metrics of the host, with the reason",
      [
        ...descriptions,
        sample("unavailable", { metric: "container_fs_usage_bytes", reason: "containerd" }, 1),
        sample("unavailable", { metric: "container_fs_limit_bytes", reason: "containerd" }, 1),
      ],
      [/: container_fs_usage_bytes, container_fs_limit_bytes \(containerd\)\.$/],
    ],
  ])("is %s", (_, samples, expected) => {
    const targets = [
      {
        labels: { job: "cadvisor", instance: "cadvisor:1" },
        health: "down" as const,
        lastError: "connection refused",
      },
    ];
    expect(texts({ descriptions: samples, targets })).toEqual(
      expected.map((text) => expect.stringMatching(text) as string),
    );
  });

  it("is the newest samples, where Prometheus ingests no more", () => {
    const old = [sample("age", { job: "cadvisor", instance: "cadvisor:1" }, 200)];
    expect(texts({ descriptions, now: old })).toEqual([expect.stringMatching(/no sample for 3 min 20 s/)]);
  });

  it("is the alerts, where the Watchdog does not fire", () => {
    expect(texts({ alerts: [] })).toEqual([
      expect.stringMatching(/evaluates no alert.*, or the alert Watchdog is disabled/),
    ]);
  });
});

describe("Table of containers", () => {
  const containers = (...changes: Partial<Container>[]): Container[] =>
    changes.map((change, n) => ({
      ...(named("web") as Container),
      name: `c${n}`,
      health: "healthy",
      ...change,
    }));
  const cpu = (value: number) => ({ cpu: { values: [value] } });
  const names = (all: readonly Container[]) => all.map(({ name }) => name);

  it("sorts by a column in both directions, with what is unknown last", () => {
    const all = containers(cpu(1), { cpu: undefined }, cpu(3), cpu(2));
    expect(names(sorted(all, "cpu", "descending"))).toEqual(["c2", "c3", "c0", "c1"]);
    expect(names(sorted(all, "cpu", "ascending"))).toEqual(["c0", "c3", "c2", "c1"]);
    expect(names(sorted(containers({ name: "b10" }, { name: "b9" }), "name", "ascending"))).toEqual([
      "b9",
      "b10",
    ]);
  });

  it("begins with what needs attention", () => {
    const [firing] = shown({ alerts: [alert({ alertname: "A", severity: "critical" })] }).alerts;
    const all = containers(
      cpu(60),
      { oomKills: 1 },
      { health: "unhealthy" },
      { alerts: firing ? [firing] : [] },
    );
    expect(names(sorted(all, "importance", "descending"))).toEqual(["c3", "c2", "c1", "c0"]);
  });

  it("finds every word in names, images and projects", () => {
    const [web] = containers({ name: "web", image: "example/shop:1", project: "Shop" });
    const found = ["", "WEB", "shop example", "web  :1", "webs", "web none"].map(
      (search) => web && matches(web, search),
    );
    expect(found).toEqual([true, true, true, true, false, false]);
  });

  it("groups by Compose project, with those without one last", () => {
    const groups = byProject(
      containers({ project: "" }, { project: "b" }, { project: "a" }, { project: "b" }),
    );
    expect(groups.map(([project, members]) => [project, names(members)])).toEqual([
      ["b", ["c1", "c3"]],
      ["a", ["c2"]],
      ["", ["c0"]],
    ]);
  });
});
