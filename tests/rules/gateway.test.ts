import { gatewayRules, rulesFile } from "../../prometheus/rules";
import { testRules } from "../support/promtool";

describe("Gateway alerts", () => {
  it("fire on failed logins, rejected requests and an expiring certificate, and not on a few of them", async () => {
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
    await testRules(rulesFile([gatewayRules({ host: "h", expires: 1_209_000 })]), [
      {
        interval: "30s",
        input_series: [
          series("up", "h", "1x5 0x20"),
          answers(401, "h", "0+5x30"),
          answers(403, "h", "0+5x30"),
          series("up", "quiet", "1x30"),
          answers(200, "quiet", "0+50x30"),
          answers(401, "quiet", "0+1x30"),
          answers(403, "quiet", "0+1x30"),
        ],
        promql_expr_test: [
          {
            expr: 'count by (alertname, host) (ALERTS{alertstate="firing"})',
            eval_time: "10m",
            exp_samples: [
              "GatewayDown",
              "GatewayLoginsRefused",
              "GatewayRequestsRefused",
              "GatewayCertificateExpires",
            ].map((alert) => ({ labels: `{alertname="${alert}",host="h"}`, value: 1 })),
          },
        ],
      },
    ]);
  });

  it("fire on a certificate from two weeks before it expires", async () => {
    const expiring = (eval_time: string, count: number) => ({
      expr: 'count(ALERTS{alertstate="firing",alertname="GatewayCertificateExpires"})',
      eval_time,
      exp_samples: count ? [{ labels: "{}", value: count }] : [],
    });
    const twoWeeksAndTenMinutes = 14 * 86_400 + 600;
    await testRules(rulesFile([gatewayRules({ host: "h", expires: twoWeeksAndTenMinutes })]), [
      {
        interval: "30s",
        input_series: [{ series: 'up{job="gateway",host="h"}', values: "1x60" }],
        promql_expr_test: [expiring("9m", 0), expiring("12m", 1)],
      },
    ]);
  });
});
