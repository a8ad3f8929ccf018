import { inspect } from "./docker";
import { eventually } from "./eventually";
import { largestGap, query, sampleTimes } from "./prometheus";
import { succeeded, type Stack } from "./stack";

/** An extra scrape job, whose target does not exist. */
export const job = (n: number, more: object = {}) => ({
  job_name: `job-${n}`,
  static_configs: [{ targets: [`t${n}:1`] }],
  ...more,
});
/** The setting of a job with a relabeling rule. */
export const relabel = (rule: object) => ({ scrapeJobs: [job(1, { metric_relabel_configs: [rule] })] });

/** Numbers that look random and are the same in every run. */
function* random(seed: number): Generator<number, never> {
  for (let state = seed; ;) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    yield state / 2_147_483_648;
  }
}

/**
 * Changes the configuration of a stack that scrapes each second twenty times, and asserts that no sample is lost and the last
 * change is in force. The deploy step that updates run loads each change. Every fifth is an update, with the deploy step in it.
 */
export async function changeTwentyTimes(stack: Stack): Promise<void> {
  const numbers = random(5);
  const below = (n: number) => Math.floor(numbers.next().value * n);
  const { Id: id } = await inspect(stack.resource("prometheus"));
  const start = Date.now();
  for (let i = 1; i <= 20; i++) {
    const changes = [
      { scrapeJobs: Array.from({ length: below(4) }, (_, n) => job(n)) },
      { retentionTime: `${5 + below(20)}d` },
      { retentionSize: `${1 + below(20)}GB` },
      { alertmanagers: Array.from({ length: below(3) }, (_, n) => `am${n}:9093`) },
      relabel({ regex: `x${below(100)}.*`, action: "labeldrop" }),
    ];
    const change = changes[below(changes.length)] ?? {};
    if (i % 5 === 0) {
      // The retention makes each update differ from the one before.
      await stack.configure({ ...change, retentionTime: `${i}d` });
      await succeeded(stack.up());
    } else {
      await succeeded(stack.loadConfig(await stack.configFiles(change)));
    }
  }
  await eventually(async () => {
    const [age] = await query(stack.prometheus, 'time() - timestamp(up{job="cadvisor"}) and up == 1');
    expect(Number(age?.value[1])).toBeLessThan(2.5);
  });
  expect((await inspect(stack.resource("prometheus"))).Id).toBe(id);
  const seconds = Math.ceil((Date.now() - start) / 1000);
  const times = await sampleTimes(stack.prometheus, 'up{job="cadvisor"}', seconds);
  expect(times.length).toBeGreaterThan(20);
  // On a busy machine, a scrape can start late; a restart costs seven seconds.
  expect(largestGap(times)).toBeLessThan(5);
  await succeeded(stack.preview("--expect-no-changes"));
}
