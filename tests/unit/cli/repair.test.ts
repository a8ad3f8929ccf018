import { reconnectContainers } from "../../../cli/repair/containers";
import type { Resource } from "../../../cli/state";
import { docker } from "../../../host/docker";

jest.mock("../../../lib/log");
jest.mock("../../../host/docker", () => ({ docker: jest.fn() }));

const container = (name: string, networksAdvanced: object[]): Resource => ({
  urn: name,
  type: "docker:index/container:Container",
  id: `id-of-${name}`,
  inputs: { name, networksAdvanced } as Resource["inputs"] & object,
});
const network = (name: string): Resource => ({
  urn: name,
  type: "docker:index/network:Network",
  id: `id-of-${name}`,
  inputs: { name },
});

/** Repairs a container that is on some of its networks, on a host with networks, and returns the commands of the Docker CLI. */
async function reconnect(one: Resource, joined: string[], existing: string[]): Promise<string[]> {
  const calls: string[] = [];
  jest.mocked(docker).mockImplementation((args) => {
    const command = args.join(" ");
    calls.push(command);
    if (command.startsWith("ps")) return Promise.resolve(`${one.id ?? ""}\n`);
    if (command.startsWith("network ls"))
      return Promise.resolve(existing.map((name) => `id-of-${name} ${name}\n`).join(""));
    const Networks = Object.fromEntries(joined.map((name) => [name, { Aliases: null }]));
    if (command.startsWith("container inspect"))
      return Promise.resolve(JSON.stringify([{ Id: one.id, NetworkSettings: { Networks } }]));
    return Promise.resolve("");
  });
  const resources = [one, network("stack"), network("link")];
  await reconnectContainers({ deployment: { resources } }, {});
  return calls.filter((call) => !/^(ps|network ls|container inspect)/.test(call));
}

describe("A container that is disconnected from its network", () => {
  const forwarder = container("a-llm-forwarder", [
    { name: "stack" },
    { name: "link", ipv4Address: "198.18.0.3" },
    { name: "chat_default" },
  ]);

  it("is connected by its aliases", async () => {
    const prometheus = container("a-prometheus", [{ name: "stack", aliases: ["prometheus"] }]);
    expect(await reconnect(prometheus, [], ["stack"])).toEqual([
      "network connect --alias prometheus id-of-stack id-of-a-prometheus",
    ]);
  });

  it("is connected by its fixed address, and restarted where it listens on the address that it had", async () => {
    expect(await reconnect(forwarder, ["stack", "chat_default"], ["stack", "link", "chat_default"])).toEqual([
      "network connect --ip 198.18.0.3 id-of-link id-of-a-llm-forwarder",
      "restart id-of-a-llm-forwarder",
    ]);
  });

  it("is connected to networks that are not the stack's, where they exist", async () => {
    expect(await reconnect(forwarder, ["stack", "link"], ["stack", "link", "chat_default"])).toEqual([
      "network connect id-of-chat_default id-of-a-llm-forwarder",
      "restart id-of-a-llm-forwarder",
    ]);
    expect(await reconnect(forwarder, ["stack", "link"], ["stack", "link"])).toEqual([]);
  });
});
