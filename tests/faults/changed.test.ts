import { query, eventually, inspect } from "../integration/host";
import { failed, Stack, succeeded } from "../integration/stack";

let stack: Stack;
beforeAll(async () => {
  stack = await Stack.create({ scrapeInterval: "1s", hostLabel: "h" });
  await succeeded(stack.up());
});
afterAll(() => stack.remove());

const job = (n: number, more: object = {}) => ({
  job_name: `job-${n}`,
  static_configs: [{ targets: [`t${n}:1`] }],
  ...more,
});
const relabel = (rule: object) => ({ scrapeJobs: [job(1, { metric_relabel_configs: [rule] })] });

/** Numbers that look random and are the same in every run. */
function* random(seed: number): Generator<number, never> {
  for (let state = seed; ;) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    yield state / 2_147_483_648;
  }
}

test("twenty changes of the configuration cost no sample, and the last one is in force", async () => {
  const numbers = random(5);
  const below = (n: number) => Math.floor(numbers.next().value * n);
  const { Id: id } = await inspect(stack.resource("prometheus"));
  const start = Date.now();
  for (let i = 0; i < 20; i++) {
    const changes = [
      { scrapeJobs: Array.from({ length: below(4) }, (_, n) => job(n)) },
      { retentionTime: `${5 + below(20)}d` },
      { retentionSize: `${1 + below(20)}GB` },
      { alertmanagers: Array.from({ length: below(3) }, (_, n) => `am${n}:9093`) },
      relabel({ regex: `x${below(100)}.*`, action: "labeldrop" }),
    ];
    await stack.configure(changes[below(changes.length)] ?? {});
    await succeeded(stack.up());
  }
  await eventually(async () => {
    const [age] = await query(stack.prometheus, 'time() - timestamp(up{job="cadvisor"} == 1)');
    expect(Number(age?.value[1])).toBeLessThan(2.5);
  });
  expect((await inspect(stack.resource("prometheus"))).Id).toBe(id);
  const range = `[${Math.ceil((Date.now() - start) / 1000)}s]`;
  const response = await fetch(
    `${stack.prometheus}/api/v1/query?${new URLSearchParams({ query: `up{job="cadvisor"}${range}` }).toString()}`,
  );
  const { data } = (await response.json()) as { data: { result: { values: [number, string][] }[] } };
  const times = (data.result[0]?.values ?? []).map(([time]) => time);
  const gaps = times.slice(1).map((time, i) => time - (times[i] ?? 0));
  expect(times.length).toBeGreaterThan(40);
  expect(Math.max(...gaps)).toBeLessThan(2.5);
  await succeeded(stack.preview("--expect-no-changes"));
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
    "an expression that is none",
    relabel({ source_labels: ["a"], regex: "(a", target_label: "b" }),
    /regex is "\(a", but must be a regular expression/,
  ],
  [
    "lowercase without a target",
    relabel({ action: "lowercase", source_labels: ["a"] }),
    /requires 'target_label' value/,
  ],
  [
    "a timeout longer than the interval",
    { scrapeJobs: [job(1, { scrape_timeout: "59s", scrape_interval: "58s" })] },
    /must not be longer than scrape_interval/,
  ],
  [
    "the same target twice in two jobs of one name",
    { scrapeJobs: [job(1), job(1)] },
    /is the name of another job/,
  ],
];

test.each(bad)(
  "%s is refused with the reason, and the running configuration stays",
  async (_, change, reason) => {
    const loaded = async () => (await fetch(`${stack.prometheus}/api/v1/status/config`)).text();
    const before = await loaded();
    await stack.configure({ scrapeJobs: [], ...change });
    expect(await failed(stack.up())).toMatch(reason);
    expect(await loaded()).toBe(before);
    await stack.configure({ scrapeJobs: [] });
    await succeeded(stack.up());
    await succeeded(stack.preview("--expect-no-changes"));
  },
);
