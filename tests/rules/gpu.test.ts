import { gpuRules } from "../../prometheus/rules";
import { testRules } from "../support/promtool";

const RULES = [gpuRules()];

describe("GPU rules", () => {
  it("record CPU and memory of containers with GPUs beside their GPU use, over all their GPUs", async () => {
    const labels = (name: string) =>
      `host="h",id="/docker/${name}",name="${name}",image="i",llm_server="vllm"`;
    const series = (metric: string, name: string, values: string, more = "") => ({
      series: `${metric}{${labels(name)}${more}}`,
      values,
    });
    const gpu = (n: number) => `,job="exporter",gpu="${n}"`;
    const expected = (record: string, name: string, value: number) => ({
      expr: `gpu_container:${record}`,
      eval_time: "10m",
      exp_samples: [{ labels: `gpu_container:${record}{${labels(name)}}`, value }],
    });
    await testRules(RULES, [
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
});
