import { docker } from "../host/docker";
import { query, type Sample } from "../host/http";
import { OWN_JOBS, SERVERS } from "../lib/names";
import { Mismatch } from "../lib/retry";
import { check, describeGaps, type Advice, type Check } from "./check";
import type { ExplainedGap } from "./containers";
import type { Expectation } from "./report";
import { activeTargets, type Target } from "./samples";

/** The checks of the metrics of LLM servers, where they are scraped. */
export function llmChecks({ llmServers, prometheusUrl, containers }: Expectation, deadline: number): Check[] {
  if (!llmServers) return [];
  const { forwarder } = llmServers;
  const checks = forwarder
    ? [check("the forwarder to LLM servers answers", forwarder, deadline, () => forwarderAnswers(forwarder))]
    : [];
  return [
    ...checks,
    {
      ...check("the LLM servers are scraped", containers.exporter, deadline, () => Promise.resolve("")),
      advisory: () => llmServersScraped(prometheusUrl),
    },
  ];
}

async function forwarderAnswers(forwarder: string): Promise<string> {
  const url = `http://127.0.0.1:${SERVERS.llmForwarder.port}/healthz`;
  try {
    await docker(["exec", forwarder, "wget", "-qO-", url]);
    return "ok";
  } catch (error) {
    throw new Mismatch(
      (error as Error).message,
      "a running container that answers",
      "See `docker logs` of the forwarder, and that each network of llm-metrics:llmNetworks exists.",
    );
  }
}

/** Why servers are not scraped, by the exporter's reasons; the others are as the labels of the containers demand. */
const REASONS: Readonly<Record<string, string>> = {
  network:
    "it is neither on the stack's network nor on one of llm-metrics:llmNetworks, nor in the host's: add its network to the setting",
  port: "its port is unknown: set the container label llm-metrics.port",
  key: "it is in the host's network, where another process could get its key: give it a network of its own",
};

/** A server of the user's that is not scraped is reported, and fails nothing. */
async function llmServersScraped(prometheus: string): Promise<Advice> {
  const targets = await activeTargets(prometheus, `&scrapePool=${OWN_JOBS.llm}`);
  const unscraped = await query(prometheus, "llm_server_scraped == 0");
  const up = targets.filter(({ health }) => health === "up").map(({ labels }) => labels["name"] ?? "");
  const gaps = [
    ...targets.filter(({ health }) => health !== "up").map(unanswered),
    ...unscraped.flatMap(excluded),
  ];
  if (up.length + gaps.length === 0) return { actual: "no LLM server runs", gaps };
  const answers = `${up.length} of ${up.length + gaps.length} answer: ${up.sort().join(", ") || "none"}`;
  return { actual: gaps.length > 0 ? `${answers}; not scraped: ${describeGaps(gaps)}` : answers, gaps };
}

const excluded = ({ labels: { name = "", reason = "" } }: Sample): ExplainedGap[] => {
  const text = REASONS[reason];
  return text ? [{ name, reason: text, mayClose: false }] : [];
};

function unanswered({ health, labels, lastError, scrapeUrl, discoveredLabels }: Target): ExplainedGap {
  const name = labels["name"] ?? "";
  if (health === "unknown") return { name, reason: "not scraped yet", mayClose: true };
  return { name, reason: `${lastError}${hint(lastError, scrapeUrl, discoveredLabels)}`, mayClose: false };
}

function hint(
  error: string,
  url: string,
  { __meta_docker_network_name: network }: Record<string, string>,
): string {
  if (/HTTP status 401|HTTP status 403/.test(error))
    return ": its metrics require a key, which llm-metrics:llmKeys has for servers on networks of Docker";
  if (network === "host")
    return (
      `: in the host's network, it must listen on ${new URL(url).hostname} (--host 0.0.0.0), and the host's firewall must accept ` +
      "connections from the stack's network (docs/metrics.md)"
    );
  if (/HTTP status 50[234]/.test(error))
    return ": the forwarder cannot connect to it; it may listen on another port, or on loopback only";
  return "";
}
