import { mkdtemp, rm, chmod, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { dump } from "js-yaml";
import { docker } from "../../host/docker";
import { buildConfiguration, CONFIG_FOLDER } from "../../prometheus/config";
import { gatewayRules, GPU_RULES, monitoringRules, rulesFile } from "../../prometheus/rules";
import { stackImages } from "../../cli/prerequisites/images";
import { settings } from "../support/settings";

let folder: string;
beforeAll(async () => {
  await stackImages("of-the-tests");
  folder = await mkdtemp(path.join(os.tmpdir(), "promtool-"));
  await chmod(folder, 0o755);
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs the promtool of Prometheus's image on files in its configuration folder. */
async function promtool(files: Record<string, string>, ...args: string[]): Promise<string> {
  for (const [name, content] of Object.entries(files)) await writeFile(path.join(folder, name), content);
  const run = ["run", "--rm", "--network", "none", "--volume", `${folder}:${CONFIG_FOLDER}:ro`];
  return docker([
    ...run,
    "--workdir",
    CONFIG_FOLDER,
    "--entrypoint",
    "promtool",
    settings().prometheusImage,
    ...args,
  ]);
}

/** Has promtool test rules, evaluated every 30 s, in its own words. */
async function testRules({ name, text }: { name: string; text: string }, tests: object[]): Promise<void> {
  const file = dump({ rule_files: [name], evaluation_interval: "30s", tests });
  expect(await promtool({ [name]: text, "test.yml": file }, "test", "rules", "test.yml")).toContain(
    "SUCCESS",
  );
}

const context = { environment: "test", host: "llm-1", gpu: true };

test.each([
  ["by default", {}],
  [
    "with everything that settings allow",
    {
      alertmanagers: ["alertmanager:9093"],
      retentionTime: "1y",
      dcgmExporter: "dcgm-exporter:9400",
      scrapeJobs: [
        {
          job_name: "vllm",
          scrape_interval: "15s",
          scrape_timeout: "5s",
          metrics_path: "/metrics",
          scheme: "https",
          params: { a: ["b"] },
          honor_labels: true,
          sample_limit: 100,
          static_configs: [{ targets: ["vllm:8000"], labels: { model: "m" } }],
          relabel_configs: [
            {
              source_labels: ["__address__"],
              separator: ";",
              regex: "(.*)",
              modulus: 2,
              target_label: "shard",
              action: "hashmod",
            },
          ],
          metric_relabel_configs: [{ regex: "x.*", action: "labeldrop" }],
        },
      ],
    },
  ],
])("promtool has no complaint about the configuration %s", async (_, changes) => {
  const files = buildConfiguration(settings(changes), context).files;
  const output = await promtool(files, "check", "config", "--lint=all", "--lint-fatal", "prometheus.yml");
  expect(output).toContain("SUCCESS");
  expect(output).toMatch(/SUCCESS: \d+ rules found/);
});

test("the recorded CPU and memory are those of containers with GPUs, beside their GPU use, over all their GPUs", async () => {
  const labels = (name: string) => `host="h",id="/docker/${name}",name="${name}",image="i",llm_server="vllm"`;
  const series = (metric: string, name: string, values: string, more = "") => ({
    series: `${metric}{${labels(name)}${more}}`,
    values,
  });
  const gpu = (n: number) => `,job="gpu",gpu="${n}"`;
  const expected = (record: string, name: string, value: number) => ({
    expr: `gpu_container:${record}`,
    eval_time: "10m",
    exp_samples: [{ labels: `gpu_container:${record}{${labels(name)}}`, value }],
  });
  await testRules(rulesFile([GPU_RULES]), [
    {
      interval: "30s",
      input_series: [
        series("container_cpu_usage_seconds_total", "chat", "0+60x30", ',job="cadvisor"'),
        series("container_cpu_usage_seconds_total", "web", "0+60x30", ',job="cadvisor"'),
        series("container_memory_working_set_bytes", "chat", "1000x30", ',job="cadvisor"'),
        series("container_memory_working_set_bytes", "web", "5000x30", ',job="cadvisor"'),
        ...[0, 1].flatMap((n) => [
          series("container_gpu_info", "chat", "1x30", gpu(n)),
          series("container_gpu_memory_used_bytes", "chat", `${30 + n}x30`, gpu(n)),
          series("container_gpu_memory_total_bytes", "chat", "80x30", gpu(n)),
          series("container_gpu_utilization_ratio", "chat", `0.${2 + 4 * n}x30`, gpu(n)),
        ]),
      ],
      promql_expr_test: [
        expected("cpu_usage_cores:rate5m", "chat", 2),
        expected("memory_working_set_bytes:sum", "chat", 1000),
        expected("gpu_memory_used_bytes:sum", "chat", 61),
        expected("gpu_memory_total_bytes:sum", "chat", 160),
        expected("gpu_utilization_ratio:avg", "chat", 0.4),
      ],
    },
  ]);
});

/** What of an alert's faults is in the series of Prometheus about itself, one sample every 30 s. */
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
  ["TargetDown", { 'up{job="cadvisor",instance="c:1",host="h"}': "1x20 0x3 1x5 0x20" }, "13m", "18m"],
];

test.each(MONITORED)(
  "%s fires when its fault is there (%j), and not before",
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

test("a restart ends the alert about writes that failed, and so do three hours", async () => {
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

test("failed logins, rejected requests and an expiring certificate raise alerts, a few of them none", async () => {
  const series = (metric: string, host: string, values: string, more = "") => ({
    series: `${metric}{job="gateway",host="${host}"${more}}`,
    values,
  });
  const answers = (code: number, host: string, values: string) =>
    series("caddy_http_request_duration_seconds_count", host, values, `,code="${code}",server="prometheus"`);
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

test("a certificate raises no alert until two weeks before it expires", async () => {
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

test("a docker command that fails before it has read its input is told by what it said", async () => {
  await expect(
    docker(["exec", "-i", "no-such-container", "cat"], { input: "a".repeat(1_000_000) }),
  ).rejects.toThrow(/no such container/i);
});
