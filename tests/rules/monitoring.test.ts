import { monitoringRules, rulesFile } from "../../prometheus/rules";
import { testRules } from "../support/promtool";

/** cAdvisor is up, and started long ago. */
const cadvisorRuns = {
  'up{job="cadvisor",host="h"}': "1x100",
  'process_start_time_seconds{job="cadvisor",host="h"}': "-3600x100",
};

/** The series by which Prometheus exposes each fault, a sample every 30 s; when the alert is silent, and when it fires. */
const MONITORED: [alert: string, series: Record<string, string>, silent: string, firing: string][] = [
  ["PrometheusNotIngestingSamples", { 'up{job="prometheus",host="h"}': "1x20 _x20" }, "11m", "14m"],
  [
    "PrometheusWritesFailed",
    { 'prometheus_tsdb_wal_writes_failed_total{host="h"}': "0x20 7x200 0x20" },
    "9m",
    "12m",
  ],
  [
    "PrometheusTSDBCompactionsFailing",
    { 'prometheus_tsdb_compactions_failed_total{host="h"}': "3x20 4x20" },
    "9m",
    "12m",
  ],
  [
    "PrometheusTSDBReloadsFailing",
    { 'prometheus_tsdb_reloads_failures_total{host="h"}': "0x20 1x20" },
    "9m",
    "12m",
  ],
  [
    "PrometheusBadConfig",
    { 'prometheus_config_last_reload_successful{host="h"}': "1x20 0x20" },
    "11m",
    "13m",
  ],
  [
    "ContainerMetricsMissing",
    {
      ...cadvisorRuns,
      // Docker does not answer: cAdvisor exposes what it measured last.
      'container_cpu_usage_seconds_total{job="cadvisor",host="h",name="web"}': "0+3x20 60x20",
    },
    "10m30s",
    "12m",
  ],
  ["TargetDown", { 'up{job="cadvisor",instance="c:1",host="h"}': "1x20 0x3 1x5 0x20" }, "13m", "18m"],
];

describe("Monitoring alerts", () => {
  it.each(MONITORED)(
    "%s fires with its fault (%j), and not before",
    async (alertname, series, silent, firing) => {
      const group = monitoringRules("h", "30s");
      const healthy = 'up{job="prometheus",host="h"}';
      const at = (eval_time: string, fires: boolean) => ({
        expr: `count(ALERTS{alertstate="firing",alertname="${alertname}"})`,
        eval_time,
        exp_samples: fires ? [{ labels: "{}", value: 1 }] : [],
      });
      const nothingElse = (eval_time: string) => ({
        expr: `count(ALERTS{alertstate="firing",alertname!="${alertname}"})`,
        eval_time,
        exp_samples: [],
      });
      await testRules(rulesFile([group]), [
        {
          interval: "30s",
          input_series: Object.entries({ [healthy]: "1x100", ...series }).map(([one, values]) => ({
            series: one,
            values,
          })),
          promql_expr_test: [at(silent, false), at(firing, true), nothingElse(firing)],
        },
      ]);
    },
  );

  it("ContainerMetricsMissing fires where no container has a name, and stays silent while one is measured, or cAdvisor starts or is down", async () => {
    const CPU = 'container_cpu_usage_seconds_total{job="cadvisor",host="h",name="web"}';
    const alert = 'count(ALERTS{alertstate="firing",alertname="ContainerMetricsMissing"})';
    const fires = (eval_time: string, series: Record<string, string>, is: boolean) => ({
      interval: "30s",
      input_series: Object.entries({ ...cadvisorRuns, ...series }).map(([one, values]) => ({
        series: one,
        values,
      })),
      promql_expr_test: [{ expr: alert, eval_time, exp_samples: is ? [{ labels: "{}", value: 1 }] : [] }],
    });
    const started = (at: string) => ({
      'up{job="cadvisor",host="h"}': "_x10 1x20",
      'process_start_time_seconds{job="cadvisor",host="h"}': `_x10 ${at}x20`,
    });
    await testRules(rulesFile([monitoringRules("h", "30s")]), [
      fires("2m", {}, true),
      fires("10m", { [CPU]: "0+1x30" }, false),
      fires("10m", { [CPU]: "7x30", [CPU.replace("web", "cadvisor")]: "0+1x30" }, false),
      fires("10m", { 'up{job="cadvisor",host="h"}': "0x30" }, false),
      fires("6m30s", { ...started("300"), [CPU]: "_x12 0+1x30" }, false),
      fires("7m", { ...started("300"), [CPU]: "_x12 0+1x30" }, false),
      fires("8m", started("300"), true),
    ]);
  });

  it("PrometheusWritesFailed ends after a restart, or after three hours", async () => {
    const fires = (eval_time: string, values: string, count: number) => ({
      interval: "30s",
      input_series: [
        { series: 'prometheus_tsdb_wal_writes_failed_total{host="h"}', values },
        { series: 'up{job="prometheus",host="h"}', values: "1x500" },
      ],
      promql_expr_test: [
        {
          expr: 'count(ALERTS{alertstate="firing"})',
          eval_time,
          exp_samples: count ? [{ labels: "{}", value: count }] : [],
        },
      ],
    });
    await testRules(rulesFile([monitoringRules("h", "30s")]), [
      fires("15m", "0x20 7x20", 1),
      fires("15m", "0x20 7x5 0x20", 0),
      fires("2h", "0x20 7x500", 1),
      fires("3h30m", "0x20 7x500", 0),
    ]);
  });
});
