import type { DescribedContainer, DescribedHost, DescribedServer } from "./describedHost";
import { containerLabels, exporterJob, varied, type Family, type SeriesOf, type Span } from "./samples";

const GIB = 1024 ** 3;
/** The 95th percentile of a time, by its median. */
const P95 = 2.6;
/** The power of the GPUs of each server. */
const WATTS = 500;
/** Since when a server that is down has not answered. */
const DOWN_MINUTES = 12;

/** A server with its container. */
interface Server {
  container: DescribedContainer;
  server: DescribedServer;
}

/** The records that have a series for each server, by what a description has of them. */
const VALUES: Record<string, (server: DescribedServer) => number | undefined> = {
  "llm:generated_tokens:rate5m": ({ generated }) => generated,
  "llm:prompt_tokens:rate5m": ({ prompts }) => prompts,
  "llm:tokens_per_joule:rate5m": ({ generated }) => generated && generated / WATTS,
  "llm:time_to_first_token_seconds:p50": ({ firstToken }) => firstToken,
  "llm:time_to_first_token_seconds:p95": ({ firstToken }) => firstToken && P95 * firstToken,
  "llm:time_per_output_token_seconds:p50": ({ outputToken }) => outputToken,
  "llm:time_per_output_token_seconds:p95": ({ outputToken }) => outputToken && P95 * outputToken,
  "llm:request_duration_seconds:p50": ({ duration }) => duration,
  "llm:request_duration_seconds:p95": ({ duration }) => duration && P95 * duration,
  "llm:prefix_cache_hits:ratio_rate5m": ({ cacheHits }) => cacheHits,
  "llm:requests:rate5m": ({ requests }) => requests,
  "llm:preemptions:rate5m": ({ preemptions }) => preemptions,
  "llm:request_errors:rate5m": ({ errors }) => errors,
};

/** The LLM servers of a host. */
const serversOf = ({ containers }: DescribedHost): Server[] =>
  containers.flatMap((container) => (container.server ? [{ container, server: container.server }] : []));

const isScraped = ({ server }: Server) => server.notScraped === undefined;

/** Whether a server answers, at a time: minutes since the first sample. */
const isUp =
  (last: number) =>
  ({ server }: Server, minutes: number): boolean =>
    !server.down || minutes < last - DOWN_MINUTES;

const labelsFor = (host: DescribedHost) => (server: Server) => ({
  host: host.name,
  ...containerLabels(server.container),
});

/** The series `up` of the scrapes of LLM servers. */
export const serverTargets = (host: DescribedHost, last: number): SeriesOf[] =>
  serversOf(host)
    .filter(isScraped)
    .map((one) => ({
      labels: {
        job: "llm-servers",
        instance: `${one.container.name}:8000`,
        ...labelsFor(host)(one),
      },
      at: (minutes) => Number(isUp(last)(one, minutes)),
    }));

/** The metrics of the LLM servers of a host, as the recording rules have them. */
export function serverFamilies(host: DescribedHost, span: Span): Family[] {
  const servers = serversOf(host);
  const scraped = servers.filter(isScraped);
  const last = (span.now - span.start) / 60;
  const answers = isUp(last);
  const labelsOf = labelsFor(host);
  const ofScraped = (name: string, at: (server: Server, minutes: number) => number): Family => ({
    name,
    series: scraped.map((one) => ({ labels: labelsOf(one), at: (minutes) => at(one, minutes) })),
  });
  /**
   * Of those that have a value, while they are up.
   *
   * @param like another metric, with which the values vary
   */
  const ofModels = (
    name: string,
    level: (server: Server) => number | undefined,
    shown: (value: number) => number = (value) => value,
    like = name,
  ): Family => ({
    name,
    series: scraped.flatMap((one) => {
      const value = level(one);
      if (value === undefined) return [];
      const at = varied(`${one.container.name} ${like}`, value);
      return [
        {
          labels: { ...labelsOf(one), model: one.server.model ?? "" },
          at: (minutes: number) => (answers(one, minutes) ? shown(at(minutes)) : undefined),
        },
      ];
    }),
  });
  return [
    {
      name: "llm_server_scraped",
      series: servers.map((one) => ({
        labels: { ...exporterJob(host), ...labelsOf(one), reason: one.server.notScraped ?? "" },
        at: () => Number(one.server.notScraped === undefined),
      })),
    },
    ofScraped("llm:up", (one, minutes) => Number(answers(one, minutes))),
    ofScraped("llm:answered_timestamp_seconds", (one, minutes) => {
      const answered = answers(one, minutes) ? minutes : last - DOWN_MINUTES;
      return span.start + 60 * answered;
    }),
    ...Object.entries(VALUES).map(([name, value]) => ofModels(name, ({ server }) => value(server))),
    ofModels(
      "llm:kv_cache_usage:ratio",
      ({ server }) => server.kvCache,
      (value) => Math.min(1, value),
    ),
    ofModels("llm:requests_running:sum", ({ server }) => server.running, Math.round),
    ofModels("llm:requests_waiting:sum", ({ server }) => server.waiting, Math.round),
    ofModels("llm:gpu_memory_used_bytes:sum", ({ container: { gpus } }) =>
      gpus?.reduce((total, { gibibytes }) => total + gibibytes * GIB, 0),
    ),
    ofModels(
      "llm:generated_tokens_per_gpu:rate5m",
      ({ container: { gpus }, server: { generated } }) => gpus && generated && generated / gpus.length,
      (value) => value,
      "llm:generated_tokens:rate5m",
    ),
  ];
}
