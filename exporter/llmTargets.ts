import { bounded } from "../lib/labels";
import { SERVERS, target as hostAndPort } from "../lib/names";
import { LLM_ENGINES } from "../prometheus/llmEngines";
import type { Address, Container } from "./containers";

/** Why Prometheus does not scrape an LLM server; docs/metrics.md has the remedies. */
export type NotScraped = "label" | "engine" | "port" | "network" | "key";

/** The networks on which LLM servers are scraped. */
export interface LlmNetworks {
  /** The one that Prometheus is on. */
  shared: string;
  /** Those that the forwarder is on as well. */
  forwarded: readonly string[];
  /** The names of the containers whose servers require a key, which the forwarder has. */
  keyed: readonly string[];
}

/** Where the metrics of an LLM server are. */
export interface Target {
  /** An IPv4 address. */
  address: string;
  port: number;
  path: string;
  /** The network of that address. */
  network: string;
  /** Whether Prometheus requests them from the forwarder, and not from the server. */
  forwarded: boolean;
}

/** An LLM server, and where Prometheus scrapes it, or why it does not. */
export interface LlmServer {
  container: Container;
  target: Target | NotScraped;
}

/** A group of targets, as Prometheus's HTTP service discovery reads it. */
export interface TargetGroup {
  targets: string[];
  labels: Record<string, string>;
}

/** The LLM servers among the running containers. */
export function llmServers(containers: Iterable<Container>, networks: LlmNetworks): LlmServer[] {
  const all = [...containers];
  const shared = all.map(({ addresses }) => addresses[networks.shared]).find((one) => one?.address);
  const host = shared && firstAddress(shared);
  return all
    .filter(({ labels }) => labels.llm_server !== "")
    .map((container) => ({ container, target: targetOf(container, networks, host) }));
}

/**
 * Labels of the container come first, so that a server at another port than its engine's is scraped as well.
 *
 * @param host the address of the host on the stack's network
 */
function targetOf(
  container: Container,
  networks: LlmNetworks,
  host: string | undefined,
): Target | NotScraped {
  const { labels, llmMetrics } = container;
  if (llmMetrics.scrape === "false") return "label";
  const engine = LLM_ENGINES[labels.llm_server];
  if (engine && !engine.metrics && !llmMetrics.port) return "engine";
  const port = llmMetrics.port ? portNumber(llmMetrics.port) : engine?.metrics?.port;
  if (!port) return "port";
  const place = placeOf(container, networks, host);
  if (typeof place === "string") return place;
  const path = /^\/[\w./-]{0,200}$/.test(llmMetrics.path)
    ? llmMetrics.path
    : (engine?.metrics?.path ?? "/metrics");
  return { ...place, port, path };
}

function placeOf(
  { labels, addresses }: Container,
  { shared, forwarded, keyed }: LlmNetworks,
  host: string | undefined,
): Pick<Target, "address" | "network" | "forwarded"> | NotScraped {
  const hasKey = keyed.includes(labels.name);
  for (const network of [shared, ...forwarded]) {
    const address = addresses[network]?.address;
    if (address) return { address, network, forwarded: hasKey || network !== shared };
  }
  if (!("host" in addresses) || !host) return "network";
  // On the host's own addresses, another process could listen on the port, and get the key.
  return hasKey ? "key" : { address: host, network: "host", forwarded: false };
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
 * started again under another address. The network is a meta label, as in Prometheus's own discovery of containers.
 */
export const targetGroups = (servers: readonly LlmServer[]): TargetGroup[] =>
  servers.flatMap(({ container, target }) =>
    typeof target === "string" ? [] : targetGroup(container, target),
  );

function targetGroup(
  { id, cgroup, labels }: Container,
  { address, port, path, network, forwarded }: Target,
): TargetGroup {
  return {
    targets: [forwarded ? hostAndPort(SERVERS.llmForwarder) : `${address}:${port}`],
    labels: {
      __metrics_path__: forwarded ? `/${id}` : path,
      __meta_docker_network_name: network,
      ...bounded({ instance: `${labels.name}:${port}`, id: cgroup, ...labels }),
    },
  };
}
