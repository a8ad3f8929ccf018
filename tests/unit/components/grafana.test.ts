import { deployedFiles } from "../../../grafana/provisioning";
import type { Expectation } from "../../../probes/report";
import { containerInputs, declare, declared } from "../../support/declare";

const networksOf = (inputs: Record<string, unknown>) =>
  (inputs["networksAdvanced"] as { name: string }[]).map(({ name }) => name);
const step = () => declared.find(({ name }) => name.endsWith("grafana-install"))?.inputs ?? {};
const environmentOf = (container: Record<string, unknown>): Record<string, string> =>
  Object.fromEntries(
    (container["envs"] as string[]).map((entry) => entry.split(/=(.*)/s).slice(0, 2) as [string, string]),
  );

describe("Grafana", () => {
  it("is not deployed by default, and the gateway forwards nothing to it", async () => {
    const { probe, gateway, stack } = await declare();
    expect(declared.filter(({ name }) => name.includes("grafana"))).toEqual([]);
    expect(stack.grafana).toBeUndefined();
    expect(probe["stdin"]).not.toContain("grafana");
    expect(JSON.stringify(gateway["envs"])).not.toContain("grafana");
  });

  it("has no capability, no writable file outside of memory, no published port and no egress", async () => {
    const { network } = await declare({ grafana: "on" });
    const container = containerInputs("grafana-container");
    expect(container).toMatchObject({
      image: "grafana/grafana:13.2.3",
      user: "472:472",
      readOnly: true,
      capabilities: { drops: ["ALL"] },
      securityOpts: ["no-new-privileges:true"],
      memory: 512,
      memorySwap: 512,
      cpus: "1.0",
      restart: "always",
      volumes: [
        {
          volumeName: "llm-metrics-dev-grafana-files",
          containerPath: "/etc/grafana/llm-metrics",
          readOnly: true,
        },
      ],
      healthcheck: {
        tests: ["CMD", "wget", "-q", "--spider", "http://127.0.0.1:3000/grafana/api/health"],
      },
    });
    for (const input of ["ports", "privileged", "devices", "groupAdds"])
      expect(container).not.toHaveProperty(input);
    expect(container["capabilities"]).not.toHaveProperty("adds");
    expect(networksOf(container)).toEqual(["llm-metrics-dev"]);
    expect(network["internal"]).toBe(true);
    const environment = environmentOf(container);
    for (const folder of ["GF_PATHS_DATA", "GF_PATHS_LOGS", "GF_PATHS_PLUGINS", "TMPDIR"])
      expect(environment[folder]).toMatch(/^\/dev\/shm/);
  });

  it("serves viewers below its path, without an admin, a password or a login", async () => {
    await declare({ grafana: "on" });
    expect(environmentOf(containerInputs("grafana-container"))).toMatchObject({
      GF_SERVER_ROOT_URL: "http://127.0.0.1:23001/grafana/",
      GF_SERVER_SERVE_FROM_SUB_PATH: "true",
      GF_AUTH_ANONYMOUS_ENABLED: "true",
      GF_AUTH_ANONYMOUS_ORG_ROLE: "Viewer",
      GF_AUTH_BASIC_ENABLED: "false",
      GF_AUTH_DISABLE_LOGIN_FORM: "true",
      GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION: "true",
      GF_USERS_ALLOW_SIGN_UP: "false",
    });
  });

  it("reports nothing to other hosts, and installs and updates no plugin", async () => {
    await declare({ grafana: "on" });
    expect(environmentOf(containerInputs("grafana-container"))).toMatchObject({
      GF_ANALYTICS_REPORTING_ENABLED: "false",
      GF_ANALYTICS_CHECK_FOR_UPDATES: "false",
      GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES: "false",
      GF_NEWS_NEWS_FEED_ENABLED: "false",
      GF_SECURITY_DISABLE_GRAVATAR: "true",
      GF_SNAPSHOTS_EXTERNAL_ENABLED: "false",
      GF_PLUGINS_PREINSTALL_DISABLED: "true",
      GF_PLUGINS_PREINSTALL_AUTO_UPDATE: "false",
      GF_PLUGINS_PLUGIN_ADMIN_ENABLED: "false",
    });
  });

  it("is replaced by a changed scrape interval, and starts when its data source with this interval is installed", async () => {
    const scripts: string[] = [];
    for (const scrapeInterval of ["15s", "30s"]) {
      await declare({ grafana: "on", scrapeInterval });
      const [, , script = ""] = containerInputs("grafana-container")["entrypoints"] as string[];
      const version = deployedFiles(scrapeInterval)["provisioning/version"];
      expect(version).toMatch(/^[0-9a-f]{12}$/);
      expect(script).toContain(
        `until [ "$(cat /etc/grafana/llm-metrics/provisioning/version 2> /dev/null)" = ${version ?? ""} ]`,
      );
      scripts.push(script);
    }
    expect(scripts[0]).not.toBe(scripts[1]);
    expect(step()).toMatchObject({
      create: "node commands/start.cjs installFiles",
      environment: {
        VOLUME: "llm-metrics-dev-grafana-files",
        IMAGE: "caddy:2.11.9-alpine",
        GRAFANA: expect.stringMatching(/^[0-9a-f]{12}$/) as unknown,
        SCRAPE_INTERVAL: "30s",
      },
    });
  });

  it("is expected by the post-deploy checks at its URL behind the gateway", async () => {
    const { probe } = await declare({ grafana: "on" });
    expect((JSON.parse(probe["stdin"] as string) as Expectation).grafana).toEqual({
      url: "http://127.0.0.1:23001/grafana",
      container: "llm-metrics-dev-grafana",
    });
    expect(probe["triggers"]).toContain("llm-metrics-dev-grafana-container-id");
  });

  it("changes no input of another container but of the gateway", async () => {
    const unchanged = ({ cadvisor, prometheus, network, publishedNetwork, configuration }: Declared) => ({
      cadvisor,
      prometheus,
      network,
      publishedNetwork,
      configuration,
    });
    const before = unchanged(await declare());
    expect(unchanged(await declare({ grafana: "on" }))).toEqual(before);
  });
});

type Declared = Awaited<ReturnType<typeof declare>>;
