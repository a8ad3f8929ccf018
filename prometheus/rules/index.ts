import { dump } from "js-yaml";
import type { AlertSettings } from "../../settings";
import type { RuleGroup } from "./ruleGroup";

export { containerRules } from "./containers";
export { gatewayRules } from "./gateway";
export { gpuRules } from "./gpu";
export { hostRules } from "./host";
export { llmRules } from "./llm";
export { monitoringRules } from "./monitoring";
export { scrapeLimitRules } from "./scrapeLimits";
export { unavailableRules, type UnavailableMetric } from "./unavailable";
export type { RuleGroup } from "./ruleGroup";

/** The rules as the settings have them: without alerts that are off, and each alert with the address of its runbook. */
export const withSettings = (
  groups: readonly RuleGroup[],
  { disabled, runbooks }: AlertSettings,
): RuleGroup[] =>
  groups
    .map(({ name, rules }) => ({
      name,
      rules: rules
        .filter((rule) => !("alert" in rule && disabled.includes(rule.alert)))
        .map((rule) => {
          if (!("alert" in rule)) return rule;
          const runbook_url = `${runbooks}#${rule.alert.toLowerCase()}`;
          return { ...rule, annotations: { ...rule.annotations, runbook_url } };
        }),
    }))
    .filter(({ rules }) => rules.length > 0);

/**
 * The file of rule groups, beside prometheus.yml. Its name stays: Prometheus keeps the state of the alerts of a changed file, and
 * starts those of another file anew.
 */
export const RULES_FILE = "rules.yml";

/** The text of {@link RULES_FILE}. */
export const rulesYaml = (groups: readonly RuleGroup[]): string =>
  dump({ groups }, { lineWidth: -1, noRefs: true });
