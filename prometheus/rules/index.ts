import { createHash } from "node:crypto";
import { dump } from "js-yaml";
import type { RuleGroup } from "./types";

export { containerRules } from "./containers";
export { gatewayRules } from "./gateway";
export { GPU_RULES } from "./gpu";
export { monitoringRules } from "./monitoring";
export { scrapeLimitRules } from "./scrapeLimits";
export { unavailableRules, type UnavailableMetric } from "./unavailable";
export type { AlertingRule, RecordingRule, RuleGroup } from "./types";

/**
 * The file of rule groups. Its name depends on its text, so that a new configuration and its rules can be checked while the
 * current configuration still uses its own.
 */
export function rulesFile(groups: readonly RuleGroup[]): { name: string; text: string } {
  const text = dump({ groups }, { lineWidth: -1, noRefs: true });
  return { name: `rules.${createHash("sha256").update(text).digest("hex").slice(0, 8)}.yml`, text };
}
