import { OWN_JOBS } from "../../settings";
import type { RuleGroup } from "./types";

/**
 * Counts the out-of-memory kills of each container in whole numbers, which increase() does not: it extrapolates, and does not
 * count what a counter begins with. Each evaluation compares the counter with its value one interval before; there is a sample
 * only where it grew, so that sum_over_time() is the number of kills in any period.
 *
 * @param interval at which rules are evaluated, as a Prometheus duration
 */
export function containerRules(interval: string): RuleGroup {
  const now = `container_oom_events_total{job="${OWN_JOBS.cadvisor}"}`;
  // The last value within a day, because failed scrapes and stopped containers leave gaps.
  const growth = `${now} - last_over_time(${now}[1d] offset ${interval})`;
  // A counter that is new, or was reset by a restart of cAdvisor, has counted from 0.
  const fromZero = `${now} unless ${growth} >= 0`;
  // In the first interval of a Prometheus, every counter is new, whenever it began.
  const watched = `up{job="${OWN_JOBS.cadvisor}"} offset ${interval}`;
  return {
    name: "containers",
    rules: [
      {
        record: "container:oom_events:increase",
        expr: `sum without (job, instance) (${growth} > 0 or (${fromZero}) > 0 and on (job, instance) ${watched})`,
      },
    ],
  };
}
