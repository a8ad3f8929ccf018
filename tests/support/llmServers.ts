import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { LLM_ENGINES } from "../../prometheus/llmEngines";
import { docker, startContainer } from "./docker";
import type { LlmPage } from "./llmPages";

/**
 * Starts a container under the name of an engine's image, which serves a metrics page at the engine's port.
 *
 * @param folder a folder of the host, for the page
 * @param options of `docker run`, such as a network
 * @returns the container's name
 */
export async function startPageServer(
  folder: string,
  { engine, image, text }: LlmPage,
  options: string[],
): Promise<string> {
  const pages = path.join(folder, randomBytes(4).toString("hex"));
  await mkdir(pages);
  await writeFile(path.join(pages, "metrics"), text);
  const port = LLM_ENGINES[engine]?.metrics?.port ?? 80;
  return startContainer(
    image,
    ["-v", `${pages}:/pages:ro`, ...options],
    ["httpd", "-f", "-p", String(port), "-h", "/pages"],
  );
}

/** What a server received. */
export interface Received {
  /** Method and target. */
  request: string;
  /** The names of its headers. */
  headers: string[];
  host: string;
  /** Whether it had the server's key. */
  authorized: boolean;
}

/**
 * Starts a container under the image name of vLLM, which has a number of running requests, and writes down each request that it
 * receives.
 *
 * @param options of `docker run`, such as a network and a name
 * @param key that it demands; default: none
 * @returns the container's name
 */
export async function startRecordingServer(
  folder: string,
  running: number,
  options: string[] = [],
  key = "",
): Promise<string> {
  const number = randomBytes(4).toString("hex");
  const program = path.join(folder, `recording-${number}.cjs`);
  await writeFile(program, `(${recordingServer.toString()})(${running}, ${JSON.stringify(key)})`);
  const image = "vllm/vllm-openai:recording";
  await docker("tag", "node:24.11.1-bookworm-slim", image);
  const name = options.includes("--name") ? [] : ["--name", `recording-${number}`];
  const id = await docker(
    ...["run", "-d", ...name, ...options, "-v", `${program}:/server.cjs:ro`, image, "node", "/server.cjs"],
  );
  return (await docker("inspect", "--format", "{{.Name}}", id)).slice(1);
}

/** The requests that such a server received. */
export const receivedRequests = async (server: string): Promise<Received[]> =>
  (await docker("logs", server))
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Received);

/** Runs by itself, in a container. */
function recordingServer(running: number, key: string): void {
  /* eslint-disable-next-line @typescript-eslint/no-require-imports -- it is a program of its own */
  const { createServer } = require("node:http") as typeof import("node:http");
  createServer(({ method = "", url = "", headers }, response) => {
    const authorized = key !== "" && headers.authorization === `Bearer ${key}`;
    const request = `${method} ${url}`;
    console.log(
      JSON.stringify({ request, headers: Object.keys(headers).sort(), host: headers.host, authorized }),
    );
    if (key !== "" && !authorized) response.writeHead(401).end();
    else response.end(`# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running ${running}\n`);
  }).listen(8000);
}

/** What a hostile server does to a client. */
export const HOSTILITIES = ["series", "endless", "slow", "label", "types", "redirect", "time"] as const;

/**
 * Starts containers under the image name of vLLM on a network, each of which does something else to a client.
 *
 * @returns the containers' names, by what they do
 */
export async function startHostileServers(
  folder: string,
  network: string,
): Promise<Record<(typeof HOSTILITIES)[number], string>> {
  const program = path.join(folder, "hostile.cjs");
  await writeFile(program, `(${hostileServer.toString()})(process.env.HOSTILITY)`);
  const image = "vllm/vllm-openai:hostile";
  await docker("tag", "node:24.11.1-bookworm-slim", image);
  const names: Partial<Record<(typeof HOSTILITIES)[number], string>> = {};
  for (const hostility of HOSTILITIES) {
    const name = `hostile-${hostility}-${randomBytes(3).toString("hex")}`;
    await docker(
      ...["run", "-d", "--name", name, "--network", network, "-v", `${program}:/hostile.cjs:ro`],
      ...["-e", `HOSTILITY=${hostility}`, image, "node", "/hostile.cjs"],
    );
    names[hostility] = name;
  }
  return names as Record<(typeof HOSTILITIES)[number], string>;
}

/** Runs by itself, in a container. */
function hostileServer(hostility: (typeof HOSTILITIES)[number]): void {
  /* eslint-disable-next-line @typescript-eslint/no-require-imports -- it is a program of its own */
  const { createServer } = require("node:http") as typeof import("node:http");
  const RUNNING = "vllm:num_requests_running";
  createServer((_, response) => {
    response.setHeader("content-type", "text/plain; version=0.0.4");
    response.on("error", () => undefined);
    /** Writes as fast as the client reads. */
    const forever = (text: (n: number) => string, lines: number) => {
      let n = 0;
      const write = () => {
        while (n < lines && !response.destroyed) if (!response.write(text(n++))) return;
        if (n >= lines) response.end();
      };
      response.on("drain", write);
      write();
    };
    if (hostility === "series") forever((n) => `${RUNNING}{model_name="m${n}"} 1\n`, 10_000_000);
    else if (hostility === "endless") forever((n) => `unknown_metric_${n} 1\n`, Infinity);
    else if (hostility === "slow") {
      const timer = setInterval(() => response.write("#"), 100);
      response.on("close", () => {
        clearInterval(timer);
      });
    } else if (hostility === "label") response.end(`${RUNNING}{a="${"x".repeat(2 ** 20)}"} 1\n`);
    else if (hostility === "types")
      response.end(`# TYPE ${RUNNING} histogram\n${RUNNING} 1\n${RUNNING}_bucket{le="x"} text\n`);
    else if (hostility === "redirect")
      response.writeHead(302, { location: "http://prometheus:9090/metrics" }).end();
    else
      response.end(
        `# TYPE ${RUNNING} gauge\n${RUNNING}{model_name="</script>",id="/docker/other",job="cadvisor",host="other"} 6 4102444800000\n`,
      );
  }).listen(8000);
}
