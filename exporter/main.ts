import { SERVERS } from "../lib/names";
import { Collector } from "./collector";
import { Containers } from "./containers";
import { DockerApi } from "./dockerApi";
import { Driver } from "./driver";
import { exporterServer } from "./server";

// The exporter runs in a container that has `nvidia-smi` and shares the pid and cgroup namespaces of the host.
const containers = new Containers(new DockerApi(process.env["DOCKER_HOST"]));
const { LLM_NETWORK, LLM_FORWARDED_NETWORKS = "" } = process.env;
const networks = { shared: LLM_NETWORK, forwarded: LLM_FORWARDED_NETWORKS.split(",").filter(Boolean) };
const server = exporterServer(new Collector(new Driver(), containers, networks));
const { port } = SERVERS.exporter;
server.listen(port, () => {
  console.error(`listening on port ${port}`);
});
// Signals have no default action for the first process of a container.
for (const signal of ["SIGTERM", "SIGINT"] as const)
  process.once(signal, () => {
    process.exit();
  });
