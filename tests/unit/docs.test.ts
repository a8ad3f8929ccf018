import { readdirSync, readFileSync } from "node:fs";
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

describe("Every command of the documentation", () => {
  /** Where the commands of the documentation are run, or why they are not. */
  const FIRST_HOUR = "tests/integration/firstHour.test.ts";
  const NOT_RUN: Record<string, string> = {
    "npm test": "this runs within it",
    'npm run pulumi -- preview --cwd ../other-project --stack staging --policy-pack "$PWD/policy"':
      "another project; tests/integration/policy.test.ts runs the packs of one",
    "htpasswd -nBC 12 central | npm run pulumi -- config set --secret users --stack prod":
      "Apache's htpasswd; tests/integration/gateway.test.ts sets such users",
    "npm run up -- --stack prod": "as of dev, which runs",
    "export PULUMI_BACKEND_URL=s3://my-states PULUMI_CONFIG_PASSPHRASE=...": "an account of S3",
    "npm ci && mkdir -p .pulumi-state": "the network; the tests have installed modules",
    "pulumi stack select --create dev && pulumi up": "with preview in place of up",
  };
  const commands = ["README.md", "SECURITY.md", "airgap/README.md"]
    .concat(readdirSync("docs").map((file) => `docs/${file}`))
    .filter((file) => file.endsWith(".md"))
    .flatMap((file) => [...readFileSync(file, "utf8").matchAll(/^```sh\n([^]*?)^```/gm)])
    .flatMap(([, block = ""]) => block.trim().split("\n"))
    .map((line) => line.replace(/ +#.*$/, ""));
  const ours = [...new Set(commands)].filter((command) => /npm|pulumi/i.test(command));

  it.each(ours.filter((command) => !(command in NOT_RUN)))("is run by a test: %s", (command) => {
    expect(readFileSync(FIRST_HOUR, "utf8")).toContain(command);
  });

  it("that is not run is still in the documentation", () => {
    for (const command of Object.keys(NOT_RUN)) expect(ours).toContain(command);
  });
});
