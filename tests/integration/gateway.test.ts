import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { hashSync } from "bcryptjs";
import { run } from "../../lib/run";
import { gatewayAccess } from "../../caddy/gatewayAccess";
import { settings } from "../support/settings";
import { ATTACKS, closed, RECORDER, send, type Received } from "../support/gatewayAttacks";
import { Authority, type Certified } from "../support/certificates";
import { docker, startContainer } from "../support/docker";
import { eventually } from "../support/eventually";
import { query } from "../support/prometheus";
import { OutsideHost } from "../support/outsideHost";
import { failed, Stack, succeeded } from "../support/stack";

let outside: OutsideHost;
beforeAll(async () => {
  outside = await OutsideHost.connect();
});
afterAll(() => outside.remove());

describe("on loopback", () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await Stack.create({ scrapeInterval: "1s" });
    await succeeded(stack.up());
  });
  afterAll(() => stack.remove());

  test("no container has a way out, also to a host that routes back; others have", async () => {
    // Engine 29 itself drops what comes back to a network of the usual mode.
    const bridge = "com.docker.network.bridge";
    await docker(
      ...["network", "create", "--opt", `${bridge}.enable_ip_masquerade=false`],
      ...["--opt", `${bridge}.gateway_mode_ipv4=routed`, "no-masquerade"],
    );
    const ordinary = [
      await startContainer("example/web:1"),
      await startContainer("example/web:1", ["--network", "no-masquerade"]),
    ];
    for (const [i, container] of ordinary.entries())
      expect([i, await outside.reachedFrom(container)]).toEqual([i, ["tcp", "udp"]]);
    for (const which of ["cadvisor", "gateway", "prometheus"] as const)
      expect([which, await outside.reachedFrom(stack.resource(which))]).toEqual([which, []]);
    await docker("rm", "-f", ...ordinary);
    await docker("network", "rm", "no-masquerade");
  });

  test("a container that joins the stack's network to be scraped gets no way out by that", async () => {
    const { networkName } = await stack.outputs<{ networkName: string }>();
    const server = await startContainer("example/web:1", ["--network", networkName]);
    expect(await outside.reachedFrom(server)).toEqual([]);
    await docker("rm", "-f", server);
  });

  test("only the gateway has ports on the host, and other hosts do not reach them", async () => {
    const all = await docker("ps", "--filter", `name=${stack.name}`, "--format", "{{.Names}} {{.Ports}}");
    const published = all.split("\n").filter((line) => line.includes("->"));
    expect(published).toEqual([expect.stringContaining(stack.resource("gateway"))]);
    const port = Number(new URL(stack.prometheus).port);
    const program = `require("net").connect(${port}, "${outside.dockerHost}").on("connect", () => console.log("connected")).on("error", () => {}).setTimeout(2000, () => process.exit())`;
    expect(await outside.run(process.execPath, "-e", program)).toBe("");
  });

  test("pages and the reading API pass, with headers that protect them", async () => {
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

  test("what is refused is counted in Prometheus", async () => {
    expect((await fetch(`${stack.prometheus}/-/quit`, { method: "POST" })).status).toBe(403);
    await eventually(async () => {
      const [count] = await query(
        stack.prometheus,
        'caddy_http_request_duration_seconds_count{job="gateway",server="prometheus",code="403",method="POST"} >= 1',
      );
      expect(count).toBeDefined();
    });
  });

  test("a client that is slow is not waited for, and keeps nobody else out", async () => {
    const port = Number(new URL(stack.prometheus).port);
    const start = Date.now();
    const slow = Array.from({ length: 200 }, () =>
      send("127.0.0.1", port, "GET /-/ready HTTP/1.1\r\nX-Slow: ", 30_000),
    );
    const body = send(
      ...([
        "127.0.0.1",
        port,
        "POST /api/v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nq",
        30_000,
      ] as const),
    );
    expect((await fetch(`${stack.prometheus}/-/ready`)).status).toBe(200);
    await Promise.all(slow);
    expect(Date.now() - start).toBeLessThan(15_000);
    expect(await body).toMatch(/^HTTP\/1\.1 (4|504)/); // 504 where Prometheus was asked already.
  });

  test(`none of ${ATTACKS.length} attacks reaches what is closed, and without the gateway most would`, async () => {
    const recorders = { cadvisor: "8080", prometheus: "9090" };
    for (const [which, port] of Object.entries(recorders)) {
      const name = stack.resource(which as "cadvisor");
      await docker("rm", "-f", name);
      await docker(
        ...["run", "-d", "--name", name, "--network", `llm-metrics-${stack.name}`, "--network-alias", which],
        ...[settings().gpuExporterImage, "node", "-e", RECORDER, port],
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
    const through = (await received("prometheus", before)).map((one) => closed(one)).filter(Boolean);
    expect(through.length).toBeGreaterThan(70);
    // The stack's network can go only without them.
    await docker("rm", "-f", stack.resource("cadvisor"), stack.resource("prometheus"));
  });
});

describe("on another address, with TLS and logins", () => {
  const PASSWORD = "correct horse";
  let folder: string;
  let authority: Authority;
  let server: Certified;
  let stack: Stack;
  let users: string;
  let upOutput: string;
  const commandLines = new Set<string>();

  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "gateway-"));
    authority = await Authority.in(path.join(folder, "ca"));
    server = await authority.certify("metrics.example.org", outside.dockerHost);
    users = `ann:${hashSync(PASSWORD, 10)}\n`;
    stack = await Stack.create(
      {
        scrapeInterval: "1s",
        bindAddress: outside.dockerHost,
        tlsCertificate: server.certificate + (await authority.certificate()),
        clientCa: await authority.certificate(),
      },
      { secrets: { tlsKey: server.key, users } },
    );
    const watch = setInterval(noteCommandLines, 100);
    upOutput = await succeeded(stack.up());
    clearInterval(watch);
  });
  afterAll(async () => {
    await stack.remove();
    await rm(folder, { recursive: true });
  });

  function noteCommandLines(): void {
    for (const pid of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry)))
      try {
        commandLines.add(readFileSync(`/proc/${pid}/cmdline`, "utf8"));
      } catch {
        // It ended.
      }
  }

  const port = (which: "cadvisor" | "prometheus") => new URL(stack[which]).port;

  /** What the outside host gets: the status, or why the connection failed. */
  async function ask(
    place: string,
    {
      login,
      client,
      scheme = "https",
    }: { login?: string; client?: Certified; scheme?: "http" | "https" } = {},
  ): Promise<string> {
    const options = {
      ca: await authority.certificate(),
      ...(client && { cert: client.certificate, key: client.key }),
      ...(login && { auth: login }),
    };
    const program = `
      require("${scheme}").get(process.argv[1], JSON.parse(process.argv[2]), (r) => { console.log(r.statusCode); process.exit(); })
        .on("error", (e) => { console.log(e.code || e.message); process.exit(); });`;
    const url = `${scheme}://${outside.dockerHost}:${place}`;
    return (await outside.run(process.execPath, "-e", program, url, JSON.stringify(options))).trim();
  }

  const counted = (expression: string) =>
    eventually(async () => {
      // Asked inside, because the tests have no login.
      const answer = await docker(
        ...[
          "exec",
          stack.resource("prometheus"),
          "promtool",
          "query",
          "instant",
          "http://127.0.0.1:9090",
          expression,
        ],
      );
      expect(answer).toMatch(/=> [1-9]/);
    });
  const refused = (code: number) =>
    counted(`sum(caddy_http_request_duration_seconds_count{job="gateway",code="${code}"})`);
  const handshakes = (reason: string) =>
    counted(`gateway_handshake_errors_total{job="gateway",reason="${reason}"}`);

  test("a password or a certificate of the authority lets in, from another host", async () => {
    for (const which of ["cadvisor", "prometheus"] as const) {
      expect(await ask(`${port(which)}/metrics`, { login: `ann:${PASSWORD}` })).toBe("200");
      expect(await ask(`${port(which)}/metrics`, { client: await authority.certify("central") })).toBe("200");
    }
    expect(await ask(`${port("prometheus")}/federate?match[]=up`, { login: `ann:${PASSWORD}` })).toBe("200");
  });

  test("no password, a wrong one, and an unknown user are refused and counted", async () => {
    for (const which of ["cadvisor", "prometheus"] as const)
      for (const login of [undefined, "ann:wrong", `bob:${PASSWORD}`, `llm-metrics-probe:${PASSWORD}`])
        expect(await ask(`${port(which)}/metrics`, login ? { login } : {})).toBe("401");
    await refused(401);
  });

  test("an expired client certificate, and one of another authority, are refused and counted", async () => {
    const expired = await authority.certify("central", outside.address, { expired: true });
    expect(await ask(`${port("prometheus")}/metrics`, { client: expired })).not.toMatch(/^\d+$/);
    await handshakes("expired_certificate");
    const other = await Authority.in(path.join(folder, "other"));
    expect(
      await ask(`${port("prometheus")}/metrics`, { client: await other.certify("central") }),
    ).not.toMatch(/^\d+$/);
  });

  test("plain HTTP on the TLS port is refused and counted", async () => {
    expect(await ask(`${port("prometheus")}/metrics`, { scheme: "http", login: `ann:${PASSWORD}` })).toBe(
      "400",
    );
    await handshakes("plain_http");
  });

  test("with a login, what is closed stays closed, and so is cAdvisor's API beyond loopback", async () => {
    const login = `ann:${PASSWORD}`;
    expect(await ask(`${port("cadvisor")}/containers/`, { login })).toBe("200");
    for (const place of [
      `${port("cadvisor")}/api/v1.3/containers`,
      `${port("prometheus")}/-/quit`,
      `${port("prometheus")}/debug/pprof/heap`,
    ])
      expect(await ask(place, { login })).toBe("403");
    await stack.configure({ cadvisorApi: "on" });
    await succeeded(stack.up());
    expect(await ask(`${port("cadvisor")}/api/v1.3/containers`, { login })).toBe("200");
  });

  test("secrets are nowhere in clear", async () => {
    const changed = `${users}bob:${hashSync("another", 10)}\n`;
    await stack.configure({}, { users: changed });
    const preview = await succeeded(stack.preview("--diff"));
    expect(preview).toContain("[secret]");
    const second = await succeeded(stack.up());
    const { probe } = gatewayAccess(
      settings({
        bindAddress: outside.dockerHost,
        tlsCertificate: server.certificate,
        tlsKey: server.key,
        users: changed,
      }),
    );
    const login = probe.login ?? "";
    const containers = (await docker("ps", "-aq")).split("\n");
    const places = {
      preview,
      output: upOutput + second + JSON.stringify(await stack.outputs()),
      state: await stack.state(),
      inspect: await docker("inspect", ...containers),
      logs: await run("sh", ["-c", `for c in ${containers.join(" ")}; do docker logs $c 2>&1; done`]),
      commandLines: [...commandLines].join("\n"),
    };
    const keyLine = server.key.split("\n")[1] ?? "";
    const hashes = changed.split("\n").flatMap((line) => line.split(":")[1] ?? []);
    for (const secret of [
      keyLine,
      ...hashes,
      login.split(":")[1] ?? "",
      Buffer.from(login).toString("base64"),
    ]) {
      expect(secret.length).toBeGreaterThan(30);
      for (const [place, text] of Object.entries(places))
        expect([place, text.includes(secret)]).toEqual([place, false]);
    }
    expect(places.commandLines).toContain("start.cjs installFiles");
    expect(await ask(`${port("prometheus")}/metrics`, { login: "bob:another" })).toBe("200");
  });

  test("the probe insists on a login that is asked for, and on a certificate that has not expired", async () => {
    const { probeReport } = await stack.outputs<{ probeReport: { findings: { check: string }[] } }>();
    expect(probeReport.findings.map(({ check }) => check)).toContain(
      "the gateway lets nobody in without a login",
    );
    const expired = await authority.certify("metrics.example.org", outside.dockerHost, { expired: true });
    const volume = `${stack.resource("gateway")}-files`;
    const write =
      'cd /gateway; for f in */key.pem; do printf %s "$K" > $f; printf %s "$C" > ${f%key.pem}certificate.pem; done';
    await docker(
      ...[
        "run",
        "--rm",
        "-v",
        `${volume}:/gateway`,
        "-e",
        `K=${expired.key}`,
        "-e",
        `C=${expired.certificate}`,
      ],
      ...["--user", "0", "--entrypoint", "sh", settings().caddyImage, "-ec", write],
    );
    await docker("restart", stack.resource("gateway"));
    expect(await failed(stack.up("--target-replace", "**probe-command"))).toContain(
      "certificate has expired",
    );
  });
});

test("the gateway makes certificates by an authority of its own, which the probe trusts", async () => {
  const stack = await Stack.create(
    {
      scrapeInterval: "1s",
      bindAddress: outside.dockerHost,
      tlsNames: ["metrics.example.org", outside.dockerHost],
    },
    { secrets: { users: `ann:${hashSync("correct horse", 10)}\n` } },
  );
  try {
    expect(await succeeded(stack.up())).toContain("ok: the gateway lets nobody in without a login");
    await succeeded(stack.preview("--expect-no-changes"));
  } finally {
    await stack.remove();
  }
});
