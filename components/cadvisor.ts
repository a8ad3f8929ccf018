import path from "node:path";
import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { CONTAINERD_SOCKET, DOCKER_SOCKET, type AllowedContainerd } from "../caddy/dockerProxy";
import type { HostFacts } from "../host/facts";
import { SERVERS } from "../lib/names";
import { EXPORTED_CONTAINER_LABELS, EXPORTED_ENVIRONMENT } from "../prometheus/relabeling";
import {
  createContainer,
  exitOnDeadSocket,
  healthcheck,
  onlyCapabilities,
  readsHost,
  type PartArgs,
} from "./container";
import type { DockerProxy } from "./dockerProxy";

/** The paths of the Docker API that cAdvisor reads; its page /docker lists images. Source: google/cadvisor, container/docker. */
export const CADVISOR_DOCKER_API = [
  "_ping",
  "info",
  "version",
  "images/json",
  "containers/[a-f0-9]{64}/json",
];

/** The methods of containerd that cAdvisor calls, with the containerd image store. Source: google/cadvisor, container/containerd. */
export const CADVISOR_CONTAINERD_API: AllowedContainerd = {
  namespace: "moby",
  methods: [
    "containerd.services.version.v1.Version/Version",
    "containerd.services.containers.v1.Containers/Get",
  ],
};

export interface CadvisorArgs extends PartArgs {
  /** Memory limit in MiB. */
  memory: number;
  /** The proxy to the Docker API; by default, cAdvisor mounts the sockets. */
  proxy?: DockerProxy | undefined;
}

/** cAdvisor, with the least privileges that lose no metric: it reads the host's cgroups, and container names from Docker. */
export class Cadvisor extends pulumi.ComponentResource {
  readonly container: docker.Container;

  /** @param name also the container's name */
  constructor(name: string, args: CadvisorArgs, opts?: pulumi.ComponentResourceOptions) {
    super("llm-metrics:docker:Cadvisor", name, {}, opts);
    const { image, memory, host, network, proxy, labels } = args;

    this.container = createContainer(this, name, {
      image,
      memory,
      cpus: "0.5",
      labels,
      networks: [
        { network, aliases: [SERVERS.cadvisor.alias] },
        ...(proxy ? [{ network: proxy.network }] : []),
      ],
      entrypoints: ["sh", "-c", startScript(host, proxy), "cadvisor"],
      command: flags(proxy),
      envs: garbageCollection(memory),
      volumes: mounts(host, proxy),
      ...kernelLogInputs(host),
      securityOpts: readsHost(host),
      healthcheck: healthcheck(`http://127.0.0.1:${SERVERS.cadvisor.port}/healthz`),
    });
    this.registerOutputs({});
  }
}

/** Only metrics of the catalogue are collected. */
function flags(proxy?: DockerProxy): string[] {
  return [
    ...(proxy ? [`--docker=tcp://${proxy.address.cadvisor}`] : []),
    "--docker_only=true",
    // A scrape measures all containers at once. By default, it would take a quarter more CPU time, in threads for each CPU.
    "--max_procs=1",
    // Each scrape measures (see cadvisorJob), and so resets this interval.
    "--housekeeping_interval=60s",
    // A container that inotify missed, or that Docker did not answer about, is found before the next scrape.
    "--global_housekeeping_interval=30s",
    "--allow_dynamic_housekeeping=false",
    "--enable_metrics=cpu,memory,network,disk,diskIO,oom_event",
    "--store_container_labels=false",
    `--whitelisted_container_labels=${EXPORTED_CONTAINER_LABELS.join(",")}`,
    `--env_metadata_whitelist=${EXPORTED_ENVIRONMENT.join(",")}`,
  ];
}

/**
 * Go's garbage collector, which by default runs whenever the heap has doubled, takes a fifth of cAdvisor's CPU time. It runs less
 * often with 16 MiB more, and as often as needed near the memory limit. Source: pkg.go.dev/runtime, Environment Variables.
 *
 * @param memory limit of the container, in MiB
 */
const garbageCollection = (memory: number) => ["GOGC=400", `GOMEMLIMIT=${Math.floor(memory * 0.75)}MiB`];

const KERNEL_LOG = "/dev/kmsg";

/**
 * The kernel log reports out-of-memory kills, and reading it requires SYSLOG. Without either, container_oom_events_total stays 0.
 * Docker starts no container with a device that the host does not have.
 */
const kernelLogInputs = (host: HostFacts): Pick<docker.ContainerArgs, "devices" | "capabilities"> =>
  host.kernelLog
    ? {
        devices: [{ hostPath: KERNEL_LOG, containerPath: KERNEL_LOG, permissions: "r" }],
        capabilities: onlyCapabilities("CAP_SYSLOG"),
      }
    : {};

