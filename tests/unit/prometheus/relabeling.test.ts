import { readFileSync } from "node:fs";
import { cut, cutStart } from "../../../lib/labels";
import * as catalogue from "../../../prometheus/catalogue";
import { LLM_METRICS } from "../../../prometheus/llmEngines";
import { llmServer } from "../../../prometheus/llmServers";
import { cadvisorRelabeling, EXPORTED_CONTAINER_LABELS, llmRelabeling } from "../../../prometheus/relabeling";
import { cadvisorJob } from "../../../prometheus/scrapeConfigs";
import { converted, stored } from "../../support/exposition";
import { engines, LLM_PAGES } from "../../support/llmPages";
import { relabeled, type SeriesLabels } from "../../support/relabel";
import { RULES } from "../../rules/alertCases";

/** What Prometheus stores of a series of cAdvisor; undefined for a dropped one. */
const storedOf = (series: SeriesLabels, hostMetrics = true) =>
  relabeled({ __name__: "container_start_time_seconds", ...series }, cadvisorRelabeling(hostMetrics));

const ID = "0123456789abcdef".repeat(4);
const container = (labels: SeriesLabels = {}): SeriesLabels => ({
  id: `/docker/${ID}`,
  name: "web",
  image: "example/web:1",
  ...labels,
});

/** The labels that cAdvisor makes of what a container's owner chooses, and the label that Prometheus stores. */
const CHOSEN = {
  name: "name",
  image: "image",
  interface: "interface",
  device: "device",
  container_label_com_docker_compose_project: "compose_project",
  container_label_com_docker_compose_service: "compose_service",
  container_label_llm_metrics_server: "llm_server",
  container_env_nvidia_visible_devices: "nvidia_visible_devices",
};

describe("Labels of cAdvisor", () => {
  it.each([
    ["2,001 characters", "a".repeat(2001)],
    ["4 kB of emoji", "😀".repeat(1024)],
    ["line breaks", "a\n".repeat(1000)],
    ["56 MIG devices", [...Array(56).keys()].map((n) => `MIG-${n}-${ID.slice(0, 36)}`).join(",")],
  ])("are cut as the exporter cuts them: %s", (_, value) => {
    for (const [exported, label] of Object.entries(CHOSEN))
      expect(storedOf(container({ [exported]: value }))?.[label]).toBe(cut(value));
  });

  it("are as they were up to 200 characters", () => {
    for (const value of ["web", "ü😀", "a\nb", "x".repeat(200)])
      for (const [exported, label] of Object.entries(CHOSEN))
        expect(storedOf(container({ [exported]: value }))?.[label]).toBe(value);
  });

  it("keep the end of an id", () => {
    const id = `/kubelet.slice${"/pod".repeat(60)}/docker-${ID}.scope`;
    expect(storedOf(container({ id }))?.["id"]).toBe(cutStart(id));
    expect(storedOf(container())?.["id"]).toBe(`/docker/${ID}`);
  });

  it("differ for two containers whose names and images differ after 200 characters", () => {
    const of = (end: string) =>
      storedOf({
        id: `/docker/${ID.slice(1)}${end}`,
        name: "n".repeat(300) + end,
        image: "i".repeat(300) + end,
      });
    expect(of("a")).not.toEqual(of("b"));
  });

  // Labels of 400 kB were met in the field (prometheus/prometheus 8198).
  it("stay below the limits of the job, in bytes, however long the labels of a container are", () => {
    const widest = "😀".repeat(100_000);
    const weird = Object.fromEntries(
      [...Array(500).keys()].flatMap((n) => [
        [`container_label_${"l".repeat(500)}${n}`, widest],
        [`container_env_nvidia_visible_devices_${n}`, widest],
      ]),
    );
    const chosen = Object.fromEntries(Object.keys(CHOSEN).map((label) => [label, widest]));
    const result = storedOf(container({ ...weird, ...chosen })) ?? {};
    const { label_limit, label_value_length_limit } = cadvisorJob("h", "30s");
    // Beside job, instance and host.
    expect(Object.keys(result).length).toBeLessThanOrEqual(label_limit - 3);
    for (const value of Object.values(result))
      expect(Buffer.byteLength(value)).toBeLessThanOrEqual(label_value_length_limit);
  });

  it("recognize the LLM server of an image whose name is longer than a label, as the exporter does", () => {
    const image = `${"registry/".repeat(30)}vllm:1`;
    expect(storedOf(container({ image }))).toMatchObject({ llm_server: "vllm", image: cut(image) });
    expect(llmServer(image, "")).toBe("vllm");
    expect(llmServer("a:1", "x".repeat(300))).toBe("x".repeat(200));
  });
});

