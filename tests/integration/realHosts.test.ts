import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { buildShellImage } from "../../airgap/images";
import { cut } from "../../lib/labels";
import { run } from "../../lib/run";
import { reasonsForGaps } from "../../probes/containers";
import type { ProbeReport } from "../../probes/report";
import { REQUIRED_LABELS, REQUIRED_METRICS } from "../../prometheus/catalogue";
import { docker, DOCKER_HOST, inspect, shimOf } from "../support/docker";
import { eventually } from "../support/eventually";
import { query, type Sample } from "../support/prometheus";
import { Stack, succeeded, WITH_POLICIES } from "../support/stack";

const IMAGE = "example/web:1";
const PREFIX = `real-${randomBytes(3).toString("hex")}`;
const named = (name: string) => `${PREFIX}-${name}`;

/** A reference as long as Docker accepts: 255 characters of the registry and the repository, and a tag of 128. */
const LONGEST_IMAGE = `example/${"i".repeat(237)}:${"t".repeat(128)}`;
const LONG_NAME = named("n".repeat(240));
const FOUR_KB = "x".repeat(4096);
const ORDINARY = 40;
const CRASH_LOOPS = 3;
const RESTARTS = 20;
/** Fails again and again; each seventh time after 10 s, so that Docker does not wait longer and longer before a restart. */
const LOOP = "n=$(cat /runs || echo 0); echo $((n + 1)) > /runs; [ $((n % 7)) != 6 ] || sleep 10.5; exit 4";

/** Containers that run, and whose series must be complete; options by name. */
const WELL_BEHAVED: Record<string, string[]> = {
  db: [],
  // `docker ps` lists db as `web/db` as well (field case A6).
  web: ["--link", `${named("db")}:db`],
  "many-labels": [...Array(500).keys()].flatMap((n) => ["--label", `label.${n}=${"v".repeat(20)}`]),
  "long-labels": [
    ...["com.docker.compose.project", "com.docker.compose.service", "llm-metrics.server", "other"].flatMap(
      (label) => ["--label", `${label}=${FOUR_KB}`],
    ),
  ],
  unicode: [
    ...["--label", `com.docker.compose.project=${"😀".repeat(300)}`],
    ...["--label", 'com.docker.compose.service=Grüße "\\n" \n 世界', "--label", "标签=值"],
  ],
  // As many as 56 MIG devices (field case A3).
  "many-gpus": ["--env", `NVIDIA_VISIBLE_DEVICES=${"a".repeat(2001)}`],
  "host-network": ["--network", "host"],
  "no-network": ["--network", "none"],
  "shared-network": ["--network", `container:${named("db")}`],
  paused: [],
  zombie: [],
  // Not here: a privileged container, which the machine of the tests does not allow (no CAP_SYS_RESOURCE).
};

let stack: Stack;
let report: ProbeReport;
let output: string;
let zombieShim: number | undefined;
const churn = { stopped: false, started: 0, done: Promise.resolve() };

/** Runs a container in the background. A start that fails is an error of this test. */
const start = (name: string, options: string[], command: string[] = [], image = IMAGE) =>
  docker("run", "-d", "--name", name, ...options, image, ...command);

/** Starts a container every 2 s that lives for 8 s (field case A5). */
async function startShortLived(): Promise<void> {
  while (!churn.stopped) {
    await start(named(`short-${churn.started++}`), ["--rm"], ["sleep", "8"]);
    await sleep(2000);
  }
}

/** Docker doubles the delay before each restart, up to a minute. */
async function backedOff(name: string): Promise<void> {
  await eventually(async () => {
    const state = await docker("inspect", "--format", "{{.State.Status}} {{.RestartCount}}", name);
    const [what, restarts] = state.split(" ");
    expect(what).toBe("restarting");
    expect(Number(restarts)).toBeGreaterThanOrEqual(7);
  });
}

/** Makes a container one that Docker has failed to remove: a file in its folder cannot be deleted. */
async function makeDead(name: string): Promise<void> {
  const file = await docker("inspect", "--format", "{{.HostnamePath}}", name);
  await run("chattr", ["+i", file]);
  await expect(docker("rm", "-f", name)).rejects.toThrow(path.basename(file));
  await run("chattr", ["-i", file]);
}

