import { run } from "../../airgap/toolchain/goCommands";
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
  const image = settings().prometheusImage;
  const script = `printf %s "$CONFIG" > /tmp/c.yml; promtool check config --lint=all --lint-fatal /tmp/c.yml`;
  const output = await run("docker", [
    "run",
    "--rm",
    "--entrypoint",
    "sh",
    "--tmpfs",
    "/tmp:mode=1777",
    "-e",
    `CONFIG=${yaml}`,
    image,
    "-ec",
    script,
  ]);
  expect(output).toContain("SUCCESS");
});
