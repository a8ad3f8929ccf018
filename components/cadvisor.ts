import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { EXPORTED_CONTAINER_LABELS, EXPORTED_ENVIRONMENT } from "../prometheus/relabeling";
import { HARDENED, healthcheck, onlyCapabilities } from "./hardening";
import type { HostFacts } from "./dockerInfo";

/** The port that cAdvisor listens on inside its container. */
const PORT = 8080;

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
        command: flags(),
        labels: args.labels,
        networksAdvanced: [{ name: args.network.name, aliases: ["cadvisor"] }],
        volumes: mounts(args.host),
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
function flags(): string[] {
  return [
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

/** Read-only, each of them: the Docker API for names, /proc for networks, cgroups, and the writable layers for disk use. */
function mounts(host: HostFacts): docker.types.input.ContainerVolume[] {
  const readOnly = (hostPath: string, containerPath: string) => ({ hostPath, containerPath, readOnly: true });
  return [
    readOnly(host.dockerSocket, "/var/run/docker.sock"),
    readOnly("/proc", "/rootfs/proc"),
    readOnly("/sys/fs/cgroup", "/sys/fs/cgroup"),
    readOnly(host.rootDirectory, `/rootfs${host.rootDirectory}`),
    // With the containerd image store, names come from containerd (google/cadvisor PR 3910).
    ...(host.containerdSocket ? [readOnly(host.containerdSocket, "/run/containerd/containerd.sock")] : []),
  ];
}
