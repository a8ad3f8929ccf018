import type { types } from "@pulumi/docker";

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
