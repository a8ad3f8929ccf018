import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { EXPORTED_CONTAINER_LABELS, EXPORTED_ENVIRONMENT } from "../prometheus/relabeling";
import { HARDENED, healthcheck, onlyCapabilities, onNetworks } from "./container";
import type { HostFacts } from "../host/facts";
import type { Allowed, DockerProxy } from "./dockerProxy";

/** The port that cAdvisor listens on inside its container. */
const PORT = 8080;

/** What cAdvisor asks Docker for; its page /docker lists the images. Source: google/cadvisor, container/docker. */
export const CADVISOR_DOCKER_API = [
  "_ping",
  "info",
  "version",
  "images/json",
  "containers/[a-f0-9]{64}/json",
];
/** What cAdvisor asks containerd for, on hosts with the containerd image store. Source: google/cadvisor, container/containerd. */
export const CADVISOR_CONTAINERD_API: NonNullable<Allowed["containerd"]> = {
  namespace: "moby",
  methods: [
    "containerd.services.version.v1.Version/Version",
    "containerd.services.containers.v1.Containers/Get",
  ],
};

export interface CadvisorArgs {
  /** Name of the container. */
  containerName: string;
  /** Image reference, with a tag or digest. */
  image: string;
  /** Memory limit in MiB. */
  memory: number;
  /** Facts of the host, which decide the mounts. */
  host: HostFacts;
  /** The network that it joins, under the alias `cadvisor`. */
  network: docker.Network;
  /** Through what it reaches Docker; by default, through the sockets themselves. */
  proxy?: DockerProxy;
  /** Labels of the container. */
  labels: { label: string; value: string }[];
}

/** cAdvisor, with the least privileges that lose no metric: it reads the host's cgroups and asks Docker for names. */
export class Cadvisor extends pulumi.ComponentResource {
  /** The container. */
  readonly container: docker.Container;
  /** host:port of cAdvisor on the stack's network. */
  readonly target = `cadvisor:${PORT}`;

  constructor(name: string, args: CadvisorArgs, opts?: pulumi.ComponentResourceOptions) {
    super("llm-metrics:docker:Cadvisor", name, {}, opts);

    const image = new docker.RemoteImage(
      `${name}-image`,
      { name: args.image, keepLocally: true },
      { parent: this },
    );
    this.container = new docker.Container(
      `${name}-container`,
      {
        ...HARDENED,
        name: args.containerName,
        image: args.image,
        ...(args.proxy && { entrypoints: whenReached(args.proxy) }),
        command: flags(args.proxy),
        ...onNetworks(
          [
            { network: args.network, aliases: ["cadvisor"] },
            ...(args.proxy ? [{ network: args.proxy.network }] : []),
          ],
          args.labels,
        ),
        volumes: mounts(args.host, args.proxy),
        // The kernel's log tells of out-of-memory kills; reading it takes SYSLOG. Without either, container_oom_events_total stays 0.
        devices: [{ hostPath: "/dev/kmsg", containerPath: "/dev/kmsg", permissions: "r" }],
        capabilities: onlyCapabilities("CAP_SYSLOG"),
        memory: args.memory,
        memorySwap: args.memory,
        cpus: "0.5",
        healthcheck: healthcheck(`http://127.0.0.1:${PORT}/healthz`),
      },
      { parent: this, dependsOn: image, deleteBeforeReplace: true, replaceOnChanges: ["healthcheck"] },
    );

    this.registerOutputs({ target: this.target });
  }
}

/** Only what the catalogue needs is collected; what is not collected costs nothing. */
function flags(proxy?: DockerProxy): string[] {
  return [
    ...(proxy ? [`--docker=tcp://${proxy.address.cadvisor}`] : []),
    "--docker_only=true",
    // Twice per scrape: cAdvisor stretches each interval by up to itself, and a scrape should never see the same sample twice.
    "--housekeeping_interval=15s",
    "--allow_dynamic_housekeeping=false",
    "--enable_metrics=cpu,memory,network,disk,diskIO,oom_event",
    "--store_container_labels=false",
    `--whitelisted_container_labels=${EXPORTED_CONTAINER_LABELS.join(",")}`,
    `--env_metadata_whitelist=${EXPORTED_ENVIRONMENT.join(",")}`,
  ];
}

/**
 * cAdvisor's own entry point, as soon as Docker answers. It looks for Docker once, when it starts, and does without names if it
 * is not there; when the daemon starts again, its containers start in any order.
 */
function whenReached({ address, containerd }: DockerProxy): string[] {
  const answers = `wget -q --spider "http://$0/_ping"${containerd ? " && [ -S /run/containerd/containerd.sock ]" : ""}`;
  return [
    "sh",
    "-c",
    `until ${answers}; do sleep 1; done; exec cadvisor -logtostderr "$@"`,
    address.cadvisor,
  ];
}

/** Read-only, each of them: the Docker API for names, /proc for networks, cgroups, and the writable layers for disk use. */
function mounts(host: HostFacts, proxy?: DockerProxy): docker.types.input.ContainerVolume[] {
  const readOnly = (hostPath: string, containerPath: string) => ({ hostPath, containerPath, readOnly: true });
  return [
    ...(proxy ? [] : [readOnly(host.dockerSocket, "/var/run/docker.sock")]),
    readOnly("/proc", "/rootfs/proc"),
    readOnly("/sys/fs/cgroup", "/sys/fs/cgroup"),
    readOnly(host.rootDirectory, `/rootfs${host.rootDirectory}`),
    // With the containerd image store, names come from containerd (google/cadvisor PR 3910).
    ...(proxy?.containerd
      ? [{ volumeName: proxy.containerd.name, containerPath: "/run/containerd", readOnly: true }]
      : host.containerdSocket
        ? [readOnly(host.containerdSocket, "/run/containerd/containerd.sock")]
        : []),
  ];
}
