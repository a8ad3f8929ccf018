import { buildConfiguration } from "../../../prometheus/config";
import { configurationDiff } from "../../../prometheus/configurationDiff";
import { settings } from "../../support/settings";

const text = (changes: Parameters<typeof settings>[0] = {}) => {
  const { files } = buildConfiguration(settings(changes), { environment: "dev", host: "llm-1", gpu: false });
  return Object.values(files).join("");
};

describe("A preview of a changed setting", () => {
  it("shows the changed lines of prometheus.yml with their context", () => {
    expect(configurationDiff(text(), text({ retentionTime: "30d" }))).toBe(
      [
        "   tsdb:",
        "     retention:",
        "-      time: 15d",
        "+      time: 30d",
        "       size: 10GB",
        " rule_files:",
      ].join("\n"),
    );
  });

  it("shows the lines of a new scrape job", () => {
    const scrapeJobs = [{ job_name: "vllm", static_configs: [{ targets: ["vllm:8000"] }] }];
    const lines = configurationDiff(text(), text({ scrapeJobs })).split("\n");
    expect(lines).toContain("+  - job_name: vllm");
    expect(lines.filter((line) => line.startsWith("-"))).toEqual([]);
  });

  it("shows nothing where nothing changes", () => {
    expect(configurationDiff(text(), text())).toBe("");
  });
});
