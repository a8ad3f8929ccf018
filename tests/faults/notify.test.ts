import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { dump } from "js-yaml";
import { run } from "../../lib/run";
import { docker, inspect } from "../support/docker";
import { eventually } from "../support/eventually";
import { OutsideHost } from "../support/outsideHost";
import { expectNowhere, secretPlaces } from "../support/secretPlaces";
import { failed, Stack, succeeded, WITH_POLICIES } from "../support/stack";
import { WebhookReceiver } from "../support/webhookReceiver";

const SECRET = `hook-${randomBytes(20).toString("hex")}`;
const TOKEN = `token-${randomBytes(20).toString("hex")}`;
const BOT = `123456:${randomBytes(20).toString("hex")}`;

let outside: OutsideHost;
let receiver: WebhookReceiver;
let stack: Stack;
let before: string;
const outputs: string[] = [];

const receivers = (groupInterval: string) => [
  // A message repeats the other alerts of its group, and a busy machine can have alerts of its own.
  { webhook: {}, groupBy: ["alertname", "job"], groupWait: "1s", groupInterval },
  // Its server is not reached from here.
  { telegram: { chatId: 1 }, groupWait: "1s", groupInterval },
];
const secrets = () => ({
  "notify[0].webhook.url": receiver.url(`/${SECRET}`),
  "notify[0].webhook.token": TOKEN,
  "notify[1].telegram.botToken": BOT,
});
const up = () => stack.up(...WITH_POLICIES);
const preview = (...args: string[]) => stack.preview(...WITH_POLICIES, ...args);
const alertmanager = (path: string, options?: RequestInit) =>
  fetch(`${stack.prometheus}/alertmanager${path}`, options);
const inAlertmanager = (...command: string[]) => docker("exec", stack.resource("alertmanager"), ...command);

/** The names of the stack's containers, but for Alertmanager. */
const otherNames = async () => {
  const mine = `label=llm-metrics.environment=${stack.name}`;
  const names = (await docker("ps", "--filter", mine, "--format", "{{.Names}}")).split("\n").sort();
  return names.filter((name) => name !== stack.resource("alertmanager"));
};
/** Each of them with its id and when it was started. */
const others = async () =>
  docker("inspect", "--format", "{{.Name}} {{.Id}} {{.State.StartedAt}}", ...(await otherNames()));
const since = (start: number) => receiver.received(start);
/** What was received about cAdvisor: a busy machine can have alerts of its own. */
const aboutCadvisor = (start: number) => since(start).filter((message) => message.endsWith(" cadvisor"));
const FIRED_AND_RESOLVED = ["firing TargetDown cadvisor", "resolved TargetDown cadvisor"];
/** Waits for an alert of cAdvisor's target. */
const arrives = (status: "firing" | "resolved", start: number) =>
  eventually(() => {
    expect(since(start)).toContain(`${status} TargetDown cadvisor`);
    return Promise.resolve();
  });
const stopCadvisor = () => docker("stop", "--time", "1", stack.resource("cadvisor"));
const startCadvisor = () => docker("start", stack.resource("cadvisor"));

/** The commands of the documentation in Alertmanager's container. */
const documented = () =>
  readFileSync("docs/settings.md", "utf8")
    .split("\n")
    .filter((line) => line.startsWith("docker exec llm-metrics-dev-alertmanager "))
    .map((line) => line.replace("llm-metrics-dev-alertmanager", stack.resource("alertmanager")));

beforeAll(async () => {
  outside = await OutsideHost.connect();
  receiver = new WebhookReceiver(outside.dockerHost, 7070);
  await receiver.start();
  // The tests restart cAdvisor.
  stack = await Stack.create({ scrapeInterval: "1s", alerts: { disabled: ["ContainerCrashLooping"] } });
  outputs.push(await succeeded(up()));
  before = await others();
});
afterAll(async () => {
  await stack.remove();
  await receiver.stop();
  await outside.remove();
});