/**
 * Makes the process of a container a zombie: its shim, which would reap it, is stopped. Docker lists the container as running.
 *
 * @returns the pid of the shim
 */
async function makeZombie(name: string): Promise<number> {
  const { Pid: pid } = (await inspect(name)).State;
  const shim = await shimOf(name);
  process.kill(shim, "SIGSTOP");
  process.kill(pid, "SIGKILL");
  return shim;
}

beforeAll(async () => {
  await buildShellImage(IMAGE, DOCKER_HOST);
  await docker("tag", IMAGE, LONGEST_IMAGE);
  for (let n = 0; n < CRASH_LOOPS; n++)
    await start(named(`crashy-${n}`), ["--restart=always"], ["sh", "-c", `exit ${n + 1}`]);
  for (const [name, options] of Object.entries(WELL_BEHAVED)) await start(named(name), options);
  await start(LONG_NAME, []);
  await start(named("longest-image"), [], [], LONGEST_IMAGE);
  for (let n = 0; n < ORDINARY; n++) await start(named(`ordinary-${n}`), []);
  await start(named("exited"), [], ["sh", "-c", "exit 3"]);
  await docker("create", "--name", named("created"), IMAGE);
  await docker("pause", named("paused"));
  await start(named("dead"), []);
  await makeDead(named("dead"));
  zombieShim = await makeZombie(named("zombie"));
  for (let n = 0; n < CRASH_LOOPS; n++) await backedOff(named(`crashy-${n}`));
  await start(named("looped"), [`--restart=on-failure:${RESTARTS}`], ["sh", "-c", LOOP]);

  stack = await Stack.create();
  churn.done = startShortLived();
  output = await succeeded(stack.up(...WITH_POLICIES));
  ({ probeReport: report } = await stack.outputs<{ probeReport: ProbeReport }>());
});

afterAll(async () => {
  churn.stopped = true;
  await churn.done;
  if (zombieShim) process.kill(zombieShim, "SIGCONT");
  // Docker refuses this while it removes one of them, which has just ended.
  await eventually(async () => {
    const mine = await docker("ps", "--all", "--quiet", "--filter", `name=^/${PREFIX}`);
    if (mine) await docker("rm", "-f", ...mine.split("\n"));
  });
  await docker("rmi", LONGEST_IMAGE);
  await stack.remove();
});

const wellBehaved = () => [
  ...Object.keys(WELL_BEHAVED).map(named),
  ...[...Array(ORDINARY).keys()].map((n) => named(`ordinary-${n}`)),
  named("longest-image"),
  LONG_NAME,
];

/** The samples of the containers of this test, by the label `name`. */
async function samplesByName(): Promise<Map<string, Sample[]>> {
  const result = new Map<string, Sample[]>();
  for (const sample of await query(stack.prometheus, `{job="cadvisor",name=~"${PREFIX}-.+"}`)) {
    const name = sample.metric["name"] ?? "";
    result.set(name, [...(result.get(name) ?? []), sample]);
  }
  return result;
}