describe("The container label llm-metrics.alerts", () => {
  const alerts = (value?: string) =>
    storedOf(container(value === undefined ? {} : { container_label_llm_metrics_alerts: value }));

  it("becomes the label alerts, which exempts a container from alerts", () => {
    expect(EXPORTED_CONTAINER_LABELS).toContain("llm-metrics.alerts");
    expect(alerts("none")).toHaveProperty("alerts", "none");
  });

  it.each(["", "all", "None", "none2", undefined])("with the value %j changes no series", (value) => {
    expect(alerts(value)).not.toHaveProperty("alerts");
  });
});

describe("The root cgroup", () => {
  const root = (name: string, more: SeriesLabels = {}) => ({ __name__: name, id: "/", ...more });

  it("is stored as the CPU time and the network traffic of the machine, not of a container", () => {
    expect(storedOf(root("container_cpu_usage_seconds_total", { cpu: "total" }))).toEqual({
      __name__: "machine_cpu_usage_seconds_total",
      cpu: "total",
    });
    for (const direction of ["receive", "transmit"])
      expect(storedOf(root(`container_network_${direction}_bytes_total`, { interface: "eth0" }))).toEqual({
        __name__: `machine_network_${direction}_bytes_total`,
        interface: "eth0",
      });
    expect(storedOf(root("container_network_receive_bytes_total", { interface: "docker0" }))).toBeUndefined();
  });

  it("has no other series, and none with the setting hostMetrics off", () => {
    expect(storedOf(root("container_memory_working_set_bytes"))).toBeUndefined();
    expect(storedOf(root("container_cpu_usage_seconds_total"), false)).toBeUndefined();
  });

  it("is not a cgroup below it, nor a container", () => {
    const cpu = { __name__: "container_cpu_usage_seconds_total" };
    expect(storedOf({ ...cpu, id: "/system.slice" })).toBeUndefined();
    expect(storedOf(container(cpu))).toMatchObject(cpu);
  });
});

