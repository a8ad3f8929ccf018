import { parseNetworks } from "../../../host/facts";
import { llmNetworks } from "../../../host/llmNetworks";

const ipv4 = { Config: [{ Subnet: "172.20.0.0/16" }] };
const bridge = { Driver: "bridge", Scope: "local", IPAM: ipv4 };

/** As Docker lists them. */
const NETWORKS = [
  { Id: "1", Name: "bridge", ...bridge },
  { Id: "2", Name: "host", Driver: "host", Scope: "local", IPAM: { Config: null } },
  { Id: "3", Name: "none", Driver: "null", Scope: "local", IPAM: { Config: [] } },
  { Id: "4", Name: "chat_default", ...bridge, Labels: { "com.docker.compose.project": "chat" } },
  { Id: "5", Name: "llm-metrics-dev", ...bridge, Labels: { "llm-metrics.environment": "dev" } },
  { Id: "6", Name: "services", Driver: "overlay", Scope: "swarm", Attachable: false, IPAM: ipv4 },
  { Id: "7", Name: "attachable", Driver: "overlay", Scope: "swarm", Attachable: true, IPAM: ipv4 },
  { Id: "8", Name: "template", ...bridge, ConfigOnly: true },
  { Id: "9", Name: "six", ...bridge, IPAM: { Config: [{ Subnet: "fd00::/64" }] } },
];
const choose = (...names: string[]) => llmNetworks(names, parseNetworks(NETWORKS)).map(({ id }) => id);

describe("The setting llmNetworks", () => {
  it("names networks that a container can join", () => {
    expect(choose("chat_default", "bridge", "attachable")).toEqual(["4", "1", "7"]);
    expect(choose()).toEqual([]);
  });

  it.each([
    [
      "chat",
      "but Docker has no network of that name (it has attachable, bridge, chat_default): start the Compose",
    ],
    ["host", "but servers in the host's network are scraped without this setting: remove it"],
    ["none", "but containers on it have no network: remove it"],
    ["llm-metrics-dev", "but that is a network of the stack dev: remove it"],
    ["services", "but containers cannot join it: create it with `docker network create --attachable`"],
    ["template", "but containers cannot join it"],
    ["six", "but it has no IPv4 addresses"],
  ])("is refused with %s", (name, reason) => {
    expect(() => choose("bridge", name)).toThrow(`llm-metrics:llmNetworks[1] is "${name}", ${reason}`);
    expect(() => choose("bridge", name)).toThrow("nothing was changed");
  });

  it("is refused with all reasons at once", () => {
    expect(() => choose("a", "host")).toThrow(/llmNetworks\[0\].*\n.*llmNetworks\[1\]/);
  });
});
