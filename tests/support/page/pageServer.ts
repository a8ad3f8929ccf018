import { type ChildProcess, spawn, type SpawnOptions } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { dump } from "js-yaml";
import { buildCaddy } from "../../../airgap/toolchain/caddy";
import { buildPrometheus, type PrometheusRelease } from "../../../airgap/toolchain/prometheus";
import { gatewayConfig, PAGE_FOLDER } from "../../../caddy/gateway";
import { pageFiles } from "../../../dashboard/bundle";
import { SERVERS, target } from "../../../lib/names";
import { run } from "../../../lib/run";
import { buildConfiguration } from "../../../prometheus/config";
import { settings } from "../settings";
import type { DescribedHost } from "./describedHost";
import { hostSamples } from "./hostSamples";
import { openMetrics, type Span } from "./samples";

/** A Prometheus with the samples of a described host, behind a gateway with the page, without an engine. */
export interface PageServer {
  /** The address of the page. */
  url: string;
  /** CPU time that Prometheus has used, in seconds. */
  prometheusCpu: () => Promise<number>;
  /** Ends Prometheus, as a fault does. */
  stopPrometheus: () => Promise<void>;
  startPrometheus: () => Promise<void>;
  stop: () => Promise<void>;
}

const HOUR = 3600;
/** Samples lie in the future too, so that they are fresh while a test runs. */
const FUTURE = 1200;

/** Samples of some hours: one for each scrape of the last two, and few before. */
export function spanOf(hours: number, now = Math.floor(Date.now() / 1000)): Span {
  const end = now + FUTURE;
  return {
    start: end - hours * HOUR,
    end,
    now,
    denseFrom: end - Math.min(1, hours) * HOUR,
    sparseStep: 120,
    denseStep: 30,
  };
}

/**
 * Starts both.
 *
 * @param hours of samples
 * @param evaluationInterval of the alerts
 */
export async function startPageServer(
  host: DescribedHost,
  hours = 8,
  evaluationInterval = "1s",
): Promise<PageServer> {
  const release = settings().prometheusImage.replace(/^.*:v/, "") as PrometheusRelease;
  const programs = await buildPrometheus(release);
  const folder = await mkdtemp(path.join(os.tmpdir(), "page-"));
  const data = path.join(folder, "data");
  const samples = path.join(folder, "samples.om");
  const span = spanOf(hours);
  await pipeline(Readable.from(openMetrics(hostSamples(host, span), span)), createWriteStream(samples));
  await run(path.join(programs, "promtool"), [
    "tsdb",
    "create-blocks-from",
    "openmetrics",
    "-q",
    samples,
    data,
  ]);
  await rm(samples);
  await writeFile(path.join(folder, "prometheus.yml"), dump(alertsConfig(evaluationInterval, folder)));
  await writeFile(path.join(folder, "rules.yml"), dump(alertRules(host)));

  const prometheusPort = await freePort();
  let prometheus: ChildProcess | undefined;
  const startPrometheus = async () => {
    prometheus = start(
      path.join(programs, "prometheus"),
      [
        `--config.file=${path.join(folder, "prometheus.yml")}`,
        `--storage.tsdb.path=${data}`,
        "--storage.tsdb.retention.time=30d",
        `--web.listen-address=127.0.0.1:${prometheusPort}`,
      ],
      { cwd: programs },
    );
    await answers(`http://127.0.0.1:${prometheusPort}/-/ready`);
    // Rules are evaluated.
    await sleep(1500);
  };
  const stopPrometheus = () => ended(prometheus);
  await startPrometheus();

  const page = path.join(folder, "page");
  await mkdir(page);
  for (const [name, content] of Object.entries(pageFiles())) await writeFile(path.join(page, name), content);
  const caddyProgram = path.join(await buildCaddy(), "caddy");
  const pagePort = await freePort();
  const { prometheus: server } = (
    gatewayConfig({ cadvisorApi: false, grafana: false }) as {
      apps: { http: { servers: Record<string, unknown> } };
    }
  ).apps.http.servers;
  const config = JSON.stringify({
    admin: { disabled: true, config: { persist: false } },
    apps: { http: { servers: { prometheus: server } }, tls: { disable_storage_clean: true } },
  })
    .replaceAll(`":${SERVERS.prometheus.port}"`, `"127.0.0.1:${pagePort}"`)
    .replaceAll(`"${target(SERVERS.prometheus)}"`, `"127.0.0.1:${prometheusPort}"`)
    .replaceAll(`"root":"${PAGE_FOLDER}"`, `"root":${JSON.stringify(page)}`);
  await writeFile(path.join(folder, "caddy.json"), config);
  const caddy = start(caddyProgram, ["run", "--config", path.join(folder, "caddy.json")], {
    env: { ...process.env, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
  });
  const url = `http://127.0.0.1:${pagePort}/`;
  await answers(url);
  return {
    url,
    startPrometheus,
    stopPrometheus,
    prometheusCpu: async () => {
      const text = await (await fetch(`http://127.0.0.1:${prometheusPort}/metrics`)).text();
      return Number(/^process_cpu_seconds_total (\S+)$/m.exec(text)?.[1]);
    },
    stop: async () => {
      await ended(caddy);
      await ended(prometheus);
      await rm(folder, { recursive: true });
    },
  };
}

/** The alerts of the program, which fire at once. No target is scraped: the samples are there. */
const alertsConfig = (evaluation_interval: string, folder: string) => ({
  global: { evaluation_interval },
  rule_files: [path.join(folder, "rules.yml")],
});

function alertRules(host: DescribedHost) {
  const { rules } = buildConfiguration(settings(), {
    environment: "dev",
    host: host.name,
    gpu: (host.gpus ?? 0) > 0,
    unavailable: host.unavailable ?? [],
  });
  return {
    groups: rules.map((group) => ({
      ...group,
      rules: group.rules.filter((rule) => "alert" in rule).map((rule) => ({ ...rule, for: "0s" })),
    })),
  };
}

async function answers(url: string): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt++) {
    if (
      await fetch(url).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      return;
    await sleep(100);
  }
  throw new Error(`${url} does not answer`);
}

/** Starts a program, which the kernel kills when this process ends, and for which this process does not wait. */
function start(program: string, args: string[], options: SpawnOptions): ChildProcess {
  const killed = ["--pdeathsig", "KILL", "--", program, ...args];
  const child = spawn("setpriv", killed, { ...options, stdio: "ignore" });
  child.unref();
  return child;
}

async function ended(program: ChildProcess | undefined): Promise<void> {
  if (!program || program.exitCode !== null || program.signalCode !== null) return;
  program.ref();
  const close = new Promise((resolve) => program.once("close", resolve));
  program.kill("SIGTERM");
  await close;
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => {
        resolve(port);
      });
    });
  });
}
