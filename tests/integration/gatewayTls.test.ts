import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { hashSync } from "bcryptjs";
import { run } from "../../lib/run";
import { gatewayAccess } from "../../caddy/gatewayAccess";
import { settings } from "../support/settings";
import { Authority, type Certified } from "../support/certificates";
import { commandLinesDuring } from "../support/commandLines";
import { docker } from "../support/docker";
import { eventually } from "../support/eventually";
import { OutsideHost } from "../support/outsideHost";
import { failed, Stack, succeeded } from "../support/stack";

let outside: OutsideHost;
beforeAll(async () => {
  outside = await OutsideHost.connect();
});
afterAll(() => outside.remove());

describe("Gateway on another address, with TLS and logins", () => {
  const PASSWORD = "correct horse";
  let folder: string;
  let authority: Authority;
  let server: Certified;
  let stack: Stack;
  let users: string;
  let upOutput: string;
  let commandLines: string;

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
    commandLines = await commandLinesDuring(async () => {
      upOutput = await succeeded(stack.up());
    });
  });
  afterAll(async () => {
    await stack.remove();
    await rm(folder, { recursive: true });
  });

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
      // Queried inside the container, because the tests have no login.
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

  it("accepts a password or a client certificate, from another host", async () => {
    for (const which of ["cadvisor", "prometheus"] as const) {
      expect(await ask(`${port(which)}/metrics`, { login: `ann:${PASSWORD}` })).toBe("200");
      expect(await ask(`${port(which)}/metrics`, { client: await authority.certify("central") })).toBe("200");
    }
    expect(await ask(`${port("prometheus")}/federate?match[]=up`, { login: `ann:${PASSWORD}` })).toBe("200");
  });

  it("rejects and counts requests without a password, with a wrong one, and of unknown users", async () => {
    for (const which of ["cadvisor", "prometheus"] as const)
      for (const login of [undefined, "ann:wrong", `bob:${PASSWORD}`, `llm-metrics-probe:${PASSWORD}`])
        expect(await ask(`${port(which)}/metrics`, login ? { login } : {})).toBe("401");
    await refused(401);
  });

  it("rejects expired client certificates and those of another authority", async () => {
    const expired = await authority.certify("central", outside.address, { expired: true });
    expect(await ask(`${port("prometheus")}/metrics`, { client: expired })).not.toMatch(/^\d+$/);
    const other = await Authority.in(path.join(folder, "other"));
    expect(
      await ask(`${port("prometheus")}/metrics`, { client: await other.certify("central") }),
    ).not.toMatch(/^\d+$/);
  });

  it("rejects plain HTTP on the TLS port", async () => {
    expect(await ask(`${port("prometheus")}/metrics`, { scheme: "http", login: `ann:${PASSWORD}` })).toBe(
      "400",
    );
  });

  it("blocks the same paths with a login, and cAdvisor's API as well", async () => {
    const login = `ann:${PASSWORD}`;
    expect(await ask(`${port("cadvisor")}/containers/`, { login })).toBe("200");
    for (const place of [
      `${port("cadvisor")}/api/v1.3/containers`,
      `${port("prometheus")}/-/quit`,
      `${port("prometheus")}/debug/pprof/heap`,
    ])
      expect(await ask(place, { login })).toBe("403");
  });

  it("opens cAdvisor's API where cadvisorApi is on, and shows no secret in plaintext", async () => {
    const changed = `${users}bob:${hashSync("another", 10)}\n`;
    await stack.configure({ cadvisorApi: "on" }, { users: changed });
    const preview = await succeeded(stack.preview("--diff"));
    expect(preview).toContain("[secret]");
    const second = await succeeded(stack.up());
    expect(await ask(`${port("cadvisor")}/api/v1.3/containers`, { login: `ann:${PASSWORD}` })).toBe("200");
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
      commandLines,
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

  it("is checked after the update for its login and for a certificate that has not expired", async () => {
    const { probeReport } = await stack.outputs<{ probeReport: { findings: { check: string }[] } }>();
    expect(probeReport.findings.map(({ check }) => check)).toContain("the gateway requires a login");
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

describe("Gateway without a certificate in the settings", () => {
  it("makes certificates by an authority of its own, which the post-deploy checks trust", async () => {
    const stack = await Stack.create(
      {
        scrapeInterval: "1s",
        bindAddress: outside.dockerHost,
        tlsNames: ["metrics.example.org", outside.dockerHost],
      },
      { secrets: { users: `ann:${hashSync("correct horse", 10)}\n` } },
    );
    try {
      expect(await succeeded(stack.up())).toContain("ok: the gateway requires a login");
      await succeeded(stack.preview("--expect-no-changes"));
    } finally {
      await stack.remove();
    }
  });
});
