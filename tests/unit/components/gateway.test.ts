import { CERTIFICATE, HASH, KEY } from "../../support/settings";
import { pageFiles, pageVersion } from "../../../dashboard/bundle";
import { declare, declared, runtime } from "../../support/declare";

test("the gateway alone publishes ports, on loopback only", async () => {
  const { gateway, publishedNetwork } = await declare({}, runtime);
  expect(gateway["ports"]).toEqual([
    { internal: 8080, external: 8080, ip: "127.0.0.1" },
    { internal: 9090, external: 23001, ip: "127.0.0.1" },
  ]);
  expect(declared.filter(({ inputs }) => "ports" in inputs)).toHaveLength(1);
  expect(publishedNetwork["options"]).toMatchObject({
    "com.docker.network.bridge.host_binding_ipv4": "127.0.0.1",
  });
});

test("the gateway runs as nobody, with nothing mounted but the page, read-only, and its configuration is in the preview", async () => {
  const { gateway } = await declare();
  expect(gateway).toMatchObject({
    user: "65534:65534",
    readOnly: true,
    capabilities: { drops: ["ALL"], adds: ["CAP_NET_BIND_SERVICE"] },
    securityOpts: ["no-new-privileges:true"],
    envs: [expect.stringContaining('"dial": "prometheus:9090"') as unknown],
  });
  expect(gateway["volumes"]).toEqual([
    { volumeName: "llm-metrics-dev-gateway-page", containerPath: "/page", readOnly: true },
  ]);
  for (const input of ["privileged", "devices"]) expect(gateway).not.toHaveProperty(input);
});

test("the gateway's own network has a router that is not there, at addresses of the stack's own", async () => {
  const addresses = async (environment: string) => {
    const [range] = (await declare({}, {}, environment)).publishedNetwork["ipamConfigs"] as [
      { subnet: string; gateway: string; auxAddress: { DefaultGatewayIPv4: string } },
    ];
    expect(range.subnet).toMatch(/^198\.1[89]\.\d+\.\d+\/29$/);
    expect(range.auxAddress.DefaultGatewayIPv4).not.toBe(range.gateway);
    return range.subnet;
  };
  expect(await addresses("dev")).toBe(await addresses("dev"));
  expect(await addresses("dev")).not.toBe(await addresses("prod"));
});

test("with TLS, the gateway's secrets go into its volume by a secret standard input, and the probes come in by a secret login", async () => {
  const secrets = { tlsKey: KEY, users: `ann:${HASH}` };
  const { gateway, publishedNetwork, probe, configuration } = await declare({
    bindAddress: "192.0.2.7",
    tlsCertificate: CERTIFICATE,
    ...secrets,
  });
  const install = declared.find(({ name }) => name.endsWith("gateway-install"))?.inputs;
  expect(gateway["volumes"]).toEqual([
    expect.objectContaining({ containerPath: "/page" }),
    { volumeName: "llm-metrics-dev-gateway-files", containerPath: "/gateway" },
  ]);
  expect(gateway["ports"]).toMatchObject([{ ip: "192.0.2.7" }, { ip: "192.0.2.7" }]);
  expect(publishedNetwork).not.toHaveProperty("ipamConfigs");
  expect(install?.["stdin"]).toMatchObject({ value: expect.stringContaining(HASH) as unknown });
  for (const step of [probe, configuration])
    // Pulumi makes all of a secret of what has one in it.
    expect(step["environment"]).toMatchObject({
      value: {
        GATEWAY_ADDRESS: "192.0.2.7",
        GATEWAY_CA: CERTIFICATE,
        GATEWAY_LOGIN: expect.stringMatching(/^llm-metrics-probe:/) as unknown,
      },
    });
  expect(JSON.parse(probe["stdin"] as string)).toMatchObject({
    prometheusUrl: "https://metrics.example.org:23001",
    login: true,
  });
  for (const { inputs } of declared.filter(({ name }) => !name.endsWith("gateway-install")))
    expect(JSON.stringify(inputs)).not.toContain(HASH);
});

test("a changed page is installed in the gateway's volume, and replaces no container", async () => {
  const { gateway } = await declare();
  const install = declared.find(({ name }) => name.endsWith("gateway-install-page"))?.inputs;
  const version = pageVersion(pageFiles());
  expect(install?.["environment"]).toMatchObject({ VOLUME: "llm-metrics-dev-gateway-page", PAGE: version });
  expect(install?.["triggers"]).toEqual(["llm-metrics-dev-gateway-container-id"]);
  expect(JSON.stringify(gateway)).not.toContain(version);
});
