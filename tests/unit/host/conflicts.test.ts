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

  it("names the process that listens on a port of the stack", async () => {
    await expect(check({ cadvisorPort: busy })).rejects.toThrow(
      new RegExp(`127\\.0\\.0\\.1:${busy} is in use by the process .+ \\(pid ${process.pid}\\)`),
    );
  });
});
