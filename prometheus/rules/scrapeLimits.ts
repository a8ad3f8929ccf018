import { durationSeconds, sizeBytes } from "../../lib/units";
import { ALERT_DEFAULTS, type AlertSettings } from "../../settings";
import { ruleGroup, type RuleGroup } from "./ruleGroup";

/** The part of a scrape job that its limits depend on. */
export interface LimitedJob {
  job_name: string;
  /** 0 and undefined are no limit. */
  body_size_limit?: string | 0 | undefined;
}

/** Series of targets that have alerts: those of LLM servers have the label of their container. */
const ALERTED = 'alerts!="none"';

/** The job that discovers LLM servers is none of the setting's, so that its limits are fixed. */
const LLM_SERVER =
  "An LLM server needs a job of its own there, and the container label llm-metrics.scrape=false.";

/**
 * Alerts about the limits of scrapes: Prometheus rejects a whole scrape that exceeds one. They apply to the jobs of the setting
 * `scrapeJobs` as well.
 *
 * @param jobs all scrape jobs, the stack's own first: Prometheus exposes no metric of their body size limits
 * @param scrapeInterval the alerts tolerate one scrape
 * @param alerts the fraction of a limit from which an alert fires
 */
export function scrapeLimitRules(
  jobs: readonly LimitedJob[],
  scrapeInterval: string,
  { scrapeLimitRatio: near }: AlertSettings = ALERT_DEFAULTS,
): RuleGroup {
  const twoScrapes = `${Math.ceil(2 * durationSeconds(scrapeInterval))}s`;
  return ruleGroup("scrape_limits", [
    {
      alert: "ScrapeSampleLimitNear",
      expr: `scrape_samples_post_metric_relabeling{${ALERTED}} / (scrape_sample_limit > 0) > ${near}`,
      for: twoScrapes,
      severity: "warning",
      summary:
        "The job {{ $labels.job }} on {{ $labels.host }} stores {{ $value | humanizePercentage }} of its sample limit",
      description: `Above 100 %, every series of {{ $labels.instance }} is lost. In scrapeJobs, raise sample_limit, or drop series by metric_relabel_configs. ${LLM_SERVER}`,
    },
    {
      alert: "ScrapeBodySizeLimitNear",
      expr: bodySizeNear(jobs, near),
      for: twoScrapes,
      severity: "warning",
      summary:
        "The response of {{ $labels.instance }} on {{ $labels.host }} to the job {{ $labels.job }} is near its size limit: {{ $value | humanize1024 }}B",
      description: `Above the limit, every series of the target is lost. In scrapeJobs, raise body_size_limit. ${LLM_SERVER} cAdvisor repeats a container's labels in each line.`,
    },
    {
      alert: "ScrapeTimeoutNear",
      // TargetDown reports scrapes that fail.
      expr: `(scrape_duration_seconds{${ALERTED}} > ${near} * scrape_timeout_seconds) and up == 1`,
      for: twoScrapes,
      severity: "warning",
      summary:
        "A scrape of {{ $labels.instance }} on {{ $labels.host }} by the job {{ $labels.job }} takes {{ $value | humanizeDuration }}, which is near its timeout",
      description: `A scrape that exceeds its timeout stores nothing. See whether the host is overloaded; in scrapeJobs, raise scrape_timeout. ${LLM_SERVER}`,
    },
    {
      alert: "ScrapeRejected",
      // A response was read (its size is -1 above body_size_limit, and 0 without one), and nothing of it is stored.
      expr: `up{${ALERTED}} == 0 and scrape_body_size_bytes != 0`,
      for: twoScrapes,
      severity: "warning",
      summary:
        "Prometheus rejects the metrics of {{ $labels.instance }} on {{ $labels.host }} for the job {{ $labels.job }}, and stores none of them",
      description: `They exceed a limit, or are malformed: /targets of Prometheus says which. In scrapeJobs, raise the limit, or drop the label by metric_relabel_configs. ${LLM_SERVER}`,
    },
  ]);
}

/** Jobs with another limit than the first one are named. All others share a condition, so that a further job changes no rule. */
function bodySizeNear(jobs: readonly LimitedJob[], ratio: number): string {
  const [shared = 0] = jobs.map(limitOf);
  const named = jobs.filter((job) => limitOf(job) !== shared);
  const near = (matchers: string[], limit: number) =>
    `scrape_body_size_bytes{${[...matchers, ALERTED].join(",")}} > ${Math.floor(ratio * limit)}`;
  return [
    near(
      named.map(({ job_name }) => `job!=${JSON.stringify(job_name)}`),
      shared,
    ),
    ...named
      .filter((job) => limitOf(job) > 0)
      .map((job) => near([`job=${JSON.stringify(job.job_name)}`], limitOf(job))),
  ].join(" or ");
}

const limitOf = ({ body_size_limit = 0 }: LimitedJob) => sizeBytes(String(body_size_limit));
