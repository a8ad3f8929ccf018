import { buildConfiguration, CONFIG_FOLDER } from "../../prometheus/config";
import { runPromtool } from "../support/promtool";
import { settings } from "../support/settings";

const context = { environment: "test", host: "llm-1", gpu: true };

describe("Configuration of Prometheus", () => {
  it.each([
    ["by default", {}],
    [
      "with everything that settings allow",
      {
        alertmanagers: ["alertmanager:9093"],
        retentionTime: "1y",
        dcgmExporter: "dcgm-exporter:9400",
        scrapeJobs: [
          {
            job_name: "vllm",
            scrape_interval: "15s",
            scrape_timeout: "5s",
            metrics_path: "/metrics",
            scheme: "https",
            params: { a: ["b"] },
            honor_labels: true,
            sample_limit: 100,
            static_configs: [{ targets: ["vllm:8000"], labels: { model: "m" } }],
            relabel_configs: [
              {
                source_labels: ["__address__"],
                separator: ";",
                regex: "(.*)",
                modulus: 2,
                target_label: "shard",
                action: "hashmod",
              },
            ],
            metric_relabel_configs: [{ regex: "x.*", action: "labeldrop" }],
          },
        ],
      },
    ],
  ])("passes promtool's checks %s", async (_, changes) => {
    const { "prometheus.yml": config = "", ...rules } = buildConfiguration(settings(changes), context).files;
    // Here the rule files lie beside prometheus.yml.
    const files = { ...rules, "prometheus.yml": config.replaceAll(`${CONFIG_FOLDER}/`, "") };
    const output = await runPromtool(
      files,
      "check",
      "config",
      "--lint=all",
      "--lint-fatal",
      "prometheus.yml",
    );
    expect(output).toContain("SUCCESS");
    expect(output).toMatch(/SUCCESS: \d+ rules found/);
  });
});
