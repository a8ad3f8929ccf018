import { isIP } from "node:net";
import { HttpsProxyAgent } from "https-proxy-agent";

/** The variables that name the proxy for https:// URLs, in the order of curl. */
const VARIABLES = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

/**
 * The proxy for an https:// URL, by the environment variables that curl, npm and Docker read.
 *
 * @returns its URL; undefined for a direct connection
 */
export function proxyFor(url: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  const proxy = VARIABLES.map((name) => env[name]?.trim()).find(Boolean);
  if (!proxy || isExcepted(new URL(url), env["no_proxy"] ?? env["NO_PROXY"] ?? "")) return undefined;
  return /^[a-z0-9]+:\/\//i.test(proxy) ? proxy : `http://${proxy}`;
}

/** An agent for node-fetch that connects to a URL as the environment variables require. */
export function proxyAgent(url: string): HttpsProxyAgent<string> | undefined {
  const proxy = proxyFor(url);
  return proxy ? new HttpsProxyAgent(proxy) : undefined;
}

/** NO_PROXY lists hosts, each with its subdomains and an optional port; `*` stands for all. Source: curl(1), golang.org/x/net/http/httpproxy. */
function isExcepted({ hostname, port }: URL, list: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, "").toLowerCase();
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean)
    .some((entry) => {
      if (entry === "*") return true;
      const [, name = entry, entryPort] = /^([^:]+|\[.+\]):(\d+)$/.exec(entry) ?? [];
      if (entryPort && entryPort !== (port || "443")) return false;
      const excepted = name.replace(/^\[|\]$/g, "").replace(/^\*?\./, "");
      return host === excepted || (isIP(host) === 0 && host.endsWith(`.${excepted}`));
    });
}
