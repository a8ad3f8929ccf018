import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { mkdtemp, rm } from "node:fs/promises";
import { get } from "node:https";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "../../lib/run";
import type { AlertName } from "../../settings";
import { configureRuntime, DAEMON_FOLDER } from "../support/daemonControl";
import { docker, inspect, startContainer } from "../support/docker";
import { GpuHost } from "../support/emulatedDriver/gpuHost";
import { gpuUuid, h100, type EmulatedHost } from "../support/emulatedDriver/host";
import { eventually } from "../support/eventually";
import { OutsideHost } from "../support/outsideHost";
import type { Sample } from "../support/prometheus";
import { HASH } from "../support/settings";
import { Stack, succeeded } from "../support/stack";
import { WebhookReceiver } from "../support/webhookReceiver";

/** Seconds between scrapes and evaluations, how long Alertmanager waits for more alerts, and the times of the alerts. */
const INTERVAL = 2;
const GROUP_WAIT = 1;
const WINDOW = 20;
const RUNBOOKS = "https://runbooks.example.org/docs/runbooks.md";

/** The short times that the settings allow. Other alerts have their defaults. */
const ALERTS = {
  runbooks: RUNBOOKS,
  containerOomKilledWindow: `${WINDOW}s`,
  containerRestartsWindow: `${WINDOW}s`,
  containerStartPeriod: "1s",
  containerUnhealthyFor: "2s",
  // Some containers use more than this from the beginning.
  containerMemoryRatio: 0.0001,
  // Its alert waits for longer than the tests take.
  containerMemoryFor: "1h",
  hostDiskFillingFor: "2s",
  gpuLostFor: "2s",
  gpuDriverDownFor: "2s",
  gatewayRefusedWindow: `${WINDOW}s`,
  llmDownFor: "2s",
  llmStalledFor: "2s",
};

const gpuHost = GpuHost.at(path.join(DAEMON_FOLDER, "gpu"));
let outside: OutsideHost;
let receiver: WebhookReceiver;
let stack: Stack;
/** A disk of 64 MB. */
let disk: string;
let names: Record<"oom" | "crash" | "sick" | "gpu" | "down" | "stalled", string>;

/** A host with two GPUs. */
const described = (changes: Partial<EmulatedHost> = {}): EmulatedHost => ({
  driver: "550.127.05",
  gpus: [h100(0), h100(1)],
  processes: [],
  ...changes,
});

/** Commands of an LLM server under the name of vLLM. */
const SERVE = "httpd -f -p 8000 -h /pages";
const writePage = (waiting: number) =>
  `echo "vllm:num_requests_waiting ${waiting}" > /pages/metrics; echo "vllm:generation_tokens_total 7" >> /pages/metrics`;
const startLlmServer = () =>
  startContainer(
    "vllm/vllm-openai:v0.11.0",
    [],
    ["sh", "-c", `mkdir /pages; ${writePage(0)}; ${SERVE} & echo $! > /pid; sleep 100000`],
  );

beforeAll(async () => {
  await configureRuntime("nvidia", gpuHost.runtime);
  await gpuHost.describe(described());
  outside = await OutsideHost.connect();
  receiver = new WebhookReceiver(outside.dockerHost);
  await receiver.start();
  disk = await mkdtemp(path.join(os.tmpdir(), "disk-"));
  await run("mount", ["-t", "tmpfs", "-o", "size=64m", "tmpfs", disk]);
  names = {
    oom: await startContainer("example/oom:1", ["--memory", "64m", "--memory-swap", "64m"]),
    crash: await startContainer(
      "example/crash:1",
      ["--restart", "always"],
      ["sh", "-c", "sleep 3; while [ ! -e /broken ]; do sleep 1; done; exit 3"],
    ),
    sick: await startContainer("example/sick:1", [
      ...["--health-cmd", "[ ! -e /sick ]", "--health-interval", "1s", "--health-retries", "1"],
    ]),
    gpu: await startContainer("vllm/vllm-openai:v0.11.0", ["--gpus", "device=1"]),
    down: await startLlmServer(),
    stalled: await startLlmServer(),
  };
  stack = await Stack.create(
    {
      scrapeInterval: `${INTERVAL}s`,
      hostLabel: "alerting-host",
      hostDisks: [disk],
      alerts: ALERTS,
      gpu: "on",
      dockerAccess: "proxy",
      tlsNames: ["metrics.example.org"],
      notify: [{ webhook: {}, groupWait: `${GROUP_WAIT}s`, groupInterval: "2s" }],
    },
    { secrets: { users: `ann:${HASH}\n`, "notify[0].webhook.url": receiver.url("/") } },
  );
  await succeeded(stack.up());
  const { networkName } = await stack.outputs<{ networkName: string }>();
  for (const name of [names.down, names.stalled]) await docker("network", "connect", networkName, name);
  await eventually(async () => {
    for (const name of [names.down, names.stalled])
      expect(await valueOf(`llm:generated_tokens:rate5m{name="${name}"}`)).toBe(0);
  });
});
afterAll(async () => {
  await docker("rm", "-f", ...Object.values(names));
  await stack.remove();
  await run("umount", [disk]);
  await receiver.stop();
  await outside.remove();
  await configureRuntime("other", "runc");
});

