import { bounded } from "../lib/labels";
import { SERVERS, target as hostAndPort } from "../lib/names";
import { firstAddress } from "../lib/subnets";
import { LLM_ENGINES } from "../prometheus/llmEngines";
import type { Container } from "./containers";

/** Why Prometheus does not scrape an LLM server; docs/metrics.md has the remedies. */
export type NotScraped = "label" | "engine" | "port" | "network";

/** An LLM server, and where Prometheus scrapes it, or why it does not: an address with a port, a path, and the server's own port. */
export interface LlmServer {
  container: Container;
  target: { address: string; path: string; port: number } | NotScraped;
}

/** A group of targets, as Prometheus's HTTP service discovery reads it. */
export interface TargetGroup {
  targets: string[];
  labels: Record<string, string>;
}

/** The networks on which Prometheus reaches LLM servers. */
export interface LlmNetworks {
  /** The one that Prometheus is on. */
  shared?: string | undefined;
  /** Those that the forwarder is on. */
  forwarded: readonly string[];
}

/** Where a server is: an address that Prometheus reaches by itself, or through the forwarder. */
interface Place {
  address: string;
  forwarded: boolean;
}

/**
 * The LLM servers among the running containers.
 *
 * @param networks the networks on which Prometheus reaches servers
 */
export function llmServers(
  containers: Iterable<Container>,
  { shared = "", forwarded }: LlmNetworks,
): LlmServer[] {
  const all = [...containers];
  const beside = all.map(({ addresses }) => addresses[shared]).find((one) => one?.address);
  const host = beside && firstAddress(`${beside.address}/${beside.prefix}`);
  const placeOf = ({ addresses }: Container): Place | undefined => {
    const own = addresses[shared]?.address || ("host" in addresses ? host : undefined);
    if (own) return { address: own, forwarded: false };
    const address = forwarded.map((network) => addresses[network]?.address).find(Boolean);
    return address ? { address, forwarded: true } : undefined;
  };
  return all
    .filter(({ labels }) => labels.llm_server !== "")
    .map((container) => ({ container, target: targetOf(container, placeOf(container)) }));
}

/** Labels of the container come first, so that a server at another port than its engine's is scraped as well. */
function targetOf({ labels, llmMetrics }: Container, place: Place | undefined): LlmServer["target"] {
  if (llmMetrics.scrape === "false") return "label";
  const engine = LLM_ENGINES[labels.llm_server];
  if (engine && !engine.metrics && !llmMetrics.port) return "engine";
  const port = llmMetrics.port ? portNumber(llmMetrics.port) : engine?.metrics?.port;
  if (!port) return "port";
  if (!place) return "network";
  const path = /^\/[\w./-]{0,200}$/.test(llmMetrics.path)
    ? llmMetrics.path
    : (engine?.metrics?.path ?? "/metrics");
  const { address, forwarded } = place;
  return forwarded
    ? { address: hostAndPort(SERVERS.llmForwarder), path: `/${address}:${port}${path}`, port }
    : { address: `${address}:${port}`, path, port };
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
            targets: [target.address],
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
