import type { Agent } from "node:http";
import { Agent as TlsAgent } from "node:https";
import type { LookupFunction } from "node:net";
import { rootCertificates } from "node:tls";
import fetch from "node-fetch";
import { docker } from "./docker";
import { agentOverCommand, remoteShell } from "./ssh";
import { Mismatch } from "../lib/retry";

/** A sample of an instant query. */
export interface Sample {
  labels: Record<string, string>;
  value: number;
}

const agents = new Map<string, Agent>();

/**
 * The HTTP agent for a server of the Docker host, at the gateway's address where that is set; over one ssh connection where the
 * host is another machine. TLS requires a certificate for the name in the URL.
 */
async function agentFor(
  { protocol, hostname, port }: URL,
  { DOCKER_HOST = "", GATEWAY = "", GATEWAY_ADDRESS = hostname, GATEWAY_CA }: NodeJS.ProcessEnv,
): Promise<Agent | undefined> {
  const [ssh, ...words] = DOCKER_HOST ? remoteShell(DOCKER_HOST) : [];
  const tls = protocol === "https:";
  if (!ssh && !tls) return undefined;
  const existing = agents.get(port);
  if (existing) return existing;
  const own = tls ? [GATEWAY_CA ?? (await docker(["exec", GATEWAY, "cat", OWN_ROOT]))] : [];
  const ca = tls ? [...rootCertificates, ...own] : undefined;
  const lookup: LookupFunction = (_name, { all }, found) => {
    if (all) found(null, [{ address: GATEWAY_ADDRESS, family: 4 }]);
    else found(null, GATEWAY_ADDRESS, 4);
  };
  const agent = ssh
    ? agentOverCommand([ssh, "-W", `${GATEWAY_ADDRESS}:${port}`, ...words], ca)
    : new TlsAgent({ ca, lookup });
  agents.set(port, agent);
  return agent;
}

/** The root certificate of Caddy's internal authority. */
const OWN_ROOT = "/gateway/data/pki/authorities/local/root.crt";

/**
 * Sends a GET request to a server of the Docker host, with a timeout of 10 s. Node 20's own fetch would not do: it never settles
 * when a proxy accepts the connection and closes it at once, as Docker's does while a container starts.
 *
 * @param anonymous whether to send no login
 * @throws Mismatch when there is no answer, so that a caller retries
 */
export async function get(
  url: string,
  { anonymous = false }: { anonymous?: boolean } = {},
): Promise<{ status: number; body: string }> {
  try {
    const { GATEWAY_LOGIN: login } = process.env;
    const response = await fetch(url, {
      timeout: 10_000,
      agent: await agentFor(new URL(url), process.env),
      ...(login &&
        !anonymous && { headers: { Authorization: `Basic ${Buffer.from(login).toString("base64")}` } }),
    });
    return { status: response.status, body: await response.text() };
  } catch (error) {
    throw new Mismatch(
      `${url} did not answer (${(error as Error).message})`,
      "an answer",
      "See `docker ps` and `docker logs` of the container that serves it.",
    );
  }
}

/** Runs an instant query. */
export async function query(prometheus: string, promql: string): Promise<Sample[]> {
  const { status, body } = await get(
    `${prometheus}/api/v1/query?${new URLSearchParams({ query: promql }).toString()}`,
  );
  if (status !== 200)
    throw new Mismatch(
      `the query ${promql} answered ${status}: ${body.slice(0, 200)}`,
      "status 200",
      "See the log of Prometheus.",
    );
  const { result } = (
    JSON.parse(body) as { data: { result: { metric: Record<string, string>; value: [number, string] }[] } }
  ).data;
  return result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
}
