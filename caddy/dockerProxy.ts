import { answer, filterConfig, reject, type Route } from "./filter";

/** The clients of the Docker proxy and the ports that it listens on for them. 2376 would mean TLS to clients of Docker. */
export const PROXY_PORTS = { cadvisor: 2375, exporter: 2385 } as const;

/** Paths of the sockets in the containers that mount them. */
export const DOCKER_SOCKET = "/var/run/docker.sock";
export const CONTAINERD_SOCKET = "/run/containerd/containerd.sock";
/** The folder with the filtered socket of containerd, which the proxy shares with cAdvisor. */
export const FILTERED_FOLDER = "/run/filtered";

/** The requests that the proxy forwards; it rejects every other. */
export interface AllowedRequests {
  /** Paths of the Docker API without the version, as regular expressions, by client; for GET and HEAD only. */
  docker: { cadvisor: readonly string[]; exporter: readonly string[] };
  /** gRPC methods of containerd, and the only namespace that they may name. */
  containerd?: AllowedContainerd;
}

export interface AllowedContainerd {
  namespace: string;
  methods: readonly string[];
}

/** A server of Caddy. Source: caddyserver.com/docs/json */
type CaddyServer = ReturnType<typeof server> & {
  write_timeout?: string;
  routes: Route[];
};

/** Caddy's configuration: it forwards the allowed requests and answers 403 to every other. */
export function proxyConfig({ docker, containerd }: AllowedRequests) {
  const servers: Record<string, CaddyServer> = {
    // cAdvisor queries Docker about each container during a scrape, which has to end within Prometheus's scrape timeout of 10 s, even
    // if Docker does not answer for one of them.
    cadvisor: dockerServer(PROXY_PORTS.cadvisor, docker.cadvisor, "8s"),
    exporter: dockerServer(PROXY_PORTS.exporter, docker.exporter, "30s"),
  };
  if (containerd) servers["containerd"] = containerdServer(containerd);
  return filterConfig(servers);
}

/**
 * Forwards reads whose target is on the list to the last byte: no other query, no escapes, no path that another program could clean
 * or decode differently; no body and no upgrade, so that what follows on the connection is the next request.
 */
function dockerServer(port: number, paths: readonly string[], timeout: string): CaddyServer {
  return {
    ...server(`:${port}`, ["h1"]),
    write_timeout: "60s",
    routes: [
      answer(
        {
          method: ["GET", "HEAD"],
          vars_regexp: target(`^(/v1\\.[0-9]{1,3})?/(${paths.join("|")})$`),
          header: { "Content-Length": null, "Transfer-Encoding": null, Upgrade: null },
        },
        {
          handler: "reverse_proxy",
          upstreams: [{ dial: `unix/${DOCKER_SOCKET}` }],
          transport: { protocol: "http", response_header_timeout: timeout },
        },
      ),
      reject({ close: true }),
    ],
  };
}

function containerdServer({ namespace, methods }: AllowedContainerd): CaddyServer {
  const call = {
    method: ["POST"],
    vars_regexp: target(`^/(${methods.join("|").replaceAll(".", "\\.")})$`),
    header: { "Containerd-Namespace": [namespace] },
  };
  return {
    // Only containers that mount the volume can open it.
    ...server(`unix/${FILTERED_FOLDER}/containerd.sock|0666`, ["h1", "h2c"]),
    routes: [
      answer(call, {
        handler: "reverse_proxy",
        upstreams: [{ dial: `unix/${CONTAINERD_SOCKET}` }],
        transport: { protocol: "http", versions: ["h2c"], response_header_timeout: "30s" },
        // A second value of the header is dropped.
        headers: { request: { set: { "Containerd-Namespace": [namespace] } } },
      }),
      reject(),
    ],
  };
}

/** Matches the target of a request as the client sent it. */
const target = (pattern: string) => ({ "{http.request.orig_uri}": { pattern } });

const server = (listen: string, protocols: ("h1" | "h2c")[]) => ({
  listen: [listen],
  protocols,
  automatic_https: { disable: true },
  read_header_timeout: "5s",
  read_timeout: "10s",
  idle_timeout: "120s",
  max_header_bytes: 8192,
  logs: {}, // Access logs with their defaults.
});