/** A fault, the alert about it, and what ends it. */
interface Fault {
  alert: AlertName;
  /** The labels of the alert that tell what it is about, beside those that each has. */
  labels: () => Record<string, string>;
  severity: "critical" | "warning";
  /** How long the fault lasts before the alert fires, in seconds. */
  lasts: number;
  provoke: () => Promise<unknown>;
  repair: () => Promise<unknown>;
}

const inPrometheus = (script: string) => docker("exec", stack.resource("prometheus"), "sh", "-c", script);

/** Sends a request with a wrong password, and returns the status of the answer. */
async function logInWrongly(): Promise<number | undefined> {
  const url = stack.prometheus.replace("http:", "https:");
  const request = get(url, {
    auth: "ann:wrong",
    rejectUnauthorized: false,
    servername: "metrics.example.org",
    headers: { host: `metrics.example.org:${new URL(url).port}` },
  });
  const [answer] = (await once(request, "response")) as [IncomingMessage];
  answer.resume();
  return answer.statusCode;
}

/** Makes connections of cAdvisor to the Docker proxy fail at once, those that are open too, or ends that. */
async function refuseDockerToCadvisor(change: "--insert" | "--delete"): Promise<unknown> {
  const network = `llm-metrics-${stack.name}-docker`;
  const format = `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`;
  const address = await docker("inspect", "--format", format, stack.resource("docker-proxy"));
  const { State } = await inspect(stack.resource("cadvisor"));
  const rule = ["OUTPUT", "-p", "tcp", "-d", address, "-j", "REJECT", "--reject-with", "tcp-reset"];
  return run("nsenter", [`--net=/proc/${State.Pid}/ns/net`, "--", "iptables", change, ...rule]);
}

/** The window passes. */
const nothing = () => Promise.resolve();

