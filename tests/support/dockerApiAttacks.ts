import type { Message } from "./conversation";

/** A request in the bytes of HTTP/1.1. */
export function request(
  method: string,
  path: string,
  body?: object | string,
  headers: string[] = [],
): string {
  const text = typeof body === "object" ? JSON.stringify(body) : body;
  const length =
    text === undefined ? [] : ["Content-Type: application/json", `Content-Length: ${text.length}`];
  return [`${method} ${path} HTTP/1.1`, "Host: docker", ...length, ...headers, "", text ?? ""].join("\r\n");
}

/** What an attacker knows of the host. */
export interface Target {
  /** Id and name of a running container. */
  id: string;
  name: string;
  /** Its image. */
  image: string;
}

/**
 * Requests to the Docker API that change something or tell more than the metrics need, with what the daemon itself answers,
 * in this order. Source: docker/docs, Engine API v1.41.
 */
export function effects({
  id,
  name,
  image,
}: Target): [method: string, path: string, status: number, body?: object][] {
  const made = `${name}-made`;
  return [
    ["POST", `/containers/create?name=${made}`, 201, { Image: image, HostConfig: { Binds: ["/:/host"] } }],
    ["POST", `/v1.41/containers/${made}/start`, 204],
    ["POST", `/containers/${made}/exec`, 201, { Cmd: ["true"], AttachStdout: true }],
    ["POST", `/containers/${made}/pause`, 204],
    ["POST", `/containers/${made}/unpause`, 204],
    ["POST", `/containers/${made}/update`, 200, { CpuShares: 512 }],
    ["POST", `/containers/${made}/rename?name=${made}2`, 204],
    ["POST", `/containers/${made}2/rename?name=${made}`, 204],
    ["POST", `/containers/${made}/restart?t=0`, 204],
    ["POST", `/commit?container=${made}&repo=${made}`, 201],
    ["POST", `/images/${made}/tag?repo=${made}&tag=2`, 201],
    ["DELETE", `/images/${made}:2`, 200],
    ["DELETE", `/images/${made}`, 200],
    ["POST", `/containers/${made}/kill`, 204],
    ["DELETE", `/containers/${made}?force=1`, 204],
    ["POST", "/networks/create", 201, { Name: made }],
    ["POST", `/networks/${made}/connect`, 200, { Container: name }],
    ["POST", `/networks/${made}/disconnect`, 200, { Container: name }],
    ["DELETE", `/networks/${made}`, 204],
    ["POST", "/volumes/create", 201, { Name: made }],
    ["DELETE", `/volumes/${made}`, 204],
    ["POST", "/containers/prune?filters=%7B%22label%22%3A%5B%22none%22%5D%7D", 200],
    ["POST", "/build/prune", 200],
    ["GET", `/containers/${id}/archive?path=/etc/passwd`, 200],
    ["GET", `/containers/${id}/logs?stdout=1`, 200],
    ["GET", `/containers/${id}/top`, 200],
    ["GET", `/containers/${id}/stats?stream=false&one-shot=1`, 200],
    ["GET", `/containers/${id}/changes`, 200],
    ["GET", `/containers/${id}/export`, 200],
    ["GET", `/containers/${id}/json?size=1`, 200],
    ["GET", `/containers/${id.slice(0, 12)}/json`, 200],
    ["GET", `/containers/${name}/json`, 200],
    ["GET", "/containers/json?all=1", 200],
    ["GET", `/images/${image}/json`, 200],
    ["GET", `/images/${image}/history`, 200],
    ["GET", "/images/json?all=1", 200],
    ["GET", "/networks", 200],
    ["GET", "/volumes", 200],
    ["GET", "/plugins", 200],
    ["GET", "/system/df", 200],
    ["GET", "/events?since=1&until=2", 200],
  ];
}

