import { writeFile } from "node:fs/promises";
import { restartDaemon } from "../support/daemonControl";
import { docker, inspect } from "../support/docker";
import { eventually } from "../support/eventually";
import { query } from "../support/prometheus";
import { Stack, succeeded } from "../support/stack";

let stack: Stack;
/** Timestamp of the first sample of the stack. */
let first: number;
beforeAll(async () => {
  stack = await Stack.create({ scrapeInterval: "1s" });
  await succeeded(stack.up());
  await eventually(async () => {
    await freshSamples();
    first = await oldestSample();
    expect(first).toBeGreaterThan(0);
  });
});
afterAll(() => stack.remove());

async function oldestSample(): Promise<number> {
  const [oldest] = await query(
    stack.prometheus,
    'min(min_over_time(timestamp(up{job="prometheus"})[1h:1s]))',
  );
  return Number(oldest?.value[1]);
}

/** Every job is up, by samples of the last two scrapes. */
async function freshSamples(): Promise<void> {
  const fresh = await query(stack.prometheus, "time() - timestamp(up) < 2.5 and up == 1");
  expect(fresh.map(({ metric }) => metric["job"]).sort()).toEqual([
    ...["cadvisor", "exporter", "gateway", "host", "prometheus"],
  ]);
}

/** Samples from before are there, and new ones come. */
async function goesOn(): Promise<void> {
  await eventually(freshSamples);
  expect(await oldestSample()).toBe(first);
}

type Which = "cadvisor" | "gateway" | "prometheus";
const pidOf = async (which: Which) =>
  Number(await docker("inspect", "--format", "{{.State.Pid}}", stack.resource(which)));

/** Makes the kernel kill the container's own process for memory, by another process in the same container that allocates too much. */
async function killForMemory(which: Which): Promise<void> {
  await writeFile(`/proc/${await pidOf(which)}/oom_score_adj`, "1000");
  await docker(
    "exec",
    stack.resource(which),
    "/bin/busybox",
    "dd",
    "if=/dev/zero",
    "of=/dev/null",
    "bs=2000M",
    "count=1",
  ).catch(() => undefined);
}

describe.each(["cadvisor", "gateway", "prometheus"] as const)("%s", (which) => {
  test.each([
    ["killed", async () => process.kill(await pidOf(which), "SIGKILL")],
    ["killed for memory", () => killForMemory(which)],
  ])("that was %s comes back by itself", async (_, disturb) => {
    const { State: before } = await inspect(stack.resource(which));
    await disturb();
    await eventually(async () => {
      const { State: after } = await inspect(stack.resource(which));
      expect(after.Running && after.StartedAt !== before.StartedAt).toBe(true);
    });
    await goesOn();
  });
});

const stop = (name: string) => docker("stop", name);
const remove = (name: string) => docker("rm", "-f", name);
const pause = (name: string) => docker("pause", name);

// In three rounds, each container is stopped, removed and paused once.
test.each([
  ["stopped, removed and paused", stop, remove, pause],
  ["paused, stopped and removed", pause, stop, remove],
  ["removed, paused and stopped", remove, pause, stop],
])("cadvisor, gateway and prometheus that were %s are repaired by one update", async (_, ...disturbances) => {
  for (const [i, which] of (["cadvisor", "gateway", "prometheus"] as const).entries())
    await disturbances[i]?.(stack.resource(which));
  await succeeded(stack.repairAndUp());
  await goesOn();
  await succeeded(stack.preview("--expect-no-changes", "--refresh"));
});

test.each(["SIGTERM", "SIGKILL"] as const)(
  "after the daemon ended by %s, everything comes back by itself",
  async (signal) => {
    await restartDaemon(signal);
    await goesOn();
    await succeeded(stack.preview("--expect-no-changes", "--refresh"));
  },
);

test("a network that was removed is repaired by the next update", async () => {
  const network = `llm-metrics-${stack.name}`;
  const names = await docker(
    "network",
    "inspect",
    "--format",
    "{{range .Containers}}{{.Name}} {{end}}",
    network,
  );
  for (const name of names.trim().split(" ")) await docker("network", "disconnect", "--force", network, name);
  await docker("network", "rm", network);
  await succeeded(stack.repairAndUp());
  await goesOn();
});

const network = () => `llm-metrics-${stack.name}`;
const disconnect = (from: string, which: Which) =>
  docker("network", "disconnect", from, stack.resource(which));

test("containers that were disconnected from their networks, or lost their alias there, are reconnected by the next update, and run on", async () => {
  const idOf = async (which: Which) => (await inspect(stack.resource(which))).Id;
  const ids = () => Promise.all((["cadvisor", "gateway", "prometheus"] as const).map(idOf));
  const before = await ids();
  await disconnect(network(), "prometheus");
  await disconnect(network(), "cadvisor");
  await docker("network", "connect", network(), stack.resource("cadvisor"));
  await disconnect((await published()) ?? "", "gateway");
  expect(await succeeded(stack.repairAndUp())).toContain("ok: the target cadvisor is up");
  await goesOn();
  await succeeded(stack.preview("--expect-no-changes", "--refresh"));
  expect(await ids()).toEqual(before);
});

/** The gateway's network that is not the stack's: its ports are published on it. */
async function published(): Promise<string | undefined> {
  const networks = await docker(
    ...["inspect", "--format", "{{json .NetworkSettings.Networks}}", stack.resource("gateway")],
  );
  return Object.keys(JSON.parse(networks) as object).find((name) => name !== network());
}

test("a container that was stopped and disconnected from its network is repaired by one update", async () => {
  await docker("stop", stack.resource("prometheus"));
  await disconnect(network(), "prometheus");
  await succeeded(stack.repairAndUp());
  await goesOn();
  await succeeded(stack.preview("--expect-no-changes", "--refresh"));
});