describe("Series of LLM servers", () => {
  const TARGET = { job: "llm-servers", instance: "chat:8000", id: "/docker/a", name: "chat", host: "h" };

  it.each(Object.entries(LLM_PAGES))(
    "are at most 150 of a server, and those that rules read: %s",
    (_, { text }) => {
      const kept = stored(text, TARGET, llmRelabeling(false));
      expect(kept.length).toBeGreaterThan(1);
      expect(kept.length).toBeLessThanOrEqual(converted(text).length);
      // Prometheus adds nine about the scrape.
      expect(kept.length + 9).toBeLessThanOrEqual(150);
      for (const { name } of kept) expect(LLM_METRICS).toContain(name);
    },
  );

  describe("of data-parallel engines with thousands of adapters", () => {
    const adapters = Array.from(
      { length: 1000 },
      (_, n) => `vllm:lora_requests_info{running_lora_adapters="adapter-${n}"} 1`,
    );
    // What vllm/v1/engine/__init__.py has since the page.
    const repetitions = 'vllm:request_success_total{engine="0",finished_reason="repetition"} 1';
    const lengths = 'vllm:request_success_total{engine="0",finished_reason="length"} 1';
    const newest = [LLM_PAGES["vLLM of 2026"]?.text, lengths, repetitions].join("\n");
    const keptOf = (engine: string, count: number) =>
      stored([...engines(engine, count), ...adapters].join("\n"), TARGET, llmRelabeling(false)).length;

    it.each([
      ["vLLM 0.11", LLM_PAGES["vLLM 0.11, recorded"]?.text ?? "", 15],
      ["the newest vLLM", newest, 16],
    ])("are at most 150 of eight engines, and the documented number of 16: %s", (_, text, ofEach) => {
      expect(keptOf(text, 1)).toBe(ofEach);
      expect(keptOf(text, 8) + 9).toBeLessThanOrEqual(150);
      expect(keptOf(text, 16) + 9).toBe(16 * ofEach + 9);
      const documented = readFileSync("docs/metrics.md", "utf8");
      expect(documented).toContain("16 engines has up to 265 series");
      expect(16 * ofEach + 9).toBeLessThanOrEqual(265);
    });
  });

  it.each([
    ['vllm:num_requests_running{model_name="m"}', "m"],
    ['nv_inference_request_success{model="m"}', "m"],
    // SGLang 0.3
    ['sglang:num_running_reqs{name="m"}', "m"],
    [`vllm:num_requests_running{model_name="${"m".repeat(300)}"}`, "m".repeat(200)],
    ["tgi_queue_size", undefined],
  ])("have the engine's label of the model as `model`: %s", (sample, model) => {
    const [kept] = stored(`${sample} 1`, TARGET, llmRelabeling(false));
    expect(kept?.labels).toEqual({ ...TARGET, ...(model && { model }) });
  });

  it("cannot take the labels of another container", () => {
    const [kept] = stored(
      'vllm:num_requests_running{id="/docker/b",job="cadvisor",host="other",model_name="m"} 1',
      TARGET,
      llmRelabeling(false),
    );
    expect(kept?.labels).toMatchObject(TARGET);
  });

  it("are all kept with the setting all, and differ", () => {
    for (const { text } of Object.values(LLM_PAGES)) {
      const kept = stored(text, TARGET, llmRelabeling(true));
      expect(kept).toHaveLength(converted(text).length);
      const series = kept.map(({ name, labels }) => JSON.stringify([name, Object.entries(labels).sort()]));
      expect(new Set(series).size).toBe(series.length);
    }
  });

  it("keep a label `name` that is no model, as `exported_name`", () => {
    const functions = ["a", "b"].map((name) => `sglang:func_latency_seconds_count{name="${name}"} 1`);
    const kept = stored(functions.join("\n"), TARGET, llmRelabeling(true));
    expect(kept.map(({ labels }) => labels)).toEqual([
      { ...TARGET, exported_name: "a" },
      { ...TARGET, exported_name: "b" },
    ]);
  });

  it("cannot forge a metric or a record of the stack's own, or an alert, with the setting all", () => {
    const measured = Object.entries(catalogue)
      .filter(([list]) => list.endsWith("_METRICS"))
      .flatMap(([, metrics]) => (Array.isArray(metrics) ? (metrics as string[]) : Object.keys(metrics)))
      // Those that every server has of itself.
      .filter((name) => !/^(go|process)_/.test(name));
    const recorded = RULES.flatMap(({ rules }) => rules).flatMap((rule) =>
      "record" in rule ? rule.record : [],
    );
    const others = ["up", "ALERTS", "ALERTS_FOR_STATE", "scrape_sample_limit", "DCGM_FI_DEV_GPU_UTIL"];
    expect(measured.length).toBeGreaterThan(80);
    expect(recorded.length).toBeGreaterThan(20);
    for (const name of [...measured, ...recorded, ...others])
      expect([name, stored(`${name} 1`, TARGET, llmRelabeling(true))]).toEqual([name, []]);
  });
});

describe("Series of cAdvisor", () => {
  // kubernetes/kubernetes 104647
  it.each(["lo", "docker0", "br-0a1b2c", "veth12ab", "cali0a1b", "cilium_host", "lxc0a1b", "vnet3"])(
    "leave out the interface %s of the host, which each container in its network namespace has",
    (name) => {
      expect(storedOf(container({ interface: name }))).toBeUndefined();
    },
  );

  it.each(["eth0", "ens3", "eno1", "bond0", "ib0", "wg0", "tailscale0"])("keep the interface %s", (name) => {
    expect(storedOf(container({ interface: name }))).toMatchObject({ interface: name });
  });
});
