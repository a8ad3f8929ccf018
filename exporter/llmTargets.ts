import { bounded } from "../lib/labels";
import { LLM_ENGINES } from "../prometheus/llmEngines";
import type { Address, Container } from "./containers";

/** Why Prometheus does not scrape an LLM server; docs/metrics.md has the remedies. */
export type NotScraped = "label" | "engine" | "port" | "network";

/** An LLM server, and where Prometheus scrapes it, or why it does not. */
export interface LlmServer {
  container: Container;
  target: { address: string; port: number; path: string } | NotScraped;
}

/** A group of targets, as Prometheus's HTTP service discovery reads it. */
export interface TargetGroup {
  targets: string[];
  labels: Record<string, string>;
}

/**
 * The LLM servers among the running containers.
 *
 * @param network the network that Prometheus shares with servers
 */
export function llmServers(containers: Iterable<Container>, network: string): LlmServer[] {
  const all = [...containers];
  const shared = all.map(({ addresses }) => addresses[network]).find((one) => one?.address);
  const host = shared && firstAddress(shared);
  return all
    .filter(({ labels }) => labels.llm_server !== "")
    .map((container) => {
      const { addresses } = container;
      const address = addresses[network]?.address || ("host" in addresses ? host : undefined);
      return { container, target: targetOf(container, address) };
    });
}

/** Labels of the container come first, so that a server at another port than its engine's is scraped as well. */
function targetOf({ labels, llmMetrics }: Container, address: string | undefined): LlmServer["target"] {
  if (llmMetrics.scrape === "false") return "label";
  const engine = LLM_ENGINES[labels.llm_server];
  if (engine && !engine.metrics && !llmMetrics.port) return "engine";
  const port = llmMetrics.port ? portNumber(llmMetrics.port) : engine?.metrics?.port;
  if (!port) return "port";
  if (!address) return "network";
  const path = /^\/[\w./-]{0,200}$/.test(llmMetrics.path)
    ? llmMetrics.path
    : (engine?.metrics?.path ?? "/metrics");
  return { address, port, path };
}

/** The first address of a network, which Docker gives to the host: there, containers reach servers in the host's network. */
function firstAddress({ address, prefix }: Address): string {
  const number = address.split(".").reduce((sum, byte) => sum * 256 + Number(byte), 0);
  const size = 2 ** (32 - prefix);
  const first = Math.floor(number / size) * size + 1;
  return [24, 16, 8, 0].map((bits) => Math.floor(first / 2 ** bits) % 256).join(".");
}

/** Undefined for a text that is no port. */
function portNumber(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? port : undefined;
}

/**
 * The targets of Prometheus among LLM servers. Their `instance` is the container's name, so that their series go on when a server is
 * started again under another address.
 */
export const targetGroups = (servers: readonly LlmServer[]): TargetGroup[] =>
  servers.flatMap(({ container, target }) =>
    typeof target === "string"
      ? []
      : [
          {
            targets: [`${target.address}:${target.port}`],
            labels: {
              __metrics_path__: target.path,
              ...bounded({
                instance: `${container.labels.name}:${target.port}`,
                id: container.cgroup,
                ...container.labels,
              }),
            },
          },
        ],
  );
