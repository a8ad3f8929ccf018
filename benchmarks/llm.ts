import { existsSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { staticBusybox } from "../airgap/images/busybox";
import { stackImages } from "../cli/prerequisites/images";
import { pulumiEnvironment } from "../cli/pulumiCommand";
import { cached } from "../lib/cache";
import { run } from "../lib/run";
import { startDaemon } from "../tests/support/daemons";
import { docker, startContainer } from "../tests/support/docker";
import { eventually } from "../tests/support/eventually";
import { deviation, queryPrometheus, type Reading } from "./rates";

/** The word with which this benchmark starts itself on its daemon. */
export const LLM_LOAD = "llm-load";

/** llama.cpp's server, and what writes its model. */
const PACKAGES = ["xllamacpp==2026.10.11549", "gguf==0.19.0"];
/** An image that is recognized as llama.cpp. */
const IMAGE = "ghcr.io/ggml-org/llama.cpp:server";
const PORT = 8080;
const NETWORK = "llm-metrics-bench";

const CLIENTS = 3;
/** A client sends a request every so many milliseconds, so that the load does not depend on how busy the machine is. */
const PERIOD = 1000;
/** The windows of the recording rules, and of the documented bound, in seconds. */
const [RECORDED, SHORT] = [300, 120];
const SCRAPE_SECONDS = 30;
/** From the start of the load to the first window in which it ran all the time, with a scrape at its begin: seconds. */
const RAMP = RECORDED + SCRAPE_SECONDS + 10;
const COMPARED_SECONDS = 120;

/**
 * Compares the tokens that Prometheus counts of a real engine with those that its clients count: llama.cpp's server with a tiny
 * model, on a Docker daemon of its own.
 */
export async function llmTokens(): Promise<void> {
  // The daemon's network namespace reaches no other network, so everything is downloaded and built before.
  await Promise.all([pythonPackages(), pulumiEnvironment(), staticBusybox()]);
  const daemon = await startDaemon("20.10");
  try {
    await stackImages("bench", daemon.host);
    const [nsenter = "", ...inside] = daemon.inside;
    const load = [process.execPath, "cli/run.mjs", "bench", LLM_LOAD];
    const env = { DOCKER_HOST: daemon.host, TMPDIR: daemon.temporary };
    console.log((await run(nsenter, [...inside, ...load], { env })).trim());
  } finally {
    await daemon.stop();
  }
}

/** The folder of the Python packages. */
const pythonPackages = (): Promise<string> =>
  cached(PACKAGES.join("-").replace(/[^\w.]+/g, "-"), async (folder) => {
    await run("python3", ["-m", "pip", "install", "--quiet", "--target", folder, ...PACKAGES]);
  });

/** Runs the server and its clients beside the stack of the benchmarks, and prints the comparison. */
export async function llmLoad(): Promise<void> {
  const name = await startServer();
  try {
    await compareTokens(name);
  } finally {
    await docker("rm", "-f", name); // Its network could not be removed.
  }
}

async function compareTokens(name: string): Promise<void> {
  const clients = await startClients(await docker("inspect", "--format", ADDRESS, name));
  const begin = Date.now() / 1000;
  await sleep((RAMP + COMPARED_SECONDS) * 1000);
  const end = Date.now() / 1000;
  const matchers = `{name="${name}"}`;
  console.log(`llama.cpp's server, ${CLIENTS} clients, scrapes every ${SCRAPE_SECONDS} s: generated tokens`);
  const compare = async (promql: string, window: number) => {
    console.log(`  ${promql}: ${await deviation(promql, window, clients.readings, begin + RAMP, end - 1)}`);
  };
  await compare(`sum by (name) (llm:generated_tokens:rate5m${matchers})`, RECORDED);
  await compare(`sum by (name) (rate(llamacpp:tokens_predicted_total${matchers}[${SHORT}s]))`, SHORT);

  const counted = await clients.stop();
  await sleep((SCRAPE_SECONDS + 5) * 1000);
  const [total] = await queryPrometheus("query", { query: `llamacpp:tokens_predicted_total${matchers}` });
  console.log(`  in all: the clients counted ${counted}, Prometheus has ${total?.value?.[1] ?? "none"}`);
}

const ADDRESS = `{{(index .NetworkSettings.Networks "${NETWORK}").IPAddress}}`;

/**
 * Starts the server in a container that has this machine's Python.
 *
 * @returns the container's name
 */
async function startServer(): Promise<string> {
  const packages = await pythonPackages();
  const print = "import sys; print(sys.base_prefix, sys.executable, sep='\\n')";
  const [prefix = "", python = ""] = (await run("python3", ["-c", print])).split("\n");
  const program = path.resolve("benchmarks/llmServer.py");
  const read = [...new Set(["/lib", "/lib64", "/usr", prefix, packages, program])].filter(existsSync);
  return startContainer(
    IMAGE,
    [
      ...["--network", NETWORK, "--env", `PYTHONPATH=${packages}`, "--env", "PYTHONDONTWRITEBYTECODE=1"],
      ...read.flatMap((file) => ["--volume", `${file}:${file}:ro`]),
    ],
    [python, program, String(PORT)],
  );
}

/** Starts clients that send one request after the other, once the server answers, and counts the tokens of the answers. */
async function startClients(address: string): Promise<{ readings: Reading[]; stop: () => Promise<number> }> {
  const url = `http://${address}:${PORT}`;
  await eventually(async () => {
    if (!(await fetch(`${url}/health`)).ok) throw new Error(`the server does not answer at ${url}`);
  });
  let tokens = 0;
  let isStopped = false;
  const client = async () => {
    for (let next = Date.now(); !isStopped; next += PERIOD) {
      await sleep(Math.max(0, next - Date.now()));
      const request = {
        prompt: "the same beginning of every prompt",
        n_predict: 50 + Math.floor(Math.random() * 100),
        ignore_eos: true,
      };
      const response = await fetch(`${url}/completion`, { method: "POST", body: JSON.stringify(request) });
      tokens += ((await response.json()) as { tokens_predicted: number }).tokens_predicted;
    }
  };
  const clients = Promise.all(Array.from({ length: CLIENTS }, client));
  const readings: Reading[] = [];
  const timer = setInterval(() => readings.push({ time: Date.now() / 1000, value: tokens }), 1000);
  const stop = async () => {
    isStopped = true;
    await clients;
    clearInterval(timer);
    return tokens;
  };
  return { readings, stop };
}