/** The rest of the API, which an emptied test host has nothing for: swarms, plugins, registries, sessions. */
export const others = ({ id, name, image }: Target): [method: string, path: string][] => [
  ["POST", "/swarm/init"],
  ["POST", "/swarm/join"],
  ["POST", "/swarm/leave"],
  ["POST", "/swarm/update"],
  ["GET", "/swarm"],
  ["GET", "/swarm/unlockkey"],
  ["GET", "/nodes"],
  ["GET", "/services"],
  ["POST", "/services/create"],
  ["GET", "/tasks"],
  ["GET", "/secrets"],
  ["POST", "/secrets/create"],
  ["GET", "/configs"],
  ["POST", "/configs/create"],
  ["POST", "/plugins/pull?remote=x"],
  ["POST", "/plugins/create?name=x"],
  ["POST", "/plugins/x/enable"],
  ["DELETE", "/plugins/x"],
  ["GET", `/distribution/${image}/json`],
  ["GET", "/images/search?term=x"],
  ["GET", `/images/${image}/get`],
  ["GET", "/images/get"],
  ["POST", "/images/load"],
  ["POST", "/images/create?fromImage=x"],
  ["POST", `/images/${image}/push`],
  ["POST", "/images/prune"],
  ["POST", "/networks/prune"],
  ["POST", "/volumes/prune"],
  ["POST", "/build"],
  ["POST", "/build/cancel"],
  ["POST", "/auth"],
  ["POST", "/session"],
  ["POST", "/grpc"],
  ["POST", `/containers/${id}/attach?stream=1&stdin=1`],
  ["GET", `/containers/${id}/attach/ws`],
  ["POST", `/containers/${id}/wait`],
  ["POST", `/containers/${id}/resize?h=1&w=1`],
  ["POST", `/containers/${id}/copy`],
  ["PUT", `/containers/${id}/archive?path=/`],
  ["HEAD", `/containers/${id}/archive?path=/`],
  ["POST", `/exec/${id}/start`],
  ["GET", `/exec/${id}/json`],
  ["POST", `/containers/${name}/stop`],
  ["POST", `/containers/${id}/json`],
  ["PUT", "/info"],
  ["DELETE", "/version"],
  ["OPTIONS", "/_ping"],
  ["GET", "/"],
  ["GET", "/metrics"],
  ["GET", "/debug/pprof/"],
  ["GET", "/config/"],
];

/** An attack on what filters: its bytes, and the answers with success that what is on the list may have among them. */
export type Attack = [what: string, message: Message, passes?: number];

