import * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { GPU_LABEL } from "../exporter/allocation";
import { exporterBundle, NODE_OPTIONS } from "../exporter/bundle";
import type { Settings } from "../settings";
import type { GpuAccess, HostFacts } from "../host/facts";
import type { DockerProxy } from "./dockerProxy";
import { HARDENED, onlyCapabilities, onNetworks } from "./container";
import { program } from "./command";

/** The port that the exporter listens on inside its container. */
const PORT = 9835;

/** Whether GPUs are measured, and why not. */
export type GpuPlan = { access: GpuAccess } | { access?: undefined; reason: string };

/**
 * Decides whether GPUs are measured.
 *
 * @throws Error when the setting `gpu` is on and the host offers no way
 */
export function gpuPlan(setting: Settings["gpu"], host: HostFacts): GpuPlan {
  if (setting === "off") return { reason: "the setting gpu is off" };
  if (host.gpus) return { access: host.gpus };
  const reason = "Docker on this host has neither NVIDIA's container runtime nor CDI devices of NVIDIA GPUs";
  if (setting === "on")
    throw new Error(
      `llm-metrics:gpu is "on", but ${reason}, so nothing was changed. Install the NVIDIA Container Toolkit and run ` +
        "`nvidia-ctk runtime configure --runtime=docker`, restart Docker, and look for nvidia in `docker info`; or set gpu to auto.",
    );
  return { reason };
}

export interface GpuExporterArgs {
  /** Name of the container; the volume with its program derives its from it. */
  containerName: string;
  /** Image reference of Node, with a tag or digest. */
  image: string;
  /** Memory limit in MiB. */
  memory: number;
  /** How the container gets to see every GPU. */
  access: GpuAccess;
  /** Facts of the host. */
  host: HostFacts;
  /** Address of the Docker daemon, as in DOCKER_HOST. */
  dockerHost: string;
  /** The network that it joins, under the alias `gpu-exporter`. */
  network: docker.Network;
  /** Through what it reaches Docker; by default, through the socket itself. */
  proxy?: DockerProxy;
  /** Labels of the container and the volume. */
  labels: { label: string; value: string }[];
}

/**
 * The GPU exporter: it asks the driver which process holds which GPU, and Docker which container that is. It needs the
 * host's pids, because that is what the driver tells, and reads nothing of them but the name of their cgroup.
 */
export class GpuExporter extends pulumi.ComponentResource {
  /** The container. */
  readonly container: docker.Container;
  /** host:port of the exporter on the stack's network. */
  readonly target = `gpu-exporter:${PORT}`;

  constructor(name: string, args: GpuExporterArgs, opts?: pulumi.ComponentResourceOptions) {
    super("llm-metrics:docker:GpuExporter", name, {}, opts);
    const { file } = exporterBundle();
    const { proxy } = args;

    const image = new docker.RemoteImage(
      `${name}-image`,
      { name: args.image, keepLocally: true },
      { parent: this },
    );
    const volume = new docker.Volume(
      `${name}-program`,
      { name: `${args.containerName}-program`, labels: args.labels },
      { parent: this, deleteBeforeReplace: true },
    );
    this.container = new docker.Container(
      `${name}-container`,
      {
        ...HARDENED,
        ...gpuInputs(args.access, proxy ? [`DOCKER_HOST=tcp://${proxy.address.gpuExporter}`] : []),
        name: args.containerName,
        image: args.image,
        // The program comes right after the container, by the step below.
        command: [
          ...["sh", "-c", 'until [ -f "$0" ]; do sleep 1; done; exec node "$@" "$0"', `/exporter/${file}`],
          ...NODE_OPTIONS,
        ],
        user: "65534:65534",
        ...(!proxy && { groupAdds: [String(args.host.socketGroup)] }),
        // dockerd turns SELinux's labels off for a container that sees the host's pids; unsaid, each refresh would find it.
        securityOpts: [...HARDENED.securityOpts, "label=disable"],
        pidMode: "host",
        cgroupnsMode: "host",
        ...onNetworks(
          [
            { network: args.network, aliases: ["gpu-exporter"] },
            ...(proxy ? [{ network: proxy.network }] : []),
          ],
          [...args.labels, { label: GPU_LABEL, value: "none" }],
        ),
        volumes: [
          { volumeName: volume.name, containerPath: "/exporter", readOnly: true },
          ...(proxy
            ? []
            : [{ hostPath: args.host.dockerSocket, containerPath: "/var/run/docker.sock", readOnly: true }]),
        ],
        capabilities: onlyCapabilities(),
        memory: args.memory,
        memorySwap: args.memory,
        cpus: "0.5",
        healthcheck: {
          tests: [
            "CMD",
            "node",
            "-e",
            `require("http").get("http://127.0.0.1:${PORT}/healthz", (r) => process.exit(r.statusCode === 200 ? 0 : 1)).on("error", () => process.exit(1))`,
          ],
          interval: "1m0s",
          timeout: "10s",
          retries: 3,
          startPeriod: "30s",
        },
      },
      {
        parent: this,
        dependsOn: image,
        deleteBeforeReplace: true,
        replaceOnChanges: ["healthcheck"],
      },
    );

    new command.local.Command(
      `${name}-install`,
      {
        ...program("installExporter", {
          DOCKER_HOST: args.dockerHost,
          VOLUME: `${args.containerName}-program`,
          IMAGE: args.image,
        }),
        // Docker's volumes go only with the containers that use them, so a new volume comes with a new container.
        triggers: [this.container.id],
      },
      { parent: this },
    );

    this.registerOutputs({ target: this.target });
  }
}

/**
 * What makes NVIDIA's toolkit put `nvidia-smi` and every GPU into the container. The runtime leaves out what computes; a
 * CDI device brings all that its specification says.
 */
function gpuInputs(
  access: GpuAccess,
  envs: string[],
): Pick<docker.ContainerArgs, "runtime" | "envs" | "deviceRequests"> {
  return "runtime" in access
    ? {
        runtime: access.runtime,
        envs: ["NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=utility", ...envs],
      }
    : {
        deviceRequests: [{ driver: "cdi", deviceIds: [access.cdiDevice] }],
        ...(envs.length > 0 && { envs }),
      };
}
