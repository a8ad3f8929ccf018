import { randomBytes } from "node:crypto";
import { buildShellImage } from "../../airgap/images";
import { run } from "../../lib/run";

/** The address of the Docker daemon that the tests run on. */
export const DOCKER_HOST = process.env["DOCKER_HOST"] ?? "";

/** Runs the Docker CLI on the daemon of the tests, for at most three minutes: a daemon can hang. */
export const docker = async (...args: string[]): Promise<string> =>
  (await run("docker", args, { timeoutSeconds: 180 })).trim();

/** Whether the daemon keeps its images in containerd. */
export const hasContainerdStore = async (): Promise<boolean> =>
  (await docker("info", "--format", "{{.DriverStatus}}")).includes("io.containerd");

/** The disk of Docker's root directory. */
export async function rootDevice(): Promise<string> {
  const root = await docker("info", "--format", "{{.DockerRootDir}}");
  return (await run("findmnt", ["-nvo", "SOURCE", "-T", root])).trim();
}

/** The fields of `docker inspect` that the tests read. */
export interface Inspected {
  Id: string;
  Config: { Image: string; User: string; Env: string[]; Healthcheck?: { Test: string[] } };
  State: { Running: boolean; StartedAt: string; Pid: number };
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
    PortBindings: Record<string, { HostIp: string; HostPort: string }[]> | null;
  };
  Mounts: { Type: string; Source: string; Destination: string; RW: boolean; Name?: string }[];
}
export const inspect = async (container: string): Promise<Inspected> =>
  (JSON.parse(await docker("inspect", container)) as [Inspected])[0];

/**
 * Starts a container.
 *
 * @param image any name; the image is built, with a shell
 * @param command by default, the container sleeps
 * @returns the container's name
 */
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
