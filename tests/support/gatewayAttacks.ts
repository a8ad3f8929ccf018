import { connect } from "node:net";

/** A request as it goes over the wire, which tries to reach what is closed. */
export interface Attack {
  name: string;
  server: "cadvisor" | "prometheus";
  bytes: string;
}

const HOST = "Host: 127.0.0.1\r\n";
const request = (line: string, headers = "", body = "") =>
  `${line} HTTP/1.1\r\n${HOST}${headers}Connection: close\r\n\r\n${body}`;
const form = (body: string) =>
  `Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n`;
const chunked = "Transfer-Encoding: chunked\r\n";
const hidden = "POST /-/quit HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n";

const lines = (server: Attack["server"], ...all: string[]): Attack[] =>
  all.map((line) => ({ name: line.slice(0, 70), server, bytes: request(line) }));
const raw = (server: Attack["server"], name: string, bytes: string): Attack => ({ name, server, bytes });

/** Methods, encodings, traversal, smuggling, sizes and upgrades. */
export const ATTACKS: Attack[] = [
  // What is closed, as it is.
  ...lines(
    "prometheus",
    ...[
      "POST /-/quit",
      "PUT /-/quit",
      "GET /-/quit",
      "POST /-/reload",
      "PUT /-/reload",
      "POST /-/reload?x=/-/ready",
    ],
    ...["POST /api/v1/admin/tsdb/snapshot", "PUT /api/v1/admin/tsdb/clean_tombstones"],
    ...["POST /api/v1/admin/tsdb/delete_series?match[]=up", "GET /api/v1/admin/tsdb/snapshot"],
    ...["POST /api/v1/write", "POST /api/v1/read", "POST /api/v1/otlp/v1/metrics", "GET /debug/pprof/heap"],
    ...[
      "GET /debug/pprof/profile?seconds=60",
      "GET /consoles/index.html.example",
      "GET /api/v1/notifications/live",
    ],
  ),
  // Methods.
  ...lines(
    "prometheus",
    ...[
      "DELETE /api/v1/series?match[]=up",
      "PUT /api/v1/query?query=up",
      "PATCH /api/v1/query",
      "OPTIONS /api/v1/query",
    ],
    ...[
      "TRACE /",
      "CONNECT 127.0.0.1:9090",
      "POST /api/v1/targets",
      "POST /federate",
      "POST /metrics",
      "get /-/quit",
    ],
    ...["POST /-/ready", "QUIT /-/quit", "HEAD /debug/pprof/heap"],
  ),
  // Encodings and traversal.
  ...lines(
    "prometheus",
    ...[
      "POST /%2d/quit",
      "POST /-/%71uit",
      "POST /-%2fquit",
      "POST /-//quit",
      "POST //-/quit",
      "POST /./-/quit",
    ],
    ...["POST /assets/../-/quit", "POST /assets/%2e%2e/-/quit", "GET /assets/..%2f..%2fdebug/pprof/heap"],
    ...["GET /assets/.%2e/debug/pprof/heap", "POST /-/quit/", "POST /-/quit;x=/assets/", "POST /-/quit%00"],
    ...[
      "POST /-/ready/../quit",
      "GET /api/v1/label/../admin/values",
      "POST /api/v1/query/../admin/tsdb/snapshot",
    ],
    ...["POST /api/v1/query%2f..%2fadmin%2ftsdb%2fsnapshot", "GET /api/v1/label/%2e%2e/%2e%2e/debug/values"],
    ...[
      "POST /API/V1/ADMIN/TSDB/SNAPSHOT",
      "POST /api/v1/query%0d%0aX:y",
      "POST /-\\quit",
      "POST /assets\\..\\-\\quit",
    ],
    ...["POST http://prometheus:9090/-/quit", "GET http://127.0.0.1/debug/pprof/heap", "POST /%252d/quit"],
    ...["GET /%2564ebug/pprof/heap", "POST /api/v1/%61dmin/tsdb/snapshot", "GET /static/../debug/pprof/heap"],
  ),
  ...lines(
    "cadvisor",
    ...[
      "POST /containers/",
      "DELETE /api/v1.3/containers/",
      "PUT /api/v1.3/containers/",
      "GET /debug/pprof/heap",
    ],
    ...[
      "GET /validate/",
      "GET /containers/../debug/pprof/heap",
      "GET /containers/%2e%2e/validate/",
      "GET /docker/..%2fvalidate/",
    ],
    ...[
      "GET /static//../../validate/",
      "POST /metrics",
      "GET /api/../validate/",
      "GET /metrics/../debug/pprof/",
      "TRACE /containers/",
    ],
  ),
  // Smuggling.
  raw(
    "prometheus",
    "length and chunks",
    request("POST /api/v1/query", `Content-Length: 4\r\n${chunked}`, `0\r\n\r\n${hidden}`),
  ),
  raw(
    "prometheus",
    "two lengths",
    request("POST /api/v1/query", "Content-Length: 0\r\nContent-Length: 70\r\n", hidden),
  ),
  raw("prometheus", "two lengths in one", request("POST /api/v1/query", "Content-Length: 0, 70\r\n", hidden)),
  raw("prometheus", "a length with a sign", request("POST /api/v1/query", "Content-Length: +0\r\n", hidden)),
  raw(
    "prometheus",
    "chunks in another word",
    request("POST /api/v1/query", `Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n`, hidden),
  ),
  raw(
    "prometheus",
    "chunks after a tab",
    request("POST /api/v1/query", `Transfer-Encoding:\tchunked, identity\r\nContent-Length: 0\r\n`, hidden),
  ),
  raw(
    "prometheus",
    "a space before the colon",
    request("POST /api/v1/query", `Transfer-Encoding : chunked\r\nContent-Length: 0\r\n`, hidden),
  ),
  raw(
    "prometheus",
    "a folded header",
    request("POST /api/v1/query", `X-A: b\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n`, hidden),
  ),
  raw(
    "prometheus",
    "a chunk with an extension",
    request("POST /api/v1/query", chunked, `0;a=b\n\r\n${hidden}`),
  ),
  raw(
    "prometheus",
    "bare line feeds",
    `GET /-/ready HTTP/1.1\nHost: 127.0.0.1\n\nPOST /-/quit HTTP/1.1\nHost: 127.0.0.1\nContent-Length: 0\n\n`,
  ),
  raw("prometheus", "a request behind a request", `GET /-/ready HTTP/1.1\r\n${HOST}\r\n${hidden}`),
  raw(
    "prometheus",
    "a body on a GET",
    request("GET /-/ready", `Content-Length: ${hidden.length}\r\n`, hidden),
  ),
  raw("prometheus", "a line break in the path", `GET /-/ready\r HTTP/1.1\r\n${HOST}\r\n`),
  raw("prometheus", "HTTP 0.9", "GET /-/quit\r\n\r\n"),
  raw("prometheus", "HTTP 1.0", "POST /-/quit HTTP/1.0\r\nContent-Length: 0\r\n\r\n"),
  raw("prometheus", "HTTP 2 as a preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  raw("prometheus", "two hosts", `GET /-/quit HTTP/1.1\r\n${HOST}Host: other\r\nConnection: close\r\n\r\n`),
  raw(
    "prometheus",
    "another host, as by DNS rebinding",
    "GET /api/v1/query?query=up HTTP/1.1\r\nHost: evil.example:23001\r\nConnection: close\r\n\r\n",
  ),
  // What asks the server to take another path or method.
  ...[
    "X-Original-URL: /-/quit",
    "X-Rewrite-URL: /-/quit",
    "X-HTTP-Method-Override: DELETE",
    "X-Forwarded-Prefix: /-/quit",
  ].map((header) => raw("prometheus", header, request("POST /-/quit", `${header}\r\nContent-Length: 0\r\n`))),
  // Other protocols.
  raw(
    "prometheus",
    "a websocket",
    request(
      "GET /-/ready",
      "Upgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n",
    ).replace("Connection: close", "Connection: Upgrade"),
  ),
  raw(
    "prometheus",
    "h2c",
    request("GET /-/ready", "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n").replace(
      "Connection: close",
      "Connection: Upgrade, HTTP2-Settings",
    ),
  ),
  raw(
    "cadvisor",
    "an attach to a container",
    request("POST /containers/x/attach?stream=1", "Upgrade: tcp\r\nContent-Length: 0\r\n").replace(
      "Connection: close",
      "Connection: Upgrade",
    ),
  ),
  // Sizes.
  raw("prometheus", "a header of 60 kB", request("GET /-/ready", `X-Big: ${"x".repeat(60_000)}\r\n`)),
  raw("prometheus", "five thousand headers", request("GET /-/ready", "X-A: b\r\n".repeat(5000))),
  raw("prometheus", "a path of 60 kB", request(`GET /assets/${"x".repeat(60_000)}`)),
  raw(
    "prometheus",
    "a body of 3 MB",
    request("POST /api/v1/query", form("x".repeat(3_000_000)), "x".repeat(3_000_000)),
  ),
  raw(
    "prometheus",
    "an endless body in chunks",
    request("POST /api/v1/query", chunked, `100000\r\n${"x".repeat(1_048_576)}\r\n`.repeat(3) + "0\r\n\r\n"),
  ),
  raw("prometheus", "a body that never comes", request("POST /api/v1/query", form("x".repeat(1000)))),
];

/** Sends bytes, and gives what comes back until the connection ends, or the time is over. */
export function send(address: string, port: number, bytes: string, milliseconds = 1500): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(port, address, () => socket.write(bytes, "latin1"));
    const end = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(end, milliseconds);
    socket
      .on("data", (part) => (answer += part.toString("latin1")))
      .on("error", end)
      .on("close", end);
  });
}

