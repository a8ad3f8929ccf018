/** The folder of the gateway's container that its secrets and its own files are in, where it has any. */
export const GATEWAY_FOLDER = "/gateway";

/** The ports that the gateway listens on inside its container: one for each server behind it, and one of its own. */
export const GATEWAY_PORTS = { cadvisor: 8080, prometheus: 9090, metrics: 9180 } as const;

/** How the gateway is reached, and by whom. */
export interface GatewayPlan {
  /** What a request may call the host; undefined: anything. */
  hosts?: string[];
  /** Whether cAdvisor's API passes. */
  cadvisorApi: boolean;
  /** Where TLS is spoken: under which names; the files of the certificate, and when it expires in Unix seconds, or else the gateway's own authority certifies them. */
  tls?: { names: string[]; own?: { certificate: string; key: string; expires: number } };
  /** Who is let in, where not everybody is: any of these users, by the file of the password's bcrypt hash, and whoever has a certificate of the authority in the file `clientCa`. */
  login?: { users: Record<string, string>; clientCa?: string };
}

interface Match {
  path?: string[];
  method?: string[];
  host?: string[];
  vars_regexp?: Record<string, { pattern: string }>;
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

/** What passes to Prometheus: its pages, what its API tells, and what it answers, which long questions ask by POST. */
const PROMETHEUS: Match[] = [
  {
    method: READ,
    path: [
      ...words(`
        / /query /graph /alerts /rules /targets /config /flags /status /tsdb-status /service-discovery
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

/** What passes to cAdvisor: its pages and its metrics. */
const CADVISOR: Match = {
  method: READ,
  path: words("/ /containers /containers/* /docker /docker/* /static/* /metrics /healthz"),
};

/** cAdvisor's API only tells; its pages ask it by POST. */
const CADVISOR_API: Match = { method: [...READ, "POST"], path: ["/api", "/api/*"] };

/** Paths in which somebody could hide another one: doubled slashes and dots, encoded slashes, control characters, parameters. */
const CROOKED = "^[^?]*(//|;|[^!-~]|(\\.|%2[eE]){2}|%(0|1|2[fF]|7[fF]))";

const COMMON = "frame-ancestors 'none'; object-src 'none'; base-uri 'self'; form-action 'self'";
/** Prometheus's page brings everything itself, some of it in line; cAdvisor's draws by scripts that it loads from Google. */
const POLICIES = {
  prometheus: `default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; ${COMMON}`,
  cadvisor: COMMON,
} as const;

/** Caddy's configuration, in its own words (caddyserver.com/docs/json). It has no secret: it names the files that do. */
export function gatewayConfig(plan: GatewayPlan): Record<string, unknown> {
  const { tls, login } = plan;
  const secure = tls && { ...connections(tls, login?.clientCa), protocols: ["h1", "h2"] };
  const door = (name: keyof typeof POLICIES, passes: Match[], first: Route[] = []) => ({
    listen: [`:${GATEWAY_PORTS[name]}`],
    // A client gets so long for its headers, its whole request, and the answer: Prometheus ends a query after two minutes.
    read_header_timeout: "5s",
    read_timeout: "20s",
    write_timeout: "150s",
    idle_timeout: "60s",
    max_header_bytes: 32_768,
    automatic_https: { disable: true },
    ...(secure ?? { protocols: ["h1"] }),
    routes: [
      { handle: [{ handler: "headers", response: { set: headers(name), delete: ["Server"] } }] },
      refuse(400, [{ vars_regexp: { "{http.request.orig_uri}": { pattern: CROOKED } } }]),
      ...(plan.hosts ? [refuse(421, [{ not: [{ host: plan.hosts }] }])] : []),
      ...(login ? [authentication(login)] : []),
      ...first,
      { match: passes, handle: [{ handler: "request_body", max_size: 1_048_576 }, ...proxy(name)] },
      refuse(403),
    ],
  });
  return {
    admin: { disabled: true, config: { persist: false } },
    ...(tls && { storage: { module: "file_system", root: `${GATEWAY_FOLDER}/data` }, logging: LOGGING }),
    apps: {
      http: {
        grace_period: "1s",
        metrics: {},
        servers: {
          cadvisor: door("cadvisor", [CADVISOR, ...(plan.cadvisorApi ? [CADVISOR_API] : [])]),
          // Told that there is nothing to follow, the page asks for notifications now and then, and no answer stays open.
          prometheus: door("prometheus", PROMETHEUS, [
            refuse(204, [{ path: ["/api/v1/notifications/live"] }]),
          ]),
          metrics: {
            listen: [`:${GATEWAY_PORTS.metrics}`],
            automatic_https: { disable: true },
            protocols: ["h1"],
            routes: [
              ...(tls
                ? handshakes(tls)
                : [{ match: [{ path: ["/metrics"] }], handle: [{ handler: "metrics" }] }]),
              refuse(200, [{ path: ["/healthz"] }]),
              refuse(404),
            ],
          },
        },
      },
      tls: tls ? certificates(tls) : { disable_storage_clean: true },
    },
  };
}

const refuse = (status_code: number, match?: Match[]): Route => ({
  ...(match && { match }),
  handle: [{ handler: "static_response", status_code }],
});

const headers = (name: keyof typeof POLICIES): Record<string, string[]> => ({
  "Content-Security-Policy": [POLICIES[name]],
  "Cross-Origin-Resource-Policy": ["same-origin"],
  "Referrer-Policy": ["same-origin"],
  "X-Content-Type-Options": ["nosniff"],
  "X-Frame-Options": ["DENY"],
});

/** Passes a request on, without what is for the gateway alone, and never as another protocol. */
const proxy = (name: "cadvisor" | "prometheus"): Handler[] => [
  { handler: "headers", request: { delete: ["Authorization", "Upgrade"] } },
  {
    handler: "reverse_proxy",
    upstreams: [{ dial: `${name}:${GATEWAY_PORTS[name]}` }],
    transport: { protocol: "http", dial_timeout: "3s", response_header_timeout: "140s" },
  },
];

/** A client's certificate, which the handshake has verified. Not its fingerprint: that is never empty, as Caddy takes one of nothing. */
const CERTIFICATE = "{http.request.tls.client.certificate_der_base64}";

/** Asks for a user's password, of whom has not shown a certificate that is trusted. */
function authentication({ users, clientCa }: NonNullable<GatewayPlan["login"]>): Route {
  const accounts = Object.entries(users).map(([username, file]) => ({
    username,
    password: `{file.${file}}`,
  }));
  return {
    ...(clientCa && {
      match: [{ not: [{ vars_regexp: { [CERTIFICATE]: { pattern: "." } } }] }],
    }),
    handle: [
      {
        handler: "authentication",
        providers: { http_basic: { accounts, realm: "container metrics", hash_cache: {} } },
      },
    ],
  };
}

/** Without a certificate a client gets as far as the question for a password; one that is not trusted, or expired, ends the connection. */
function connections(tls: NonNullable<GatewayPlan["tls"]>, clientCa?: string): Record<string, unknown> {
  return {
    tls_connection_policies: [
      {
        // Clients that connect by an address name no server.
        default_sni: tls.names[0],
        ...(clientCa && {
          client_authentication: { mode: "verify_if_given", ca: { provider: "file", pem_files: [clientCa] } },
        }),
      },
    ],
    // There is one policy, whatever name a client gives.
    strict_sni_host: false,
  };
}

function certificates(tls: NonNullable<GatewayPlan["tls"]>): Record<string, unknown> {
  return tls.own
    ? { certificates: { load_files: [{ certificate: tls.own.certificate, key: tls.own.key }] } }
    : {
        certificates: { automate: tls.names },
        automation: { policies: [{ subjects: tls.names, issuers: [{ module: "internal" }] }] },
      };
}

const HANDSHAKE_LOG = "handshakes.log";

/** Caddy does not count the handshakes that fail, it only logs them. */
const LOGGING = {
  logs: {
    handshakes: {
      writer: {
        output: "file",
        filename: `${GATEWAY_FOLDER}/data/${HANDSHAKE_LOG}`,
        roll_size_mb: 1,
        roll_keep: 1,
        roll_gzip: false,
      },
      encoder: { format: "json" },
      include: ["http.stdlib"],
      level: "DEBUG",
    },
  },
};

/** What the log says of each kind of failure. Source: net/http's and crypto/tls's errors. */
const HANDSHAKES: Record<string, string> = {
  plain_http: "client sent an HTTP request to an HTTPS server",
  expired_certificate: "certificate has expired",
  all: "TLS handshake error",
};

/** Caddy's own metrics, and the failed handshakes, counted in the log when they are asked for. A log that is begun anew is a counter that was reset. */
function handshakes(tls: NonNullable<GatewayPlan["tls"]>): Route[] {
  const counts = Object.entries(HANDSHAKES).map(
    ([reason, said]) =>
      `gateway_handshake_errors_total{reason="${reason}"} {{sub (len (splitList "${said}" $log)) 1}}\n`,
  );
  const body = [
    `{{$log := ""}}{{if fileExists "${HANDSHAKE_LOG}"}}{{$log = readFile "${HANDSHAKE_LOG}"}}{{end}}`,
    '{{httpInclude "/caddy"}}',
    "# HELP gateway_handshake_errors_total TLS connections refused, by reason.\n",
    "# TYPE gateway_handshake_errors_total counter\n",
    ...counts,
    ...(tls.own
      ? [
          "# HELP gateway_certificate_expiry_timestamp_seconds When the certificate expires.\n",
          "# TYPE gateway_certificate_expiry_timestamp_seconds gauge\n",
          `gateway_certificate_expiry_timestamp_seconds ${tls.own.expires}\n`,
        ]
      : []),
  ].join("");
  return [
    { match: [{ path: ["/caddy"] }], handle: [{ handler: "metrics" }] },
    {
      match: [{ path: ["/metrics"] }],
      handle: [
        { handler: "templates", file_root: `${GATEWAY_FOLDER}/data`, mime_types: ["text/plain"] },
        {
          handler: "static_response",
          headers: { "Content-Type": ["text/plain; version=0.0.4; charset=utf-8"] },
          body,
        },
      ],
    },
  ];
}
