import { isIPv4 } from "node:net";
import { SERVERS, target } from "../lib/names";

/** The folder of the gateway's container with its secrets and its own files, where it has any. */
export const GATEWAY_FOLDER = "/gateway";

/** The folder of the gateway's container with the files of the page. */
export const PAGE_FOLDER = "/page";

/** Where Alertmanager is, on the port of Prometheus. */
export const ALERTMANAGER_PATH = "/alertmanager";

/** Where Grafana is, on the port of Prometheus. */
export const GRAFANA_PATH = "/grafana";

/** The servers that the gateway listens for, on the same ports as they do. */
type Upstream = "cadvisor" | "prometheus";

/** What the gateway's configuration depends on. */
export interface GatewayOptions {
  /** Accepted values of the Host header; undefined: any. */
  hosts?: string[];
  /** Whether cAdvisor's API is forwarded. */
  cadvisorApi: boolean;
  /** Whether Grafana is deployed. */
  grafana: boolean;
  tls?: GatewayTls;
  login?: GatewayLogin;
}

interface GatewayTls {
  /** The names and addresses of the gateway. */
  names: string[];
  /** Files of the certificate and its key; without, Caddy's internal authority issues certificates. */
  certificate?: { file: string; keyFile: string };
}

interface GatewayLogin {
  /** The file with the bcrypt hash of each user's password. */
  users: Record<string, string>;
  /** The file of the authority whose client certificates are accepted instead of a password. */
  clientCa?: string;
}

interface Match {
  path?: string[];
  method?: string[];
  host?: string[];
  vars_regexp?: Record<string, { pattern: string }>;
  /** Whether the folder has the file of the request's path. */
  file?: { root: string };
  not?: Match[];
}
interface Handler {
  handler: string;
  [input: string]: unknown;
}
interface Route {
  match?: Match[];
  handle: Handler[];
}

const READ = ["GET", "HEAD"];

const words = (text: string) => text.trim().split(/\s+/);
const api = (names: string) => words(names).map((name) => `/api/v1/${name}`);

/** The requests that the gateway answers itself, with the files of the page. */
const PAGE: Match = { method: READ, path: ["/", "/page-*"] };

/** The requests that are forwarded to Prometheus: its pages, its read API, and queries, which pages may send by POST. */
const PROMETHEUS: Match[] = [
  {
    method: READ,
    path: [
      ...words(`
        /query /graph /alerts /rules /targets /config /flags /status /tsdb-status /service-discovery
        /alertmanager-discovery /assets/* /favicon.svg /favicon.ico /manifest.json
        /federate /metrics /version /-/healthy /-/ready`),
      ...api(`
        alertmanagers alerts features label/*/values metadata notifications rules scrape_pools
        targets targets/metadata targets/relabel_steps status/buildinfo status/config status/flags
        status/runtimeinfo status/self_metrics status/tsdb status/tsdb/blocks status/walreplay`),
    ],
  },
  {
    method: [...READ, "POST"],
    path: api("format_query labels parse_query query query_exemplars query_range series"),
  },
];

/** The requests that are forwarded to Alertmanager: its page, and what its API reads. Silences are set in its container. */
const ALERTMANAGER: Match = {
  method: READ,
  path: words(`
    / /assets/* /favicon.ico /metrics /-/healthy /-/ready
    /api/v2/alerts /api/v2/alerts/groups /api/v2/receivers /api/v2/silence/* /api/v2/silences /api/v2/status`).map(
    (path) => ALERTMANAGER_PATH + path,
  ),
};

/** Leads a client from a path to the folder of that name. */
const toFolder = (path: string): Route => ({
  match: [{ method: READ, path: [path] }],
  handle: [{ handler: "static_response", status_code: 308, headers: { Location: [`${path}/`] } }],
});

/** Forwards to Alertmanager. Where none is deployed, the response is 502: with a setting of its own, the gateway would be replaced. */
const ALERTMANAGER_ROUTE: Route = {
  match: [ALERTMANAGER],
  handle: [
    { handler: "request_body", max_size: 1024 },
    { handler: "rewrite", strip_path_prefix: ALERTMANAGER_PATH },
    ...forward("alertmanager"),
  ],
};

const grafanaApi = (names: string) => words(names).map((name) => `${GRAFANA_PATH}/api/${name}`);
const OF_DATASOURCE = "datasources/uid/*/resources/api/v1";

/**
 * The requests that are forwarded to Grafana: its pages and what they read, and of Prometheus only what the gateway forwards there
 * too. A data source's proxy and its resources reach every path of Prometheus.
 */
