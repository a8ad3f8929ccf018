import { SERVERS } from "../lib/names";
import { Accounting } from "./accounting";
import { Collector } from "./collector";
import { Containers } from "./containers";
import { DockerApi } from "./dockerApi";
import { Driver, WORKER_ARGUMENT } from "./driver";
import { Gpus } from "./gpus";
import { exporterServer } from "./server";

const EXIT_MILLISECONDS = 1000;

function main(): void {
  const { DOCKER_HOST, NVIDIA_VISIBLE_DEVICES } = process.env;
  const containers = new Containers(new DockerApi(DOCKER_HOST));
  // "void" gives a container no GPUs. With GPUs, it has NVIDIA's library and shares the pid namespace of the host.
  const hasGpus = NVIDIA_VISIBLE_DEVICES !== "void";
  const gpus = hasGpus ? new Gpus(startDriver(), containers, new Accounting()) : undefined;
  const server = exporterServer(new Collector(containers, gpus, llmNetworks(process.env)));
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

/** Where LLM servers are listed; undefined where they are not scraped. */
function llmNetworks({ LLM_NETWORK, LLM_FORWARDED_NETWORKS, LLM_KEYED_CONTAINERS }: NodeJS.ProcessEnv) {
  if (!LLM_NETWORK) return undefined;
  const words = (list = "") => list.split(",").filter(Boolean);
  return {
    shared: LLM_NETWORK,
    forwarded: words(LLM_FORWARDED_NETWORKS),
    keyed: words(LLM_KEYED_CONTAINERS),
  };
}

/** The container is started again after its exit, with the devices and the library of the driver as it is then. */
function startDriver(): Driver {
  const driver = new Driver(__filename);
  driver.onLost = (reason) => {
    console.error(
      `${reason}; the exporter ends, so that its container starts again with the GPUs of that time`,
    );
    // The scrape that found it is still answered.
    setTimeout(() => process.exit(1), EXIT_MILLISECONDS);
  };
  return driver;
}

// Only the process that calls NVIDIA's library loads the native code for that.
if (process.argv[2] === WORKER_ARGUMENT)
  void import("./driver/worker").then(({ runWorker }) => {
    runWorker();
  });
else main();
