import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer, type AddressInfo, type Server } from "node:net";
import { wanted } from "../../components/containerMetrics";
import { parseContainers, parseListeners } from "../../components/dockerInfo";
import { processScript } from "../../components/hostFacts";
import { requireFree } from "../../components/taken";
import { settings } from "./fixtures";

const line = (Names: string, Ports = "", Labels = "") =>
  JSON.stringify({ Names, Image: "web:1", Labels, Ports });
const OWN = "a=b,llm-metrics.environment=dev";
const check = (ports: object, ...lines: string[]) =>
  requireFree(
    {
      containers: parseContainers(lines),
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
  await check({ cadvisorPort: free }, line("other", "127.0.0.1:9->80/tcp"));
  const own = line("llm-metrics-dev-cadvisor", `127.0.0.1:${taken}->8080/tcp`, OWN);
  await check({ cadvisorPort: taken }, own);
});

test("a foreign container with a name of the stack is named", async () => {
  await expect(check({ cadvisorPort: free }, line("llm-metrics-dev-prometheus"))).rejects.toThrow(
    /nothing was changed:\n {2}- the name llm-metrics-dev-prometheus is taken by a container of web:1.*rename it/,
  );
});

test.each(["127.0.0.1", "0.0.0.0"])(
  "a foreign container that publishes a port of the stack on %s is named",
  async (address) => {
    await expect(
      check({ prometheusPort: free }, line("web", `${address}:${free}->80/tcp, [::]:${free}->80/tcp`)),
    ).rejects.toThrow(
      `127.0.0.1:${free} is taken by the container web: stop it, or set llm-metrics:prometheusPort`,
    );
  },
);

test("another environment of this project counts as foreign", async () => {
  const other = line(
    "llm-metrics-prod-cadvisor",
    `127.0.0.1:${free}->8080/tcp`,
    "llm-metrics.environment=prod",
  );
  await expect(check({ cadvisorPort: free }, other)).rejects.toThrow(
    "the container llm-metrics-prod-cadvisor",
  );
});

test("a process that listens on a port of the stack is named", async () => {
  await expect(check({ cadvisorPort: taken })).rejects.toThrow(
    new RegExp(`127\\.0\\.0\\.1:${taken} is taken by the process .+ \\(pid ${process.pid}\\)`),
  );
});
