import { LAST_ANSWER, notScraped, type LLM_QUERIES } from "../prometheus/queries";
import type { Sample } from "./api";
import type { Described, Description } from "./answers";
import type { Chart, HistoryQuery, LinesOf } from "./containerHistory";
import { modelNames, whyMissing, WITHOUT_METRICS } from "./llmServers";
import { valuesNow } from "./tagged";

export type ServerField = keyof typeof LLM_QUERIES;

/** The series that describe the LLM server of a container. */
export const serverDescriptions = (matchers: string): Record<string, string> => ({
  llmUp: `max by (id) (llm:up{${matchers}})`,
  notScraped: `max by (id, reason) (${notScraped(matchers)})`,
  models: `count by (id, model) (llm:requests_waiting:sum{${matchers},model!=""})`,
  answered: LAST_ANSWER.expr({ matchers }),
});

/** What the view of a container shows of its LLM server beside the charts. */
export interface ServerHistory {
  models: string[];
  /** What it does not report, and why; "" where it reports everything. */
  missing: string;
}

/**
 * The charts of what an LLM server reports; those without lines have no samples.
 *
 * @param gpus the number of its GPUs
 */
export function serverCharts(
  queries: Record<ServerField, HistoryQuery>,
  linesOf: LinesOf,
  gpus: number,
): Chart[] {
  const chart = (title: string, fields: Record<string, ServerField>): Chart => {
    const [first = "generated"] = Object.values(fields);
    const { unit, expr } = queries[first];
    return { title, unit, expr, lines: linesOf(fields), missing: "" };
  };
  return [
    chart("Tokens generated", {
      "in total": "generated",
      ...(gpus > 1 && { "per GPU": "generatedPerGpu" }),
    }),
    chart("Tokens of prompts", { "in total": "prompts" }),
    chart("Requests running and waiting", { running: "running", waiting: "waiting" }),
    chart("Time to first token", { median: "firstTokenP50", p95: "firstTokenP95" }),
    chart("Time per output token", { median: "outputTokenP50", p95: "outputTokenP95" }),
    chart("Duration of requests", { median: "durationP50", p95: "durationP95" }),
    chart("KV cache", { "in use": "kvCache", "prefix cache hits": "prefixCacheHits" }),
    chart("Requests per second", { ended: "requests", failed: "errors", preempted: "preemptions" }),
  ];
}

/**
 * The LLM server of a container.
 *
 * @param charts all charts of servers
 */
export function serverOf({
  described,
  descriptions,
  running: { labels, value },
  charts,
  at,
}: {
  described: Described;
  descriptions: readonly Sample[];
  running: Description;
  charts: readonly Chart[];
  at: number;
}): ServerHistory {
  const isOfIt = (one: Description) => one.labels["id"] === labels["id"];
  const up = described.llmUp.find(isOfIt);
  const scrapes = {
    reason: described.notScraped.find(isOfIt)?.labels["reason"],
    isUp: up && up.value === 1,
    answered: valuesNow(descriptions, ["id"]).get("answered", labels),
    started: value,
  };
  const empty = charts.filter(({ lines }) => lines.length === 0).map(({ title }) => title);
  const isSilent = empty.length === charts.length;
  // The times of requests have no value while there are none.
  const absent =
    empty.length > 0
      ? `No samples in this time range: ${empty.join(", ")}. The engine does not expose them, or there was no request.`
      : "";
  return {
    models: modelNames(described.models.filter(isOfIt)),
    missing: whyMissing(scrapes, at) ?? (isSilent ? WITHOUT_METRICS : absent),
  };
}
