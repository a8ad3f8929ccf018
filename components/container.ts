import type { ContainerArgs, Network, types } from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";

/** What every container of the stack gets: no privilege that it did not ask for, and bounded logs. */
export const HARDENED = {
  readOnly: true,
  securityOpts: ["no-new-privileges:true"],
  // Not "unless-stopped": a daemon that crashed takes what it finds running for stopped by hand, and does not start it again.
  restart: "always",
  logDriver: "json-file",
  logOpts: { "max-size": "10m", "max-file": "3" },
};

/** Capabilities dropped to the named ones, in the form `CAP_NAME` that the provider reads back. */
export function onlyCapabilities(...adds: string[]): types.input.ContainerCapabilities {
  return { drops: ["ALL"], ...(adds.length > 0 && { adds }) };
}

/**
 * The networks of a container, and its labels, one of which names the networks by their ids: one that was removed by hand and
 * made again has another id, and only a container that is made again joins it.
 */
export function onNetworks(
  networks: { network: Network; aliases?: string[] }[],
  labels: { label: string; value: string }[],
): Pick<ContainerArgs, "networksAdvanced" | "labels"> {
  const ids = pulumi.all(networks.map(({ network }) => network.id));
  return {
    networksAdvanced: networks.map(({ network, ...aliases }) => ({ name: network.name, ...aliases })),
    labels: [
      ...labels,
      {
        label: "llm-metrics.networks",
        value: ids.apply((all) => all.map((id) => id.slice(0, 12)).join(".")),
      },
    ],
  };
}

/** A health check that asks a URL inside the container for success. */
export function healthcheck(url: string): types.input.ContainerHealthcheck {
  return {
    tests: ["CMD", "wget", "-q", "--spider", url],
    interval: "30s",
    timeout: "5s",
    retries: 3,
    startPeriod: "30s",
  };
}
