import { Agent } from "node:https";
import type { LookupFunction } from "node:net";
import { rootCertificates } from "node:tls";
import fetch from "node-fetch";
import { docker } from "./docker";
import { Mismatch } from "./retry";

/** A sample of an instant query. */
export interface Sample {
  labels: Record<string, string>;
  value: number;
}

/**
 * Asks for a URL, for at most 10 s. A server that cannot be reached is a {@link Mismatch}, so that it is asked again.
 * Not by Node's own fetch: that of Node 20 never answers when a proxy accepts the connection and closes it at once, as
 * Docker's does while a container starts.
 *
 * @param anonymous whether to say nothing of who asks
 */
export async function get(url: string, anonymous = false): Promise<{ status: number; body: string }> {
  try {
    const { GATEWAY_LOGIN: login } = process.env;
    const response = await fetch(url, {
      timeout: 10_000,
      ...(url.startsWith("https:") && { agent: await trustingAgent(process.env) }),
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

let agent: Agent | undefined;

/** Connects to the gateway by its address, whatever the name in the URL, and insists on a certificate of that name. */
async function trustingAgent({
  GATEWAY = "",
  GATEWAY_ADDRESS = "",
  GATEWAY_CA,
}: NodeJS.ProcessEnv): Promise<Agent> {
  if (agent) return agent;
  const ca = GATEWAY_CA ?? (await docker(["exec", GATEWAY, "cat", OWN_ROOT]));
  const lookup: LookupFunction = (_name, { all }, found) => {
    if (all) found(null, [{ address: GATEWAY_ADDRESS, family: 4 }]);
    else found(null, GATEWAY_ADDRESS, 4);
  };
  return (agent = new Agent({ ca: [...rootCertificates, ca], lookup }));
}

/** Where Caddy keeps the root certificate of its own authority. */
const OWN_ROOT = "/gateway/data/pki/authorities/local/root.crt";

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
