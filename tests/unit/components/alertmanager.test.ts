import type { Expectation } from "../../../probes/report";
import { containerInputs, declare, declared, files, prometheusYml } from "../../support/declare";
import { RECEIVERS, WITH_RECEIVERS } from "../../support/settings";

const notify = [{ slack: RECEIVERS.slack }];
const withReceiver = (changes: object = {}) => declare({ notify, ...changes }, {}, "dev", "", WITH_RECEIVERS);
const step = () => declared.find(({ name }) => name.endsWith("alertmanager-configuration"))?.inputs ?? {};
const unchanged = ({
  cadvisor,
  prometheus,
  gateway,
  network,
  publishedNetwork,
}: Awaited<ReturnType<typeof declare>>) => ({
  cadvisor,
  prometheus,
  gateway,
  network,
  publishedNetwork,
});

test("without a receiver, no Alertmanager is deployed, and Prometheus sends alerts to none", async () => {
  const { configuration, probe, stack } = await declare();
  expect(declared.filter(({ name }) => name.includes("alertmanager"))).toEqual([]);
  expect(stack.alertmanager).toBeUndefined();
  expect(prometheusYml(configuration)).not.toHaveProperty("alerting");
  expect(probe["stdin"]).not.toContain("alertmanager");
});

test("Alertmanager runs as the user nobody, without capabilities, and writes only to its two volumes", async () => {
  await withReceiver();
  const container = containerInputs("alertmanager-container");
  expect(container).toMatchObject({
    user: "65534:65534",
    readOnly: true,
    capabilities: { drops: ["ALL"] },
    securityOpts: ["no-new-privileges:true"],
    memory: 192,
    memorySwap: 192,
    cpus: "0.5",
    restart: "always",
    healthcheck: { tests: ["CMD", "wget", "-q", "--spider", "http://127.0.0.1:9093/-/healthy"] },
    volumes: [
      { volumeName: "llm-metrics-dev-alertmanager-state", containerPath: "/alertmanager" },
      { volumeName: "llm-metrics-dev-alertmanager-config", containerPath: "/etc/alertmanager" },
    ],
  });
  for (const input of ["ports", "privileged", "devices"]) expect(container).not.toHaveProperty(input);
  expect(container["capabilities"]).not.toHaveProperty("adds");
});

test("Alertmanager has a network with egress, which no other container joins", async () => {
  await withReceiver();
  const networksOf = (inputs: Record<string, unknown>) =>
    (inputs["networksAdvanced"] as { name: string }[]).map(({ name }) => name);
  const joined = declared
    .filter(({ type }) => type === "docker:index/container:Container")
    .filter(({ inputs }) => networksOf(inputs).includes("llm-metrics-dev-alertmanager"));
  expect(joined.map(({ inputs }) => inputs["name"])).toEqual(["llm-metrics-dev-alertmanager"]);
  const egress = declared.find(
    ({ inputs }) => inputs["name"] === "llm-metrics-dev-alertmanager" && "internal" in inputs,
  );
  expect(egress?.inputs).toMatchObject({ driver: "bridge", internal: false });
  expect(egress?.inputs).not.toHaveProperty("options");
});

test("a receiver changes no input of another container or network, so that none is replaced", async () => {
  const before = unchanged(await declare());
  expect(unchanged(await withReceiver())).toEqual(before);
});

test("Prometheus sends alerts to the stack's Alertmanager and to those of the setting alertmanagers, and scrapes its own", async () => {
  const { configuration } = await withReceiver({ alertmanagers: ["other:9093"] });
  const config = prometheusYml(configuration);
  expect(config.alerting?.alertmanagers).toEqual([
    { static_configs: [{ targets: ["alertmanager:9093", "other:9093"] }] },
  ]);
  expect(config.scrape_configs.map((job) => job.job_name)).toContain("alertmanager");
});

test("secrets of receivers reach Alertmanager by a secret standard input, and are in no other input", async () => {
  await withReceiver();
  expect(step()["stdin"]).toMatchObject({ value: expect.stringContaining("secret-of-slack") as unknown });
  for (const { name, inputs } of declared.filter(({ name }) => !name.endsWith("alertmanager-configuration")))
    expect([name, JSON.stringify(inputs).includes("secret-of-slack")]).toEqual([name, false]);
});

test("a changed receiver is loaded, not deployed: the container's inputs stay the same", async () => {
  await withReceiver();
  const [before, stdin] = [containerInputs("alertmanager-container"), step()["stdin"]];
  await withReceiver({ notify: [{ slack: RECEIVERS.slack, groupWait: "1m" }] });
  expect(containerInputs("alertmanager-container")).toEqual(before);
  expect(step()["stdin"]).not.toEqual(stdin);
});

test("the probe expects Alertmanager at its URL behind the gateway, and runs again when it is replaced", async () => {
  const { probe } = await withReceiver();
  expect((JSON.parse(probe["stdin"] as string) as Expectation).alertmanager).toEqual({
    url: "http://127.0.0.1:23001/alertmanager",
    container: "llm-metrics-dev-alertmanager",
  });
  expect(probe["triggers"]).toContain("llm-metrics-dev-alertmanager-container-id");
});

test("the configuration of Prometheus names no receiver", async () => {
  const { configuration } = await withReceiver();
  expect(JSON.stringify(files(configuration))).not.toContain("slack");
});
