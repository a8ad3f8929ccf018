import type { Message } from "./conversation";
import { request } from "./dockerApiAttacks";

/** What an attacker knows. */
export interface Known {
  /** Id, name and address of a server that the forwarder may reach. */
  id: string;
  name: string;
  address: string;
  /** The address of the Docker host on the server's network. */
  host: string;
  /** Ids of containers that the forwarder must not reach. */
  others: string[];
}

type Attack = [name: string, message: Message];

const close = ["Connection: close"];
const get = (target: string, ...headers: string[]): Message => [
  request("GET", target, undefined, [...headers, ...close]),
];

/** Targets of requests that name another host, port or path than the server's metrics, or the server in another way. */
const targets = ({ id, name, address, host, others }: Known): string[] => [
  // Other hosts.
  ...others.map((other) => `/${other}`),
  `/${address}:8000/metrics`,
  `http://${address}:8000/metrics`,
  `http://${address}:8000/${id}`,
  `http://${host}:22/metrics`,
  `http://llm-forwarder:23401/${id}`,
  "http://169.254.169.254/latest/meta-data/",
  "/169.254.169.254/latest/meta-data/",
  "http://prometheus:9090/metrics",
  "http://exporter:23400/metrics",
  "http://cadvisor:8080/metrics",
  "http://127.0.0.1:2019/config/",
  "http://[::1]:2019/config/",
  `http://[::ffff:${address}]:8000/metrics`,
  `/${id}@169.254.169.254`,
  `/${id}.example.org`,
  `//${id}`,
  `//169.254.169.254/${id}`,
  `\\${id}`,
  id,
  // Other ids.
  `/${name}`,
  `/${id.slice(0, 12)}`,
  `/${id.slice(1)}`,
  `/${id}0`,
  `/${id.toUpperCase()}`,
  `/${"0".repeat(64)}`,
  `/${"g".repeat(64)}`,
  `/%${id.charCodeAt(0).toString(16)}${id.slice(1)}`,
  // Other ports.
  `/${id}:9090`,
  `/${id}:22/metrics`,
  // Other paths.
  `/${id}/`,
  `/${id}/metrics`,
  `/${id}/v1/completions`,
  `/${id}/../v1/models`,
  `/${id}/..`,
  `/${id}?path=/v1/models`,
  `/${id}?`,
  `/${id}#/v1/models`,
  `/${id};/v1/models`,
  `/${id}\\..\\v1\\models`,
  `/${id}%2f..%2fv1%2fmodels`,
  `/${id}%00`,
  `/${id}%0d%0aX-Llm-Path:%20/v1/models`,
  `/./${id}`,
  `/x/../${id}`,
  `/%2e%2e/${id}`,
  // The forwarder's own.
  "/",
  "*",
  "/metrics",
  "/healthz/",
  "//healthz",
  "/HEALTHZ",
  "/%68ealthz",
  "/healthz?path=/metrics",
  `/healthz/${id}`,
  `/healthz/../${id}`,
  "http://prometheus:9090/healthz",
  "/config/",
  "/load",
  "/stop",
  "/debug/pprof/",
  "/llm-targets",
  `/llm-targets/${id}`,
  "/{env.STACK_ADDRESS}",
  "/{http.regexp.target.1}",
  `/{file./keys/current/${name}}`,
];

const METHODS = ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "PRI", "get"];

/** Requests that the forwarder must answer with an error. */
export const forwarderAttacks = (known: Known): Attack[] => {
  const { id, address } = known;
  const hidden = `GET /${known.others[0] ?? ""} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
  return [
    ...targets(known).map((target): Attack => [`GET ${target}`, get(target)]),
    ...METHODS.map((method): Attack => [`${method} /id`, [request(method, `/${id}`, undefined, close)]]),
    ...METHODS.filter((method) => method !== "HEAD").map((method): Attack => [
      `${method} /healthz`,
      [request(method, "/healthz", undefined, close)],
    ]),
    ["a body for the health check", [request("GET", "/healthz", "a body", close)]],
    ["an upgrade by the health check", get("/healthz", "Upgrade: websocket")],
    ["CONNECT address", [request("CONNECT", `${address}:8000`, undefined, close)]],
    ["a body", [request("GET", `/${id}`, "a body", close)]],
    ["an empty body", get(`/${id}`, "Content-Length: 0")],
    ["a chunked body", [`${get(`/${id}`, "Transfer-Encoding: chunked")[0] ?? ""}0\r\n\r\n`]],
    ["two lengths", [`${get(`/${id}`, "Content-Length: 0", "Content-Length: 5")[0] ?? ""}${hidden}`]],
    [
      "a request hidden in a body",
      [
        `${get(`/${id}`, `Content-Length: ${hidden.length}`, "Transfer-Encoding: chunked")[0] ?? ""}0\r\n\r\n${hidden}`,
      ],
    ],
    ["an upgrade to WebSocket", get(`/${id}`, "Upgrade: websocket")],
    ["an upgrade to HTTP/2", get(`/${id}`, "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")],
    ["HTTP/2", ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]],
    ["HTTP/0.9", [`GET /${id}\r\n\r\n`]],
    ["no host", [`GET /${id} HTTP/1.1\r\nConnection: close\r\n\r\n`]],
    ["a space in the target", get(`/${id} /v1/models`)],
    ["a line end in the target", get(`/${id}\n/v1/models`)],
    ["large headers", get(`/${id}`, `X: ${"x".repeat(20_000)}`)],
  ];
};

/** Requests that the forwarder answers, with headers that the server must not receive. */
export const harmlessRequests = ({ id, host, others: [other = ""] }: Known): Attack[] =>
  [
    `Host: ${host}:22`,
    "X-Llm-Address: 169.254.169.254:80",
    "X-Llm-Path: /v1/models",
    `X-Llm-Container: ${other}`,
    "X-Original-URL: /v1/models",
    "X-Rewrite-URL: /v1/models",
    "X-HTTP-Method-Override: POST",
    "X-Forwarded-Host: prometheus:9090",
    "X-Forwarded-For: 127.0.0.1",
    "Authorization: Bearer of-the-client",
    "Proxy-Authorization: Bearer of-the-client",
    "Cookie: a=b",
    "Connection: X-Llm-Address, Host",
    "Expect: 100-continue",
    "Range: bytes=0-1",
    "TE: trailers",
  ].map((header): Attack => [
    header,
    [
      `GET /${id} HTTP/1.1\r\n${header.startsWith("Host") ? "" : "Host: x\r\n"}${header}\r\nConnection: close\r\n\r\n`,
    ],
  ]);
