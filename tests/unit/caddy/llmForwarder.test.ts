import { RE2JS } from "re2js";
import { forwarderConfig } from "../../../caddy/llmForwarder";
import { subnetPattern } from "../../../lib/subnets";
import { FORWARDER_ATTACKS } from "../../support/forwarderAttacks";

type Pattern = Record<"{http.request.orig_uri}", { pattern: string }>;

/** Whether the forwarder forwards a request with such a target. */
function forwards(target: string, subnets = ["172.20.0.0/16", "10.1.16.0/20"]): boolean {
  const [route] = forwarderConfig(subnets).apps.http.servers.forwarder.routes;
  const [allowed] = route?.match as unknown as [{ vars_regexp: Pattern; not: [{ vars_regexp: Pattern }] }];
  const patternOf = (regexp: Pattern) => RE2JS.compile(regexp["{http.request.orig_uri}"].pattern);
  return (
    patternOf(allowed.vars_regexp).matcher(target).find() &&
    !patternOf(allowed.not[0].vars_regexp).matcher(target).find()
  );
}

describe("The forwarder to LLM servers", () => {
  it.each([
    "/172.20.0.7:8000/metrics",
    "/172.20.255.254:1/metrics",
    "/10.1.31.254:30000/engine_metrics",
    "/10.1.16.2:8080/v1/prometheus/metrics",
  ])("forwards %s", (target) => {
    expect(forwards(target)).toBe(true);
  });

  it.each(FORWARDER_ATTACKS("172.20.0.7", "172.20.0.1"))("does not forward %s", (target) => {
    expect(forwards(target)).toBe(false);
  });

  it("forwards nothing without networks", () => {
    expect(forwards("/172.20.0.7:8000/metrics", [])).toBe(false);
  });

  it("only accepts GET requests without a body or an upgrade", () => {
    const [route] = forwarderConfig(["172.20.0.0/16"]).apps.http.servers.forwarder.routes;
    expect(route?.match).toMatchObject([
      { method: ["GET"], header: { "Content-Length": null, "Transfer-Encoding": null, Upgrade: null } },
    ]);
  });
});

describe("The pattern of a subnet", () => {
  const inside = (subnet: string, address: string) =>
    RE2JS.compile(`^${subnetPattern(subnet)}$`).matches(address);

  it.each([
    [
      "172.20.0.0/16",
      ["172.20.0.0", "172.20.99.255"],
      ["172.19.255.255", "172.21.0.0", "172.20.0.256", "172.20.0.01"],
    ],
    ["10.1.16.0/20", ["10.1.16.0", "10.1.31.255"], ["10.1.15.255", "10.1.32.0"]],
    ["192.168.1.128/25", ["192.168.1.128", "192.168.1.255"], ["192.168.1.127", "192.168.2.128"]],
    ["10.0.0.0/8", ["10.0.0.1", "10.255.255.255"], ["11.0.0.0", "9.255.255.255"]],
    ["192.168.7.9/32", ["192.168.7.9"], ["192.168.7.8", "192.168.7.10"]],
  ])("has the addresses of %s, and no others", (subnet, within, outside) => {
    expect(within.filter((address) => !inside(subnet, address))).toEqual([]);
    expect(outside.filter((address) => inside(subnet, address))).toEqual([]);
  });
});
