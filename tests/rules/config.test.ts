import { CONFIG_FOLDER } from "../../lib/names";
import { buildConfiguration } from "../../prometheus/config";
import { refusal } from "../../host/configurationCheck";
import { runPromtool, standInForDocker } from "../support/promtool";
import { FULL_JOB, RECEIVERS, settings, WITH_JOB_SECRETS, WITH_RECEIVERS } from "../support/settings";

const context = { environment: "test", host: "llm-1", gpu: true };

const ENCRYPTED = [...WITH_JOB_SECRETS, ...WITH_RECEIVERS];
const job = { static_configs: [{ targets: ["vllm:8000"] }] };

describe("Configuration of Prometheus", () => {
  it.each([
    ["by default", {}],
    [
      "with everything that settings allow",
      {
        alertmanagers: ["other:9093"],
        notify: [{ slack: RECEIVERS.slack }],
        retentionTime: "1y",
        dcgmExporter: "dcgm-exporter:9400",
        llmNetworks: ["chat_default"],
        scrapeJobs: [
          FULL_JOB,
          { ...job, job_name: "a bearer/token", authorization: { type: "Token", credentials: "secret-1" } },
          { ...job, job_name: "old form", bearer_token: "secret-2" },
          { ...job, job_name: "password", basic_auth: { username: "u", password: "secret-3" } },
        ],
      },
    ],
  ])("passes promtool's checks %s", async (_, changes) => {
    const { files, secretFiles } = buildConfiguration(settings(changes, ENCRYPTED), context);
    const { "prometheus.yml": config = "", ...rules } = files;
    // Here the other files lie beside prometheus.yml.
    const here = { ...rules, ...secretFiles, "prometheus.yml": config.replaceAll(`${CONFIG_FOLDER}/`, "") };
    const output = await runPromtool(here, "check", "config", "--lint=all", "--lint-fatal", "prometheus.yml");
    expect(output).toContain("SUCCESS");
    expect(output).toMatch(/SUCCESS: \d+ rules found/);
  });
});

describe("Promtool of a running container", () => {
  const refused = (...scrapeJobs: object[]) =>
    refusal(
      "prometheus",
      buildConfiguration(settings({ scrapeJobs }, WITH_JOB_SECRETS), context).files["prometheus.yml"] ?? "",
    );
  beforeAll(standInForDocker);

  it("accepts every key that settings allow, without the files of secrets", async () => {
    expect(await refused(FULL_JOB)).toBe("");
  });

  it.each([
    [
      "a relabeling step without its target_label",
      { relabel_configs: [{ action: "replace", source_labels: ["a"] }] },
      "relabel configuration for replace action requires 'target_label' value",
    ],
    [
      "two ways to log in",
      { basic_auth: { username: "u" }, authorization: { credentials: "t" } },
      "at most one of basic_auth, oauth2 & authorization must be configured",
    ],
    [
      "basic as the type of authorization",
      { authorization: { type: "Basic", credentials: "t" } },
      'authorization type cannot be set to "basic", use "basic_auth" instead',
    ],
    [
      "a header that Prometheus sets itself",
      { http_headers: { Authorization: { secrets: ["t"] } } },
      'setting header "Authorization" is not allowed',
    ],
    [
      "names of DNS without a port",
      { dns_sd_configs: [{ names: ["a"], type: "A" }] },
      "a port is required in DNS-SD configs",
    ],
  ])("refuses %s, and names the job", async (_, changes, reason) => {
    const reported = await refused({ ...job, job_name: "good" }, { ...job, job_name: "bad", ...changes });
    expect(reported).toContain(`the scrape job bad: ${reason}`);
  });

  it("refuses nothing where it does not run", async () => {
    const PATH = process.env["PATH"];
    process.env["PATH"] = "/nowhere";
    expect(await refused({ ...job, job_name: "bad", relabel_configs: [{ action: "replace" }] })).toBe("");
    process.env["PATH"] = PATH;
  });
});
