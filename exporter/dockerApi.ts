import { get, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import type { ContainerConfig } from "./allocation";

/** The most containers in one list, so that its size is limited on a host with many stopped ones. */
const LIST_LIMIT = 1000;
const NEWEST = `containers/json?all=1&limit=${LIST_LIMIT}`;
const RUNNING = "containers/json";

/** The paths of the Docker API that the exporter requests, as regular expressions. The Docker proxy allows no others. */
export const EXPORTER_DOCKER_API = [
  "info",
  RUNNING,
  NEWEST.replace("?", "\\?"),
  "containers/[a-f0-9]{64}/json",
];

/** The answer to `GET /info`, as far as the exporter reads it. */
export interface DockerInfo {
  DefaultRuntime?: string;
  Runtimes?: Record<string, { path?: string }> | null;
  CgroupDriver?: string;
}

/** An entry in the answer to `GET /containers/json`, the list of containers. */
export interface ContainerSummary {
  Id: string;
  Names: string[];
  /** When it was created, in Unix seconds. */
  Created: number;
  State: string;
  /** Its state in words, such as "Up 2 hours (healthy)". */
  Status: string;
  /** Its networks by name. */
  NetworkSettings?: { Networks?: Record<string, { IPAddress?: string; IPPrefixLen?: number } | null> | null };
}

/** The answer to `GET /containers/<id>/json`, as far as the exporter reads it. */
export interface ContainerInspection extends ContainerConfig {
  Id: string;
  Name: string;
  /** Restarts by the restart policy. Docker counts from 0 again after a manual start of the container. */
  RestartCount: number;
  State: {
    Status: string;
    /** 0 while it does not run. */
    Pid: number;
    ExitCode: number;
    OOMKilled: boolean;
    StartedAt: string;
    FinishedAt: string;
    Health?: { Status: string } | null;
  };
  Config: ContainerConfig["Config"] & { Image: string };
  HostConfig: ContainerConfig["HostConfig"] & { CgroupParent?: string };
}

/** The Docker API returned another status than 200. */
export class DockerApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** A client of the Docker API that only reads. Its paths have no version, so the daemon's newest version answers. */
export class DockerApi {
  private readonly address: { socketPath: string } | { host: string; port: string };

  /**
   * @param dockerHost the daemon's address, as in DOCKER_HOST: unix://path or tcp://host:port. Default: Docker's socket.
   * @throws Error for any other address
   */
  constructor(dockerHost = "") {
    this.address = parseAddress(dockerHost || "unix:///var/run/docker.sock");
  }

  /** @param signal aborts the request; so do the signals of the methods below */
  async info(signal: AbortSignal): Promise<DockerInfo> {
    return (await this.get("/info", signal)) as DockerInfo;
  }

  /** The running containers, and the newest of the others. */
  async containers(signal: AbortSignal): Promise<ContainerSummary[]> {
    const newest = (await this.get(`/${NEWEST}`, signal)) as ContainerSummary[];
    if (newest.length < LIST_LIMIT) return newest;
    const running = (await this.get(`/${RUNNING}`, signal)) as ContainerSummary[];
    return [...new Map([...newest, ...running].map((container) => [container.Id, container])).values()];
  }

  /** @returns undefined for a container that no longer exists */
  async inspect(id: string, signal: AbortSignal): Promise<ContainerInspection | undefined> {
    try {
      return (await this.get(`/containers/${id}/json`, signal)) as ContainerInspection;
    } catch (error) {
      if (error instanceof DockerApiError && error.status === 404) return undefined;
      throw error;
    }
  }

  private async get(path: string, signal: AbortSignal): Promise<unknown> {
    try {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        get({ ...this.address, path, signal }, resolve).on("error", reject);
      });
      const { statusCode: status = 0 } = response;
      const body = await text(response);
      if (status === 200) return JSON.parse(body);
      throw new DockerApiError(status, `GET ${path}: ${status} ${body.trim().slice(0, 300)}`);
    } catch (error) {
      if (signal.aborted) throw new Error(`GET ${path}: no answer from the Docker API before the timeout`);
      throw error;
    }
  }
}

function parseAddress(dockerHost: string): DockerApi["address"] {
  if (dockerHost.startsWith("unix://")) return { socketPath: dockerHost.slice("unix://".length) };
  const [, host, port] = /^tcp:\/\/\[?([^/]+?)\]?:(\d+)\/?$/.exec(dockerHost) ?? [];
  if (!host || !port)
    throw new Error(
      `DOCKER_HOST is ${JSON.stringify(dockerHost)}, but must be unix://path or tcp://host:port`,
    );
  return { host, port };
}
