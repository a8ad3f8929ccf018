import { OWN_JOBS } from "../prometheus/queries";
import type { AllValues, Described, Description } from "./answers";
import type { Labels, PrometheusTarget } from "./api";
import { duration } from "./format";
import { groupBy } from "./group";
import { last, type Series } from "./tagged";

/** What an LLM server reports about itself. */
export interface ServerReport {
  models: string[];
  /** Tokens per second. */
  generated?: Series | undefined;
  prompts?: number | undefined;
  /** Requests. */
  running?: Series | undefined;
  waiting?: Series | undefined;
  /** The 95th percentile of the time to the first token, in seconds. */
  firstToken?: Series | undefined;
  /** Fraction of the KV cache in use. */
  kvCache?: Series | undefined;
  /** Why it reports nothing now. */
  missing?: string | undefined;
}

/** What is known about the scrapes of a server. */
interface Scrapes {
  /** Why Prometheus does not scrape it; undefined where it does. */
  reason?: string | undefined;
  /** Whether it answered the last scrape; undefined without one, and where the forwarder or the exporter fails. */
  isUp?: boolean | undefined;
  /** Of the last scrape. */
  error?: string | undefined;
  /** The last time at which it answered one, and the start of its container: Unix seconds. */
  answered?: number | undefined;
  started: number;
}

/** Why Prometheus does not scrape a server, by the label `reason`. */
const NOT_SCRAPED: Readonly<Record<string, string>> = {
  network: "it is on no network on which servers are scraped (setting llmNetworks)",
  port: "its port is unknown (container label llm-metrics.port)",
  key: "it has a key (setting llmKeys), and is in the host's network, where another process could get the key",
  engine: "its engine exposes none",
  label: "the container label llm-metrics.scrape is false",
};

/** Why a server reports nothing; undefined where it answers scrapes. */
export function whyMissing({ reason, isUp, error, answered = 0, started }: Scrapes, at: number) {
  if (reason !== undefined) return `Its own metrics are not scraped: ${NOT_SCRAPED[reason] ?? reason}.`;
  const why = error ? ` (${error})` : "";
  if (isUp === undefined && error) return `Its own metrics cannot be scraped now${why}.`;
  if (isUp === undefined)
    return "Its own metrics are not scraped: it is new, the forwarder or the exporter fails, or the setting llmServers is off.";
  if (isUp) return undefined;
  return answered > started
    ? `It has not answered scrapes for ${duration(at - answered)}${why}.`
    : `It has not answered a scrape since its start, ${duration(at - started)} ago${why}. It may still load its model.`;
}

/** Of a server that answers scrapes. */
export const WITHOUT_METRICS = "It answers scrapes, without metrics of its engine.";

/** The models that a server serves. */
export const modelNames = (models: readonly Description[]): string[] =>
  models.map(({ labels }) => labels["model"] ?? "").sort();

/** The number of models of a server that are named; adapters can make many. */
const NAMED_MODELS = 3;

/** The models of a server, of which the first are named. */
export const modelsText = (models: readonly string[]): string =>
  models.length > NAMED_MODELS
    ? `${models.slice(0, NAMED_MODELS).join(", ")} and ${models.length - NAMED_MODELS} more`
    : models.join(", ");

/** Finds what each LLM server reports, by the labels of its container, and since when the container runs. */
export function serverReports(
  described: Described,
  { now, series }: AllValues,
  targets: readonly PrometheusTarget[],
  at: number,
): (labels: Labels, started: number) => ServerReport {
  const models = groupBy(described.models, ({ labels }) => labels["id"]);
  const up = new Map(described.llmUp.map(({ labels, value }) => [labels["id"], value === 1]));
  const reasons = new Map(described.notScraped.map(({ labels }) => [labels["id"], labels["reason"]]));
  const errors = new Map(
    targets
      .filter(({ labels }) => labels["job"] === OWN_JOBS.llm)
      .map(({ labels, lastError }) => [labels["id"], lastError]),
  );
  return (labels, started) => {
    const { id = "" } = labels;
    const of = (field: string) => series.container.get(`llm.${field}`, labels);
    const [generated, running, waiting] = [of("generated"), of("running"), of("waiting")];
    const isSilent = [generated, running, waiting].every((one) => last(one) === undefined);
    const scrapes = {
      reason: reasons.get(id),
      isUp: up.get(id),
      error: errors.get(id),
      answered: now.container.get("llm.answered", labels),
      started,
    };
    return {
      models: modelNames(models.get(id) ?? []),
      generated,
      prompts: now.container.get("llm.prompts", labels),
      running,
      waiting,
      firstToken: of("firstTokenP95"),
      kvCache: of("kvCache"),
      missing: whyMissing(scrapes, at) ?? (isSilent ? WITHOUT_METRICS : undefined),
    };
  };
}
