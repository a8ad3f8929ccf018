import { readFile } from "node:fs/promises";
import Docker from "dockerode";
import { containersOf } from "./cgroup";
import { Containers } from "./containers";
import { Driver } from "./driver";
import { exporterServer, untilStopped } from "./server";
import { Collector } from "./snapshot";

/** Where Prometheus scrapes. */
const PORT = 9835;

/** The GPU exporter: a container's program, in the host's pid and cgroup namespaces, with the Docker socket and `nvidia-smi`. */
async function main(): Promise<void> {
  const self = containersOf(await readFile("/proc/self/cgroup", "utf8")).pop()?.id;
  const containers = new Containers(new Docker({ socketPath: "/var/run/docker.sock" }), "/proc", self);
  const server = exporterServer(new Collector(new Driver(), containers));
  server.listen(Number(process.env["PORT"] ?? PORT), () => {
    console.error(`GPU exporter listens on port ${PORT}`);
  });
  await untilStopped(server);
  process.exit();
}

void main();
