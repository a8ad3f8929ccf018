import type { ContainerArgs } from "@pulumi/docker";
import { HARDENED, onlyCapabilities } from "./container";

/** Who Caddy runs as. */
export const NOBODY = 65_534;

/**
 * A hardened container that runs Caddy with a configuration in its own words (caddyserver.com/docs/json). That is an
 * environment variable, so that a preview shows what changes, and gets into a file in memory, as the root filesystem is read-only.
 *
 * @param memory limit in MiB
 * @param first what the shell does before
 */
export const caddy = (config: object, memory: number, first = ":") =>
  ({
    ...HARDENED,
    envs: [`CONFIG=${JSON.stringify(config, undefined, 2)}`],
    command: ["sh", "-c", `${first}; printf %s "$CONFIG" > ${FILE}; exec caddy run --config ${FILE}`],
    user: `${NOBODY}:${NOBODY}`,
    // The file of the official image carries this capability, and the kernel runs it only where it could be had. As nobody,
    // and with no-new-privileges, the process has none.
    capabilities: onlyCapabilities("CAP_NET_BIND_SERVICE"),
    memory,
    memorySwap: memory,
    cpus: "0.5",
  }) satisfies Partial<ContainerArgs>;

const FILE = "/dev/shm/caddy.json";
