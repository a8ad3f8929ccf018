import { Containers, MAX_STOPPED } from "../../../exporter/containers";
import type { ContainerInspection, ContainerSummary, DockerApi } from "../../../exporter/dockerApi";
import { humanDuration, parseStatus, secondsOf } from "../../../exporter/status";
import { CONTAINER_STATE_METRICS, EXPORTER_METRICS, LLM_SERVER_METRICS } from "../../../prometheus/catalogue";
import { containerId } from "../../support/emulatedExporter";
import { RunningExporter, values } from "../../support/runningExporter";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

describe("Docker's words for the state of a container", () => {
  it.each([
    ["Up 2 hours", { age: "2 hours", health: undefined }],
    ["Up Less than a second (health: starting)", { age: "Less than a second", health: "starting" }],
    ["Up About an hour (healthy)", { age: "About an hour", health: "healthy" }],
    ["Up 3 days (unhealthy)", { age: "3 days", health: "unhealthy" }],
    ["Up 5 minutes (Paused)", { age: "5 minutes", health: undefined }],
    ["Restarting (1) 3 seconds ago", { age: "3 seconds", health: undefined }],
    ["Exited (137) About a minute ago", { age: "About a minute", health: undefined }],
    ["Created", { age: "", health: undefined }],
    ["Removal In Progress", { age: "", health: undefined }],
  ])("%s", (text, status) => {
    expect(parseStatus(text)).toEqual(status);
  });

  it.each([
    [0.9, "Less than a second", 1],
    [1.9, "1 second", 1],
    [59.9, "59 seconds", 59],
    [119.9, "About a minute", 60],
    [120, "2 minutes", 120],
    [3599, "59 minutes", 3540],
    [5399, "About an hour", 3600],
    [5400, "2 hours", 7200],
    [171_000, "2 days", 172_800],
    [1_209_600, "2 weeks", 1_209_600],
    [5_184_000, "2 months", 5_184_000],
    [63_072_000, "2 years", 63_072_000],
  ])("%d seconds are %s", (seconds, words, about) => {
    expect(humanDuration(seconds)).toBe(words);
    expect(secondsOf(words)).toBe(about);
  });
});

describe("Metrics of the state of containers", () => {
  let exporter: RunningExporter;
  beforeEach(async () => {
    exporter = await new RunningExporter().start({ gpus: false });
  });
  afterEach(() => exporter.stop());

  const run = (name: string, state: object, pids = [11]) => ({
    name,
    image: "vllm/vllm-openai:v0.11.0",
    pids,
    state: { name: "running" as const, since: Date.now() - HOUR, ...state },
  });

  it("are those of the catalogue on a host without GPUs, and no others", async () => {
    exporter.docker.run([run("chat", { health: "healthy" }), run("job", { name: "exited" }), run("x", {})]);
    exporter.docker.hangsOn = "x";
    const names = [...(await exporter.scrape()).keys()].map((name) => name.split("{")[0]);
    const catalogue = { ...CONTAINER_STATE_METRICS, ...EXPORTER_METRICS, ...LLM_SERVER_METRICS };
    expect([...new Set(names)].sort()).toEqual(Object.keys(catalogue).sort());
  });

  it("report state, restarts, exit code, kills and health", async () => {
    exporter.docker.run([
      run("chat", { restarts: 2, health: "unhealthy" }),
      run("web", { name: "paused", health: "healthy" }),
      run("loop", { name: "restarting", since: Date.now() - 5000, restarts: 20, exitCode: 1 }),
      run("killed", { name: "exited", exitCode: 137, oomKilled: true }),
      run("new", { name: "created" }),
      run("unstartable", { name: "created", exitCode: 127 }),
    ]);
    const series = await exporter.scrape();
    expect(values(series, "container_state", "name", "state")).toEqual({
      "chat running": 1,
      "web paused": 1,
      "loop restarting": 1,
      "killed exited": 1,
      "new created": 1,
      "unstartable created": 1,
    });
    expect(values(series, "container_restarts_total", "name")).toMatchObject({ chat: 2, web: 0, loop: 20 });
    expect(values(series, "container_exit_code", "name")).toEqual({ loop: 1, killed: 137, unstartable: 127 });
    expect(values(series, "container_oom_killed", "name")).toMatchObject({ chat: 0, killed: 1 });
    expect(values(series, "container_health_status", "name", "status")).toEqual({
      "chat unhealthy": 1,
      "web healthy": 1,
    });
  });

  it("have cAdvisor's labels, also for a container without a process", async () => {
    exporter.docker.run([run("chat", { name: "exited" })]);
    const series = [...(await exporter.scrape()).keys()].find((name) => name.startsWith("container_state"));
    for (const label of [
      `id="/system.slice/docker-${containerId("chat")}.scope"`,
      'image="vllm/vllm-openai:v0.11.0"',
      'llm_server="vllm"',
    ])
      expect(series).toContain(label);
  });

  it("follow the health of a container that runs on, without another inspection", async () => {
    for (const health of ["starting", "healthy", "unhealthy"]) {
      exporter.docker.run([run("chat", { health })]);
      const series = await exporter.scrape();
      expect(values(series, "container_health_status", "status")).toEqual({ [health]: 1 });
    }
    expect(exporter.docker.requests.filter((line) => line.includes(containerId("chat")))).toHaveLength(1);
  });

  it("leave out containers that stopped more than a day ago", async () => {
    exporter.docker.run([
      run("today", { name: "exited", since: Date.now() - DAY + HOUR, created: 0 }),
      run("before", { name: "exited", since: Date.now() - DAY - 2 * HOUR }),
      run("never", { name: "created", since: Date.now() - 2 * DAY }),
    ]);
    expect(values(await exporter.scrape(), "container_state", "name")).toEqual({ today: 1 });
  });

  it("are limited to the containers that stopped last, and count those that are left out", async () => {
    const many = Array.from({ length: 2 * MAX_STOPPED }, (_, i) =>
      run(`job-${i}`, { name: "exited", since: Date.now() - (i + 1) * 60_000, created: i }),
    );
    exporter.docker.run([...many, run("chat", {})]);
    const series = await exporter.scrape();
    const reported = Object.keys(values(series, "container_state", "name"));
    expect(reported).toHaveLength(MAX_STOPPED + 1);
    expect(reported).toEqual(expect.arrayContaining(["chat", "job-0"]));
    expect(reported).not.toContain(`job-${2 * MAX_STOPPED - 1}`);
    expect(series.get("exporter_omitted_containers")).toBe(MAX_STOPPED);
    expect(exporter.docker.requests.filter((line) => /[0-9a-f]{64}/.test(line))).toHaveLength(
      reported.length,
    );
  });

  it("of other containers continue while Docker does not answer for one", async () => {
    exporter.docker.run([run("stuck", {}), run("chat", {})]);
    exporter.docker.hangsOn = "stuck";
    const series = await exporter.scrape();
    expect(values(series, "container_state", "name")).toEqual({ chat: 1 });
    expect(values(series, "gpu_exporter_errors_total", "stage", "reason")).toEqual({ "docker container": 1 });
  });
});

