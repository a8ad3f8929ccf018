import { mkdtemp, rm, chmod, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { dump } from "js-yaml";
import { docker } from "../../probes/docker";
import { CONFIG_FOLDER, configFiles, prometheusConfig } from "../../prometheus/config";
import { GATEWAY_RULES, GPU_RULES, rulesFile } from "../../prometheus/rules";
import { stackImages } from "../../scripts/environment/images";
import { settings } from "../unit/fixtures";

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

const surroundings = {
  environment: "test",
  host: "llm-1",
  cadvisorTarget: "cadvisor:8080",
  gatewayTarget: "gateway:9180",
  gpuTarget: "gpu-exporter:9835",
};

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
  const files = configFiles(prometheusConfig(settings(changes), surroundings));
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
  const { name, text } = rulesFile(GPU_RULES);
  const rulesTest = {
    rule_files: [name],
    evaluation_interval: "30s",
    tests: [
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
    ],
  };
  expect(
    await promtool({ [name]: text, "test.yml": dump(rulesTest) }, "test", "rules", "test.yml"),
  ).toContain("SUCCESS");
});

test("wrong passwords, closed places, failed handshakes and an old certificate raise alerts, a few of them none", async () => {
  const { name, text } = rulesFile(GATEWAY_RULES);
  const series = (metric: string, host: string, values: string, more = "") => ({
    series: `${metric}{job="gateway",host="${host}"${more}}`,
    values,
  });
  const answers = (code: number, host: string, values: string) =>
    series("caddy_http_request_duration_seconds_count", host, values, `,code="${code}",server="prometheus"`);
  const rulesTest = {
    rule_files: [name],
    evaluation_interval: "30s",
    tests: [
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
    ],
  };
  expect(
    await promtool({ [name]: text, "test.yml": dump(rulesTest) }, "test", "rules", "test.yml"),
  ).toContain("SUCCESS");
});

test("a docker command that fails before it has read its input is told by what it said", async () => {
  await expect(docker(["exec", "-i", "no-such-container", "cat"], "a".repeat(1_000_000))).rejects.toThrow(
    /no such container/i,
  );
});
