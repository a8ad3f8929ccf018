import { cadvisor, gateway, type AlertCases } from "./series";

/** Answers of the gateway: increments of each status code in a scrape interval. */
const answers = (increments: Record<string, number>) =>
  Object.fromEntries(
    Object.entries(increments).map(([code, increment]) => [
      gateway("caddy_http_request_duration_seconds_count", `code="${code}",server="prometheus"`),
      `0+${increment}x100`,
    ]),
  );

export const GATEWAY_CASES = {
  GatewayDown: [
    {
      name: "after two minutes",
      series: { [gateway("up")]: "1x20 0x50" },
      silent: ["12m"],
      fires: ["13m"],
    },
    {
      name: "after two failed scrapes, and about other targets",
      series: { [gateway("up")]: "1x20 0x2 1x50", [cadvisor("up")]: "0x70" },
      silent: ["12m", "20m"],
    },
  ],
  GatewayLoginsRefused: [
    { name: "on more than twenty in five minutes", series: answers({ 401: 3 }), silent: [], fires: ["10m"] },
    {
      name: "about a browser's first requests, and other answers",
      series: answers({ 401: 1.5, 200: 50, 403: 50 }),
      silent: ["10m"],
    },
  ],
  GatewayRequestsRefused: [
    {
      name: "on more than twenty in five minutes",
      series: answers({ 400: 0.75, 403: 0.75, 413: 0.75, 421: 0.75 }),
      silent: [],
      fires: ["10m"],
    },
    {
      name: "about a few, and other answers",
      series: answers({ 403: 1.5, 200: 50, 401: 50, 404: 50 }),
      silent: ["10m"],
    },
  ],
  GatewayCertificateExpires: [
    {
      name: "from two weeks before",
      series: { [gateway("up")]: "1x100" },
      silent: ["9m"],
      fires: ["12m"],
    },
    { name: "while it is valid for longer", series: { [gateway("up")]: "1x100" }, silent: ["0s", "5m"] },
  ],
} satisfies AlertCases;
