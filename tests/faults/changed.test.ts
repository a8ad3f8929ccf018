import { load } from "js-yaml";
import { docker, inspect } from "../support/docker";
import { eventually } from "../support/eventually";
import { failed, Stack, succeeded } from "../support/stack";
import { changeTwentyTimes, relabel } from "../support/configurationChanges";

let stack: Stack;
beforeAll(async () => {
  stack = await Stack.create({ scrapeInterval: "1s", hostLabel: "h" });
  await succeeded(stack.up());
});
afterAll(() => stack.remove());

test("twenty changes of the configuration cost no sample, and the last one is in force", () =>
  changeTwentyTimes(stack));

/** The configuration that Prometheus runs with. */
const loaded = async () => (await fetch(`${stack.prometheus}/api/v1/status/config`)).text();

test.each([
  ["edited", ""],
  ["edited and loaded", "kill -HUP 1"],
  ["edited in the same way again", ""],
])(
  "a configuration that was %s manually is shown in a preview, with the diff, and restored by an update",
  async (_, load) => {
    const container = stack.resource("prometheus");
    const { Id: id } = await inspect(container);
    const edit = 'cd /etc/prometheus; echo "  - job_name: manual-edit" >> prometheus.yml;';
    await docker("exec", container, "sh", "-c", edit + load);
    expect(await failed(stack.preview("--refresh", "--expect-no-changes"))).toMatch(
      /prometheus.yml was edited, 20.*\n.*\+ +- job_name: manual-edit/s,
    );
    await succeeded(stack.repairAndUp());
    expect(await docker("exec", container, "cat", "/etc/prometheus/prometheus.yml")).not.toContain(
      "manual-edit",
    );
    expect(await loaded()).not.toContain("manual-edit");
    expect((await inspect(container)).Id).toBe(id);
  },
);

test("after the last edit was undone, a preview shows no changes", async () => {
  await succeeded(stack.preview("--expect-no-changes", "--refresh"));
});

const bad: [string, object, RegExp][] = [
  [
    "hashmod without a modulus",
    relabel({ action: "hashmod", source_labels: ["a"], target_label: "b" }),
    /relabel configuration for hashmod requires non-zero modulus/,
  ],
  [
    "hashmod without a target",
    relabel({ action: "hashmod", source_labels: ["a"], modulus: 2 }),
    /requires 'target_label' value/,
  ],
  [
    "replace without a target",
    relabel({ action: "replace", source_labels: ["a"] }),
    /requires 'target_label' value/,
  ],
  [
    "labeldrop with a source",
    relabel({ action: "labeldrop", regex: "a", source_labels: ["b"] }),
    /labeldrop action requires only 'regex'/,
  ],
  [
    "labelkeep with a target",
    relabel({ action: "labelkeep", regex: "a", target_label: "b" }),
    /labelkeep action requires only 'regex'/,
  ],
  [
    "keepequal without a target",
    relabel({ action: "keepequal", source_labels: ["a"] }),
    /requires 'target_label' value/,
  ],
  [
    "lowercase without a target",
    relabel({ action: "lowercase", source_labels: ["a"] }),
    /requires 'target_label' value/,
  ],
];

test.each(bad)(
  "%s is rejected with the reason, and the running configuration stays",
  async (_, change, reason) => {
    const before = await loaded();
    expect(await failed(stack.loadConfig(await stack.configFiles({ scrapeJobs: [], ...change })))).toMatch(
      reason,
    );
    expect(await loaded()).toBe(before);
  },
);

test("a rejected configuration fails the update, and the next good one is loaded", async () => {
  const before = await loaded();
  const [, change, reason] = bad[0] ?? ["", {}, /^$/];
  await stack.configure(change);
  expect(await failed(stack.up())).toMatch(reason);
  expect(await loaded()).toBe(before);
  await stack.configure({ scrapeJobs: [] });
  await succeeded(stack.up());
  await succeeded(stack.preview("--expect-no-changes"));
});

const inFolder = (script: string) =>
  docker("exec", stack.resource("prometheus"), "sh", "-c", `cd /etc/prometheus; ${script}`);
const filesInForce = () => inFolder("cat prometheus.yml rules.yml");
const NOTHING_LEFT = "applied\nprometheus.yml\nrules.yml\ntargets";

test("a configuration that promtool accepts and Prometheus does not load is undone, with its rules", async () => {
  const [before, filesBefore] = [await loaded(), await filesInForce()];
  const files = await stack.configFiles({ alerts: { containerRestarts: 7 } });
  // Only the server opens the file.
  const bad = files.replace("  global:\n", "  global:\n    query_log_file: /absent/queries.log\n");
  expect(await failed(stack.loadConfig(bad))).toMatch(
    /Prometheus did not load this configuration, and the old one was restored: see the log of \S+-prometheus/,
  );
  expect(await filesInForce()).toBe(filesBefore);
  expect(await inFolder("ls")).toBe(NOTHING_LEFT);
  await eventually(async () => {
    expect(await loaded()).toBe(before);
  });
});

test("two updates at once, after one that ended with its container, leave the files of one of them", async () => {
  await inFolder("ln -s /proc/4194304 lock");
  const inputs = await Promise.all(
    [8, 9].map((n) => stack.configFiles({ retentionTime: `${n}d`, alerts: { containerRestarts: n } })),
  );
  await Promise.all(inputs.map((input) => succeeded(stack.loadConfig(input))));
  const texts = inputs.map((input) =>
    Object.values(load(input) as Record<string, string>)
      .join("")
      .trim(),
  );
  expect(texts).toContain(await filesInForce());
  expect(await inFolder("ls")).toBe(NOTHING_LEFT);
});
