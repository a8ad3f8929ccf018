import { RE2JS } from "re2js";
import { cut, cutStart } from "../../../lib/labels";
import { llmServer } from "../../../prometheus/llmServers";
import { cadvisorRelabeling, EXPORTED_CONTAINER_LABELS } from "../../../prometheus/relabeling";
import { cadvisorJob } from "../../../prometheus/scrapeConfigs";

type Labels = Record<string, string>;

/** What Prometheus stores of a series of cAdvisor, by the regular expressions of its engine; undefined for a dropped one. */
function stored(series: Labels, hostMetrics = true): Labels | undefined {
  let labels: Labels = { __name__: "container_start_time_seconds", ...series };
  for (const step of cadvisorRelabeling(hostMetrics)) {
    const { action = "replace", regex = "(.*)", source_labels = [], target_label = "" } = step;
    const compiled = RE2JS.compile(regex);
    const matcher = compiled.matcher(source_labels.map((label) => labels[label] ?? "").join(";"));
    const matches = matcher.matches();
    if ((action === "keep" && !matches) || (action === "drop" && matches)) return undefined;
    if (action === "labeldrop")
      labels = Object.fromEntries(Object.entries(labels).filter(([name]) => !compiled.matches(name)));
    if (action === "replace" && matches)
      labels[target_label] = (step.replacement ?? "$1").replace("$1", () => matcher.group(1) ?? "");
  }
  return Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== ""));
}

const ID = "0123456789abcdef".repeat(4);
const container = (labels: Labels = {}): Labels => ({
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
      expect(stored(container({ [exported]: value }))?.[label]).toBe(cut(value));
  });

  it("are as they were up to 200 characters", () => {
    for (const value of ["web", "ü😀", "a\nb", "x".repeat(200)])
      for (const [exported, label] of Object.entries(CHOSEN))
        expect(stored(container({ [exported]: value }))?.[label]).toBe(value);
  });

  it("keep the end of an id", () => {
    const id = `/kubelet.slice${"/pod".repeat(60)}/docker-${ID}.scope`;
    expect(stored(container({ id }))?.["id"]).toBe(cutStart(id));
    expect(stored(container())?.["id"]).toBe(`/docker/${ID}`);
  });

  it("differ for two containers whose names and images differ after 200 characters", () => {
    const of = (end: string) =>
      stored({
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
    const result = stored(container({ ...weird, ...chosen })) ?? {};
    const { label_limit, label_value_length_limit } = cadvisorJob("h", "30s");
    // Beside job, instance and host.
    expect(Object.keys(result).length).toBeLessThanOrEqual(label_limit - 3);
    for (const value of Object.values(result))
      expect(Buffer.byteLength(value)).toBeLessThanOrEqual(label_value_length_limit);
  });

  it("recognize the LLM server of an image whose name is longer than a label, as the exporter does", () => {
    const image = `${"registry/".repeat(30)}vllm:1`;
    expect(stored(container({ image }))).toMatchObject({ llm_server: "vllm", image: cut(image) });
    expect(llmServer(image, "")).toBe("vllm");
    expect(llmServer("a:1", "x".repeat(300))).toBe("x".repeat(200));
  });
});

describe("The container label llm-metrics.alerts", () => {
  const alerts = (value?: string) =>
    stored(container(value === undefined ? {} : { container_label_llm_metrics_alerts: value }));

  it("becomes the label alerts, which exempts a container from alerts", () => {
    expect(EXPORTED_CONTAINER_LABELS).toContain("llm-metrics.alerts");
    expect(alerts("none")).toHaveProperty("alerts", "none");
  });

  it.each(["", "all", "None", "none2", undefined])("with the value %j changes no series", (value) => {
    expect(alerts(value)).not.toHaveProperty("alerts");
  });
});

describe("The root cgroup", () => {
  const root = (name: string, more: Labels = {}) => ({ __name__: name, id: "/", ...more });

  it("is stored as the CPU time and the network traffic of the machine, not of a container", () => {
    expect(stored(root("container_cpu_usage_seconds_total", { cpu: "total" }))).toEqual({
      __name__: "machine_cpu_usage_seconds_total",
      cpu: "total",
    });
    for (const direction of ["receive", "transmit"])
      expect(stored(root(`container_network_${direction}_bytes_total`, { interface: "eth0" }))).toEqual({
        __name__: `machine_network_${direction}_bytes_total`,
        interface: "eth0",
      });
    expect(stored(root("container_network_receive_bytes_total", { interface: "docker0" }))).toBeUndefined();
  });

  it("has no other series, and none with the setting hostMetrics off", () => {
    expect(stored(root("container_memory_working_set_bytes"))).toBeUndefined();
    expect(stored(root("container_cpu_usage_seconds_total"), false)).toBeUndefined();
  });

  it("is not a cgroup below it, nor a container", () => {
    const cpu = { __name__: "container_cpu_usage_seconds_total" };
    expect(stored({ ...cpu, id: "/system.slice" })).toBeUndefined();
    expect(stored(container(cpu))).toMatchObject(cpu);
  });
});

describe("Series of cAdvisor", () => {
  // kubernetes/kubernetes 104647
  it.each(["lo", "docker0", "br-0a1b2c", "veth12ab", "cali0a1b", "cilium_host", "lxc0a1b", "vnet3"])(
    "leave out the interface %s of the host, which each container in its network namespace has",
    (name) => {
      expect(stored(container({ interface: name }))).toBeUndefined();
    },
  );

  it.each(["eth0", "ens3", "eno1", "bond0", "ib0", "wg0", "tailscale0"])("keep the interface %s", (name) => {
    expect(stored(container({ interface: name }))).toMatchObject({ interface: name });
  });
});
