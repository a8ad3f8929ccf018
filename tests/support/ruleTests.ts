import { XMLParser } from "fast-xml-parser";
import { dump } from "js-yaml";
import { rulesYaml, type RuleGroup } from "../../prometheus/rules";

/** Rules, with promtool's tests of them. */
export interface TestedRules {
  groups: readonly RuleGroup[];
  tests: object[];
}

/** The file to which promtool writes results. */
export const RESULTS = "results.xml";

/** The files and arguments with which promtool runs all tests in one process. */
export function promtoolInput(tested: readonly TestedRules[]): {
  files: Record<string, string>;
  args: string[];
} {
  const files: Record<string, string> = {};
  const cases = tested.map(({ groups, tests }, n) => {
    const rules = `rules.${n}.yml`;
    files[rules] = rulesYaml(groups);
    files[`cases.${n}.yml`] = dump({ rule_files: [rules], evaluation_interval: "30s", tests });
    return `cases.${n}.yml`;
  });
  return { files, args: ["test", "rules", "--junit", RESULTS, ...cases] };
}

/** A test, and the reason where it fails. */
export interface TestResult {
  name: string;
  reason?: string;
}

/** @returns the results of each of the tested rules, in their order */
export function promtoolResults(xml: string): TestResult[][] {
  const isArray = (tag: string) => ["testsuite", "testcase", "failure"].includes(tag);
  const parser = new XMLParser({ ignoreAttributes: false, attributeNamePrefix: "", isArray });
  const { testsuites } = parser.parse(xml) as {
    testsuites: { testsuite: { testcase: { name: string; failure?: string[]; error?: string }[] }[] };
  };
  return testsuites.testsuite.map(({ testcase }) =>
    testcase.map(({ name, failure, error }) => {
      const reasons = [...(failure ?? []), ...(error === undefined ? [] : [error])];
      return reasons.length > 0 ? { name, reason: reasons.join("\n") } : { name };
    }),
  );
}