const GRAFANA: Match[] = [
  {
    method: READ,
    path: [`${GRAFANA_PATH}/*`],
    not: [
      {
        path: [
          ...words("/metrics /debug/* /api/gnet/*").map((path) => GRAFANA_PATH + path),
          ...words("*/proxy/* */plugin-proxy/* */resource/* */resources/*"),
        ],
      },
    ],
  },
  {
    method: READ,
    path: grafanaApi(
      `${OF_DATASOURCE}/label/*/values ${OF_DATASOURCE}/metadata ${OF_DATASOURCE}/rules ${OF_DATASOURCE}/status/buildinfo`,
    ),
  },
  {
    method: [...READ, "POST"],
    path: grafanaApi(
      words("labels query query_exemplars query_range series")
        .map((name) => `${OF_DATASOURCE}/${name}`)
        .join(" "),
    ),
  },
  {
    // Queries of panels, and which of Grafana's features are on.
    method: ["POST"],
    path: [
      ...grafanaApi("ds/query"),
      `${GRAFANA_PATH}/ofrep/v1/evaluate/flags`,
      `${GRAFANA_PATH}/apis/features.grafana.app/v0alpha1/namespaces/default/ofrep/v1/evaluate/flags`,
    ],
  },
];

/** The requests that are forwarded to cAdvisor: its pages and its metrics. */
const CADVISOR: Match = {
  method: READ,
  path: words("/ /containers /containers/* /docker /docker/* /static/* /metrics /healthz"),
};

/** cAdvisor's API only reads; its pages query it by POST. */
const CADVISOR_API: Match = { method: [...READ, "POST"], path: ["/api", "/api/*"] };

/** Paths that could hide another path: double slashes and dots, encoded slashes, control characters, parameters. */
const MALFORMED_PATH = "^[^?]*(//|;|[^!-~]|(\\.|%2[eE]){2}|%(0|1|2[fF]|7[fF]))";

const COMMON_POLICY = "frame-ancestors 'none'; object-src 'none'; base-uri 'self'; form-action 'self'";
/** Prometheus's page has all its assets and inline scripts; cAdvisor's loads a charting library from Google. */
const CONTENT_SECURITY_POLICIES: Record<Upstream, string> = {
  prometheus: `default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; ${COMMON_POLICY}`,
  cadvisor: COMMON_POLICY,
};

/** The page has no inline script and no inline style, and reads from its own server alone. */
const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/** Grafana loads its plugins by eval. Source: github.com/grafana/grafana, content_security_policy_template in conf/defaults.ini. */
const GRAFANA_POLICY = `default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline' blob:; img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; ${COMMON_POLICY}`;

/** Forwards to Grafana, which serves itself below its path. */
const GRAFANA_ROUTES: Route[] = [
  toFolder(GRAFANA_PATH),
  {
    match: GRAFANA,
    handle: [
      { handler: "request_body", max_size: 1_048_576 },
      { handler: "headers", response: { set: { "Content-Security-Policy": [GRAFANA_POLICY] } } },
      ...forward("grafana"),
    ],
  },
];

/**
 * Serves the page. A browser requests its document each time; the names of all other files change with their content. The page is
 * there without Prometheus too, and reports what does not respond.
 */
const PAGE_ROUTES: Route[] = [
  {
    match: [PAGE],
    handle: [
      pageHeaders("no-cache"),
      { handler: "encode", encodings: { gzip: {} }, prefer: ["gzip"], minimum_length: 1024 },
    ],
  },
  // Caddy keeps these headers when it answers that there is no such file.
  {
    match: [{ path: ["/page-*"], file: { root: PAGE_FOLDER } }],
    handle: [pageHeaders("max-age=31536000, immutable")],
  },
  { match: [PAGE], handle: [{ handler: "file_server", root: PAGE_FOLDER }] },
];

function pageHeaders(cacheControl: string): Handler {
  const set = { "Content-Security-Policy": [PAGE_POLICY], "Cache-Control": [cacheControl] };
  return { handler: "headers", response: { set } };
}

/** Caddy's configuration (caddyserver.com/docs/json). It has no secret, only the names of files that do. */
export function gatewayConfig(options: GatewayOptions): Record<string, unknown> {
  const { tls, cadvisorApi, grafana } = options;
  return {
    admin: { disabled: true, config: { persist: false } },
    ...(tls && { storage: { module: "file_system", root: `${GATEWAY_FOLDER}/data` } }),
    apps: {
      http: {
        grace_period: "1s",
        metrics: {},
        servers: {
          cadvisor: server("cadvisor", options, [CADVISOR, ...(cadvisorApi ? [CADVISOR_API] : [])]),
          prometheus: server("prometheus", options, PROMETHEUS, [
            ...PAGE_ROUTES,
            NO_LIVE_NOTIFICATIONS,
            toFolder(ALERTMANAGER_PATH),
            ALERTMANAGER_ROUTE,
            ...(grafana ? GRAFANA_ROUTES : []),
          ]),
          metrics: METRICS_SERVER,
        },
      },
      tls: tls ? certificates(tls) : { disable_storage_clean: true },
    },
  };
}