const chunked = (body: string) => `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;

/** What has got past filters of HTTP before, made for the Docker API. */
export function attacks({ id, image }: Target): Attack[] {
  const create = { Image: image, HostConfig: { Privileged: true } };
  const smuggled = request("POST", "/containers/create?name=smuggled", create);
  const kill = `/containers/${id}/kill`;
  const get = (path: string, ...headers: string[]) => [request("GET", path, undefined, headers)];
  return [
    // Methods.
    ["a method in lower case", [request("get", "/info")]],
    ["an unknown method", [request("GETPOST", kill)]],
    ["CONNECT", ["CONNECT /info HTTP/1.1\r\nHost: docker\r\n\r\n"]],
    ["CONNECT to the socket", ["CONNECT docker:2375 HTTP/1.1\r\nHost: docker\r\n\r\n"]],
    ["TRACE", [request("TRACE", "/info")]],
    [
      "a method that a header overrides",
      get(kill, "X-HTTP-Method-Override: POST", "X-Method-Override: POST"),
    ],
    ["a method in the query", get(`${kill}?_method=POST`)],
    ["two methods", [`GET POST ${kill} HTTP/1.1\r\nHost: docker\r\n\r\n`]],
    ["a tab for a space", [`POST\t${kill}\tHTTP/1.1\r\nHost: docker\r\n\r\n`]],
    // Paths.
    ["a traversal", get(`/info/../containers/${id}/logs?stdout=1`)],
    ["a traversal that ends on the list", get(`/containers/${id}/archive/../json`)],
    ["an encoded traversal", get(`/info/%2e%2e/containers/${id}/top`)],
    ["an encoded slash", get(`/containers%2f${id}%2fjson`)],
    ["a path encoded twice", get(`/containers/${id}%252fjson`)],
    ["an encoded letter", get(`/%69nfo`)],
    ["two slashes", get("//info")],
    ["two slashes in between", get(`/containers//${id}/json`)],
    ["a dot", get("/./info")],
    ["a slash at the end", get("/info/")],
    ["a backslash", get("\\info")],
    ["backslashes for a traversal", get(`/info\\..\\containers\\${id}\\top`)],
    ["a null byte", get("/info%00/../networks")],
    ["a line end in the path", get(`/info%0d%0aHost:%20x`)],
    ["a line end for a regular expression", get(`/networks%0a/info`)],
    ["a semicolon", get("/info;/networks")],
    ["a fragment", get(`/info#/../networks`)],
    ["an empty query", get("/info?")],
    ["a query", get(`/containers/${id}/json?size=1`)],
    ["an id in capitals", get(`/containers/${id.toUpperCase()}/json`)],
    ["an id that is too long", get(`/containers/${id}0/json`)],
    ["a strange version", get("/v1.41/v1.41/info")],
    ["a version that is none", get("/v1.x/info")],
    ["letters of another script", get("/\u00efnfo")],
    ["a placeholder of the server's", get("/{http.request.method}")],
    // Targets.
    ["an absolute URI", get("http://docker/info")],
    ["an absolute URI to elsewhere", get("http://192.0.2.1:80/info")],
    ["an absolute URI with another path", get(`http://docker/networks`)],
    ["a URI of a unix socket", get("unix:///var/run/docker.sock/info")],
    // Answered by the server itself, by nothing.
    ["an asterisk", ["OPTIONS * HTTP/1.1\r\nHost: docker\r\n\r\n"], 1],
    ["no target", ["GET HTTP/1.1\r\nHost: docker\r\n\r\n"]],
    ["headers that rewrite the target", get("/networks", "X-Original-URL: /info", "X-Rewrite-URL: /info")],
    // Versions of HTTP.
    ["HTTP/0.9", [`GET /networks\r\n\r\n`]],
    ["HTTP/1.0", [`POST ${kill} HTTP/1.0\r\n\r\n`]],
    ["HTTP/1.0 without a host", [`GET /networks HTTP/1.0\r\n\r\n`]],
    ["HTTP/1.1 without a host", [`GET /info HTTP/1.1\r\n\r\n`]],
    ["two hosts", [`GET /info HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n`]],
    ["HTTP/2 from the start", ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"]],
    [
      "HTTP/2 by an upgrade",
      get("/info", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
    ],
    ["HTTP/3.7", ["GET /info HTTP/3.7\r\nHost: docker\r\n\r\n"]],
    ["TLS", ["\x16\x03\x01\0\xa5\x01\0\0\xa1\x03\x03"]],
    // Upgrades, which take a connection away from the filter.
    [
      "an upgrade to attach",
      [
        request("POST", `/containers/${id}/attach?stream=1&stdin=1`, undefined, [
          "Connection: Upgrade",
          "Upgrade: tcp",
        ]),
      ],
    ],
    ["an upgrade of a read", get("/info", "Connection: Upgrade", "Upgrade: tcp")],
    [
      "an upgrade to a session",
      [request("POST", "/session", undefined, ["Connection: Upgrade", "Upgrade: h2c"])],
    ],
    [
      "a websocket",
      get(
        `/containers/${id}/attach/ws?stream=1`,
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      ),
    ],
    [
      "a start of a process with a body",
      [
        request("POST", `/exec/${id}/start`, { Detach: false, Tty: true }, [
          "Connection: Upgrade",
          "Upgrade: tcp",
        ]),
      ],
    ],
    // Smuggling: a second request that only one of two servers sees.
    ["a body on a read", [request("GET", "/info", smuggled)]],
    [
      "a chunked body on a read",
      [`${request("GET", "/info", undefined, ["Transfer-Encoding: chunked"])}${chunked(smuggled)}`],
    ],
    [
      "a length and chunks",
      [
        `${request("GET", "/info", undefined, ["Content-Length: 4", "Transfer-Encoding: chunked"])}${chunked("x")}${smuggled}`,
      ],
    ],
    [
      "chunks and a length",
      [
        `${request("GET", "/info", undefined, ["Transfer-Encoding: chunked", "Content-Length: 5"])}0\r\n\r\n${smuggled}`,
      ],
    ],
    [
      "two lengths",
      [
        `${request("GET", "/info", undefined, ["Content-Length: 0", `Content-Length: ${smuggled.length}`])}${smuggled}`,
      ],
    ],
    ["a length with a sign", [`${request("GET", "/info", undefined, ["Content-Length: +0"])}${smuggled}`]],
    ["a negative length", [`${request("GET", "/info", undefined, ["Content-Length: -1"])}${smuggled}`]],
    [
      "chunks in disguise",
      [`${request("GET", "/info", undefined, ["Transfer-Encoding: xchunked"])}${chunked(smuggled)}`],
    ],
    [
      "chunks after a tab",
      [`${request("GET", "/info", undefined, ["Transfer-Encoding:\tchunked"])}${chunked(smuggled)}`],
    ],
    [
      "chunks by a folded line",
      [`GET /info HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding:\r\n chunked\r\n\r\n${chunked(smuggled)}`],
    ],
    [
      "a space before the colon",
      [`GET /info HTTP/1.1\r\nHost: docker\r\nContent-Length : ${smuggled.length}\r\n\r\n${smuggled}`],
    ],
    [
      "a bare line feed",
      [`GET /info HTTP/1.1\nHost: docker\nContent-Length: ${smuggled.length}\n\n${smuggled}`],
    ],
    [
      "a bare carriage return in a header",
      [`GET /info HTTP/1.1\r\nHost: docker\r\nX: a\rContent-Length: 9\r\n\r\n${smuggled}`],
    ],
    [
      "an extension of a chunk",
      [`${request("GET", "/info", undefined, ["Transfer-Encoding: chunked"])}0;a=\nb\r\n\r\n${smuggled}`],
    ],
    ["headers that the connection takes away", get("/networks", "Connection: Host, X-Forwarded-For, close")],
    ["a write behind a read", [request("GET", "/_ping") + smuggled], 1],
    ["a write behind a HEAD", [request("HEAD", "/_ping") + smuggled], 1],
    ["a write behind two reads", [request("GET", "/version") + request("GET", "/_ping") + smuggled], 2],
    ["a read behind a write", [smuggled + request("GET", "/_ping")]],
    // Size and time.
    ["a header of 64 kB", get("/info", `X: ${"x".repeat(65_536)}`)],
    [
      "a thousand headers",
      get("/info", ...Array.from({ length: 1000 }, (_, i) => `X-${i}: ${"x".repeat(20)}`)),
    ],
    ["a path of 64 kB", get(`/containers/${"a".repeat(65_536)}/json`)],
    [
      "a body of 4 MB",
      [
        request("POST", "/containers/create", "x".repeat(100)),
        ...Array.from({ length: 4 }, () => "x".repeat(2 ** 20)),
      ],
    ],
    ["an expected body", [request("POST", "/containers/create", create, ["Expect: 100-continue"])]],
    [
      "headers that come slowly",
      [
        "GET /networks HTTP/1.1\r\n",
        "Host: docker\r\n",
        ...Array.from({ length: 16 }, (_, i) => `X-${i}: 1\r\n`),
        "\r\n",
      ],
    ],
    ["nothing but a line end", ["\r\n\r\n"]],
    ["garbage", ["\0\x01\x02\xff\xfe garbage \r\n\r\n"]],
  ];
}