/** Those that need cAdvisor, and a driver that responds. */
const FIRST: Fault[] = [
  {
    alert: "ContainerOOMKilled",
    labels: () => ({ name: names.oom }),
    severity: "critical",
    lasts: 0,
    // On a busy machine, a scrape can fail, and a kill meanwhile is not counted.
    provoke: () =>
      eventually(async () => {
        await docker("exec", names.oom, "dd", "if=/dev/zero", "of=/dev/null", "bs=300M", "count=1").catch(
          nothing,
        );
        expect(receiver.alerts("firing", { alertname: "ContainerOOMKilled" })).not.toEqual([]);
      }),
    repair: nothing,
  },
  {
    alert: "ContainerCrashLooping",
    labels: () => ({ name: names.crash }),
    severity: "critical",
    // Restarts are seen in two evaluations.
    lasts: 2 * INTERVAL,
    // The end of the container can end the command before it returns.
    provoke: () => docker("exec", names.crash, "sh", "-c", "> /broken").catch(nothing),
    repair: () => docker("update", "--restart", "no", names.crash),
  },
  {
    alert: "ContainerUnhealthy",
    labels: () => ({ name: names.sick }),
    severity: "critical",
    lasts: 2 + 1,
    provoke: () => docker("exec", names.sick, "sh", "-c", "> /sick"),
    repair: () => docker("exec", names.sick, "rm", "/sick"),
  },
  {
    alert: "HostDiskFillingUp",
    labels: () => ({ mountpoint: disk }),
    severity: "warning",
    lasts: 2,
    provoke: () => run("dd", ["if=/dev/zero", `of=${disk}/file`, "bs=1M", "count=44"]),
    repair: () => rm(path.join(disk, "file")),
  },
  {
    alert: "GpuLost",
    labels: () => ({ gpu: "1", gpu_uuid: gpuUuid(1) }),
    severity: "critical",
    lasts: 2,
    provoke: () => gpuHost.describe(described({ gpus: [h100(0), h100(1, { lost: "later" })] })),
    repair: () => gpuHost.describe(described()),
  },
  {
    alert: "LlmServerDown",
    labels: () => ({ name: names.down, llm_server: "vllm" }),
    severity: "critical",
    lasts: 2,
    provoke: () => docker("exec", names.down, "sh", "-c", "kill $(cat /pid)"),
    repair: () => docker("exec", "-d", names.down, ...SERVE.split(" ")),
  },
  {
    alert: "LlmAdmissionStalled",
    labels: () => ({ name: names.stalled, llm_server: "vllm" }),
    severity: "critical",
    lasts: 2,
    provoke: () => docker("exec", names.stalled, "sh", "-c", writePage(3)),
    repair: () => docker("exec", names.stalled, "sh", "-c", writePage(0)),
  },
  {
    alert: "GatewayLoginsRefused",
    labels: () => ({}),
    severity: "warning",
    // The first answers of a kind start a series, in which the next scrape sees an increase.
    lasts: INTERVAL,
    provoke: () =>
      eventually(async () => {
        expect(await logInWrongly()).toBe(401);
        await Promise.all(Array.from({ length: 9 }, logInWrongly));
        expect(receiver.alerts("firing", { alertname: "GatewayLoginsRefused" })).not.toEqual([]);
      }),
    repair: nothing,
  },
];

/** Those that keep the alerts above from being noticed. */
const SECOND: Fault[] = [
  {
    alert: "GpuDriverDown",
    labels: () => ({ job: "exporter" }),
    severity: "critical",
    // A query of the driver times out after eight seconds.
    lasts: 8 + 2,
    provoke: () => gpuHost.describe(described({ fault: "hang" })),
    repair: () => gpuHost.describe(described()),
  },
  {
    alert: "ContainerMetricsMissing",
    labels: () => ({ job: "cadvisor" }),
    severity: "critical",
    // The rule looks back forty seconds.
    lasts: 40 + INTERVAL,
    provoke: () => refuseDockerToCadvisor("--insert"),
    repair: () => refuseDockerToCadvisor("--delete"),
  },
  {
    alert: "PrometheusBadConfig",
    labels: () => ({ job: "prometheus" }),
    severity: "warning",
    lasts: 2 * INTERVAL,
    provoke: () => inPrometheus("echo nonsense >> /etc/prometheus/prometheus.yml; kill -HUP 1"),
    repair: () => succeeded(stack.up()),
  },
];

/** The value of a PromQL expression. */
async function valueOf(promql: string): Promise<number> {
  const text = await inPrometheus(
    `wget -qO- 'http://127.0.0.1:9090/api/v1/query?query=${encodeURIComponent(promql)}'`,
  );
  const { data } = JSON.parse(text) as { data: { result: Sample[] } };
  return Number(data.result[0]?.value[1]);
}

const sent = (status: "firing" | "resolved", { alert, labels }: Fault) =>
  receiver.alerts(status, { alertname: alert, ...labels() });

const measured: string[] = [];
afterAll(() => {
  console.info([...measured, ...new Set(receiver.received())].join("\n"));
});

