import { CONFIG_FOLDER } from "../../lib/names";
import { buildConfiguration } from "../../prometheus/config";
import { runPromtool } from "../support/promtool";
import { FULL_JOB, settings, WITH_JOB_SECRETS } from "../support/settings";

const context = { environment: "test", host: "llm-1", gpu: true };

const job = { static_configs: [{ targets: ["vllm:8000"] }] };

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
          FULL_JOB,
          { ...job, job_name: "a bearer/token", authorization: { type: "Token", credentials: "secret-1" } },
          { ...job, job_name: "old form", bearer_token: "secret-2" },
          { ...job, job_name: "password", basic_auth: { username: "u", password: "secret-3" } },
        ],
      },
    ],
  ])("passes promtool's checks %s", async (_, changes) => {
    const { files, secretFiles } = buildConfiguration(settings(changes, WITH_JOB_SECRETS), context);
    const { "prometheus.yml": config = "", ...rules } = files;
    // Here the other files lie beside prometheus.yml.
    const here = { ...rules, ...secretFiles, "prometheus.yml": config.replaceAll(`${CONFIG_FOLDER}/`, "") };
    const output = await runPromtool(here, "check", "config", "--lint=all", "--lint-fatal", "prometheus.yml");
    expect(output).toContain("SUCCESS");
    expect(output).toMatch(/SUCCESS: \d+ rules found/);
  });
});
