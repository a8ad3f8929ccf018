import { forwarderConfig } from "../../../caddy/llmForwarder";

const CLIENTS = "172.18.0.0/16";
const EXPORTER = "198.18.0.2:23400";
const servers = (keyed: string[] = []) =>
  forwarderConfig({ clients: CLIENTS, exporter: EXPORTER, keyed }).apps.http.servers;

/** Every value of a key in a configuration. */
function all(value: unknown, key: string): unknown[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, part]) => [
    ...(name === key ? [part as unknown] : []),
    ...all(part, key),
  ]);
}

describe("The forwarder to LLM servers", () => {
  it("listens on the stack's network alone, and answers no other client", () => {
    const { listen, routes } = servers().forwarder;
    expect(listen).toEqual(["{env.STACK_ADDRESS}:23401", "127.0.0.1:23401"]);
    expect(routes[0]).toEqual({
      match: [{ not: [{ remote_ip: { ranges: [CLIENTS, "127.0.0.0/8"] } }] }],
      handle: [{ handler: "static_response", abort: true }],
      terminal: true,
    });
    expect(routes.at(-1)).toEqual({
      handle: [{ handler: "static_response", status_code: 403, close: true }],
    });
  });

  it("answers that it runs without a body, so that Prometheus can scrape it", () => {
    const health = servers().forwarder.routes.find(({ match }) => JSON.stringify(match).includes("/healthz"));
    expect(health).toEqual({
      match: [
        {
          method: ["GET", "HEAD"],
          vars_regexp: { "{http.request.orig_uri}": { name: "target", pattern: "^/healthz$" } },
          header: { "Content-Length": null, "Transfer-Encoding": null, Upgrade: null },
        },
      ],
      handle: [
        { handler: "vars", log_skip: true },
        { handler: "static_response", status_code: 200 },
      ],
      terminal: true,
    });
  });

  it("connects to the exporter, by its address, and to addresses that the exporter returns", () => {
    expect(new Set(all(servers(["a", "b"]), "dial"))).toEqual(
      new Set([EXPORTER, "{http.reverse_proxy.header.X-Llm-Address}"]),
    );
  });

  it.each([
    ["172.20.0.7:8000", true],
    ["10.0.0.1:80", true],
    ["prometheus:9090", false],
    ["unix//run/docker.sock", false],
    ["172.20.0.7", false],
    ["172.20.0.7:8000,8001", false],
    ["[::1]:8000", false],
    ["172.20.0.7:8000-8005", false],
    ["172.20.0.7:8000\n", false],
  ])("takes %j for an address: %s", (address, is) => {
    const patterns = all(servers(["a"]), "{http.reverse_proxy.header.X-Llm-Address}") as {
      pattern: string;
    }[];
    expect(patterns).toHaveLength(2);
    // In RE2, `$` is the end of the text.
    for (const { pattern } of patterns) expect(new RegExp(pattern).test(address)).toBe(is);
  });

  it("sends no header of a client, and a key to its server alone", () => {
    const requests = all(servers(["keyed"]), "request") as {
      delete: string[];
      set: Record<string, string[]>;
    }[];
    expect(requests).toHaveLength(3);
    for (const request of requests) expect(request.delete).toEqual(["*"]);
    expect(requests.map(({ set }) => set["Authorization"])).toEqual([
      undefined,
      ["Bearer {file./keys/current/keyed}"],
      undefined,
    ]);
    expect(all(servers(["keyed"]), "vars")).toContainEqual({
      "{http.reverse_proxy.header.X-Llm-Container}": ["keyed"],
    });
  });
});
