import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { LLM_HEADERS, LLM_TARGETS_PATH } from "../lib/names";
import type { Collector } from "./collector";
import { DRIVER_TIMEOUT_SECONDS } from "./driver";
import { ErrorLog } from "./errorLog";
import type { LlmServer } from "./llmTargets";
import { Metrics } from "./metrics";

/** The part of Prometheus's scrape timeout that is kept for everything but the queries. */
const TIMEOUT_OFFSET_RATIO = 0.2;

/** Below the interval at which Prometheus asks for targets. */
const DOCKER_TIMEOUT_SECONDS = 5;

/** Serves `/metrics`, the targets of LLM servers and `/healthz`. */
export function exporterServer(collector: Collector, log: (line: string) => void = console.error): Server {
  const metrics = new Metrics();
  const errorLog = new ErrorLog(log);

  const scrape = async (request: IncomingMessage): Promise<string> => {
    const start = performance.now();
    const snapshot = await collector.snapshot(queryTimeout(request));
    errorLog.update(snapshot.errors);
    for (const message of snapshot.gpus?.changeMessages ?? []) log(message);
    return metrics.text(snapshot, (performance.now() - start) / 1000);
  };

  return createServer((request, response) => {
    const [pathname = "/"] = (request.url ?? "/").split("?");
    if (request.method !== "GET" && request.method !== "HEAD") response.writeHead(405).end();
    else if (pathname === "/healthz") response.end("ok");
    else if (pathname === "/metrics")
      scrape(request).then(
        (text) => response.setHeader("content-type", "text/plain; version=0.0.4; charset=utf-8").end(text),
        (error: unknown) => {
          log(`scrape failed: ${(error as Error).stack ?? ""}`);
          response.writeHead(500).end("the scrape failed; see the log\n");
        },
      );
    else if (pathname === LLM_TARGETS_PATH)
      collector.llmTargets(DOCKER_TIMEOUT_SECONDS).then(
        (groups) => response.setHeader("content-type", "application/json").end(JSON.stringify(groups)),
        // The next scrape logs the reason.
        () => response.writeHead(503).end("Docker does not answer\n"),
      );
    else if (pathname.startsWith(`${LLM_TARGETS_PATH}/`))
      collector.forwardedServer(pathname.slice(LLM_TARGETS_PATH.length + 1), DOCKER_TIMEOUT_SECONDS).then(
        (server) => {
          answerForwarder(server, response);
        },
        () => response.writeHead(503).end("Docker does not answer\n"),
      );
    else response.writeHead(404).end("see /metrics\n");
  });
}

/** Returns in headers where the forwarder requests the metrics of an LLM server. */
function answerForwarder(server: LlmServer | undefined, response: ServerResponse): void {
  if (!server || typeof server.target === "string") {
    response.writeHead(404).end("no LLM server is forwarded in this container\n");
    return;
  }
  const { address, port, path } = server.target;
  response
    .writeHead(200, {
      [LLM_HEADERS.address]: `${address}:${port}`,
      [LLM_HEADERS.path]: path,
      [LLM_HEADERS.container]: server.container.labels.name,
    })
    .end();
}

/** Prometheus sends its scrape timeout in a header. Source: scrape/scrape.go, X-Prometheus-Scrape-Timeout-Seconds. */
function queryTimeout({ headers }: IncomingMessage): number {
  const scrapeTimeout = Number(headers["x-prometheus-scrape-timeout-seconds"]);
  if (!(scrapeTimeout > 0)) return DRIVER_TIMEOUT_SECONDS;
  return Math.min(DRIVER_TIMEOUT_SECONDS, scrapeTimeout * (1 - TIMEOUT_OFFSET_RATIO));
}