describe("A deploy on a host with broken, odd and short-lived containers", () => {
  it("succeeds", () => {
    expect(output).not.toContain("error:");
    expect(churn.started).toBeGreaterThan(5);
  });

  it("copes with a container that Docker cannot remove, and with one whose first process is a zombie", async () => {
    const states = [
      "inspect",
      "--format",
      "{{.State.Status}} {{.State.Pid}}",
      named("dead"),
      named("zombie"),
    ];
    const [dead, zombie = ""] = (await docker(...states)).split("\n");
    expect(dead).toBe("dead 0");
    const [status, pid = ""] = zombie.split(" ");
    expect([status, await readFile(`/proc/${pid}/stat`, "utf8")]).toEqual([
      "running",
      expect.stringContaining(") Z "),
    ]);
  });

  it("stores the complete series of every well-behaved container", async () => {
    const required = Object.keys(REQUIRED_METRICS);
    const samples = await samplesByName();
    for (const name of wellBehaved()) {
      const own = samples.get(cut(name)) ?? [];
      expect([name, own.map(({ metric }) => metric["__name__"])]).toEqual([
        name,
        expect.arrayContaining(required),
      ]);
      for (const { metric } of own) for (const label of REQUIRED_LABELS) expect(metric[label]).toBeTruthy();
    }
  });

  it("keeps the target cadvisor up", async () => {
    // The first scrape can come before cAdvisor listens.
    const up = 'up{job="cadvisor"} == 1 and changes(up{job="cadvisor"}[5m]) <= 1';
    expect(await query(stack.prometheus, up)).toHaveLength(1);
  });

  it("cuts long labels, and stores no label that is not documented", async () => {
    const samples = await samplesByName();
    const labels = (name: string) => samples.get(cut(named(name)))?.[0]?.metric ?? {};
    expect(labels("long-labels")).toMatchObject({
      compose_project: cut(FOUR_KB),
      compose_service: cut(FOUR_KB),
      llm_server: cut(FOUR_KB),
    });
    expect(labels("unicode")).toMatchObject({
      compose_project: "😀".repeat(200),
      compose_service: 'Grüße "\\n" \n 世界',
    });
    expect(labels("many-gpus")).toMatchObject({ nvidia_visible_devices: "a".repeat(200) });
    expect(labels("longest-image")).toMatchObject({ image: cut(LONGEST_IMAGE) });
    expect(Object.keys(labels("many-labels"))).toHaveLength(Object.keys(labels("ordinary-0")).length);
  });

  it("reports the containers that crash, and no well-behaved one", () => {
    const [listed = "", complete = ""] = ["listed by name", "required metrics"].map(
      (name) => report.findings.find(({ check }) => check.includes(name))?.actual,
    );
    expect(listed).toMatch(/^\d+ of \d+ containers are not listed: /);
    for (let n = 0; n < CRASH_LOOPS; n++)
      expect(listed).toMatch(
        new RegExp(`${named(`crashy-${n}`)} \\((restarting, exit status ${n + 1}|started \\d+ s ago)`),
      );
    for (const name of wellBehaved()) expect(listed).not.toContain(`${cut(name)} (`);
    expect(complete).not.toContain("incomplete");
    expect(output).toContain("note: every running container is listed by name");
  });

  it("counts the restarts of a crash loop as Docker does, also those that no scrape saw", async () => {
    const restarts = async (name: string) =>
      (await query(stack.prometheus, `container_restarts_total{name="${name}"}`)).map(
        ({ value }) => value[1],
      );
    await eventually(async () => {
      expect(
        await query(stack.prometheus, `container_state{name="${named("looped")}",state="exited"}`),
      ).toHaveLength(1);
    });
    expect(await docker("inspect", "--format", "{{.RestartCount}}", named("looped"))).toBe(String(RESTARTS));
    expect(await restarts(named("looped"))).toEqual([String(RESTARTS)]);
  });

  it("reports the state and the exit code of containers that do not run", async () => {
    const samples = async (promql: string, label: string) =>
      Object.fromEntries<string | undefined>(
        (await query(stack.prometheus, promql)).map(({ metric, value }) => [
          metric["name"] ?? "",
          metric[label] ?? value[1],
        ]),
      );
    expect(await samples(`container_state{name=~"${PREFIX}.*"}`, "state")).toMatchObject({
      [named("exited")]: "exited",
      [named("created")]: "created",
      [named("paused")]: "paused",
      [named("ordinary-0")]: "running",
    });
    expect(await samples(`container_exit_code{name=~"${PREFIX}.*"}`, "")).toMatchObject({
      [named("exited")]: "3",
      [named("looped")]: "4",
    });
  });

  it("finds the reason of each gap while containers end", async () => {
    const gap = (id: string) => ({ container: { id, name: id.slice(0, 4), environment: "" }, missing: "?" });
    const running = await docker("inspect", "--format", "{{.Id}}", named("ordinary-0"));
    const reasons = await reasonsForGaps([gap("0f".repeat(32)), gap(running)], Date.now(), 30);
    expect(reasons).toEqual([expect.objectContaining({ name: running.slice(0, 4), mayClose: true })]);
  });
});
