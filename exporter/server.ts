import { createServer, type IncomingMessage, type Server } from "node:http";
import { PATIENCE } from "./driver";
import { Metrics } from "./metrics";
import type { Collector, Snapshot } from "./snapshot";

/** Of the time that Prometheus waits, what remains for everything else. */
const RESERVE = 0.2;

/** Serves `/metrics` and `/healthz`. */
export function exporterServer(collector: Collector, report: (line: string) => void = console.error): Server {
  const metrics = new Metrics();
  const said = new Set<string>();

  const scrape = async (request: IncomingMessage): Promise<string> => {
    const start = performance.now();
    const snapshot = await collector.snapshot(patience(request));
    tell(snapshot);
    return metrics.text(snapshot, (performance.now() - start) / 1000);
  };
  /** Says an error when it comes, not as long as it lasts. */
  const tell = ({ errors }: Snapshot) => {
    const now = new Set(errors.map(({ stage, message }) => `${stage}: ${message}`));
    for (const line of now) if (!said.has(line)) report(line);
    for (const line of said) if (!now.has(line)) report(`no longer: ${line}`);
    said.clear();
    now.forEach((line) => said.add(line));
  };

  return createServer((request, response) => {
    const pathname = (request.url ?? "/").split("?")[0];
    if (request.method !== "GET" && request.method !== "HEAD") response.writeHead(405).end();
    else if (pathname === "/healthz") response.end("ok");
    else if (pathname === "/metrics")
      scrape(request).then(
        (text) => response.setHeader("content-type", "text/plain; version=0.0.4; charset=utf-8").end(text),
        (error: unknown) => {
          report(`scrape failed: ${(error as Error).stack ?? ""}`);
          response.writeHead(500).end("the scrape failed; see the log\n");
        },
      );
    else response.writeHead(404).end("see /metrics\n");
  });
}

/** Prometheus says how long it waits. Source: scrape/scrape.go, X-Prometheus-Scrape-Timeout-Seconds. */
function patience({ headers }: IncomingMessage): number {
  const timeout = Number(headers["x-prometheus-scrape-timeout-seconds"]);
  return timeout > 0 ? Math.min(PATIENCE, timeout * (1 - RESERVE)) : PATIENCE;
}
