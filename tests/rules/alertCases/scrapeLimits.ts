import { cadvisor, EXEMPT, named, type AlertCases } from "./series";

const samples = (stored: string, limit: string) => ({
  [cadvisor("scrape_samples_post_metric_relabeling")]: stored,
  [cadvisor("scrape_sample_limit")]: limit,
});
const duration = (seconds: string, up: string) => ({
  [cadvisor("scrape_duration_seconds")]: seconds,
  [cadvisor("scrape_timeout_seconds")]: "10x120",
  [cadvisor("up")]: up,
});
const response = (up: string, size: string) => ({
  [cadvisor("up")]: up,
  [cadvisor("scrape_body_size_bytes")]: size,
});

/** Those series of an LLM server. */
const ofServer = (series: Record<string, string>, more = "") =>
  Object.fromEntries(
    Object.entries(series).map(([name, values]) => [
      name.replaceAll("cadvisor", "llm-servers").replace("}", `,${named("dev")}${more}}`),
      values,
    ]),
  );
/** And of one whose container has the label alerts=none. */
const exempt = (series: Record<string, string>) => ofServer(series, `,${EXEMPT}`);
const EXEMPT_TARGET = "about a container with the label alerts=none";

export const SCRAPE_LIMIT_CASES = {
  ScrapeSampleLimitNear: [
    { name: EXEMPT_TARGET, series: exempt(samples("16100x100", "20000x100")), silent: ["12m"] },
    {
      name: "above 80 % of the limit",
      series: samples("15000x20 16100x100", "20000x120"),
      silent: ["11m"],
      fires: ["12m"],
    },
    {
      name: "about an LLM server with 60 data-parallel engines",
      series: ofServer(samples("960x100", "1000x100")),
      silent: ["30s"],
      fires: ["2m"],
    },
    {
      name: "about an LLM server with 16 data-parallel engines",
      series: ofServer(samples("256x100", "1000x100")),
      silent: ["12m"],
    },
    { name: "without a limit", series: samples("900000x100", "0x100"), silent: ["20m"] },
    {
      name: "about one scrape",
      series: samples("15000x20 16100x0 15000x90", "20000x120"),
      silent: ["11m", "12m"],
    },
  ],
  ScrapeBodySizeLimitNear: [
    {
      name: EXEMPT_TARGET,
      series: exempt({ [cadvisor("scrape_body_size_bytes")]: "110000000x100" }),
      silent: ["12m"],
    },
    {
      name: "above 80 % of the limit",
      series: { [cadvisor("scrape_body_size_bytes")]: "100000000x20 110000000x100" },
      silent: ["11m"],
      fires: ["12m"],
    },
    {
      name: "about one scrape",
      series: { [cadvisor("scrape_body_size_bytes")]: "100000000x20 110000000x0 1000x100" },
      silent: ["11m", "12m"],
    },
  ],
  ScrapeTimeoutNear: [
    { name: EXEMPT_TARGET, series: exempt(duration("9x100", "1x120")), silent: ["12m"] },
    {
      name: "above 80 % of the timeout",
      series: duration("7x20 9x100", "1x120"),
      silent: ["11m"],
      fires: ["12m"],
    },
    {
      name: "where scrapes fail, which is another alert",
      series: duration("10x120", "0x120"),
      silent: ["20m"],
    },
    { name: "about one scrape", series: duration("7x20 9x0 7x100", "1x120"), silent: ["11m", "12m"] },
  ],
  ScrapeRejected: [
    { name: EXEMPT_TARGET, series: exempt(response("0x100", "5000x120")), silent: ["12m"] },
    {
      name: "where a response is not stored",
      series: response("1x20 0x100", "5000x120"),
      silent: ["11m"],
      fires: ["12m"],
    },
    {
      name: "where the response is larger than its limit",
      series: response("1x20 0x100", "5000x20 -1x100"),
      silent: ["11m"],
      fires: ["12m"],
    },
    {
      name: "where the target does not answer",
      series: response("1x20 0x100", "5000x20 0x100"),
      silent: ["20m"],
    },
    { name: "about one scrape", series: response("1x20 0x0 1x100", "5000x120"), silent: ["11m", "12m"] },
  ],
} satisfies AlertCases;
