import {
  containerRules,
  gatewayRules,
  gpuRules,
  hostRules,
  llmRules,
  monitoringRules,
  scrapeLimitRules,
  unavailableRules,
  type RuleGroup,
} from "../../../prometheus/rules";
import { alertSettings, type AlertName } from "../../../settings";
import { CONTAINER_CASES } from "./containers";
import { GATEWAY_CASES } from "./gateway";
import { GPU_CASES } from "./gpu";
import { HOST_CASES } from "./host";
import { LLM_CASES } from "./llm";
import { MONITORING_CASES } from "./monitoring";
import { SCRAPE_LIMIT_CASES } from "./scrapeLimits";
import type { AlertCase } from "./series";
import { UNAVAILABLE_CASES } from "./unavailable";

const TWO_WEEKS_AND_TEN_MINUTES = 14 * 86_400 + 600;

/** The alerts with the defaults of the settings, but for a time that would take long to evaluate. */
const ALERTS = alertSettings.parse({ gpuIdleFor: "3h" });

/** A rule of either kind. */
export type Rule = RuleGroup["rules"][number];

/** The rules of a stack that has all of them. */
export const RULES: RuleGroup[] = [
  monitoringRules("h", "30s", ALERTS, 1024),
  containerRules("30s", ALERTS),
  scrapeLimitRules([{ job_name: "cadvisor", body_size_limit: "128MB" }], "30s", ALERTS),
  gatewayRules({ host: "h", expires: TWO_WEEKS_AND_TEN_MINUTES }, ALERTS),
  hostRules(ALERTS),
  gpuRules(ALERTS),
  llmRules("30s", ALERTS),
  unavailableRules("h", [{ metric: "container_gpu_*", reason: "the driver is not loaded" }]),
];

/** Of each alert, series on which it fires, and series that look alike. */
export const CASES: Readonly<Record<AlertName, readonly AlertCase[]>> = {
  ...CONTAINER_CASES,
  ...HOST_CASES,
  ...GPU_CASES,
  ...LLM_CASES,
  ...MONITORING_CASES,
  ...SCRAPE_LIMIT_CASES,
  ...GATEWAY_CASES,
  ...UNAVAILABLE_CASES,
};

/** An alert, with the records that it needs. A change replaces its expression or theirs. */
export function rulesOf(alert: AlertName, change = (rule: Rule): Rule => rule): RuleGroup[] {
  const all = RULES.flatMap(({ rules }) => rules);
  const rule = all.find((one) => "alert" in one && one.alert === alert);
  if (!rule) throw new Error(`no rule has the alert ${alert}`);
  const records = all.filter((one) => "record" in one && rule.expr.includes(one.record));
  return [{ name: alert, rules: [...records, rule].map(change) }];
}

/** The alerts without a look-alike: they fire wherever they are configured. */
export const ALWAYS_FIRING: readonly AlertName[] = ["Watchdog", "MetricUnavailable"];

/** promtool's tests of an alert's cases: whether it fires, at each time. */
export function promtoolTests(alert: AlertName): object[] {
  const expr = `group(ALERTS{alertstate="firing",alertname="${alert}"})`;
  const at = (times: string[], exp_samples: object[]) =>
    times.map((eval_time) => ({ expr, eval_time, exp_samples }));
  return CASES[alert].map(({ name, series, silent, fires = [] }) => ({
    name: `${alert} ${name}`,
    interval: "30s",
    input_series: Object.entries(series).map(([one, values]) => ({ series: one, values })),
    promql_expr_test: [...at(silent, []), ...at(fires, [{ labels: "{}", value: 1 }])],
  }));
}
