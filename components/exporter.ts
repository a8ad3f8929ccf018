import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { DOCKER_SOCKET } from "../caddy/dockerProxy";
import { GPU_LABEL } from "../exporter/allocation";
import { exporterFolder, NODE_OPTIONS, PROGRAM } from "../exporter/bundle";
import type { GpuAccess, HostFacts } from "../host/facts";
import { NOBODY, SERVERS } from "../lib/names";
import type { Settings } from "../settings";
import {
  createContainer,
  createVolume,
  exitOnDeadSocket,
  NO_NEW_PRIVILEGES,
  readsHost,
  type PartArgs,
} from "./container";
import { installFiles } from "./deployStep";
import type { DockerProxy } from "./dockerProxy";
import type { LlmForwarder } from "./llmForwarder";

const { alias, port } = SERVERS.exporter;

/** How GPUs are measured, or why they are not. With `failed`, the host has GPUs that no container gets. */
export type GpuPlan = { access: GpuAccess } | { access?: undefined; reason: string; failed?: true };

/**
 * Decides whether GPUs are measured.
 *
 * @param failure why a container with GPUs does not start on this host; undefined where one starts, or none was tried
 * @throws Error when the setting `gpu` is on, and the host has neither NVIDIA's runtime nor CDI devices, or they do not work
 */
export function gpuPlan(setting: Settings["gpu"], host: HostFacts, failure?: string): GpuPlan {
  if (setting === "off") return { reason: "the setting gpu is off" };
  if (!host.gpus) {
    const reason =
      "Docker on this host has neither NVIDIA's container runtime nor CDI devices of NVIDIA GPUs";
    if (setting === "on")
      throw refusedGpu(
        reason,
        "Install the NVIDIA Container Toolkit and run `nvidia-ctk runtime configure --runtime=docker`, restart Docker, and look " +
          "for nvidia in `docker info`",
      );
    return { reason };
  }
  if (failure === undefined) return { access: host.gpus };
  const reason = failedGpu(host.gpus);
  if (setting === "on") throw refusedGpu(`${reason} (${failure})`, DRIVER_REMEDY);
  return { reason, failed: true };
}

const refusedGpu = (reason: string, remedy: string) =>
  new Error(`llm-metrics:gpu is "on", but ${reason}, so nothing was changed. ${remedy}; or set gpu to auto.`);

/** Why GPUs are not measured on a host where no container with GPUs starts; the same text as long as that lasts. */
export const failedGpu = (access: GpuAccess): string =>
  `no container starts with ${"runtime" in access ? `the runtime ${access.runtime}` : `the CDI device ${access.cdiDevice}`}`;

export const DRIVER_REMEDY =
  "See that `nvidia-smi` works on the host, which needs NVIDIA's driver loaded (`sudo modprobe nvidia`), and run `npm run up` again";

/** The image has Node. */
export interface ExporterArgs extends PartArgs {
  /** Memory limit in MiB. */
  memory: number;
  /** How the container gets access to every GPU; undefined where GPUs are not measured. */
  access?: GpuAccess | undefined;
  /** The network on which it lists LLM servers for Prometheus; undefined where they are not scraped. */
  llmNetwork?: docker.Network | undefined;
  /** The forwarder to LLM servers on other networks, to which it returns where a server is. */
  llmForwarder?: LlmForwarder | undefined;
  /** The proxy to the Docker API; by default, the exporter mounts the socket. */
  proxy?: DockerProxy | undefined;
}

/** The exporter of what Docker reports of each container, and where GPUs are measured, of what each container uses of them. */
export class Exporter extends pulumi.ComponentResource {
  readonly container: docker.Container;