describe.each([
  ["first", FIRST],
  ["second", SECOND],
])("Alerts of the %s faults", (which, faults) => {
  const provoked: Partial<Record<AlertName, number>> = {};
  const repaired: Partial<Record<AlertName, number>> = {};
  beforeAll(async () => {
    const all = faults.map((fault) => {
      provoked[fault.alert] = Date.now();
      return fault.provoke();
    });
    await Promise.all(all);
  });

  it.each(faults)("$alert arrives, with what it is about, its severity and its runbook", async (fault) => {
    const { alert, severity, lasts } = fault;
    await eventually(() => {
      expect(sent("firing", fault)).not.toEqual([]);
      return Promise.resolve();
    });
    const [first] = sent("firing", fault);
    expect(first?.labels).toMatchObject({ severity, host: "alerting-host" });
    expect(first?.annotations["runbook_url"]).toBe(`${RUNBOOKS}#${alert.toLowerCase()}`);
    const seconds = ((first?.at ?? 0) - (provoked[alert] ?? 0)) / 1000;
    const documented = lasts + 2 * INTERVAL + GROUP_WAIT;
    measured.push(`${alert} arrived after ${seconds.toFixed(1)} s; documented: ${documented} s at most`);
  });

  // An increase between the last evaluation and a restart of Prometheus is not counted, so this comes before.
  if (which === "first")
    it("Docker's number of restarts is counted, also those that no scrape saw", async () => {
      const counted = `sum_over_time(container:restarts:increase{name="${names.crash}"}[1h])`;
      await eventually(async () => {
        // The container goes on restarting, after longer and longer pauses.
        const restarts = Number(await docker("inspect", "--format", "{{.RestartCount}}", names.crash));
        expect(restarts).toBeGreaterThan(3);
        expect(await valueOf(counted)).toBe(restarts);
      });
    });

  if (which === "first")
    it("are neither lost nor repeated when Prometheus is restarted", async () => {
      const lasting = faults.filter(({ alert }) => ["ContainerUnhealthy", "GpuLost"].includes(alert));
      const alertsNow = async () => {
        const text = await inPrometheus("wget -qO- http://127.0.0.1:9090/api/v1/alerts");
        return (JSON.parse(text) as { data: { alerts: PrometheusAlert[] } }).data.alerts;
      };
      const pending = (alerts: PrometheusAlert[]) =>
        alerts.find(({ labels }) => labels["alertname"] === "ContainerMemoryNearLimit");
      expect(pending(await alertsNow())?.state).toBe("pending");
      const start = new Date();
      await docker("restart", stack.resource("prometheus"));
      await eventually(async () => {
        const alerts = await alertsNow();
        const firing = alerts.filter(({ state }) => state === "firing");
        const firingNames = firing.map(({ labels }) => labels["alertname"]);
        expect(firingNames).toEqual(expect.arrayContaining(lasting.map(({ alert }) => alert)));
        // An alert that waits for its time goes on waiting.
        expect(new Date(pending(alerts)?.activeAt ?? start).getTime()).toBeLessThan(start.getTime());
      });
      await sleep(5_000); // Alertmanager has sent what there is to send.
      for (const fault of lasting) expect([fault.alert, sent("resolved", fault)]).toEqual([fault.alert, []]);
      // A message about a GPU repeats the other alerts about the host.
      for (const fault of lasting.filter(({ alert }) => alert === "ContainerUnhealthy"))
        expect(sent("firing", fault)).toHaveLength(1);
    });

  describe("after the repair", () => {
    beforeAll(async () => {
      for (const { alert, repair } of faults) {
        repaired[alert] = Date.now();
        await repair();
      }
    });

    it.each(faults)("$alert is resolved", async (fault) => {
      // Of an alert that ends while Prometheus restarts, Alertmanager gets no news, and takes it for resolved after four minutes.
      await eventually(() => {
        expect(sent("resolved", fault)).not.toEqual([]);
        return Promise.resolve();
      }, 300);
      const [first] = sent("resolved", fault);
      const seconds = ((first?.at ?? 0) - (repaired[fault.alert] ?? 0)) / 1000;
      measured.push(`${fault.alert} was resolved ${seconds.toFixed(1)} s after the repair`);
    });
  });
});

/** An alert in Prometheus's API. */
interface PrometheusAlert {
  state: string;
  activeAt: string;
  labels: Record<string, string>;
}
