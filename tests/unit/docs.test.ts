import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { load } from "js-yaml";
import {
  ALERTMANAGER_METRICS,
  GATEWAY_METRICS,
  CONTAINER_METRICS,
  CONTAINER_STATE_METRICS,
  EXPORTER_METRICS,
  CONTAINER_LABELS,
  GPU_CONTAINER_METRICS,
  GPU_DRIVER_METRICS,
  NODE_METRICS,
  ROOT_CGROUP_METRICS,
  REQUIRED_LABELS,
  GPU_METRICS,
} from "../../prometheus/catalogue";
import { policies } from "../../policy/policies";
import { ALERT_DEFAULTS, ALERT_NAMES, IMAGE_REQUIREMENTS, SETTING_KEYS } from "../../settings";
import { RULES } from "../rules/alertCases";

/** The first column and the last one of the tables of a document. */
const rows = (file: string): [string, string][] =>
  readFileSync(file, "utf8")
    .split("\n")
    .map((line) => /^\| `([^`]+)` *\|(?:.*\|)? *(.+?) *\|$/.exec(line))
    .filter((match) => match !== null)
    .map(([, first = "", last = ""]) => [first, last]);

const names = (file: string) => rows(file).map(([name]) => name);

describe("Documentation", () => {
  it.each([
    ["metrics of containers", Object.entries(CONTAINER_METRICS)],
    ["metrics of the GPUs of containers", Object.entries(GPU_CONTAINER_METRICS)],
    ["metrics of GPUs", Object.entries(GPU_METRICS)],
    ["metrics of the state of containers", Object.entries(CONTAINER_STATE_METRICS)],
    ["metrics of the driver", Object.entries(GPU_DRIVER_METRICS)],
    ["metrics of the exporter", Object.entries(EXPORTER_METRICS)],
    ["metrics of the gateway", Object.entries(GATEWAY_METRICS)],
    ["metrics of the host", Object.entries({ ...ROOT_CGROUP_METRICS, ...NODE_METRICS })],
    ["metrics of Alertmanager", Object.entries(ALERTMANAGER_METRICS)],
  ])("has all %s, in the words of the catalogue", (_, expected) => {
    expect(rows("docs/metrics.md")).toEqual(expect.arrayContaining(expected));
  });

  it("has all labels of containers and GPUs", () => {
    const optional = ["nvidia_visible_devices", "gpu", "gpu_uuid", "gpu_model", "allocation"];
    expect(names("docs/metrics.md")).toEqual(
      expect.arrayContaining([...REQUIRED_LABELS, ...CONTAINER_LABELS, ...optional]),
    );
  });

  it("has all alerts and recording rules", () => {
    const rules = RULES.flatMap((group) => group.rules);
    expect(names("docs/metrics.md")).toEqual(
      expect.arrayContaining(rules.map((rule) => ("alert" in rule ? rule.alert : rule.record))),
    );
  });

  it("has the severity of each alert", () => {
    for (const { alert, labels } of RULES.flatMap(({ rules }) => rules).filter((rule) => "alert" in rule)) {
      const row = new RegExp(`^\\| \`${alert}\` +\\| ${labels.severity} +\\|`, "m");
      expect(readFileSync("docs/metrics.md", "utf8")).toMatch(row);
    }
  });

  it("has a runbook of each alert, and no others, each with a query and what to do", () => {
    const [, ...sections] = readFileSync("docs/runbooks.md", "utf8").split(/^## /m);
    expect(sections.map((section) => section.split("\n")[0]).sort()).toEqual([...ALERT_NAMES].sort());
    for (const section of sections) {
      expect(section).toMatch(/^- Query: `/m);
      expect(section).toMatch(/^- Do: /m);
    }
  });

  it("has all settings, and no others", () => {
    const alerts = Object.keys(ALERT_DEFAULTS).map((key) => `alerts.${key}`);
    expect(names("docs/settings.md").sort()).toEqual([...SETTING_KEYS, ...alerts].sort());
  });

  it("has the default of each threshold and time of the alerts", () => {
    for (const [key, value] of Object.entries(ALERT_DEFAULTS)) {
      const shown = Array.isArray(value) ? "none" : `\`${value}\``;
      expect(readFileSync("docs/settings.md", "utf8")).toMatch(
        new RegExp(`^\\| \`alerts[.]${key}\` +\\| ${shown} +\\|`, "m"),
      );
    }
  });

  it("has the first version of each image that works, as the description of its setting has", () => {
    const documented = Object.fromEntries(rows("docs/settings.md"));
    const { config } = load(readFileSync("Pulumi.yaml", "utf8")) as {
      config: Record<string, { description: string }>;
    };
    for (const [key, { minimum, unsupported }] of Object.entries(IMAGE_REQUIREMENTS))
      for (const text of [documented[key], config[key]?.description]) {
        expect(text).toContain(` ${minimum} or newer`);
        if (unsupported) expect(text).toContain(unsupported.variant);
      }
  });

  it("has all outputs, and no others", () => {
    const program = readFileSync("index.ts", "utf8");
    const returned = /return \{([^]*?)\n {2}\};/.exec(program)?.[1] ?? "";
    const outputs = [...returned.matchAll(/^ {4}(?:\.{3}\(\w+ && \{ )?(\w+)/gm)].map(([, name]) => name);
    expect(outputs.length).toBeGreaterThan(8);
    expect(names("docs/outputs.md")).toEqual(outputs);
  });

  it("has all policies, with their descriptions", () => {
    expect(rows("docs/policy.md")).toEqual(policies({}).map(({ name, description }) => [name, description]));
  });
});

/** Markdown files, by their paths. */
const DOCUMENTS = [
  "README.md",
  "SECURITY.md",
  "CONTRIBUTING.md",
  "airgap/README.md",
  ...readdirSync("docs")
    .filter((file) => file.endsWith(".md"))
    .map((file) => `docs/${file}`),
];

describe("Links of the documentation", () => {
  /** The anchors that GitHub gives to the headings of a document. */
  const anchors = (file: string) =>
    [...readFileSync(file, "utf8").matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
      heading
        .toLowerCase()
        .replace(/[^\w\- ]/g, "")
        .replaceAll(" ", "-"),
    );

  it.each(DOCUMENTS)("lead from %s to files and headings that exist", (document) => {
    const links = [...readFileSync(document, "utf8").matchAll(/\]\((?!https?:)([^)#]*)#?([^)]*)\)/g)];
    const broken = links.filter(([, file = "", anchor = ""]) => {
      const target = file ? path.join(path.dirname(document), file) : document;
      return !existsSync(target) || (anchor !== "" && !anchors(target).includes(anchor));
    });
    expect(broken.map(([link]) => link)).toEqual([]);
  });
});

describe("Commands of the documentation", () => {
  /** The test that runs the commands. */
  const FIRST_HOUR = "tests/integration/firstHour.test.ts";
  /** The commands that no test runs, with the reason. */
  const NOT_RUN: Record<string, string> = {
    "npm test": "runs this test",
    'npm run pulumi -- preview --cwd ../other-project --stack staging --policy-pack "$PWD/policy"':
      "needs another project; tests/integration/policies.test.ts has one",
    "htpasswd -nBC 12 central | npm run pulumi -- config set --secret users --stack prod":
      "needs Apache's htpasswd; tests/integration/gatewayTls.test.ts sets such users",
    "npm run up -- --stack prod": "differs from the command for dev in the name only",
    "export PULUMI_BACKEND_URL=s3://my-states PULUMI_CONFIG_PASSPHRASE=...": "needs an account of S3",
    "npm ci && mkdir -p .pulumi-state": "needs the network; the test uses the installed node modules",
    "pulumi stack select --create dev && pulumi up": "the test runs a preview instead",
  };
  const commands = DOCUMENTS.filter((file) => file !== "CONTRIBUTING.md")
    .flatMap((file) => [...readFileSync(file, "utf8").matchAll(/^```sh\n([^]*?)^```/gm)])
    .flatMap(([, block = ""]) => block.trim().split("\n"))
    .map((line) => line.replace(/ +#.*$/, ""));
  const ours = [...new Set(commands)].filter((command) => /npm|pulumi/i.test(command));

  it.each(ours.filter((command) => !(command in NOT_RUN)))("are run by a test: %s", (command) => {
    expect(readFileSync(FIRST_HOUR, "utf8")).toContain(command);
  });

  it("have no outdated exceptions from that", () => {
    for (const command of Object.keys(NOT_RUN)) expect(ours).toContain(command);
  });
});
