import { readFileSync } from "node:fs";
import {
  GATEWAY_METRICS,
  CONTAINER_LABELS,
  CONTAINER_METRICS,
  GPU_CONTAINER_METRICS,
  GPU_EXPORTER_METRICS,
  GPU_LABEL_MEANINGS,
  GPU_METRICS,
} from "../../prometheus/catalogue";
import { policies } from "../../policy/policies";
import { gatewayRules, GPU_RULES, monitoringRules } from "../../prometheus/rules";
import { SETTING_KEYS } from "../../settings";

/** The first column and the last one of the tables of a document. */
const rows = (file: string): [string, string][] =>
  readFileSync(file, "utf8")
    .split("\n")
    .map((line) => /^\| `([^`]+)` *\|(?:.*\|)? *(.+?) *\|$/.exec(line))
    .filter((match) => match !== null)
    .map(([, first = "", last = ""]) => [first, last]);

test("every metric and label of a container is documented, in the words of the catalogue", () => {
  const documented = rows("docs/metrics.md");
  for (const { name, help } of CONTAINER_METRICS) expect(documented).toContainEqual([name, help]);
  for (const label of Object.entries(CONTAINER_LABELS)) expect(documented).toContainEqual(label);
});

test("every metric of the gateway is documented, in the words of the catalogue", () => {
  for (const entry of Object.entries(GATEWAY_METRICS)) expect(rows("docs/metrics.md")).toContainEqual(entry);
});

test("every metric, label, alert and recorded series of GPUs is documented, in the words of the catalogue", () => {
  const documented = rows("docs/metrics.md");
  for (const [name, { help }] of Object.entries({
    ...GPU_CONTAINER_METRICS,
    ...GPU_METRICS,
    ...GPU_EXPORTER_METRICS,
  }))
    expect(documented).toContainEqual([name, help]);
  for (const label of Object.entries(GPU_LABEL_MEANINGS)) expect(documented).toContainEqual(label);
  for (const rule of GPU_RULES.rules)
    expect(documented.map(([name]) => name)).toContain("record" in rule ? rule.record : rule.alert);
});

test("every alert is documented", () => {
  const documented = rows("docs/metrics.md").map(([name]) => name);
  for (const rule of [monitoringRules("h", "30s"), gatewayRules({ host: "h", expires: 0 })].flatMap(
    (group) => group.rules,
  ))
    expect(documented).toContain("alert" in rule ? rule.alert : rule.record);
});

test("every setting is documented, and no other", () => {
  expect(
    rows("docs/settings.md")
      .map(([key]) => key)
      .sort(),
  ).toEqual([...SETTING_KEYS].sort());
});

test("every output is documented, and no other", () => {
  const program = readFileSync("index.ts", "utf8");
  const returned = /return \{([^]*?)\n {2}\};/.exec(program)?.[1] ?? "";
  const outputs = [...returned.matchAll(/^ {4}(\w+)/gm)].map(([, name]) => name);
  expect(outputs.length).toBeGreaterThan(8);
  expect(rows("docs/outputs.md").map(([name]) => name)).toEqual(outputs);
});

test("every policy is documented, in its words", () => {
  expect(rows("docs/policy.md")).toEqual(policies({}).map(({ name, description }) => [name, description]));
});
