import type { Agent } from "node:http";
import fetch from "node-fetch";
import { agentThrough, isRemote, remoteShell } from "./dockerHost";
import { Mismatch } from "./retry";

/** A sample of an instant query. */
export interface Sample {
  labels: Record<string, string>;
  value: number;
}

/** What reaches a port of the Docker host's own loopback addresses, where that is another machine: one connection over ssh. */
const agents = new Map<string, Agent>();
function agentFor(url: string, dockerHost = process.env["DOCKER_HOST"] ?? ""): Agent | undefined {
  if (!dockerHost || !isRemote(dockerHost)) return undefined;
  const { host } = new URL(url);
  const [ssh = "ssh", ...words] = remoteShell(dockerHost);
  const agent = agents.get(host) ?? agentThrough([ssh, "-W", host, ...words]);
  agents.set(host, agent);
  return agent;
}

/**
 * Asks for a URL of the Docker host, for at most 10 s. A server that cannot be reached is a {@link Mismatch}, so that it is asked again.
 * Not by Node's own fetch: that of Node 20 never answers when a proxy accepts the connection and closes it at once, as
 * Docker's does while a container starts.
 */
export async function get(url: string): Promise<{ status: number; body: string }> {
  try {
    const response = await fetch(url, { timeout: 10_000, agent: agentFor(url) });
    return { status: response.status, body: await response.text() };
  } catch (error) {
    throw new Mismatch(
      `${url} did not answer (${(error as Error).message})`,
      "an answer",
      "See `docker ps` and `docker logs` of the container that serves it.",
    );
  }
}

/** The samples of a PromQL expression now. */
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