/** What a server behind the gateway has got. */
export interface Received {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: number;
  upgraded?: boolean;
}

/** Why a request must not have come through the gateway; undefined when it may. Written from what is closed, not from what is open. */
export function closed({ method, url, headers, body, upgraded }: Received): string | undefined {
  const path = decoded(url.split("?")[0] ?? "");
  const clean = new URL(path.replaceAll("\\", "/").replace(/\/+/g, "/"), "http://x").pathname.toLowerCase();
  const CLOSED = /^\/(-\/(quit|reload)|api\/v1\/(admin|write|read|otlp)|debug|consoles|validate)/;
  if (CLOSED.test(clean)) return `${clean} is closed`;
  if (/\.\.|\/\/|%|[^!-~]/.test(url.split("?")[0] ?? "")) return `${url} hides another path`;
  if (!["GET", "HEAD", "POST"].includes(method)) return `${method} changes things`;
  if (
    method === "POST" &&
    !/^\/api\/(v1\/(query|series|labels|format_query|parse_query)|v[12]\.)/.test(clean)
  )
    return `POST to ${clean}`;
  if (upgraded || headers["upgrade"]) return "became another protocol";
  if (headers["host"]?.includes("evil")) return "came under another host's name";
  if (headers["authorization"]) return "has a password with it";
  if (body > 1_048_576 || JSON.stringify(headers).length > 40_000) return "is too big";
  return undefined;
}

/** A path with every encoding undone, however often it was done. */
function decoded(path: string): string {
  const once = path.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return once === path ? path : decoded(once);
}

/** A server that writes down what it gets, as lines of JSON: a program for `node -e`, with the port as its argument. */
export const RECORDER = `
  const http = require("http");
  const log = (q, more) => console.log(JSON.stringify({ method: q.method, url: q.url, headers: q.headers, ...more }));
  http.createServer({ maxHeaderSize: 1 << 20, insecureHTTPParser: true }, (q, r) => {
    let body = 0;
    q.on("data", (part) => (body += part.length)).on("error", () => {}).on("close", () => log(q, { body })).on("end", () => r.end("recorded"));
  }).on("upgrade", (q, s) => { log(q, { body: 0, upgraded: true }); s.end("HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n\\r\\n"); })
    .listen(process.argv[1]);`;