/** A server in front of an upstream, which answers 403 to every request that is not allowed. */
function server(
  upstream: Upstream,
  { tls, login, hosts }: GatewayOptions,
  allowed: Match[],
  before: Route[] = [],
): Record<string, unknown> {
  const { port } = SERVERS[upstream];
  return {
    listen: [`:${port}`],
    // For a client's headers, its whole request, and the answer: Prometheus ends a query after two minutes.
    read_header_timeout: "5s",
    read_timeout: "20s",
    write_timeout: "150s",
    idle_timeout: "60s",
    max_header_bytes: 32_768,
    automatic_https: { disable: true },
    ...(tls ? connectionPolicies(tls, login?.clientCa) : { protocols: ["h1"] }),
    routes: [
      { handle: [{ handler: "headers", response: { set: securityHeaders(upstream), delete: ["Server"] } }] },
      respond(400, [{ vars_regexp: { "{http.request.orig_uri}": { pattern: MALFORMED_PATH } } }]),
      ...(hosts ? [respond(421, [{ not: [{ host: hosts }] }], CLOSE)] : []),
      ...(login ? [authentication(login)] : []),
      ...before,
      { match: allowed, handle: [{ handler: "request_body", max_size: 1_048_576 }, ...forward(upstream)] },
      respond(403),
    ],
  };
}

const respond = (status_code: number, match?: Match[], more: object = {}): Route => ({
  ...(match && { match }),
  handle: [{ handler: "static_response", status_code, ...more }],
});

/**
 * After an update, the gateway can have the previous address of cAdvisor. Prometheus then reaches the gateway until the connection
 * ends, and resolves the name of cAdvisor again for the next one.
 */
const CLOSE = { close: true };

/** Answers that there is no live stream: Prometheus's page then polls notifications, and no response stays open. */
const NO_LIVE_NOTIFICATIONS = respond(204, [{ path: ["/api/v1/notifications/live"] }]);

/** Caddy's own metrics, on the stack's network only. */
const METRICS_SERVER = {
  listen: [`:${SERVERS.gateway.port}`],
  automatic_https: { disable: true },
  protocols: ["h1"],
  routes: [
    { match: [{ path: ["/metrics"] }], handle: [{ handler: "metrics" }] },
    respond(200, [{ path: ["/healthz"] }]),
    respond(404),
  ],
};

const securityHeaders = (upstream: Upstream): Record<string, string[]> => ({
  "Content-Security-Policy": [CONTENT_SECURITY_POLICIES[upstream]],
  "Cross-Origin-Resource-Policy": ["same-origin"],
  "Referrer-Policy": ["same-origin"],
  "X-Content-Type-Options": ["nosniff"],
  "X-Frame-Options": ["DENY"],
});

/** Forwards a request, without the headers that are for the gateway alone, and never with a protocol upgrade. */
function forward(upstream: keyof typeof SERVERS): Handler[] {
  return [
    { handler: "headers", request: { delete: ["Authorization", "Upgrade"] } },
    {
      handler: "reverse_proxy",
      upstreams: [{ dial: target(SERVERS[upstream]) }],
      transport: { protocol: "http", dial_timeout: "3s", response_header_timeout: "140s" },
    },
  ];
}

/** A client's certificate, verified in the handshake. Its fingerprint would not do: Caddy has one for no certificate too. */
const CLIENT_CERTIFICATE = "{http.request.tls.client.certificate_der_base64}";

/** Requires a user's password from clients without a trusted certificate. */
function authentication({ users, clientCa }: GatewayLogin): Route {
  const accounts = Object.entries(users).map(([username, file]) => ({
    username,
    password: `{file.${file}}`,
  }));
  return {
    ...(clientCa && {
      match: [{ not: [{ vars_regexp: { [CLIENT_CERTIFICATE]: { pattern: "." } } }] }],
    }),
    handle: [
      {
        handler: "authentication",
        providers: { http_basic: { accounts, realm: "container metrics", hash_cache: {} } },
      },
    ],
  };
}

/**
 * How TLS connections are made. A client without a certificate logs in with a password later; a certificate that is not trusted
 * or has expired ends the handshake.
 */
function connectionPolicies(tls: GatewayTls, clientCa?: string): Record<string, unknown> {
  return {
    protocols: ["h1", "h2"],
    tls_connection_policies: [
      {
        // Clients that connect to an address send no server name (RFC 6066), and Caddy sees only the container's address.
        default_sni: tls.names.find((name) => isIPv4(name)) ?? tls.names[0],
        ...(clientCa && {
          client_authentication: { mode: "verify_if_given", ca: { provider: "file", pem_files: [clientCa] } },
        }),
      },
    ],
    // The one policy applies to every server name.
    strict_sni_host: false,
  };
}

function certificates({ names, certificate }: GatewayTls): Record<string, unknown> {
  if (certificate)
    return { certificates: { load_files: [{ certificate: certificate.file, key: certificate.keyFile }] } };
  return {
    certificates: { automate: names },
    automation: { policies: [{ subjects: names, issuers: [{ module: "internal" }] }] },
  };
}
