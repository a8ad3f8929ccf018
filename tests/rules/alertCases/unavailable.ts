import { HEALTHY, type AlertCases } from "./series";

export const UNAVAILABLE_CASES = {
  MetricUnavailable: [{ name: "always", series: HEALTHY, silent: [], fires: ["0s", "10m"] }],
} satisfies AlertCases;
