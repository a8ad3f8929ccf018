import { buildShellImage } from "../../airgap/images";
import { docker, DOCKER_HOST, inspect, startContainer } from "../support/docker";
import { eventually } from "../support/eventually";
import { query } from "../support/prometheus";
import { failed, Stack, succeeded } from "../support/stack";

let stack: Stack;

beforeAll(async () => {
  stack = await Stack.create({ scrapeInterval: "1s" });
  await succeeded(stack.up());
});
afterAll(() => stack.remove());

const idOf = async (which: "cadvisor" | "prometheus") => (await inspect(stack.resource(which))).Id;
test("a changed configuration is loaded without a restart, and shown in the preview", async () => {
  const before = await idOf("prometheus");
  await stack.configure({ hostLabel: "renamed" });
  expect(await succeeded(stack.preview("--diff"))).toMatch(/host *: ".+" => "renamed"/);
  await succeeded(stack.up());
  expect(await idOf("prometheus")).toBe(before);
  await eventually(async () => {
    expect(await query(stack.prometheus, 'up{job="cadvisor",host="renamed"} == 1')).toHaveLength(1);
  });
});

test("a configuration that Prometheus refuses fails the update, and the old one stays in force", async () => {
  const job = {
    job_name: "bad",
    static_configs: [{ targets: ["bad:1"] }],
    relabel_configs: [{ action: "hashmod", source_labels: ["a"] }],
  };
  await stack.configure({ scrapeJobs: [job] });
  const output = await failed(stack.up());
  expect(output).toContain("the old one stays in force");
  expect(output).toContain("hashmod");
  expect(await query(stack.prometheus, 'up{job="cadvisor"} == 1')).toHaveLength(1);

  await stack.configure({ scrapeJobs: [] });
  await succeeded(stack.up());
});

test("a container of yours is scraped when it joins the network", async () => {
  const { networkName } = await stack.outputs<{ networkName: string }>();
  const page = "mkdir -p /www && echo 'my_requests_total 7' > /www/metrics && httpd -f -p 8000 -h /www";
  await startContainer("example/web:1").then((idle) => docker("rm", "-f", idle));
  const server = await docker(
    "run",
    "-d",
    "--network",
    networkName,
    "--network-alias",
    "my-llm",
    "example/web:1",
    "sh",
    "-c",
    page,
  );
  const job = { job_name: "my-llm", static_configs: [{ targets: ["my-llm:8000"] }] };
  await stack.configure({ scrapeJobs: [{ ...job, fallback_scrape_protocol: "PrometheusText0.0.4" }] });
  await succeeded(stack.up());
  await eventually(async () => {
    expect(await query(stack.prometheus, 'my_requests_total{job="my-llm",host="renamed"} == 7')).toHaveLength(
      1,
    );
  });
  await docker("rm", "-f", server);
  await stack.configure({ scrapeJobs: [] });
  await succeeded(stack.up());
});

test.each([
  ["stopped", (container: string) => docker("stop", container)],
  ["removed", (container: string) => docker("rm", "-f", container)],
  [
    "limited otherwise",
    (container: string) => docker("update", "--memory", "300m", "--memory-swap", "300m", container),
  ],
])(
  "a container that was %s by hand is found by a refreshing preview and mended by an update",
  async (_, disturb) => {
    await disturb(stack.resource("cadvisor"));
    await failed(stack.preview("--refresh", "--expect-no-changes"));
    await succeeded(stack.up("--refresh"));
    const { State: state, HostConfig: host } = await inspect(stack.resource("cadvisor"));
    expect([state.Running, host.Memory]).toEqual([true, 256 * 1024 ** 2]);
    await succeeded(stack.preview("--refresh", "--expect-no-changes"));
  },
);

test("a replaced Prometheus keeps its samples", async () => {
  const before = await idOf("prometheus");
  const oldest = async () =>
    Number(
      (await query(stack.prometheus, 'min(min_over_time(timestamp(up{job="prometheus"})[1h:1s]))'))[0]
        ?.value[1],
    );
  const first = await oldest();
  await succeeded(
    stack.up("--target-replace", `**::${stack.resource("prometheus")}-container`, "--target-dependents"),
  );
  expect(await idOf("prometheus")).not.toBe(before);
  expect(await oldest()).toBe(first);
});

test("bad settings are refused in the preview, each by its key, and nothing is changed", async () => {
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
  for (const run of [stack.preview, stack.up]) {
    const output = await failed(run());
    for (const key of keys) expect(output).toContain(`llm-metrics:${key} `);
  }
  await stack.configure({ ...good, ...ports });
  expect([await idOf("cadvisor"), await idOf("prometheus")]).toEqual(before);
  await succeeded(stack.preview("--expect-no-changes"));
});

test("an image that is not cAdvisor fails the update, with what was seen, expected and to be done, and the end of its log", async () => {
  await buildShellImage(
    "example/not-cadvisor:1",
    DOCKER_HOST,
    'ENTRYPOINT ["sh","-c","echo I am another; sleep 100000"]',
  );
  await stack.configure({ cadvisorImage: "example/not-cadvisor:1" });
  const output = await failed(stack.up());
  expect(output).toMatch(/probe failed after \d+ s: cAdvisor is healthy/);
  for (const part of ["seen: ", "expected: ", "remedy: "]) expect(output).toContain(part);
  expect(output).toMatch(/cadvisor ends with:\s+I am another/);
  await stack.configure({ cadvisorImage: undefined });
  await succeeded(stack.up());
});
