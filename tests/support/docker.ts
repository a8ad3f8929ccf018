import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { buildShellImage } from "../../airgap/images";
import { run } from "../../lib/run";

/** The address of the Docker daemon that the tests run on. */
export const DOCKER_HOST = process.env["DOCKER_HOST"] ?? "";

/**
 * Whether this engine runs the tests whose subject does not depend on the engine, in files that run on each engine. Files in which that
 * is so for all tests are listed in jest.config.cjs.
 */
export const RUNS_ALL_TESTS = process.env["DOCKER_ENGINE"] === "20.10";

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

/** The pid of containerd's shim of a running container: it starts and reaps the container's process. */
export async function shimOf(container: string): Promise<number> {
  const { Pid: pid } = (await inspect(container)).State;
  return Number(/PPid:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1]);
}

/** Images that this test file has built, or found on the daemon. */
const built = new Map<string, Promise<void>>();

/**
 * Starts a container. It ends at once when it is stopped: a shell or `sleep` that is the first process would ignore SIGTERM for ten seconds.
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
  if (!built.has(image)) built.set(image, buildShellImage(image, DOCKER_HOST));
  await built.get(image);
  const name = `test-${randomBytes(4).toString("hex")}`;
  await docker("run", "-d", "--name", name, "--stop-signal=KILL", ...options, image, ...command);
  return name;
}
