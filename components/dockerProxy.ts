import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { HostFacts } from "../host/facts";
import { caddy, NOBODY } from "./caddyContainer";
import { healthcheck, onNetworks } from "./container";

/** What each client may ask for; whatever is not named here is refused. */
export interface Allowed {
  /** Paths of the Docker API without the version, as regular expressions, by client. They are read, never written. */
  docker: { cadvisor: readonly string[]; gpuExporter?: readonly string[] };
  /** Methods of containerd, as gRPC names them, and the only namespace that they see. */
  containerd?: { namespace: string; methods: readonly string[] };
}

/** The ports that the proxy listens on: each client has its own list. 2376 would mean TLS to clients of Docker. */
const PORTS = { cadvisor: 2375, gpuExporter: 2385 } as const;
const ALIAS = "docker-proxy";
const DOCKER_SOCKET = "/var/run/docker.sock";
const CONTAINERD_SOCKET = "/run/containerd/containerd.sock";
/** Where the proxy listens for calls to containerd: a folder that it shares with cAdvisor. */
const FILTERED = "/run/filtered";
/** Memory limit in MiB. Idle, it needs 10 beside its file. */
const MEMORY = 64;

export interface DockerProxyArgs {
  /** Name of the container; the volume with containerd's filtered socket derives its from it. */
  containerName: string;
  /** Name of the network between the proxy and its clients. */
  networkName: string;
  /** Image reference of Caddy, with a tag or digest. */
  image: string;
  /** Facts of the host: where the sockets are. */
  host: HostFacts;
  /** What passes. */
  allowed: Allowed;
  /** Labels of the container, the network and the volume. */
  labels: { label: string; value: string }[];
}

/**
 * What holds the sockets of Docker and containerd in place of those that read them, and passes the reads that they need and
 * nothing else. A socket that is mounted read-only restricts nothing: whoever opens it can ask for a privileged container.
 */
export class DockerProxy extends pulumi.ComponentResource {
  /** The container. */
  readonly container: docker.Container;
  /** The network that clients join: nothing else is on it, and it leads nowhere else. */
  readonly network: docker.Network;
  /** host:port of the Docker API on that network, for each client. */
  readonly address = { cadvisor: `${ALIAS}:${PORTS.cadvisor}`, gpuExporter: `${ALIAS}:${PORTS.gpuExporter}` };
  /** The volume with `containerd.sock`, on hosts with the containerd image store. */
  readonly containerd?: docker.Volume;

  constructor(name: string, args: DockerProxyArgs, opts?: pulumi.ComponentResourceOptions) {
    super("llm-metrics:docker:DockerProxy", name, {}, opts);
    const { host, allowed, labels } = args;

    const image = new docker.RemoteImage(
      `${name}-image`,
      { name: args.image, keepLocally: true },
      { parent: this },
    );
    this.network = new docker.Network(
      `${name}-network`,
      {
        name: args.networkName,
        driver: "bridge",
        internal: true,
        // The host has no address on it: else every user of the host could ask what only root and the group docker may.
        options: { "com.docker.network.bridge.inhibit_ipv4": "true" },
        labels,
      },
      { parent: this, deleteBeforeReplace: true },
    );
    if (host.containerdSocket)
      this.containerd = new docker.Volume(
        `${name}-containerd`,
        {
          name: `${args.containerName}-containerd`,
          // In memory, so that it is the proxy's own and no socket outlives it.
          driverOpts: { type: "tmpfs", device: "tmpfs", o: `uid=${NOBODY},gid=${NOBODY},mode=0755,size=64k` },
          labels,
        },
        { parent: this, deleteBeforeReplace: true },
      );
    // containerd's socket belongs to root's group, unless its administrator gave it another one.
    const groups = [host.socketGroup, ...(host.containerdSocket ? [0] : [])];
    this.container = new docker.Container(
      `${name}-container`,
      {
        ...caddy(proxyConfig(allowed), MEMORY),
        name: args.containerName,
        image: args.image,
        groupAdds: [...new Set(groups.map(String))],
        ...onNetworks([{ network: this.network, aliases: [ALIAS] }], labels),
        volumes: [
          { hostPath: host.dockerSocket, containerPath: DOCKER_SOCKET, readOnly: true },
          ...(host.containerdSocket && this.containerd
            ? [
                { hostPath: host.containerdSocket, containerPath: CONTAINERD_SOCKET, readOnly: true },
                { volumeName: this.containerd.name, containerPath: FILTERED },
              ]
            : []),
        ],
        healthcheck: healthcheck(`http://127.0.0.1:${PORTS.cadvisor}/_ping`),
      },
      { parent: this, dependsOn: image, deleteBeforeReplace: true, replaceOnChanges: ["healthcheck"] },
    );

    this.registerOutputs({ address: this.address });
  }
}

