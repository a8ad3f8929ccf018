import { docker } from "../support/docker";
import { eventually } from "../support/eventually";
import { ATTACKS, closed, RECORDER, send, type Received } from "../support/gatewayAttacks";
import { query } from "../support/prometheus";
import { settings } from "../support/settings";
import { Stack, succeeded } from "../support/stack";

// Not the shared stack: recorders replace its containers, and series of replaced containers stay for five minutes when
// Prometheus is replaced too.
let stack: Stack;
beforeAll(async () => {
  stack = await Stack.create({ scrapeInterval: "1s" });
  await succeeded(stack.up());
});
afterAll(async () => {
  await docker("rm", "-f", stack.resource("cadvisor"), stack.resource("prometheus"));
  await stack.remove();
});

describe("Gateway on loopback", () => {
  it("serves pages and the query API, with security headers", async () => {
    for (const url of [
      ...[
        "/",
        "/query",
        "/targets",
        "/api/v1/query?query=up",
        "/federate?match[]=up",
        "/-/ready",
        "/metrics",
      ].map((place) => stack.prometheus + place),
      ...["/", "/containers/", "/metrics", "/healthz", "/api/v1.3/containers"].map(
        (place) => stack.cadvisor + place,
      ),
    ]) {
      const { status, headers } = await fetch(url);
      expect([url, status]).toEqual([url, 200]);
      expect(headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.has("server")).toBe(false);
    }
  });

  it("counts rejected requests in Prometheus", async () => {
    expect((await fetch(`${stack.prometheus}/-/quit`, { method: "POST" })).status).toBe(403);
    await eventually(async () => {
      const [count] = await query(
        stack.prometheus,
        'caddy_http_request_duration_seconds_count{job="gateway",server="prometheus",code="403",method="POST"} >= 1',
      );
      expect(count).toBeDefined();
    });
  });

  it("closes slow connections, and serves other clients meanwhile", async () => {
    const port = Number(new URL(stack.prometheus).port);
    const start = Date.now();
    /** When the clients close the connections. */
    const milliseconds = 60_000;
    const slow = Array.from({ length: 200 }, () =>
      send("127.0.0.1", port, "GET /-/ready HTTP/1.1\r\nX-Slow: ", milliseconds),
    );
    const body = send(
      ...([
        "127.0.0.1",
        port,
        "POST /api/v1/query HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 9\r\n\r\nq",
        milliseconds,
      ] as const),
    );
    expect((await fetch(`${stack.prometheus}/-/ready`)).status).toBe(200);
    await Promise.all(slow);
    expect(Date.now() - start).toBeLessThan(milliseconds);
    expect(await body).toMatch(/^HTTP\/1\.1 (4|504)/); // 504 where the request had reached Prometheus.
  });

  it(`blocks ${ATTACKS.length} attacks, most of which work without it`, async () => {
    const recorders = { cadvisor: "8080", prometheus: "9090" };
    for (const [which, port] of Object.entries(recorders)) {
      const name = stack.resource(which as "cadvisor");
      await docker("rm", "-f", name);
      await docker(
        ...["run", "-d", "--name", name, "--network", `llm-metrics-${stack.name}`, "--network-alias", which],
        ...[settings().exporterImage, "node", "-e", RECORDER, port],
      );
    }
    await eventually(async () => {
      for (const url of [stack.cadvisor + "/metrics", stack.prometheus + "/metrics"])
        expect(await (await fetch(url)).text()).toBe("recorded");
    });
    const received = async (which: "cadvisor" | "prometheus", from = 0) => {
      const lines = (await docker("logs", stack.resource(which))).split("\n").filter(Boolean).slice(from);
      return lines.map((line) => JSON.parse(line) as Received);
    };
    const address = (which: string) =>
      docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", which);

    for (const { server, bytes } of ATTACKS)
      await send("127.0.0.1", Number(new URL(stack[server]).port), bytes);
    for (const which of ["cadvisor", "prometheus"] as const)
      expect((await received(which)).map((one) => closed(one)).filter(Boolean)).toEqual([]);

    const before = (await received("prometheus")).length;
    const direct = await address(stack.resource("prometheus"));
    for (const { bytes } of ATTACKS) await send(direct, 9090, bytes, 500);
    await eventually(async () => {
      const through = (await received("prometheus", before)).map((one) => closed(one)).filter(Boolean);
      expect(through.length).toBeGreaterThan(70);
    });
  });
});
