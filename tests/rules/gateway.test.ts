import { GATEWAY_RULES, rulesFile } from "../../prometheus/rules";
import { testRules } from "../support/promtool";

describe("Gateway alerts", () => {
  it("fire on wrong passwords, blocked requests, failed handshakes and an old certificate, and not on a few of them", async () => {
    const series = (metric: string, host: string, values: string, more = "") => ({
      series: `${metric}{job="gateway",host="${host}"${more}}`,
      values,
    });
    const answers = (code: number, host: string, values: string) =>
      series(
        "caddy_http_request_duration_seconds_count",
        host,
        values,
        `,code="${code}",server="prometheus"`,
      );
    await testRules(rulesFile(GATEWAY_RULES), [
      {
        interval: "30s",
        input_series: [
          series("up", "h", "1x5 0x20"),
          answers(401, "h", "0+5x30"),
          answers(403, "h", "0+5x30"),
          series("gateway_handshake_errors_total", "h", "0+1x30", ',reason="plain_http"'),
          series("gateway_certificate_expiry_timestamp_seconds", "h", "100000x30"),
          series("up", "quiet", "1x30"),
          answers(200, "quiet", "0+50x30"),
          answers(401, "quiet", "0+1x30"),
          answers(403, "quiet", "0+1x30"),
          series("gateway_handshake_errors_total", "quiet", "0+9x30", ',reason="all"'),
          series("gateway_certificate_expiry_timestamp_seconds", "quiet", "9000000x30"),
        ],
        promql_expr_test: [
          {
            expr: 'count by (alertname, host) (ALERTS{alertstate="firing"})',
            eval_time: "10m",
            exp_samples: [
              "GatewayDown",
              "GatewayLoginsRefused",
              "GatewayRequestsRefused",
              "GatewayHandshakesRefused",
              "GatewayCertificateExpires",
            ].map((alert) => ({ labels: `{alertname="${alert}",host="h"}`, value: 1 })),
          },
        ],
      },
    ]);
  });
});
