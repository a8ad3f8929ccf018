import { SERVERS } from "../lib/names";
import { Collector } from "./collector";
import { Containers } from "./containers";
import { DockerApi } from "./dockerApi";
import { Driver } from "./driver";
import { Gpus } from "./gpus";
import { exporterServer } from "./server";

const { DOCKER_HOST, NVIDIA_VISIBLE_DEVICES } = process.env;
const { LLM_NETWORK, LLM_FORWARDED_NETWORKS = "", LLM_KEYED_CONTAINERS = "" } = process.env;
const containers = new Containers(new DockerApi(DOCKER_HOST));
// "void" gives a container no GPUs. With GPUs, it has `nvidia-smi` and shares the pid namespace of the host.
const gpus = NVIDIA_VISIBLE_DEVICES === "void" ? undefined : new Gpus(new Driver(), containers);
const words = (list: string) => list.split(",").filter(Boolean);
const networks = LLM_NETWORK && {
  shared: LLM_NETWORK,
  forwarded: words(LLM_FORWARDED_NETWORKS),
  keyed: words(LLM_KEYED_CONTAINERS),
};
const server = exporterServer(new Collector(containers, gpus, networks || undefined));
const { port } = SERVERS.exporter;
server.listen(port, () => {
  console.error(`listening on port ${port}`);
});
// Signals have no default action for the first process of a container.
for (const signal of ["SIGTERM", "SIGINT"] as const)
  process.once(signal, () => {
    process.exit();
  });
