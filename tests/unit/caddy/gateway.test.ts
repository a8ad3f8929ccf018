import { compareSync } from "bcryptjs";
import { gatewayAccess } from "../../../caddy/gatewayAccess";
import { gatewayConfig } from "../../../caddy/gateway";
import { CERTIFICATE, HASH, KEY, settings } from "../../support/settings";

const secure = (changes: object = {}) =>
  settings({
    bindAddress: "192.0.2.7",
    tlsCertificate: CERTIFICATE,
    tlsKey: KEY,
    users: `ann:${HASH}`,
    ...changes,
  });
const configOf = (changes: Parameters<typeof settings>[0] = {}) =>
  JSON.stringify(gatewayConfig(gatewayAccess(settings(changes)).options));

test("on loopback, the gateway speaks HTTP, requires nothing but its host's name, and allows cAdvisor's API", () => {
  const access = gatewayAccess(settings());
  expect(access).toMatchObject({
    urls: { cadvisor: "http://127.0.0.1:8080", prometheus: "http://127.0.0.1:23001" },
    options: { hosts: ["127.0.0.1", "localhost", "gateway"], cadvisorApi: true },
  });
  expect(access.options).not.toHaveProperty("login");
  expect(configOf()).toContain('"/api/*"');
  expect(configOf({ cadvisorApi: "off" })).not.toContain('"/api/*"');
});

test("beyond loopback, its URL has the certificate's name, and cAdvisor's API is blocked unless cadvisorApi is on", () => {
  const access = gatewayAccess(secure());
  expect(access.urls.prometheus).toBe("https://metrics.example.org:23001");
  expect(access.options).toMatchObject({
    cadvisorApi: false,
    login: { users: { ann: expect.anything() as unknown } },
  });
  expect(gatewayAccess(secure({ cadvisorApi: "on" })).options.cadvisorApi).toBe(true);
});

test("Caddy's configuration names the files with the secrets, and has none of them", () => {
  const access = gatewayAccess(secure({ clientCa: CERTIFICATE }));
  const config = JSON.stringify(gatewayConfig(access.options));
  const secrets = [HASH, KEY.split("\n")[1] ?? "", (access.probe.login ?? "").split(":")[1] ?? ""];
  for (const secret of secrets) {
    expect(secret.length).toBeGreaterThan(30);
    expect(config).not.toContain(secret);
  }
  expect(config).toContain(`/gateway/${access.files?.folder ?? ""}/key.pem`);
  expect(Object.keys(access.files?.content ?? {})).toEqual([
    ...["certificate.pem", "key.pem", "client-ca.pem", "user-0", "user-1"],
  ]);
});

test("the gateway is the same with and without receivers of alerts, so that a receiver does not replace it", () => {
  const notify = [{ email: { server: "smtp:25", from: "a@b", to: "c@d", requireTls: false } }];
  expect(configOf({ notify })).toBe(configOf());
  expect(configOf()).toContain('"dial":"alertmanager:9093"');
});

test("browsers keep only files of the page that exist, and no answer that there is none", () => {
  expect(configOf()).toContain(
    '{"match":[{"path":["/page-*"],"file":{"root":"/page"}}],"handle":[{"handler":"headers","response":{"set":{"Content-Security-Policy":',
  );
  expect(configOf().match(/immutable/g)).toHaveLength(1);
});

test("requests reach Grafana only with the setting grafana, and never with the login of the gateway", () => {
  expect(configOf()).not.toContain("/grafana");
  const { apps } = gatewayConfig(gatewayAccess(settings({ grafana: "on" })).options) as {
    apps: { http: { servers: { prometheus: { routes: { match?: unknown; handle: unknown[] }[] } } } };
  };
  const forwarding = apps.http.servers.prometheus.routes.find(({ handle }) =>
    JSON.stringify(handle).includes('"dial":"grafana:3000"'),
  );
  expect(JSON.stringify(forwarding?.handle)).toContain('"delete":["Authorization","Upgrade"]');
  expect(gatewayAccess(settings()).urls.grafana).toBe("http://127.0.0.1:23001/grafana");
});

test("a changed secret is in another folder, so that the gateway is replaced, and the same is in the same", () => {
  const folder = (changes: object = {}) => gatewayAccess(secure(changes)).files?.folder;
  expect(folder()).toBe(folder());
  expect(folder({ users: `bob:${HASH}` })).not.toBe(folder());
});

test("the probe's password is derived from the secrets, and is among those that the gateway accepts", () => {
  const { probe, files } = gatewayAccess(secure());
  const [user, password = ""] = (probe.login ?? "").split(":");
  expect(user).toBe("llm-metrics-probe");
  expect(compareSync(password, files?.content["user-1"] ?? "")).toBe(true);
  expect(gatewayAccess(secure({ users: `ann:${HASH.slice(0, -1)}x` })).probe.login).not.toBe(probe.login);
});

test("the gateway's own authority certifies the names that the settings give", () => {
  const { tlsNames, users } = { tlsNames: ["metrics.example.org", "192.0.2.7"], users: `ann:${HASH}` };
  const access = gatewayAccess(settings({ bindAddress: "0.0.0.0", tlsNames, users }));
  expect(access.urls.cadvisor).toBe("https://metrics.example.org:8080");
  expect(access.probe).toMatchObject({ address: "127.0.0.1" });
  const { apps } = gatewayConfig(access.options);
  // Clients that connect to an address send no name.
  const served = { tls_connection_policies: [{ default_sni: "192.0.2.7" }] };
  expect(apps).toMatchObject({
    http: { servers: { cadvisor: served, prometheus: served } },
    tls: {
      certificates: { automate: tlsNames },
      automation: { policies: [{ issuers: [{ module: "internal" }] }] },
    },
  });
});

test("a client that takes the gateway for another container connects anew, and so resolves the name again", () => {
  expect(configOf()).toContain('{"handler":"static_response","status_code":421,"close":true}');
});