describe("Receivers of alerts", () => {
  it("are none by default, which an update reports once, with the setting's name", async () => {
    const [, diagnostics = ""] = outputs.join().split("Diagnostics:");
    expect(diagnostics.match(/set llm-metrics:notify/g)).toHaveLength(1);
    expect(await docker("ps", "--format", "{{.Names}}")).not.toContain("alertmanager");
    expect((await alertmanager("/")).status).toBe(502);
  });

  it("with a secret in plaintext are refused, with the command that encrypts it", async () => {
    await stack.configure({ notify: [{ webhook: { url: receiver.url(`/${SECRET}`) } }] });
    const output = await failed(preview());
    expect(output).toContain("pulumi config set --secret --path 'notify[0].webhook.url'");
    expect(output).not.toContain(SECRET);
  });

  it("deploy an Alertmanager, and replace and restart no other container", async () => {
    await stack.configure({ notify: receivers("4s") }, secrets());
    outputs.push(await succeeded(preview("--diff")));
    outputs.push(await succeeded(up()));
    expect(outputs.at(-1)).toContain("ok: Prometheus sends alerts to Alertmanager");
    expect(await others()).toBe(before);
    await succeeded(preview("--expect-no-changes"));
  });

  it("give egress to Alertmanager, and to no other container", async () => {
    await eventually(async () => {
      expect(await outside.reachedFrom(stack.resource("alertmanager"))).toEqual(["tcp", "udp"]);
    });
    const names = await otherNames();
    expect(names.length).toBeGreaterThanOrEqual(3);
    for (const name of names) expect([name, await outside.reachedFrom(name)]).toEqual([name, []]);
  });

  it("get an alert when cAdvisor is stopped, with what to do, and another message when it runs again", async () => {
    const start = Date.now();
    await stopCadvisor();
    await arrives("firing", start);
    const isOfCadvisor = ({ labels }: { labels: Record<string, string> }) =>
      labels["alertname"] === "TargetDown" && labels["job"] === "cadvisor";
    const message = receiver.messages.find(({ body }) => body.alerts.some(isOfCadvisor));
    expect(message?.path).toBe(`/${SECRET}`);
    expect(message?.authorization).toBe(`Bearer ${TOKEN}`);
    expect(message?.body.alerts.find(isOfCadvisor)?.annotations).toMatchObject({
      summary: expect.stringContaining("cadvisor") as unknown,
      description: expect.stringContaining("See the error") as unknown,
    });
    await startCadvisor();
    await arrives("resolved", start);
    expect(aboutCadvisor(start)).toEqual(FIRED_AND_RESOLVED);
  });

  it("that are down for a while get what they missed, once", async () => {
    await receiver.stop();
    const start = Date.now();
    await stopCadvisor();
    await eventually(async () => {
      const metrics = await (await alertmanager("/metrics")).text();
      const failures =
        /notifications_failed_total\{integration="webhook",.*receiver_name="0-webhook".*\} ([1-9]\d*)$/m;
      expect(metrics).toMatch(failures);
    });
    await sleep(10_000);
    await receiver.start();
    await arrives("firing", start);
    await startCadvisor();
    await arrives("resolved", start);
    expect(aboutCadvisor(start)).toEqual(FIRED_AND_RESOLVED);
  });

  it("get no alert twice when Alertmanager is killed", async () => {
    const start = Date.now();
    await stopCadvisor();
    await arrives("firing", start);
    const arrived = Date.now() / 1000;
    await eventually(async () => {
      // Alertmanager stores what it has sent every ten seconds. It notes a message as sent after the receiver's answer.
      const stored = await inAlertmanager("stat", "-c", "%Y", "/alertmanager/nflog");
      expect(Number(stored)).toBeGreaterThan(arrived + 2);
    });
    const { State } = await inspect(stack.resource("alertmanager"));
    process.kill(State.Pid, "SIGKILL");
    await eventually(async () => {
      // Alertmanager keeps no alerts over a restart: Prometheus sends each again within a minute.
      const alerts = (await (await alertmanager("/api/v2/alerts?filter=job=cadvisor")).json()) as unknown[];
      expect(alerts).not.toEqual([]);
    }, 120);
    await sleep(8_000);
    await startCadvisor();
    await arrives("resolved", start);
    expect(aboutCadvisor(start)).toEqual(FIRED_AND_RESOLVED);
  });

  it("get a test alert by the documented command, and others show and silence alerts", async () => {
    const start = Date.now();
    const [test = "", query = "", silence = ""] = documented();
    await run("sh", ["-c", test]);
    await eventually(() => {
      expect(since(start)).toContain("firing TestAlert");
      return Promise.resolve();
    });
    expect(await run("sh", ["-c", query])).toContain("A test of the setting notify");
    const id = await run("sh", ["-c", silence]);
    expect(await (await alertmanager("/api/v2/silences")).text()).toContain(id.trim());
  });

  it("have their secrets in files that only Alertmanager reads, and nowhere in plaintext", async () => {
    const files = await inAlertmanager(
      ...["sh", "-c", "cd /etc/alertmanager; stat -c '%a %u %n' secrets.* secrets.*/*"],
    );
    expect(files.replaceAll(/secrets\.[0-9a-f-]+/g, "secrets").split("\n")).toEqual([
      "700 65534 secrets",
      "600 65534 secrets/0.webhook.token",
      "600 65534 secrets/0.webhook.url",
      "600 65534 secrets/1.telegram.botToken",
    ]);
    const pages = ["/alertmanager/api/v2/status", "/alertmanager/metrics", "/api/v1/status/config"];
    const places = await secretPlaces(stack, "alertmanager", outputs, pages);
    for (const place of ["files", "/alertmanager/api/v2/status"])
      expect(places[place]).toContain("0.webhook.url");
    expect(places["logs"]).toContain("receiver=1-telegram");
    expectNowhere([SECRET, TOKEN, BOT], places);
  });

  it("are shown through the gateway, which forwards reads only", async () => {
    expect((await alertmanager("/api/v2/alerts")).status).toBe(200);
    expect((await alertmanager("", { redirect: "manual" })).headers.get("location")).toBe("/alertmanager/");
    for (const [method, path] of [
      ["POST", "/api/v2/silences"],
      ["POST", "/api/v2/alerts"],
      ["DELETE", "/api/v2/silence/1"],
      ["POST", "/-/reload"],
      ["GET", "/debug/pprof/heap"],
    ] as const)
      expect([path, (await alertmanager(path, { method })).status]).toEqual([path, 403]);
  });

  it("are changed without a restart, and what amtool refuses leaves the old ones in force", async () => {
    const running = () =>
      docker("inspect", "--format", "{{.Id}} {{.State.StartedAt}}", stack.resource("alertmanager"));
    const started = await running();
    await stack.configure({ notify: receivers("6s") }, secrets());
    await succeeded(up());
    const inForce = async () => (await alertmanager("/api/v2/status")).text();
    expect(await inForce()).toContain("group_interval: 6s");
    const bad = dump({ "alertmanager.yml": "route:\n  receiver: missing\n" });
    expect(await failed(stack.loadConfig(bad, "alertmanager"))).toMatch(
      /amtool refuses this configuration, and the old one stays in force:[^]*undefined receiver "missing"/,
    );
    expect(await inForce()).toContain("group_interval: 6s");
    expect(await inAlertmanager("ls", "/etc/alertmanager")).not.toContain("candidate");
    expect(await running()).toBe(started);
  });

  it("take Alertmanager with them when they are removed, and no other container is replaced or restarted", async () => {
    const now = await others();
    await stack.configure({ notify: [] });
    await succeeded(up());
    expect(await others()).toBe(now);
    for (const list of [
      ["ps", "-a"],
      ["network", "ls"],
      ["volume", "ls"],
    ])
      expect(await docker(...list)).not.toContain("alertmanager");
    expect(await fetch(`${stack.prometheus}/api/v1/alertmanagers`).then((r) => r.text())).not.toContain(
      "9093",
    );
    await succeeded(preview("--expect-no-changes"));
  });
});
