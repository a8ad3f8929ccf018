import Docker from "dockerode";
import { Containers } from "./containers";
import { Driver } from "./driver";
import { exporterServer } from "./server";
import { Collector } from "./snapshot";

/** Where Prometheus scrapes; components/gpuExporter.ts says it too. */
const PORT = 9835;

// The GPU exporter: a container's program, in the host's pid and cgroup namespaces, with `nvidia-smi`. Docker is where
// DOCKER_HOST says, by default at its socket.
const containers = new Containers(new Docker({ timeout: 10_000 }));
const server = exporterServer(new Collector(new Driver(), containers));
server.listen(PORT, () => {
  console.error(`the GPU exporter listens on port ${PORT}`);
});
// The first process of a container has to end itself.
for (const signal of ["SIGTERM", "SIGINT"] as const)
  process.once(signal, () => {
    process.exit();
  });
