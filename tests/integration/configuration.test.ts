import { buildShellImage } from "../../airgap/images";
import { docker, DOCKER_HOST, inspect } from "../support/docker";
import { eventually } from "../support/eventually";
import { query } from "../support/prometheus";
import { failed, Stack, succeeded, WITH_POLICIES } from "../support/stack";

let stack: Stack;

beforeAll(async () => {
  stack = await Stack.create({ scrapeInterval: "1s" });
  await succeeded(up());
});
afterAll(() => stack.remove());

const up = (...args: string[]) => stack.up(...WITH_POLICIES, ...args);
const preview = (...args: string[]) => stack.preview(...WITH_POLICIES, ...args);
const idOf = async (which: "cadvisor" | "prometheus") => (await inspect(stack.resource(which))).Id;

describe("Changed setting", () => {
  it("shows in the preview and is loaded without a restart", async () => {
    const before = await idOf("prometheus");
    await stack.configure({ hostLabel: "renamed" });
    expect(await succeeded(preview("--diff"))).toMatch(/host *: ".+" => "renamed"/);
    await succeeded(up());
    expect(await idOf("prometheus")).toBe(before);
    await eventually(async () => {
      expect(await query(stack.prometheus, 'up{job="cadvisor",host="renamed"} == 1')).toHaveLength(1);
    });
  });

  it("fails the update when promtool rejects it, and the old configuration stays in force", async () => {
    const job = {
      job_name: "bad",
      static_configs: [{ targets: ["bad:1"] }],
      relabel_configs: [{ action: "hashmod", source_labels: ["a"] }],
    };
    await stack.configure({ scrapeJobs: [job] });
    const output = await failed(up());
    expect(output).toMatch(/nothing was changed:\s+the scrape job bad: .*hashmod/);
    expect(await query(stack.prometheus, 'up{job="cadvisor"} == 1')).toHaveLength(1);
  });

  it("adds a scrape job for a container on the stack's network", async () => {
    const { networkName } = await stack.outputs<{ networkName: string }>();
    const page = "mkdir -p /www && echo 'my_requests_total 7' > /www/metrics && httpd -f -p 8000 -h /www";
    await buildShellImage("example/web:1", DOCKER_HOST);
    const onNetwork = ["--network", networkName, "--network-alias", "my-llm"];
    const server = await docker("run", "-d", ...onNetwork, "example/web:1", "sh", "-c", page);
    const job = { job_name: "my-llm", static_configs: [{ targets: ["my-llm:8000"] }] };
    await stack.configure({ scrapeJobs: [{ ...job, fallback_scrape_protocol: "PrometheusText0.0.4" }] });
    await succeeded(up());
    await eventually(async () => {
      const requests = 'my_requests_total{job="my-llm",host="renamed"} == 7';
      expect(await query(stack.prometheus, requests)).toHaveLength(1);
    });
    await docker("rm", "-f", server);
    await stack.configure({ scrapeJobs: [] });
  });

  it("is rejected in the preview by its key, with all other bad settings", async () => {
    const before = [await idOf("cadvisor"), await idOf("prometheus")];
    const bad = {
      cadvisorPort: 70_000,
      prometheusImage: "prom/prometheus:latest",
      bindAddress: "0.0.0.0",
      scrapeJobs: [{ job_name: "a", scrape_intervall: "5s", static_configs: [{ targets: ["a:1"] }] }],
      unknownKey: "x",
    };
    const good = Object.fromEntries(Object.keys(bad).map((key) => [key, undefined]));
    const ports = { cadvisorPort: Number(new URL(stack.cadvisor).port) };
    await stack.configure(bad);
    const keys = [
      "cadvisorPort",
      "prometheusImage",
      "bindAddress",
      "scrapeJobs[0].scrape_intervall",
      "unknownKey",
    ];
    for (const attempt of [preview, up]) {
      const output = await failed(attempt());
      for (const key of keys) expect(output).toContain(`llm-metrics:${key} `);
    }
    await stack.configure({ ...good, ...ports });
    expect([await idOf("cadvisor"), await idOf("prometheus")]).toEqual(before);
  });

  it("fails the update when the image is not cAdvisor, with actual, expected and hint, and the end of its log", async () => {
    const start = 'ENTRYPOINT ["sh","-c","echo I am another; sleep 100000"]';
    await buildShellImage("example/not-cadvisor:1", DOCKER_HOST, start);
    await stack.configure({ cadvisorImage: "example/not-cadvisor:1" });
    const output = await failed(up());
    expect(output).toMatch(/check failed after \d+ s: cAdvisor is healthy/);
    for (const part of ["actual: ", "expected: ", "hint: "]) expect(output).toContain(part);
    expect(output).toMatch(/cadvisor ends with:\s+I am another/);
    await stack.configure({ cadvisorImage: undefined });
    await succeeded(up());
    await succeeded(preview("--expect-no-changes"));
  });
});

describe("Containers that drifted", () => {
  it("are found by a refreshing preview and repaired by an update", async () => {
    const [removed, stopped, limited] = (["cadvisor", "prometheus", "gateway"] as const).map(stack.resource);
    const { HostConfig: before } = await inspect(limited ?? "");
    await docker("rm", "-f", removed ?? "");
    await docker("stop", stopped ?? "");
    await docker("update", "--memory", "300m", "--memory-swap", "300m", limited ?? "");
    const output = await failed(preview("--refresh", "--expect-no-changes"));
    for (const which of ["cadvisor", "prometheus", "gateway"])
      expect(output).toMatch(new RegExp(`-${which}-container`));

    await succeeded(up("--refresh"));
    for (const container of [removed, stopped, limited])
      expect((await inspect(container ?? "")).State.Running).toBe(true);
    expect((await inspect(limited ?? "")).HostConfig.Memory).toBe(before.Memory);
    expect((await inspect(removed ?? "")).HostConfig.Memory).toBe(256 * 1024 ** 2);
    await succeeded(preview("--refresh", "--expect-no-changes"));
  });
});

describe("Replaced Prometheus", () => {
  it("keeps its samples", async () => {
    const before = await idOf("prometheus");
    const oldest = async () => {
      const times = 'min(min_over_time(timestamp(up{job="prometheus"})[1h:1s]))';
      return Number((await query(stack.prometheus, times))[0]?.value[1]);
    };
    const first = await oldest();
    const container = `**::${stack.resource("prometheus")}-container`;
    await succeeded(up("--target-replace", container, "--target-dependents"));
    expect(await idOf("prometheus")).not.toBe(before);
    expect(await oldest()).toBe(first);
  });
});
