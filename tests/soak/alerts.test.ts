import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { buildShellImage } from "../../airgap/images";
import { configureRuntime, DAEMON_FOLDER } from "../support/daemonControl";
import { docker, DOCKER_HOST, inspect, startContainer } from "../support/docker";
import { GpuHost } from "../support/emulatedDriver/gpuHost";
import { gpuUuid, h100 } from "../support/emulatedDriver/host";
import { eventually } from "../support/eventually";
import { OutsideHost } from "../support/outsideHost";
import { query } from "../support/prometheus";
import { Stack, succeeded } from "../support/stack";
import { WebhookReceiver } from "../support/webhookReceiver";

const MINUTES = 15;
const PLAIN = 12;

const gpuHost = GpuHost.at(path.join(DAEMON_FOLDER, "gpu"));
const H100_MIB = 81_559;
let outside: OutsideHost;
let receiver: WebhookReceiver;
let stack: Stack;
const containers: string[] = [];

/** Starts a container that stays until the end. */
async function start(image: string, options: string[] = [], command: string[] = []): Promise<string> {
  const name = await startContainer(image, options, command);
  containers.push(name);
  return name;
}

/** Sixteen containers that stay; {@link shortLived} has four that come and go. */
async function startOrdinary(): Promise<void> {
  await start("example/api:1", ["--health-cmd", "exit 0", "--health-interval", "5s"]);
  // It reads a file of three times its memory limit again and again: page cache fills the limit.
  await start(
    "example/cached:1",
    ["--memory", "64m", "--memory-swap", "64m"],
    [
      "sh",
      "-c",
      "dd if=/dev/zero of=/f bs=1M count=192 2>/dev/null; while cat /f >/dev/null; do sleep 5; done",
    ],
  );
  // It works for a quarter of its CPU limit.
  await start(
    "example/worker:1",
    ["--cpus", "0.5"],
    ["sh", "-c", "while sleep 1; do dd if=/dev/zero of=/dev/null bs=1M count=500 2>/dev/null; done"],
  );
  const llm = await start("vllm/vllm-openai:v0.11.0", ["--gpus", "device=0"]);
  const { State } = await inspect(llm);
  await gpuHost.describe({
    driver: "550.127.05",
    gpus: [h100(0, { usedMiB: H100_MIB, utilization: 0 })],
    processes: [{ pid: State.Pid, gpu: 0, memory: H100_MIB - 600, sm: 0 }],
  });
  for (let i = 0; i < PLAIN; i++) await start("example/web:1", ["--restart", "always"]);
}

/** Containers that come and go until a time: with new names, with the same name again, and some that fail. */
async function shortLived(end: number): Promise<void> {
  await buildShellImage("example/job:1", DOCKER_HOST);
  const job = async (seconds: number, pause: number, options: string[], status: number) => {
    while (Date.now() < end) {
      const command = ["sh", "-c", `sleep ${seconds}; exit ${status}`];
      await docker("run", "--rm", ...options, "example/job:1", ...command).catch(() => undefined);
      await sleep(pause * 1000);
    }
  };
  await Promise.all([
    job(1, 2, [], 0),
    job(5, 3, [], 1),
    job(45, 5, ["--name", "test-job"], 0),
    job(70, 1, ["--memory", "32m"], 0),
  ]);
}

beforeAll(async () => {
  await configureRuntime("nvidia", gpuHost.runtime);
  outside = await OutsideHost.connect();
  receiver = new WebhookReceiver(outside.dockerHost);
  await receiver.start();
  await startOrdinary();
  stack = await Stack.create(
    {
      notify: [{ webhook: {}, severities: ["critical", "warning", "info"] }, { heartbeat: {} }],
    },
    {
      secrets: {
        "notify[0].webhook.url": receiver.url("/alerts"),
        "notify[1].heartbeat.url": receiver.url("/heartbeat"),
      },
    },
  );
  await succeeded(stack.up());
});
afterAll(async () => {
  await stack.remove();
  await docker("rm", "-f", ...containers);
  await receiver.stop();
  await outside.remove();
  await configureRuntime("other", "runc");
});

test(`beside twenty ordinary containers, nothing but heartbeats arrives in ${MINUTES} idle minutes`, async () => {
  const end = Date.now() + MINUTES * 60_000;
  const jobs = shortLived(end);
  // A restart by hand, and a container that ends, as in a deploy of the user.
  await sleep(120_000);
  await docker("restart", containers[0] ?? "");
  await docker("rm", "-f", containers.pop() ?? "");
  await sleep(end - Date.now());
  await jobs;

  const sentTo = (place: string) => receiver.messages.filter(({ path }) => path === place);
  const arrived = sentTo("/alerts").flatMap(({ body }) => body.alerts);
  const names = [...new Set(arrived.map(({ labels }) => labels["alertname"] ?? ""))];
  console.info(`arrived: ${names.join(", ")}, and ${sentTo("/heartbeat").length} heartbeats`);
  // Two are true here: what the host cannot provide, and the load of a machine that does other work too.
  const isOverloaded = (os.loadavg()[2] ?? 0) / os.cpus().length > 2;
  const isTrue = (name: string) => name === "MetricUnavailable" || (name === "HostHighLoad" && isOverloaded);
  expect(names.filter((name) => !isTrue(name))).toEqual([]);
  expect(sentTo("/heartbeat").length).toBeGreaterThanOrEqual(2);
  for (const { body } of sentTo("/heartbeat"))
    expect(body.alerts.map(({ labels }) => labels["alertname"])).toEqual(["Watchdog"]);

  // What should have kept silent was there.
  await eventually(async () => {
    const gpu = `container_gpu_device_memory_used_bytes / container_gpu_memory_total_bytes{gpu_uuid="${gpuUuid(0)}"} > 0.98`;
    expect(await query(stack.prometheus, gpu)).not.toEqual([]);
    const cached = `container_memory_usage_bytes{image="example/cached:1"} / container_spec_memory_limit_bytes > 0.8`;
    expect(await query(stack.prometheus, cached)).not.toEqual([]);
    const jobs =
      'count(count by (id) (last_over_time(container_last_seen{image="example/job:1"}[15m]))) > 10';
    expect(await query(stack.prometheus, jobs)).not.toEqual([]);
  });
});
