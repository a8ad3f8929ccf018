import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { exists } from "../../lib/cache";
import { DAEMON_FOLDER } from "./daemonControl";
import { rootDevice, startContainer } from "./docker";
import { Stack, succeeded } from "./stack";

const FILE = path.join(DAEMON_FOLDER, "shared-stack.json");

/** The containers of the host, by what distinguishes them. */
export type Containers = Record<"plain" | "vllm" | "relabelled" | "compose" | "gpu" | "limited", string>;

interface Shared {
  stack: Stack;
  containers: Containers;
}

/**
 * The stack that test files share, with the default settings, on a host that runs containers. The first file on a daemon
 * deploys it. A file that changes what is deployed puts it back.
 */
export async function sharedStack(): Promise<Shared> {
  if (await exists(FILE)) {
    const { stack, containers } = JSON.parse(await readFile(FILE, "utf8")) as {
      stack: Parameters<typeof Stack.open>[0];
      containers: Containers;
    };
    return { stack: await Stack.open(stack), containers };
  }
  // Some tests restart the daemon.
  const start = (image: string, options: string[] = [], command: string[] = []) =>
    startContainer(image, ["--restart=always", ...options], command);
  const containers = {
    plain: await start("example/web:1"),
    vllm: await start("vllm/vllm-openai:v0.11.0"),
    relabelled: await start("example/chat:1", ["--label", "llm-metrics.server=sglang"]),
    compose: await start("example/web:1", [
      "--label=com.docker.compose.project=chat",
      "--label=com.docker.compose.service=api",
    ]),
    gpu: await start("example/cuda:1", ["--env", "NVIDIA_VISIBLE_DEVICES=0,1"]),
    limited: await start(
      "example/web:1",
      // With cgroups of version 1, recent kernels count I/O only of containers with an I/O limit.
      ["--memory", "64m", "--cpus", "0.5", "--device-write-bps", `${await rootDevice()}:100mb`],
      ["sh", "-c", "while true; do dd if=/dev/zero of=/file bs=1M count=2 oflag=direct; sleep 1; done"],
    ),
  };
  const stack = await Stack.create();
  await succeeded(stack.up());
  await writeFile(FILE, JSON.stringify({ stack: stack.description(), containers }));
  return { stack, containers };
}