/** A daemon with one container, whose clock is the test's. */
class OneContainer {
  inspections = 0;
  constructor(public state: { name: "running" | "exited" | "restarting"; since: number; restarts: number }) {}

  docker = {
    info: () => Promise.resolve({}),
    containers: (): Promise<ContainerSummary[]> => {
      const age = humanDuration((Date.now() - this.state.since) / 1000);
      const texts = {
        running: `Up ${age}`,
        exited: `Exited (0) ${age} ago`,
        restarting: `Restarting (1) ${age} ago`,
      };
      const { name: State } = this.state;
      return Promise.resolve([{ Id: "a", Names: ["/chat"], Created: 0, State, Status: texts[State] }]);
    },
    inspect: () => {
      this.inspections++;
      const { name, since, restarts } = this.state;
      const at = new Date(since).toISOString();
      const State = { Status: name, Pid: 0, ExitCode: 0, OOMKilled: false, StartedAt: at, FinishedAt: at };
      const config = { Config: { Image: "a:1" }, HostConfig: {} };
      const inspection: ContainerInspection = {
        Id: "a",
        Name: "/chat",
        RestartCount: restarts,
        State,
        ...config,
      };
      return Promise.resolve(inspection);
    },
  } as unknown as DockerApi;
}

describe("A container that restarts between two scrapes", () => {
  const AGES = [0, 0.3, 0.9, 5, 29, 31, 61, 119, 1800, 5000, 86_400, 1e6, 1e7];
  const GAPS = [0.4, 1, 15, 30, 59, 61, 120, 290, 3000, 6000, 80_000];
  const start = Date.parse("2026-01-01T00:00:00.400Z");
  let now: number;
  beforeEach(() => {
    jest.spyOn(Date, "now").mockImplementation(() => now);
  });
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it.each(["running", "exited", "restarting"] as const)(
    "is inspected again, however old it was and however long ago the last scrape was: %s",
    async (name) => {
      for (const age of AGES)
        for (const gap of GAPS)
          for (const moment of [0, 0.01, 0.5, 0.99, 1]) {
            now = start;
            const host = new OneContainer({ name, since: now - age * 1000, restarts: 0 });
            const containers = new Containers(host.docker, "/nowhere");
            await containers.list(5);
            host.state = { name, since: now + gap * 1000 * moment, restarts: 1 };
            now += gap * 1000;
            const {
              containers: [container],
            } = await containers.list(5);
            expect([age, gap, moment, container?.state.restarts]).toEqual([age, gap, moment, 1]);
          }
    },
  );

  it("is the only one that is inspected again, but for those that have just started", async () => {
    now = start;
    const host = new OneContainer({ name: "running", since: now - 90_000, restarts: 0 });
    const containers = new Containers(host.docker, "/nowhere");
    for (let scrape = 0; scrape < 5; scrape++, now += 30_000) await containers.list(5);
    expect(host.inspections).toBe(1);
  });
});
