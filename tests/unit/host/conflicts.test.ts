import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer, type AddressInfo, type Server } from "node:net";
import { requiredResources } from "../../../components/containerMetrics";
import { requireNoConflicts, type ResourceNames } from "../../../host/conflicts";
import { parseListeners, type HostContainer } from "../../../host/facts";
import { processScript, type HostUsage } from "../../../host/read";
import { HASH, settings } from "../../support/settings";

const container = (name: string, published: Partial<HostContainer["ports"][number]> = {}): HostContainer => ({
  name,
  image: "web:1",
  labels: {},
  running: true,
  ports: published.port ? [{ address: "127.0.0.1", port: published.port, ...published }] : [],
});
const NOTHING: ResourceNames = { containers: [], networks: [], volumes: [] };

/** Checks the stack "dev" on a host with this usage, where these resources are in its state. */
const check = (
  changes: Parameters<typeof settings>[0],
  usage: Partial<HostUsage> = {},
  own: Partial<ResourceNames> = {},
) =>
  requireNoConflicts(
    requiredResources("llm-metrics-dev", settings(changes)),
    { ...NOTHING, ...own },
    {
      containers: [],
      networks: [],
      volumes: [],
      listeners: parseListeners(
        ["tcp", "tcp6"].flatMap((file) => readFileSync(`/proc/net/${file}`, "utf8").split("\n")),
      ).filter(({ port }) => port === busy), // Other programs may listen on this machine.
      processOf: (listener) =>
        Promise.resolve(
          execFileSync("sh", { input: processScript(listener) })
            .toString()
            .trim() || undefined,
        ),
      ...usage,
    },
  );

let server: Server;
/** A port that this process listens on, and one that is free. */
let busy: number;
let free: number;
beforeAll(async () => {
  const listen = (one: Server) => new Promise<void>((resolve) => one.listen(0, "127.0.0.1", resolve));
  server = createServer();
  const other = createServer();
  await Promise.all([listen(server), listen(other)]);
  busy = (server.address() as AddressInfo).port;
  free = (other.address() as AddressInfo).port;
  await new Promise((resolve) => other.close(resolve));
});
afterAll(() => server.close());

describe("A deploy", () => {
  it("goes on where nothing conflicts, and where the stack's own containers have its names and ports", async () => {
    await check({ cadvisorPort: free }, { containers: [container("other", { port: 9 })] });
    await check(
      { cadvisorPort: busy },
      { containers: [container("llm-metrics-dev-gateway", { port: busy })] },
      { containers: ["llm-metrics-dev-gateway"] },
    );
  });

  it.each([
    [
      { containers: [container("llm-metrics-dev-prometheus")] },
      "the container llm-metrics-dev-prometheus (image web:1) exists",
      "docker rm --force llm-metrics-dev-prometheus",
    ],
    [
      { networks: ["llm-metrics-dev"] },
      "the network llm-metrics-dev exists",
      "docker network rm llm-metrics-dev",
    ],
    [
      { volumes: ["llm-metrics-dev-prometheus-data"] },
      "the volume llm-metrics-dev-prometheus-data exists, with its content",
      "docker volume rm llm-metrics-dev-prometheus-data",
    ],
  ])("refuses what belongs to another state of the stack: %j", async (usage, message, remedy) => {
    const refused = check({ cadvisorPort: free }, usage);
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.toThrow(remedy);
    await expect(refused).rejects.toThrow("nothing was changed");
  });

  it("takes no notice of the resources of other environments", async () => {
    await check(
      { cadvisorPort: free },
      { volumes: ["llm-metrics-prod-prometheus-data"], networks: ["llm-metrics-prod", "bridge"] },
    );
  });

  it.each(["127.0.0.1", "0.0.0.0"])("refuses a port that a container publishes on %s", async (address) => {
    const usage = { containers: [container("web", { address, port: free })] };
    await expect(check({ prometheusPort: free }, usage)).rejects.toThrow(
      `127.0.0.1:${free} is in use by the container web: stop it, or set llm-metrics:prometheusPort`,
    );
  });

  it("refuses a port on all addresses that another environment publishes on one", async () => {
    const usage = { containers: [container("llm-metrics-prod-gateway", { port: free })] };
    const open = { bindAddress: "0.0.0.0", tlsNames: ["a.example"], users: `ann:${HASH}` };
    await expect(check({ cadvisorPort: free, ...open }, usage)).rejects.toThrow(
      `0.0.0.0:${free} is in use by the container llm-metrics-prod-gateway`,
    );
  });

  const OPEN = { bindAddress: "0.0.0.0", tlsNames: ["a.example"], users: `ann:${HASH}` };

  it("refuses a port on all addresses that a process listens on at one", async () => {
    await expect(check({ cadvisorPort: busy, ...OPEN })).rejects.toThrow(
      new RegExp(
        `0\\.0\\.0\\.0:${busy} is in use by the process .+ \\(pid ${process.pid}\\) on 127\\.0\\.0\\.1`,
      ),
    );
  });

  it.each(["127.0.0.1", "0.0.0.0"])(
    "refuses %s where a process listens on :: of both versions",
    async (address) => {
      const dual = createServer();
      await new Promise<void>((resolve) => dual.listen(0, "::", resolve));
      const { port } = dual.address() as AddressInfo;
      const listeners = parseListeners(readFileSync("/proc/net/tcp6", "utf8").split("\n"));
      const changes = address === "127.0.0.1" ? {} : OPEN;
      await expect(check({ ...changes, cadvisorPort: port }, { listeners })).rejects.toThrow(
        new RegExp(`${address}:${port} is in use by the process .+ \\(pid ${process.pid}\\) on \\[::\\]`),
      );
      await new Promise((resolve) => dual.close(resolve));
    },
  );

  it("takes no notice of the same port at another address, or of one that Docker publishes on IPv6 only", async () => {
    const listeners = [
      { address: "192.0.2.7", port: free, inode: "1" },
      { address: "::", port: free + 1, inode: "2" },
    ];
    const containers = [container("six", { address: "::", port: free + 1 })];
    await check({ cadvisorPort: free, prometheusPort: free + 1 }, { containers, listeners });
  });

  it("refuses what overlaps with the stack's own port when it moves to all addresses", async () => {
    const listener = (address: string) => ({ address, port: free, inode: "1" });
    const gateway = container("llm-metrics-dev-gateway", { port: free });
    const move = (listeners: HostUsage["listeners"], containers: HostContainer[] = []) =>
      check(
        { cadvisorPort: free, ...OPEN },
        {
          containers: [gateway, ...containers],
          listeners: [listener("127.0.0.1"), ...listeners],
          processOf: () => Promise.resolve("nginx (pid 7)"),
        },
        { containers: ["llm-metrics-dev-gateway"] },
      );
    await move([]);
    await expect(move([listener("192.0.2.7")])).rejects.toThrow("by the process nginx (pid 7) on 192.0.2.7");
    await expect(move([], [container("web", { address: "192.0.2.7", port: free })])).rejects.toThrow(
      "by the container web on 192.0.2.7",
    );
  });

  it("names the process that listens on a port of the stack", async () => {
    await expect(check({ cadvisorPort: busy })).rejects.toThrow(
      new RegExp(`127\\.0\\.0\\.1:${busy} is in use by the process .+ \\(pid ${process.pid}\\)`),
    );
  });
});
