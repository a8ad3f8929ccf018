import { local } from "@pulumi/command";
import { z } from "zod";

/** What the deployment has to know of the Docker host. */
export interface HostFacts {
  /** The host's name, as its daemon reports it. */
  name: string;
  /** Docker's root directory, where the writable layers are. */
  rootDirectory: string;
  /** Path of the Docker API's socket on the host. */
  dockerSocket: string;
  /** Path of containerd's socket, on hosts whose images are in the containerd image store; else undefined. */
  containerdSocket?: string;
}

const OLDEST_ENGINE = [20, 10] as const;
const DEFAULT_SOCKET = "unix:///var/run/docker.sock";
const DEFAULT_CONTAINERD = "/run/containerd/containerd.sock";

/** The part of `docker info` that matters here. Source: docker/docs, Engine API, `GET /info`. */
const dockerInfo = z.object({
  Name: z.string().default(""),
  ServerVersion: z.string().default(""),
  OSType: z.string().default(""),
  DockerRootDir: z.string().default(""),
  DriverStatus: z.array(z.array(z.string())).nullish(),
  SecurityOptions: z.array(z.string()).nullish(),
  Containerd: z.object({ Address: z.string().default("") }).nullish(),
  ServerErrors: z.array(z.string()).nullish(),
});

/**
 * Asks the Docker daemon for the facts, in previews too.
 *
 * @param dockerHost the daemon's address, as in DOCKER_HOST; the default is the local socket
 * @throws Error when the daemon does not answer, or the host is not one that can be monitored
 */
export async function readHostFacts(dockerHost = DEFAULT_SOCKET): Promise<HostFacts> {
  if (!dockerHost.startsWith("unix://"))
    throw new Error(
      `docker:host is "${dockerHost}", but only a daemon on this machine can be monitored for now: ` +
        `run Pulumi on that host, with docker:host or DOCKER_HOST set to a unix:// socket, or to nothing`,
    );
  const { stdout } = await local.run({
    command: "docker info --format '{{json .}}'",
    environment: { DOCKER_HOST: dockerHost },
    logging: "none",
  });
  return parseDockerInfo(stdout, dockerHost);
}

/**
 * Reads the answer of `docker info --format '{{json .}}'`.
 *
 * @throws Error when the host is not one that can be monitored, with the reason and what to do
 */
export function parseDockerInfo(json: string, dockerHost = DEFAULT_SOCKET): HostFacts {
  const info = dockerInfo.parse(JSON.parse(json));
  const [major = 0, minor = 0] = info.ServerVersion.split(".").map(Number);
  const security = info.SecurityOptions ?? [];
  const refuse = (seen: string, remedy: string) =>
    new Error(`this Docker host cannot be monitored: ${seen}. ${remedy}`);

  if (info.ServerErrors?.length || !info.ServerVersion)
    throw refuse(
      info.ServerErrors?.join("; ") ?? "the daemon did not answer",
      `Start Docker, or set docker:host to where it listens (now ${dockerHost}).`,
    );
  if (info.OSType !== "linux")
    throw refuse(`its containers run on ${info.OSType}`, "cAdvisor reads Linux cgroups: use a Linux host.");
  if (major < OLDEST_ENGINE[0] || (major === OLDEST_ENGINE[0] && minor < OLDEST_ENGINE[1]))
    throw refuse(`its engine is ${info.ServerVersion}`, `Upgrade it to ${OLDEST_ENGINE.join(".")} or newer.`);
  if (security.some((option) => option.includes("name=rootless")))
    throw refuse(
      "its daemon is rootless, so no container can read the host's cgroups",
      "Use a daemon that runs as root.",
    );
  if (security.some((option) => option.includes("name=userns")))
    throw refuse(
      "its daemon remaps users (userns-remap), so no container can read the Docker socket",
      "Remove userns-remap from daemon.json.",
    );

  const containerdStore = info.DriverStatus?.some(
    ([key, value]) => key === "driver-type" && value?.startsWith("io.containerd."),
  );
  return {
    name: info.Name,
    rootDirectory: info.DockerRootDir,
    dockerSocket: dockerHost.slice("unix://".length),
    ...(containerdStore && { containerdSocket: info.Containerd?.Address || DEFAULT_CONTAINERD }),
  };
}