const URL = `http://127.0.0.1:${SERVERS.cadvisor.port}`;

/**
 * Ends cAdvisor when it serves no container name half a minute after its start, so that Docker starts it again. It connects to
 * Docker and containerd once, when it starts, and goes without names for good where one of them does not answer in time: as
 * while the daemon itself starts, with many containers (google/cadvisor issue 3531).
 */
const EXIT_WITHOUT_NAMES = [
  `{ sleep 30; until wget -q --spider ${URL}/healthz; do sleep 5; done;`,
  `wget -qO- ${URL}/metrics | grep -q ',name="[^"]' || {`,
  'echo "no container has a name: exiting, to connect to Docker again" >&2; kill $$; }; } &',
].join(" ");

/**
 * Ends cAdvisor when it has stopped to read the kernel log, so that Docker starts it again. It closes the log for good, and counts no
 * out-of-memory kill any more, when the kernel overwrote a message before it was read: most often while it starts, on a host whose log
 * is full. Its library compares the kernel's EPIPE with an error that wraps it (github.com/euank/go-kmsg-parser, kmsgparser.go, Parse).
 * The check runs half a minute after the start of a new container (by the age of its root folder), which so restarts once at most, and
 * then every 70 minutes: where the log is always busy, cAdvisor restarts less often than ContainerCrashLooping allows by default.
 */
const EXIT_WITHOUT_KERNEL_LOG = [
  "{ [ $(($(date +%s) - $(stat -c %Y /))) -lt 30 ] && pause=30 || pause=4200;",
  "while sleep $pause; do pause=4200;",
  // An open file may be closed while ls reads it, which is an error of ls.
  `files=$(ls -l /proc/$$/fd 2> /dev/null); (: < ${KERNEL_LOG}) 2> /dev/null && case $files in "" | *${KERNEL_LOG}*) ;; *)`,
  'echo "the kernel log is not read any more: exiting, to count out-of-memory kills again" >&2; kill $$;; esac; done; } &',
].join(" ");

/** A shell script around cAdvisor's own entry point. */
function startScript({ kernelLog }: HostFacts, proxy?: DockerProxy): string {
  return [
    proxy ? waitForProxy(proxy) : exitOnDeadSocket(DOCKER_SOCKET),
    EXIT_WITHOUT_NAMES,
    ...(kernelLog ? [EXIT_WITHOUT_KERNEL_LOG] : []),
    'exec cadvisor -logtostderr "$@"',
  ].join("\n");
}

/** When the daemon restarts, its containers start in any order. */
function waitForProxy({ address, containerd }: DockerProxy): string {
  const ready = `wget -q --spider "http://${address.cadvisor}/_ping"${containerd ? ` && [ -S ${CONTAINERD_SOCKET} ]` : ""}`;
  return `until ${ready}; do sleep 1; done`;
}

/** Read-only mounts: the Docker API for names, /proc for networks, cgroups, and the writable layers for disk use. */
function mounts(host: HostFacts, proxy?: DockerProxy): docker.types.input.ContainerVolume[] {
  const readOnly = (hostPath: string, containerPath: string) => ({ hostPath, containerPath, readOnly: true });
  return [
    ...(proxy ? [] : [readOnly(host.dockerSocket, DOCKER_SOCKET)]),
    readOnly("/proc", "/rootfs/proc"),
    readOnly("/sys/fs/cgroup", "/sys/fs/cgroup"),
    readOnly(host.rootDirectory, `/rootfs${host.rootDirectory}`),
    ...containerdMount(host, proxy),
  ];
}

/** The folders that contain more than the sockets of one program. */
const SHARED_FOLDERS = ["/", "/run", "/var/run"];

/**
 * With the containerd image store, names come from containerd (google/cadvisor PR 3910). The folder of its socket is mounted, so
 * that cAdvisor connects to a new socket there when containerd has restarted.
 */
function containerdMount(
  { containerdSocket }: HostFacts,
  proxy?: DockerProxy,
): docker.types.input.ContainerVolume[] {
  const folder = path.posix.dirname(CONTAINERD_SOCKET);
  if (proxy?.containerd)
    return [{ volumeName: proxy.containerd.name, containerPath: folder, readOnly: true }];
  if (!containerdSocket) return [];
  const { dir, base } = path.posix.parse(containerdSocket);
  return base === path.posix.basename(CONTAINERD_SOCKET) && !SHARED_FOLDERS.includes(dir)
    ? [{ hostPath: dir, containerPath: folder, readOnly: true }]
    : [{ hostPath: containerdSocket, containerPath: CONTAINERD_SOCKET, readOnly: true }];
}
