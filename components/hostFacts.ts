import { local } from "@pulumi/command";
import {
  DEFAULT_SOCKET,
  parseContainers,
  parseDockerInfo,
  type HostContainer,
  type HostFacts,
} from "./dockerInfo";

/**
 * Asks the Docker daemon for the facts and for the containers that are there, in previews too.
 *
 * @param dockerHost the daemon's address, as in DOCKER_HOST; the default is the local socket
 * @throws Error when the daemon does not answer, or the host is not one that can be monitored
 */
export async function readHost(
  dockerHost = DEFAULT_SOCKET,
): Promise<{ facts: HostFacts; containers: HostContainer[] }> {
  if (!dockerHost.startsWith("unix://"))
    throw new Error(
      `docker:host is "${dockerHost}", but only a daemon on this machine can be monitored for now: ` +
        `run Pulumi on that host, with docker:host or DOCKER_HOST set to a unix:// socket, or to nothing`,
    );
  const { stdout } = await local.run({
    command: [
      "docker info --format '{{json .}}'",
      'stat -L -c %g "${DOCKER_HOST#unix://}"',
      "docker ps --all --no-trunc --format '{{json .}}'",
    ].join(" && "),
    environment: { DOCKER_HOST: dockerHost },
    logging: "none",
  });
  const [info = "", group, ...containers] = stdout.trim().split("\n");
  return { facts: parseDockerInfo(info, dockerHost, Number(group)), containers: parseContainers(containers) };
}
