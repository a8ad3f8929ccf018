import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { buildPrometheus, type PrometheusRelease } from "../../airgap/toolchain/prometheus";
import { run } from "../../lib/run";
import { durationSeconds } from "../../lib/units";
import { ALERT_NAMES, type AlertName } from "../../settings";
import { promtoolInput, promtoolResults, RESULTS } from "../support/ruleTests";
import { settings } from "../support/settings";
import { ALWAYS_FIRING, CASES, promtoolTests, rulesOf, type Rule } from "./alertCases";

/** A rule with one change. */
interface Mutant {
  alert: AlertName;
  /** What differs. */
  change: string;
  original: Rule;
  mutated: Rule;
}

const METRICS = new Set([
  ...Object.values(CASES)
    .flat()
    .flatMap(({ series }) => Object.keys(series).map((one) => one.replace(/\{.*/, ""))),
  ...ALERT_NAMES.flatMap((alert) => rulesOf(alert)).flatMap(({ rules }) =>
    rules.flatMap((rule) => ("record" in rule ? rule.record : [])),
  ),
]);

const OPPOSITE: Record<string, string> = {
  "=": "!=",
  "!=": "=",
  "=~": "!~",
  "!~": "=~",
  ">": "<",
  "<": ">",
  ">=": "<",
  "==": "!=",
  " and ": " unless ",
  " unless ": " and ",
};
const opposite = (operator = "") => OPPOSITE[operator] ?? operator;

/** Twice as much, and half as much; for nothing, less. */
const otherNumbers = (text: string) =>
  Number(text) === 0 ? ["-1"] : [2, 0.5].map((factor) => String(Number(text) * factor));
/** As {@link otherNumbers}; times below the interval of evaluations are equal. */
const otherDurations = (text: string) =>
  [2, 0.5]
    .map((factor) => durationSeconds(text) * factor)
    .filter((seconds) => seconds >= 30)
    .map((seconds) => `${seconds * 1000}ms`);

/** The places of an expression that change, and what stands there instead. */
const PLACES: [RegExp, (match: RegExpExecArray) => string[]][] = [
  [/[a-z_][a-z0-9_:]*/g, ([name]) => (METRICS.has(name) ? [`${name}_renamed`] : [])],
  [/(?<=\w)(=~|!~|!=|=)(?=")/g, ([operator]) => [opposite(operator)]],
  [/(?<= )(>=|==|>|<)(?= )/g, ([operator]) => [opposite(operator)]],
  [/ and | unless /g, ([operator]) => [opposite(operator)]],
  [/(?<![\w.:[])\d+(\.\d+)?(e\d+)?(?![\w.\]])/g, ([number]) => otherNumbers(number)],
];

const isQuoted = (expr: string, index: number) => expr.slice(0, index).split('"').length % 2 === 0;

/** Expressions with other ranges. Those of a day, which stand for any time, are no thresholds. */
const otherRanges = (expr: string) =>
  [...new Set([...expr.matchAll(/(?<=\[)\w+(?=\])/g)].map(([range]) => range))]
    .filter((range) => durationSeconds(range) < 86_400)
    .flatMap((range) => otherDurations(range).map((other) => expr.replaceAll(`[${range}]`, `[${other}]`)));

function otherExpressions(expr: string): string[] {
  const others = PLACES.flatMap(([place, others]) =>
    [...expr.matchAll(place)]
      .filter(({ index }) => !isQuoted(expr, index))
      .flatMap((match) =>
        others(match).map(
          (other) => expr.slice(0, match.index) + other + expr.slice(match.index + match[0].length),
        ),
      ),
  );
  return [...others, ...otherRanges(expr)];
}

function mutants(alert: AlertName): Mutant[] {
  const rules = rulesOf(alert).flatMap((group) => group.rules);
  return rules.flatMap((original) => [
    ...otherExpressions(original.expr).map((expr) => ({
      alert,
      change: expr,
      original,
      mutated: { ...original, expr },
    })),
    ...("for" in original && original.for ? otherDurations(original.for) : []).map((time) => ({
      alert,
      change: `for ${time}`,
      original,
      mutated: { ...original, for: time },
    })),
  ]);
}

/**
 * `npm run mutate`: changes each rule of each alert in one place, and logs the changes that no case notices.
 *
 * @returns 0 where each change is noticed, otherwise 1
 */
export default async function mutate(): Promise<number> {
  const release = settings().prometheusImage.replace(/^.*:v/, "") as PrometheusRelease;
  const promtool = path.join(await buildPrometheus(release), "promtool");
  const folder = await mkdtemp(path.join(os.tmpdir(), "mutants-"));
  const all = ALERT_NAMES.filter((alert) => !ALWAYS_FIRING.includes(alert)).flatMap(mutants);
  const { files, args } = promtoolInput(
    all.map(({ alert, original, mutated }) => ({
      groups: rulesOf(alert, (rule) => (rule.expr === original.expr ? mutated : rule)),
      tests: promtoolTests(alert),
    })),
  );
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(folder, name), text);
  await run(promtool, args, { cwd: folder }).catch(() => undefined);
  const results = promtoolResults(await readFile(path.join(folder, RESULTS), "utf8"));
  await rm(folder, { recursive: true });

  const survivors = all.filter((_, n) => results[n]?.every(({ reason }) => reason === undefined));
  for (const { alert, change, original } of survivors)
    console.log(`${alert} is not noticed:\n  ${change}\n  instead of\n  ${original.expr}`);
  const invalid = results.flat().filter(({ reason }) => reason?.includes("parse error"));
  console.log(
    `${all.length} changes of the rules, ${survivors.length} not noticed, ${invalid.length} invalid`,
  );
  return survivors.length + invalid.length > 0 ? 1 : 0;
}
