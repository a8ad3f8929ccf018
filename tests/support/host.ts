import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { buildShellImage } from "../../airgap/images";
import { run } from "../../lib/run";

/** The Docker daemon that the tests run on. */
export const DOCKER_HOST = process.env["DOCKER_HOST"] ?? "";

/** Runs the Docker CLI on the daemon of the tests. */
export const docker = (...args: string[]): Promise<string> => run("docker", args).then((out) => out.trim());

/** Whether the daemon keeps its images in containerd. */
export const hasContainerdStore = async (): Promise<boolean> =>
  (await docker("info", "--format", "{{.DriverStatus}}")).includes("io.containerd");

/** What `docker inspect` says of a container, as far as the tests look. */
export interface Inspected {
  Id: string;
  Config: { Image: string; User: string; Healthcheck?: { Test: string[] } };
  State: { Running: boolean; StartedAt: string };
  HostConfig: {
    Privileged: boolean;
    CapAdd: string[] | null;
    CapDrop: string[] | null;
    ReadonlyRootfs: boolean;
    SecurityOpt: string[] | null;
    Memory: number;
    NanoCpus: number;
    PidMode: string;
    DeviceRequests?: { Driver: string; DeviceIDs: string[] }[];
    Devices: { PathOnHost: string; CgroupPermissions: string }[] | null;
    PortBindings: Record<string, { HostIp: string; HostPort: string }[]>;
  };
  Mounts: { Type: string; Source: string; Destination: string; RW: boolean; Name?: string }[];
}
export const inspect = async (container: string): Promise<Inspected> =>
  (JSON.parse(await docker("inspect", container)) as [Inspected])[0];

/** Starts a container from an image of any name, which does nothing unless a command is given; gives its name. */
export async function startContainer(
  image: string,
  options: string[] = [],
  command: string[] = [],
): Promise<string> {
  await buildShellImage(image, DOCKER_HOST);
  const name = `test-${randomBytes(4).toString("hex")}`;
  await docker("run", "-d", "--name", name, ...options, image, ...command);
  return name;
}

/** A sample of Prometheus. */
export interface Sample {
  metric: Record<string, string>;
  value: [number, string];
}

/** The samples of a PromQL expression now. */
export async function query(prometheus: string, promql: string): Promise<Sample[]> {
  const response = await fetch(
    `${prometheus}/api/v1/query?${new URLSearchParams({ query: promql }).toString()}`,
  );
  const { data, error } = (await response.json()) as { data?: { result: Sample[] }; error?: string };
  if (!data) throw new Error(`${promql}: ${error ?? "no data"}`);
  return data.result;
}

/** Repeats an assertion until it holds; after 90 s its last failure counts. */
export async function eventually(assertion: () => Promise<void>): Promise<void> {
  for (const end = Date.now() + 90_000; ;) {
    try {
      await assertion();
      return;
    } catch (error) {
      if (Date.now() > end) throw error;
      await sleep(500);
    }
  }
}
