import { SERVERS } from "../lib/names";
import { Accounting } from "./accounting";
import { Collector } from "./collector";
import { Containers } from "./containers";
import { DockerApi } from "./dockerApi";
import { Driver, WORKER_ARGUMENT } from "./driver";
import { runWorker } from "./driver/worker";
import { exporterServer } from "./server";

// The exporter runs in a container that has NVIDIA's library and shares the pid and cgroup namespaces of the host.
function main(): void {
  const containers = new Containers(new DockerApi(process.env["DOCKER_HOST"]));
  const { LLM_NETWORK } = process.env;
  const collector = new Collector(new Driver(__filename), containers, new Accounting(), LLM_NETWORK);
  const server = exporterServer(collector);
  const { port } = SERVERS.exporter;
  server.listen(port, () => {
    console.error(`listening on port ${port}`);
  });
  // Signals have no default action for the first process of a container.
  for (const signal of ["SIGTERM", "SIGINT"] as const)
    process.once(signal, () => {
      process.exit();
    });
}

if (process.argv[2] === WORKER_ARGUMENT) runWorker();
else main();
