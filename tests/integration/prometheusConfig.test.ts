import { docker } from "../../probes/docker";
import { prometheusConfig, toYaml } from "../../prometheus/config";
import { stackImages } from "../../scripts/environment/images";
import { settings } from "../unit/fixtures";

beforeAll(() => stackImages("of-the-tests"));

test.each([
  ["by default", {}],
  [
    "with everything that settings allow",
    {
      alertmanagers: ["alertmanager:9093"],
      retentionTime: "1y",
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
])("promtool has no complaint about the configuration %s", async (_, changes) => {
  const yaml = toYaml(
    prometheusConfig(settings(changes), {
      environment: "test",
      host: "llm-1",
      cadvisorTarget: "cadvisor:8080",
    }),
  );
  const check = [
    "run",
    "--rm",
    "-i",
    "--entrypoint",
    "promtool",
    settings().prometheusImage,
    "check",
    "config",
  ];
  const output = await docker([...check, "--lint=all", "--lint-fatal", "/dev/stdin"], yaml);
  expect(output).toContain("SUCCESS");
});
