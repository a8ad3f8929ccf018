import { LLM_HEADERS, LLM_TARGETS_PATH, SERVERS } from "../lib/names";
import { answer, filterConfig, reject } from "./filter";

const { port } = SERVERS.llmForwarder;

/** Variable of the forwarder's container with its address on the stack's network. */
export const STACK_ADDRESS = "STACK_ADDRESS";

/** The folder in the forwarder's container with the keys of LLM servers, a file for each container. */
export const KEYS_FOLDER = "/keys";
/** A folder in it, which the deploy step replaces as a whole. */
export const CURRENT_KEYS = "current";

/** A response header of the exporter, as Caddy names it. */
const answered = (header: keyof typeof LLM_HEADERS) => `{http.reverse_proxy.header.${LLM_HEADERS[header]}}`;

export interface ForwarderOptions {
  /** The subnet of the stack's network, from which requests are accepted. */
  clients: string;
  /** IPv4 address and port of the exporter. A name would be unsafe: containers on every network that the forwarder joins can have it. */
  exporter: string;
  /** The names of the containers whose servers require a key. */
  keyed: readonly string[];
}

/**
 * Caddy's configuration. It answers `GET /<id of a container>` with the metrics of the LLM server in that container: for each request, the
 * exporter returns the address, port and path, or that there is no such server. No part of a request but the id is forwarded, so that a
 * client chooses no host, port, path or header. `GET` or `HEAD /healthz` shows Prometheus and Docker that the forwarder runs.
 */
export function forwarderConfig({ clients, exporter, keyed }: ForwarderOptions) {
  const isClient = { remote_ip: { ranges: [clients, "127.0.0.0/8"] } };
  const isBare = { header: { "Content-Length": null, "Transfer-Encoding": null, Upgrade: null } };
  // The target as the client sent it, to the last byte.
  const isTarget = (pattern: string) => ({
    vars_regexp: { "{http.request.orig_uri}": { name: "target", pattern } },
  });
  const isRequest = { ...isBare, method: ["GET"], ...isTarget("^/([0-9a-f]{64})$") };
  const isHealthCheck = { ...isBare, method: ["GET", "HEAD"], ...isTarget("^/healthz$") };
  return filterConfig({
    forwarder: {
      // The second is for Docker's health check.
      listen: [`{env.${STACK_ADDRESS}}:${port}`, `127.0.0.1:${port}`],
      protocols: ["h1"],
      automatic_https: { disable: true },
      read_header_timeout: "5s",
      read_timeout: "10s",
      write_timeout: "30s",
      idle_timeout: "120s",
      max_header_bytes: 8192,
      logs: {},
      routes: [
        // The kernel accepts packets for any of its addresses on any network.
        {
          match: [{ not: [isClient] }],
          handle: [{ handler: "static_response", abort: true }],
          terminal: true,
        },
        answer(isRequest, queryExporter(exporter, keyed)),
        // Prometheus reads the empty body as a scrape without samples.
        answer(isHealthCheck, { handler: "static_response", status_code: 200 }),
        reject({ close: true }),
      ],
    },
  });
}

/** Requests the server of a container from the exporter, and the metrics from that server. Other answers of the exporter are returned. */
const queryExporter = (exporter: string, keyed: readonly string[]) => ({
  ...proxy(exporter, `${LLM_TARGETS_PATH}/{http.regexp.target.1}`),
  handle_response: [
    {
      match: { status_code: [200] },
      routes: [
        ...keyed.map((name) => ({
          match: [{ ...isAddress, vars: { [answered("container")]: [name] } }],
          handle: [toServer({ Authorization: [`Bearer {file.${KEYS_FOLDER}/${CURRENT_KEYS}/${name}}`] })],
          terminal: true,
        })),
        { match: [isAddress], handle: [toServer()], terminal: true },
        { handle: [{ handler: "static_response", status_code: 502 }] },
      ],
    },
  ],
});

const isAddress = {
  vars_regexp: { [answered("address")]: { pattern: "^[0-9]{1,3}([.][0-9]{1,3}){3}:[0-9]{1,5}$" } },
};

const toServer = (headers: Record<string, string[]> = {}) => ({
  ...proxy(answered("address"), answered("path"), headers),
  handle_response: [
    // Caddy would connect the client with a server that switches protocols without a request to do so.
    {
      match: { status_code: [101] },
      routes: [{ handle: [{ handler: "static_response", status_code: 502 }] }],
    },
  ],
});

/** Sends a GET request with no header of the client's. */
const proxy = (dial: string, uri: string, headers: Record<string, string[]> = {}) => ({
  handler: "reverse_proxy",
  upstreams: [{ dial }],
  rewrite: { method: "GET", uri },
  headers: {
    request: {
      delete: ["*"],
      set: {
        Host: ["{http.reverse_proxy.upstream.hostport}"],
        Accept: ["text/plain;version=0.0.4"],
        ...headers,
      },
    },
  },
  transport: {
    protocol: "http",
    dial_timeout: "3s",
    response_header_timeout: "10s",
    max_response_header_size: 65_536,
    compression: false,
    // The next container can have the address.
    keep_alive: { enabled: false },
  },
});
