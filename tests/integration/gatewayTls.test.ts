import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
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
import { openPage, startBrowser } from "../support/page/browser";
import { query } from "../support/prometheus";
import { OutsideHost } from "../support/outsideHost";
import { failed, Stack, succeeded } from "../support/stack";

let outside: OutsideHost;
beforeAll(async () => {
  outside = await OutsideHost.connect();
});
afterAll(() => outside.remove());

/** What the outside host gets at a URL, with options of Node's `https.get`: the status, or why the connection failed. */
async function outsideGet(url: string, options: object): Promise<string> {
  const program = `
    require(new URL(process.argv[1]).protocol.slice(0, -1)).get(process.argv[1], JSON.parse(process.argv[2]), (r) => { console.log(r.statusCode); process.exit(); })
      .on("error", (e) => { console.log(e.code || e.message); process.exit(); });`;
  return (await outside.run(process.execPath, "-e", program, url, JSON.stringify(options))).trim();
}

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
  const ask = async (
    place: string,
    {
      login,
      client,
      scheme = "https",
    }: { login?: string; client?: Certified; scheme?: "http" | "https" } = {},
  ): Promise<string> =>
    outsideGet(`${scheme}://${outside.dockerHost}:${place}`, {
      ca: await authority.certificate(),
      ...(client && { cert: client.certificate, key: client.key }),
      ...(login && { auth: login }),
    });

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

  it("serves the page to a browser that logs in, and the page reads its data with the same login", async () => {
    const browser = await startBrowser();
    try {
      const context = await browser.newContext({
        ignoreHTTPSErrors: true,
        httpCredentials: { username: "ann", password: PASSWORD },
      });
      const url = `https://${outside.dockerHost}:${port("prometheus")}/`;
      const { page, faults } = await openPage(context, url);
      await page.getByRole("link", { name: stack.resource("gateway") }).waitFor();
      expect(faults).toEqual({ errors: [], foreign: [] });
    } finally {
      await browser.close();
    }
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
    const { stdin, environment } = await stack.inputs("probe-command");
    const { GATEWAY, GATEWAY_ADDRESS, GATEWAY_CA } = environment as Record<string, string>;
    const expectation = JSON.stringify({
      ...(JSON.parse(stdin as string) as object),
      startTimeoutSeconds: 5,
    });
    expect(await failed(stack.probe(expectation, { GATEWAY, GATEWAY_ADDRESS, GATEWAY_CA }))).toContain(
      "certificate has expired",
    );
  });
});

describe("Gateway without a certificate in the settings", () => {
  const NAME = "metrics.example.org";
  let stack: Stack;
  /** The root certificate, by the command that docs/settings.md shows. */
  let root: string;
  beforeAll(async () => {
    stack = await Stack.create(
      {
        scrapeInterval: "1s",
        bindAddress: outside.dockerHost,
        prometheusPort: 23_001,
        tlsNames: [NAME, outside.dockerHost],
      },
      { secrets: { users: `central:${hashSync("correct horse", 10)}\n` } },
    );
    expect(await succeeded(stack.up())).toContain("ok: the gateway requires a login");
    root = await docker(
      ...["exec", stack.resource("gateway"), "cat", "/gateway/data/pki/authorities/local/root.crt"],
    );
  });
  afterAll(() => stack.remove());

  it("is not changed by a second update", async () => {
    await succeeded(stack.preview("--expect-no-changes"));
  });

  // Clients that connect to an address send no name (caddyserver/caddy 5479, 6784).
  it.each([
    ["its name", { servername: NAME, headers: { host: NAME } }],
    ["its address", {}],
  ])("has a certificate of its own authority for clients that connect to %s", async (_, options) => {
    for (const which of ["cadvisor", "prometheus"] as const) {
      const url = `https://${outside.dockerHost}:${new URL(stack[which]).port}/metrics`;
      expect(await outsideGet(url, { ca: root, auth: "central:correct horse", ...options })).toBe("200");
    }
  });

  it("is scraped by a central Prometheus with the documented configuration", async () => {
    const documented = /```yaml\n(scrape_configs:\n[^]*?\/federate[^]*?)```/.exec(
      readFileSync("docs/settings.md", "utf8"),
    );
    const folder = await mkdtemp(path.join(os.tmpdir(), "central-"));
    const files = {
      "prometheus.yml": `global: { scrape_interval: 1s }\n${documented?.[1] ?? ""}`,
      central: "correct horse",
      "root.crt": root,
    };
    for (const [name, content] of Object.entries(files)) await writeFile(path.join(folder, name), content);
    const port = 29_090;
    const central = await docker(
      ...[
        "create",
        "--user=0",
        "--network=host",
        `--add-host=${NAME}:${outside.dockerHost}`,
        settings().prometheusImage,
      ],
      ...["--config.file=/etc/prometheus/prometheus.yml", `--web.listen-address=127.0.0.1:${port}`],
    );
    try {
      await docker("cp", `${folder}/.`, `${central}:/etc/prometheus`);
      await docker("start", central);
      await eventually(async () => {
        const working = 'container_memory_working_set_bytes{job="cadvisor",name=~".+"}';
        expect(await query(`http://127.0.0.1:${port}`, 'up{job="llm-hosts"} == 1')).toHaveLength(1);
        expect(await query(`http://127.0.0.1:${port}`, working)).not.toHaveLength(0);
      });
    } finally {
      await docker("rm", "--force", "--volumes", central);
      await rm(folder, { recursive: true });
    }
  });
});
