import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer, type AddressInfo, type Server } from "node:net";
import { wanted } from "../../../components/containerMetrics";
import { parseListeners, type HostContainer } from "../../../host/facts";
import { processScript } from "../../../host/read";
import { requireFree } from "../../../host/conflicts";
import { settings } from "../../support/settings";

const container = (
  name: string,
  published: Partial<HostContainer["ports"][number]> = {},
  environment = "",
) => ({
  name,
  image: "web:1",
  labels: environment ? { "llm-metrics.environment": environment } : {},
  ports: published.port ? [{ address: "127.0.0.1", port: published.port, ...published }] : [],
});
const check = (ports: object, ...containers: HostContainer[]) =>
  requireFree(
    {
      containers,
      listeners: parseListeners(
        ["tcp", "tcp6"].flatMap((file) => readFileSync(`/proc/net/${file}`, "utf8").split("\n")),
      ).filter(({ port }) => port === taken), // Whatever else runs on this machine.
      processOf: (listener) =>
        Promise.resolve(
          execFileSync("sh", { input: processScript(listener) })
            .toString()
            .trim() || undefined,
        ),
    },
    wanted("llm-metrics-dev", "dev", settings(ports)),
  );

let server: Server;
/** A port that this process listens on, and one that is free. */
let taken: number;
let free: number;
beforeAll(async () => {
  const listen = (one: Server) => new Promise<void>((resolve) => one.listen(0, "127.0.0.1", resolve));
  server = createServer();
  const other = createServer();
  await Promise.all([listen(server), listen(other)]);
  taken = (server.address() as AddressInfo).port;
  free = (other.address() as AddressInfo).port;
  await new Promise((resolve) => other.close(resolve));
});
afterAll(() => server.close());

test("nothing in the way, and the stack's own containers on its ports, are fine", async () => {
  await check({ cadvisorPort: free }, container("other", { port: 9 }));
  const own = container("llm-metrics-dev-cadvisor", { port: taken }, "dev");
  await check({ cadvisorPort: taken }, own);
});

test("a foreign container with a name of the stack is named", async () => {
  await expect(check({ cadvisorPort: free }, container("llm-metrics-dev-prometheus"))).rejects.toThrow(
    /nothing was changed:\n {2}- the name llm-metrics-dev-prometheus is taken by a container of web:1.*rename it/,
  );
});

test.each(["127.0.0.1", "0.0.0.0"])(
  "a foreign container that publishes a port of the stack on %s is named",
  async (address) => {
    await expect(check({ prometheusPort: free }, container("web", { address, port: free }))).rejects.toThrow(
      `127.0.0.1:${free} is taken by the container web: stop it, or set llm-metrics:prometheusPort`,
    );
  },
);

test("another environment of this project counts as foreign", async () => {
  const other = container("llm-metrics-prod-cadvisor", { port: free }, "prod");
  await expect(check({ cadvisorPort: free }, other)).rejects.toThrow(
    "the container llm-metrics-prod-cadvisor",
  );
});

test("a process that listens on a port of the stack is named", async () => {
  await expect(check({ cadvisorPort: taken })).rejects.toThrow(
    new RegExp(`127\\.0\\.0\\.1:${taken} is taken by the process .+ \\(pid ${process.pid}\\)`),
  );
});
