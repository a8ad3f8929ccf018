import type { Expectation } from "../../../probes/report";
import { containerInputs, declare, declared, files, prometheusYml } from "../../support/declare";

const flags = () => containerInputs("node-exporter-container")["command"] as string[];

describe("node_exporter", () => {
  it("has no privilege at all: no mount, no capability, no namespace of the host, the user nobody", async () => {
    await declare();
    const container = containerInputs("node-exporter-container");
    expect(container).toMatchObject({
      name: "llm-metrics-dev-node-exporter",
      user: "65534:65534",
      readOnly: true,
      capabilities: { drops: ["ALL"] },
      securityOpts: ["no-new-privileges:true"],
      networksAdvanced: [{ name: "llm-metrics-dev", aliases: ["node-exporter"] }],
    });
    for (const input of ["volumes", "mounts", "devices", "ports", "pidMode", "networkMode", "privileged"])
      expect(container).not.toHaveProperty(input);
    expect(container["capabilities"]).not.toHaveProperty("adds");
  });

  it("runs only the collectors whose metrics are used", async () => {
    await declare();
    expect(flags()).toContain("--collector.disable-defaults");
    expect(flags().filter((flag) => /^--collector\.[a-z]+$/.test(flag))).toEqual(
      ["filesystem", "loadavg", "meminfo", "pressure"].map((collector) => `--collector.${collector}`),
    );
  });

  it("measures the disks of the setting hostDisks by read-only mounts, which create no directory", async () => {
    await declare({ hostDisks: ["/data/models", "/srv"] });
    expect(containerInputs("node-exporter-container")["mounts"]).toEqual(
      ["/data/models", "/srv"].map((disk) => ({
        type: "bind",
        source: disk,
        target: `/disks${disk}`,
        readOnly: true,
      })),
    );
  });

  it("is scraped, and its disks are named as they are on the host", async () => {
    const { configuration } = await declare();
    const job = prometheusYml(configuration).scrape_configs.find(({ job_name }) => job_name === "host");
    expect(job?.static_configs).toEqual([{ targets: ["node-exporter:9100"], labels: { host: "llm-1" } }]);
    expect(job?.metric_relabel_configs).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ regex: "/etc/hostname", replacement: "/data/docker" }),
        expect.objectContaining({ regex: "/disks(/.+)", replacement: "$1" }),
      ]),
    );
  });

  it("measures Docker's root directory once, also where hostDisks names it", async () => {
    const { probe } = await declare({ hostDisks: ["/data/docker"] });
    expect(containerInputs("node-exporter-container")).not.toHaveProperty("mounts");
    expect((JSON.parse(probe["stdin"] as string) as Expectation).host?.disks).toEqual(["/data/docker"]);
  });

  it("is checked after a deploy, with every disk", async () => {
    const { probe } = await declare({ hostDisks: ["/srv"] });
    expect((JSON.parse(probe["stdin"] as string) as Expectation).host).toEqual({
      exporter: "llm-metrics-dev-node-exporter",
      disks: ["/data/docker", "/srv"],
    });
  });
});

describe("The setting hostMetrics", () => {
  it("off deploys no node_exporter, and leaves no job, rule or check of the host", async () => {
    const { stack, configuration, probe } = await declare({ hostMetrics: "off" });
    expect(stack.nodeExporter).toBeUndefined();
    expect(declared.filter(({ name }) => name.includes("node-exporter"))).toEqual([]);
    const text = JSON.stringify(files(configuration));
    for (const absent of ["node-exporter", "node_", "machine_cpu_usage", "host:cpu", "HostDisk"])
      expect([absent, text.includes(absent)]).toEqual([absent, false]);
    expect(JSON.parse(probe["stdin"] as string)).not.toHaveProperty("host");
  });

  it("changes no input of another container, so that none is replaced", async () => {
    const others = async (hostMetrics: string) => {
      const { cadvisor, prometheus, gateway, network } = await declare({ hostMetrics });
      return { cadvisor, prometheus, gateway, network };
    };
    expect(await others("on")).toEqual(await others("off"));
  });
});