  /** @param name also the container's name, and the prefix of its volume */
  constructor(name: string, args: ExporterArgs, opts?: pulumi.ComponentResourceOptions) {
    super("llm-metrics:docker:Exporter", name, {}, opts);
    const { image, memory, access, host, network, llmForwarder, proxy, labels } = args;
    const folder = exporterFolder();

    const program = createVolume(this, `${name}-program`, { labels });
    this.container = createContainer(this, name, {
      ...gpuInputs(access),
      image,
      memory,
      cpus: "0.5",
      labels: [...labels, { label: GPU_LABEL, value: "none" }],
      networks: [
        { network, aliases: [alias] },
        ...(proxy ? [{ network: proxy.network }] : []),
        ...(llmForwarder ? [{ network: llmForwarder.link, ipv4Address: llmForwarder.exporterAddress }] : []),
      ],
      envs: [...environment(access, proxy), ...llmEnvironment(args)],
      // The deploy step below installs the program right after the container has started.
      command: [...["sh", "-c", startScript(proxy), `/exporter/${folder}/${PROGRAM}`], ...NODE_OPTIONS],
      user: `${NOBODY}:${NOBODY}`,
      ...(!proxy && { groupAdds: [String(host.socketGroup)] }),
      securityOpts: securityOptions(args),
      // The path of its own cgroup shows where Docker creates those of the others, which are the label `id`.
      cgroupnsMode: "host",
      volumes: [
        { volumeName: program.name, containerPath: "/exporter", readOnly: true },
        ...(proxy ? [] : [{ hostPath: host.dockerSocket, containerPath: DOCKER_SOCKET, readOnly: true }]),
      ],
      healthcheck: HEALTHCHECK,
    });
    installFiles(
      this,
      `${name}-install`,
      { host, image, container: this.container, volume: `${name}-program` },
      "installExporter",
    );
    this.registerOutputs({});
  }
}

export const startScript = (proxy?: DockerProxy): string =>
  [
    ...(proxy ? [] : [exitOnDeadSocket(DOCKER_SOCKET)]),
    'until [ -f "$0" ]; do sleep 1; done; exec node "$@" "$0"',
  ].join("\n");

/** The health check. The image has no wget. */
export const HEALTHCHECK = {
  tests: [
    "CMD",
    "node",
    "-e",
    `require("http").get("http://127.0.0.1:${port}/healthz", (r) => process.exit(r.statusCode === 200 ? 0 : 1)).on("error", () => process.exit(1))`,
  ],
  interval: "1m0s",
  timeout: "10s",
  retries: 3,
  startPeriod: "30s",
};

/**
 * NVIDIA's runtime reads these variables, also where it is Docker's default; it is limited to what monitors GPUs. The exporter
 * measures no GPUs with "void".
 */
function environment(access?: GpuAccess, proxy?: DockerProxy): string[] {
  const dockerHost = proxy ? [`DOCKER_HOST=tcp://${proxy.address.exporter}`] : [];
  if (!access) return ["NVIDIA_VISIBLE_DEVICES=void", ...dockerHost];
  if ("cdiDevice" in access) return dockerHost;
  return ["NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=utility", ...dockerHost];
}

/** Where the exporter lists LLM servers. Docker's names of networks and containers have no commas. */
const llmEnvironment = ({ llmNetwork, llmForwarder }: ExporterArgs): pulumi.Input<string>[] => [
  ...(llmNetwork ? [pulumi.interpolate`LLM_NETWORK=${llmNetwork.name}`] : []),
  ...(llmForwarder
    ? [
        `LLM_FORWARDED_NETWORKS=${llmForwarder.networks.join(",")}`,
        `LLM_KEYED_CONTAINERS=${llmForwarder.keyed.join(",")}`,
      ]
    : []),
];

/**
 * The inputs by which NVIDIA's toolkit adds its library and every GPU to the container; a CDI device adds all that its
 * specification lists. The driver reports the processes on each GPU by the pids of the host, so the container is in the host's pid
 * namespace; of other processes, the exporter reads only their cgroup.
 */
function gpuInputs(access?: GpuAccess): Pick<docker.ContainerArgs, "runtime" | "deviceRequests" | "pidMode"> {
  if (!access) return {};
  if ("runtime" in access) return { runtime: access.runtime, pidMode: "host" };
  return { deviceRequests: [{ driver: "cdi", deviceIds: [access.cdiDevice] }], pidMode: "host" };
}

function securityOptions({ access, host, proxy }: ExporterArgs): string[] {
  // dockerd sets label=disable for a container in the host's pid namespace; undeclared, each refresh would find drift.
  if (access) return [...NO_NEW_PRIVILEGES, "label=disable"];
  return proxy ? NO_NEW_PRIVILEGES : readsHost(host);
}