/** Every method of containerd's API but the two that cAdvisor calls. Source: containerd, api/services, v1.9 to v1.12. */
export const CONTAINERD_METHODS: string[] = Object.entries({
  "containers.v1.Containers": "List ListStream Create Update Delete",
  "content.v1.Content": "Info Update List Delete Read Status ListStatuses Write Abort",
  "diff.v1.Diff": "Apply Diff",
  "events.v1.Events": "Publish Forward Subscribe",
  "images.v1.Images": "Get List Create Update Delete",
  "introspection.v1.Introspection": "Plugins Server PluginInfo",
  "leases.v1.Leases": "Create Delete List AddResource DeleteResource ListResources",
  "namespaces.v1.Namespaces": "Get List Create Update Delete",
  "sandbox.v1.Store": "Create Update Delete List Get",
  "sandbox.v1.Controller": "Create Start Platform Stop Wait Status Shutdown Metrics",
  "snapshots.v1.Snapshots": "Prepare View Mounts Commit Remove Stat Update List Usage Cleanup",
  "streaming.v1.Streaming": "Stream",
  "tasks.v1.Tasks":
    "Create Start Delete DeleteProcess Get List Kill Exec ResizePty CloseIO Pause Resume ListPids Checkpoint Update Metrics Wait",
  "transfer.v1.Transfer": "Transfer",
}).flatMap(([service, methods]) =>
  methods.split(" ").map((method) => `/containerd.services.${service}/${method}`),
);