/** A server of Caddy, as far as it is used here. Source: caddyserver.com/docs/json */
interface CaddyServer {
  listen: string[];
  protocols: ("h1" | "h2c")[];
  automatic_https: { disable: true };
  read_header_timeout: string;
  read_timeout: string;
  write_timeout?: string;
  idle_timeout: string;
  max_header_bytes: number;
  /** Access logs, by their defaults. */
  logs: Record<string, never>;
  routes: { match?: object[]; handle: object[]; terminal?: boolean }[];
}

/** The configuration of Caddy that passes what is allowed, and answers 403 to everything else. */
export function proxyConfig({ docker, containerd }: Allowed) {
  return {
    admin: { disabled: true, config: { persist: false } },
    apps: {
      // It has no certificates, and no place to keep them.
      tls: { disable_storage_check: true, disable_storage_clean: true },
      http: {
        grace_period: "2s",
        servers: <Record<string, CaddyServer>>{
          ...Object.fromEntries(
            Object.entries(docker).map(([client, paths]: [string, readonly string[]]) => [
              client,
              dockerServer(PORTS[client as keyof typeof docker], paths),
            ]),
          ),
          ...(containerd && { containerd: containerdServer(containerd) }),
        },
      },
    },
  };
}

/**
 * Reads, of a target that is on the list to the last byte: no query, no escapes, no path that something else could clean up
 * or decode in another way; and no body and no upgrade, so that after a request comes the next one.
 */
function dockerServer(port: number, paths: readonly string[]): CaddyServer {
  return {
    ...server(`:${port}`, ["h1"]),
    write_timeout: "60s",
    routes: [
      pass(
        {
          method: ["GET", "HEAD"],
          vars_regexp: {
            "{http.request.orig_uri}": { pattern: `^(/v1\\.[0-9]{1,3})?/(${paths.join("|")})$` },
          },
          header: { "Content-Length": null, "Transfer-Encoding": null, Upgrade: null },
        },
        {
          handler: "reverse_proxy",
          upstreams: [{ dial: `unix/${DOCKER_SOCKET}` }],
          transport: { protocol: "http", response_header_timeout: "30s" },
        },
      ),
      refuse({ close: true }),
    ],
  };
}

function containerdServer({ namespace, methods }: NonNullable<Allowed["containerd"]>): CaddyServer {
  const call = {
    method: ["POST"],
    vars_regexp: {
      "{http.request.orig_uri}": { pattern: `^/(${methods.join("|").replaceAll(".", "\\.")})$` },
    },
    header: { "Containerd-Namespace": [namespace] },
  };
  return {
    // Who may open it is decided by who has the volume.
    ...server(`unix/${FILTERED}/containerd.sock|0666`, ["h1", "h2c"]),
    routes: [
      pass(call, {
        handler: "reverse_proxy",
        upstreams: [{ dial: `unix/${CONTAINERD_SOCKET}` }],
        transport: { protocol: "http", versions: ["h2c"], response_header_timeout: "30s" },
        // A second value of the header must not count.
        headers: { request: { set: { "Containerd-Namespace": [namespace] } } },
      }),
      refuse(),
    ],
  };
}

const server = (listen: string, protocols: CaddyServer["protocols"]): Omit<CaddyServer, "routes"> => ({
  listen: [listen],
  protocols,
  automatic_https: { disable: true },
  read_header_timeout: "5s",
  read_timeout: "10s",
  idle_timeout: "120s",
  max_header_bytes: 8192,
  logs: {},
});

/** What passes is not logged; what is refused is. */
const pass = (match: object, handler: object) => ({
  match: [match],
  handle: [{ handler: "vars", log_skip: true }, handler],
  terminal: true,
});
const refuse = (how: object = {}) => ({ handle: [{ handler: "static_response", status_code: 403, ...how }] });
