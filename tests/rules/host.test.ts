import { readFileSync } from "node:fs";
import { hostRules, RULES_FILE, rulesYaml } from "../../prometheus/rules";
import { runPromtool, testRules } from "../support/promtool";

const RULES = [hostRules()];

const of = (job: string, metric: string, values: string, more = "") => ({
  series: `${metric}{job="${job}",instance="${job}:1",host="h"${more}}`,
  values,
});
const node = (metric: string, values: string, more?: string) => of("host", metric, values, more);
const cadvisor = (metric: string, values: string, more?: string) => of("cadvisor", metric, values, more);

/** A record, which has to have one sample with the label host and more, or none. */
const has = (record: string, value: number | undefined, more = "") => ({
  expr: `host:${record}`,
  eval_time: "20m",
  exp_samples: value === undefined ? [] : [{ labels: `host:${record}{host="h"${more}}`, value }],
});

const SWAP = { total: "node_memory_SwapTotal_bytes", free: "node_memory_SwapFree_bytes" };

describe("Records of the host", () => {
  it("have the use of CPU, memory, swap, disks and network, without labels of a scrape", async () => {
    const disk = ',mountpoint="/data",fstype="ext4",device="/dev/sda"';
    await testRules(RULES, [
      {
        interval: "30s",
        input_series: [
          cadvisor("machine_cpu_cores", "4x60", ',machine_id="m"'),
          cadvisor("machine_cpu_usage_seconds_total", "0+60x60", ',cpu="total"'),
          cadvisor("machine_network_receive_bytes_total", "0+300x60", ',interface="eth0"'),
          cadvisor("machine_network_transmit_bytes_total", "0+600x60", ',interface="eth0"'),
          node("node_load15", "6x60"),
          node("node_pressure_cpu_waiting_seconds_total", "0+3x60"),
          node("node_pressure_io_waiting_seconds_total", "0+6x60"),
          node("node_memory_MemTotal_bytes", "100x60"),
          node("node_memory_MemAvailable_bytes", "25x60"),
          node(SWAP.total, "8x60"),
          node(SWAP.free, "6x60"),
          // df: 60 used, 20 available, 20 reserved for root.
          node("node_filesystem_size_bytes", "100x60", disk),
          node("node_filesystem_free_bytes", "40x60", disk),
          node("node_filesystem_avail_bytes", "20x60", disk),
          node("node_filesystem_files", "100x60", disk),
          node("node_filesystem_files_free", "75x60", disk),
        ],
        promql_expr_test: [
          has("cpu_used:ratio", 0.5),
          has("load_per_core:avg15m", 1.5),
          has("cpu_pressure:ratio", 0.1),
          has("io_pressure:ratio", 0.2),
          has("memory_used:ratio", 0.75),
          has("swap_used:ratio", 0.25),
          has("filesystem_used:ratio", 0.75, disk),
          has("filesystem_files_used:ratio", 0.25, disk),
          has("network_receive_bytes:rate5m", 10, ',interface="eth0"'),
          has("network_transmit_bytes:rate5m", 20, ',interface="eth0"'),
        ],
      },
    ]);
  });

  it("are absent, not 0, where the host has no swap, no pressure and no fixed number of inodes", async () => {
    await testRules(RULES, [
      {
        interval: "30s",
        input_series: [
          node(SWAP.total, "0x60"),
          node(SWAP.free, "0x60"),
          node("node_filesystem_files", "0x60", ',mountpoint="/data"'),
          node("node_filesystem_files_free", "0x60", ',mountpoint="/data"'),
        ],
        promql_expr_test: [
          has("swap_used:ratio", undefined),
          has("filesystem_files_used:ratio", undefined),
          has("memory_pressure:ratio", undefined),
        ],
      },
    ]);
  });
});

describe("The documented queries about the host", () => {
  it("are PromQL", async () => {
    const [, section = ""] = /^## The host$([^]*?)^## /m.exec(readFileSync("docs/metrics.md", "utf8")) ?? [];
    const queries = [...section.matchAll(/^\| [^`|]+\? *(?:In seconds\.)? *\| `(.+)` +\|$/gm)];
    expect(queries.length).toBeGreaterThan(3);
    const rules = queries.map(([, expr = ""], n) => ({ record: `query:${n}`, expr }));
    const files = { [RULES_FILE]: rulesYaml([{ name: "host", rules }]) };
    expect(await runPromtool(files, "check", "rules", RULES_FILE)).toContain("SUCCESS");
  });
});
