import { ENVIRONMENT_LABEL } from "../lib/names";
import type { HostNetwork } from "./facts";

/**
 * The networks of the setting `llmNetworks`.
 *
 * @param names the setting
 * @param existing the networks of the host
 * @throws Error that lists each network that the forwarder cannot join, with the reason and the remedy
 */
export function llmNetworks(names: readonly string[], existing: readonly HostNetwork[]): HostNetwork[] {
  const found = names.map((name) => existing.find((network) => network.name === name));
  const problems = found.flatMap((network, index) => {
    const problem = network ? whyNotJoined(network) : whyMissing(existing);
    return problem ? `llm-metrics:llmNetworks[${index}] is ${JSON.stringify(names[index])}, ${problem}` : [];
  });
  if (problems.length > 0)
    throw new Error(
      `these networks are refused, and nothing was changed:\n${problems.map((line) => `  - ${line}`).join("\n")}`,
    );
  return found.filter((network) => network !== undefined);
}

function whyMissing(existing: readonly HostNetwork[]): string {
  const others = existing.filter((network) => !whyNotJoined(network)).map(({ name }) => name);
  return (
    `but Docker has no network of that name (it has ${others.sort().join(", ") || "none that can be joined"}): ` +
    "start the Compose project that creates it, or remove it from the setting"
  );
}

/** Undefined for a network that the forwarder can join. */
function whyNotJoined({ driver, joinable, hasIpv4, labels }: HostNetwork): string | undefined {
  if (driver === "host")
    return "but servers in the host's network are scraped without this setting: remove it";
  if (driver === "null") return "but containers on it have no network: remove it";
  if (ENVIRONMENT_LABEL in labels)
    return `but that is a network of the stack ${labels[ENVIRONMENT_LABEL] ?? ""}: remove it; servers on the stack's network are scraped without this setting`;
  if (!joinable)
    return "but containers cannot join it: create it with `docker network create --attachable` where it is a swarm's, or remove it";
  if (!hasIpv4) return "but it has no IPv4 addresses: create it with IPv4, or remove it";
  return undefined;
}
