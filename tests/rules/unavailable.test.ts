import { unavailableRules } from "../../prometheus/rules";
import { testRules } from "../support/promtool";

it("MetricUnavailable names each metric that the host does not provide, with the reason", async () => {
  const unavailable = [
    { metric: "container_oom_events_total", reason: "the host has no kernel log" },
    { metric: "container_gpu_*", reason: "no container starts with the runtime nvidia" },
  ];
  const exp_alerts = unavailable.map(({ metric, reason }) => ({
    exp_labels: { severity: "info", host: "h", metric, reason },
    exp_annotations: { summary: `The host h does not provide ${metric}`, description: `${reason}.` },
  }));
  const firing = [unavailableRules("h", unavailable)];
  const silent = [unavailableRules("h", [])];
  await testRules(firing, [
    { alert_rule_test: [{ eval_time: "1m", alertname: "MetricUnavailable", exp_alerts }] },
  ]);
  await testRules(silent, [
    { alert_rule_test: [{ eval_time: "1m", alertname: "MetricUnavailable", exp_alerts: [] }] },
  ]);
});
