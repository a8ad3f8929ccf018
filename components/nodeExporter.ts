import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { DISKS_FOLDER, DOCKER_ROOT_FILE, NOBODY, SERVERS } from "../lib/names";
import { createContainer, healthcheck, type PartArgs } from "./container";

/** Memory limit in MiB. */
const MEMORY = 64;

const { alias, port } = SERVERS.nodeExporter;

/** What cAdvisor does not measure. Each of them reads files that the kernel does not hide from containers. */
const COLLECTORS = ["filesystem", "loadavg", "meminfo", "pressure"];

const FLAGS = [
  "--collector.disable-defaults",
  ...COLLECTORS.map((collector) => `--collector.${collector}`),
  // The container's other mount points say nothing about the host.
  `--collector.filesystem.mount-points-include=^(${DOCKER_ROOT_FILE}$|${DISKS_FOLDER}/)`,
  // The disk of Docker's root directory can be of any type.
  "--collector.filesystem.fs-types-exclude=^$",
  "--web.disable-exporter-metrics",
];

export interface NodeExporterArgs extends Omit<PartArgs, "host"> {
  /** Directories of the host whose disks are measured too. They are mounted, so best empty ones. */
  disks: readonly string[];
}

/**
 * node_exporter, which measures the host's load, memory and disks without any privilege: a container's own /proc has the load, the
 * memory and the pressure of the whole host, and Docker mounts a file from its root directory into each container.
 */
export class NodeExporter extends pulumi.ComponentResource {
  readonly container: docker.Container;

  /** @param name also the container's name */
  constructor(name: string, args: NodeExporterArgs, opts?: pulumi.ComponentResourceOptions) {
    super("llm-metrics:docker:NodeExporter", name, {}, opts);
    const { image, disks, network, labels } = args;

    this.container = createContainer(this, name, {
      image,
      memory: MEMORY,
      cpus: "0.25",
      labels,
      networks: [{ network, aliases: [alias] }],
      command: FLAGS,
      user: `${NOBODY}:${NOBODY}`,
      // Unlike a volume, a mount of a directory that does not exist fails, and creates none.
      ...(disks.length > 0 && {
        mounts: disks.map((disk) => ({
          type: "bind",
          source: disk,
          target: `${DISKS_FOLDER}${disk}`,
          readOnly: true,
        })),
      }),
      healthcheck: healthcheck(`http://127.0.0.1:${port}/`),
    });
    this.registerOutputs({});
  }
}
