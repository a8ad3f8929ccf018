import { docker } from "./docker";
import type { GpuAccess } from "./facts";

/** Seconds for a container to start. A driver that has to initialize its GPUs first takes up to half a minute. */
const START_TIMEOUT = 60;
const REMOVE_TIMEOUT = 20;

export interface GpuTrial {
  access: GpuAccess;
  /** Image reference; the image has a shell. */
  image: string;
  /** Name of the container, which is removed. */
  name: string;
  /** Address of the daemon, as in DOCKER_HOST. */
  address: string;
}

/**
 * Starts a container with every GPU, which ends at once. Docker lists NVIDIA's runtime and CDI devices whether or not the driver
 * is loaded, and then no container that requests a GPU starts (NVIDIA/nvidia-container-toolkit issue 1269).
 *
 * @returns the reason why it did not start; undefined where it did, or where its image is not to be had
 */
export async function gpuTrial({ access, image, name, address }: GpuTrial): Promise<string | undefined> {
  // An image that cannot be pulled fails the update with a message of its own.
  const succeeds = (...args: string[]) => docker(args, { address }).then(Boolean, () => false);
  if (!((await succeeds("image", "inspect", image)) || (await succeeds("pull", image)))) return undefined;
  const closed = [
    "--network",
    "none",
    "--cap-drop",
    "ALL",
    "--read-only",
    "--security-opt",
    "no-new-privileges",
  ];
  const program = ["--entrypoint", "sh", image, "-c", ":"];
  const create = ["create", "--name", name, ...closed, ...gpuOptions(access), ...program];
  const remove = () =>
    docker(["rm", "--force", name], { address, timeoutSeconds: REMOVE_TIMEOUT }).catch(() => undefined);
  try {
    await remove();
    await docker(create, { address, timeoutSeconds: START_TIMEOUT });
    await docker(["start", "--attach", name], { address, timeoutSeconds: START_TIMEOUT });
    return undefined;
  } catch (error) {
    return (error as Error).message;
  } finally {
    await remove();
  }
}

/** The CLI's option `--device` knows CDI devices from version 25 on, the option `--gpus` in every version. */
const gpuOptions = (access: GpuAccess): string[] =>
  "runtime" in access
    ? [
        ...["--runtime", access.runtime],
        ...["--env", "NVIDIA_VISIBLE_DEVICES=all", "--env", "NVIDIA_DRIVER_CAPABILITIES=utility"],
      ]
    : ["--gpus", `driver=cdi,device=${access.cdiDevice}`];
