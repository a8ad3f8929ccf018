import { readFileSync } from "node:fs";
import { RULES_FILE, rulesYaml, withSettings } from "../../prometheus/rules";
import { ALERT_DEFAULTS, ALERT_NAMES } from "../../settings";
import { failedTests, runPromtool } from "../support/promtool";
import { ALWAYS_FIRING, CASES, promtoolTests, RULES, rulesOf } from "./alertCases";

const cases = ALERT_NAMES.flatMap((alert) => CASES[alert].map((one) => ({ alert, ...one })));

describe("Each alert", () => {
  let failed: Record<string, string>;
  // One process for all cases: a start of promtool costs more than the cases of an alert.
  beforeAll(async () => {
    failed = await failedTests(
      ALERT_NAMES.map((alert) => ({ groups: rulesOf(alert), tests: promtoolTests(alert) })),
    );
  }, 60_000);

  it.each(
    cases.map(({ alert, name, fires }) => [
      `${alert} ${fires ? "fires" : "is silent"} ${name}`,
      `${alert} ${name}`,
    ]),
  )("%s", (_, name) => {
    expect(failed[name]).toBeUndefined();
  });

  it.each(ALERT_NAMES)("has a case in which it fires, and a look-alike: %s", (alert) => {
    expect(CASES[alert].some(({ fires }) => fires)).toBe(true);
    expect(CASES[alert].some(({ fires }) => !fires)).toBe(!ALWAYS_FIRING.includes(alert));
  });

  it("has a name of its own in the settings, a summary with the host, and a description that a message does not cut", () => {
    const alerts = RULES.flatMap(({ rules }) => rules).filter((rule) => "alert" in rule);
    expect(alerts.map(({ alert }) => alert).sort()).toEqual([...ALERT_NAMES].sort());
    for (const { annotations } of alerts) {
      expect(annotations.summary).toMatch(/^\S.*\{\{ \$labels\.host \}\}(.*[^.])?$/);
      expect(annotations.description).toMatch(/^\S.*\.$/);
      const rendered = annotations.description.replace(/\{\{.*?\}\}/g, "a-label-or-value");
      expect(rendered.length).toBeLessThanOrEqual(250);
    }
  });
});

describe("The queries of the runbooks", () => {
  it("are PromQL", async () => {
    const queries = readFileSync("docs/runbooks.md", "utf8").matchAll(/^- Query: `(.+)`$/gm);
    const rules = [...queries].map(([, expr = ""], n) => ({ record: `query:${n}`, expr }));
    expect(rules.length).toBeGreaterThan(ALERT_NAMES.length);
    const files = { [RULES_FILE]: rulesYaml([{ name: "runbooks", rules }]) };
    expect(await runPromtool(files, "check", "rules", RULES_FILE)).toContain("SUCCESS");
  });
});

describe("The file of rules", () => {
  it("passes promtool's checks, all of them fatal", async () => {
    const files = { [RULES_FILE]: rulesYaml(withSettings(RULES, ALERT_DEFAULTS)) };
    const output = await runPromtool(files, "check", "rules", "--lint=all", "--lint-fatal", RULES_FILE);
    expect(output).toContain("SUCCESS");
  });
});
