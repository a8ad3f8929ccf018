import { address } from "./api";

/** Prometheus's own page with a query; with a range, as a graph. */
export function prometheusPage(expr: string, range?: string): string {
  const url = address("query");
  url.search = new URLSearchParams({
    "g0.expr": expr,
    ...(range && { "g0.tab": "graph", "g0.range_input": range }),
  }).toString();
  return url.href;
}
