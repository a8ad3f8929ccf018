import { SERVERS, target } from "../lib/names";
import { firstAddress, subnetPattern } from "../lib/subnets";

const { alias, port } = SERVERS.llmForwarder;

/** A path of metrics, as LLM servers have it: the last word ends in "metrics". */
export const METRICS_PATH = "(?:/[A-Za-z0-9_-]{1,100}){0,5}/[A-Za-z0-9_-]{0,100}metrics";

const PORT = "[1-9][0-9]{0,4}";

/**
 * Caddy's configuration: it forwards `GET /<address>:<port>/<path of metrics>` to the address, and answers 403 to every other request. It
 * listens on the stack's network only.
 *
 * @param subnets of the networks with LLM servers; the addresses of the host on them are not allowed
 */
export function forwarderConfig(subnets: readonly string[]) {
  const addresses = subnets.map(subnetPattern).join("|");
  const hosts = subnets.map((subnet) => firstAddress(subnet).replaceAll(".", "\\."));
  const allowed = {
    method: ["GET"],
    // The target as the client sent it, to the last byte: no query, no escapes, no fragment.
    vars_regexp: {
      "{http.request.orig_uri}": {
        name: "target",
        pattern: subnets.length > 0 ? `^/(${addresses}):(${PORT})(${METRICS_PATH})$` : "^$a",
      },
    },
    header: { "Content-Length": null, "Transfer-Encoding": null, Upgrade: null },
    not: [{ vars_regexp: { "{http.request.orig_uri}": { pattern: `^/(${hosts.join("|")}):` } } }],
  };
  return {
    admin: { disabled: true, config: { persist: false } },
    apps: {
      tls: { disable_storage_check: true, disable_storage_clean: true },
      http: {
        grace_period: "2s",
        servers: {
          forwarder: {
            // The first is its address on the stack's network, the second is for the health check.
            listen: [target({ alias, port }), `127.0.0.1:${port}`],
            protocols: ["h1"],
            automatic_https: { disable: true },
            read_header_timeout: "5s",
            read_timeout: "10s",
            write_timeout: "30s",
            idle_timeout: "120s",
            max_header_bytes: 8192,
            logs: {},
            routes: [
              {
                match: [allowed],
                handle: [
                  { handler: "vars", log_skip: true },
                  { handler: "rewrite", uri: "{http.regexp.target.3}" },
                  {
                    handler: "reverse_proxy",
                    upstreams: [{ dial: "{http.regexp.target.1}:{http.regexp.target.2}" }],
                    transport: {
                      protocol: "http",
                      dial_timeout: "5s",
                      response_header_timeout: "10s",
                      keep_alive: { enabled: false },
                    },
                    headers: {
                      request: {
                        set: { Host: ["{http.reverse_proxy.upstream.hostport}"] },
                        delete: ["Authorization", "Cookie", "X-Forwarded-*"],
                      },
                    },
                  },
                ],
                terminal: true,
              },
              {
                match: [{ path: ["/healthz"] }],
                handle: [{ handler: "static_response", body: "ok" }],
                terminal: true,
              },
              { handle: [{ handler: "static_response", status_code: 403, close: true }] },
            ],
          },
        },
      },
    },
  };
}
