import { alertmanagerConfiguration } from "../../alertmanager/config";
import { runAmtool, startAlertmanager } from "../support/amtool";
import { eventually } from "../support/eventually";
import { RECEIVERS, settings, WITH_RECEIVERS } from "../support/settings";
import { WebhookReceiver } from "../support/webhookReceiver";

const configOf = (...notify: object[]) =>
  alertmanagerConfiguration(settings({ notify }, WITH_RECEIVERS).notify).files["alertmanager.yml"] ?? "";

/** The receivers of an alert, by their names. */
async function receiversOf(config: string, ...labels: string[]): Promise<string[]> {
  const output = await runAmtool(
    config,
    "config",
    "routes",
    "test",
    "--config.file=alertmanager.yml",
    ...labels,
  );
  return output.trim().split(",").sort();
}

describe("Configuration of Alertmanager", () => {
  it.each(Object.entries(RECEIVERS))(
    "passes amtool's check with a receiver of the kind %s",
    async (kind, options) => {
      const output = await runAmtool(configOf({ [kind]: options }), "check-config", "alertmanager.yml");
      expect(output).toMatch(/SUCCESS[^]* 2 receivers/);
    },
  );

  it("passes amtool's check with all of them, and every option", async () => {
    const routing = {
      severities: ["critical", "info"],
      groupBy: ["host"],
      groupWait: "1s",
      groupInterval: "1m",
      repeatInterval: "5d",
    };
    const entries = Object.entries(RECEIVERS).map(([kind, options]) =>
      kind === "heartbeat" ? { [kind]: options } : { [kind]: options, ...routing },
    );
    const output = await runAmtool(configOf(...entries), "check-config", "alertmanager.yml");
    expect(output).toContain(` ${entries.length + 1} receivers`);
  });
});

describe("Alerts", () => {
  const config = configOf(
    { webhook: RECEIVERS.webhook },
    { slack: RECEIVERS.slack, severities: ["critical"] },
    { email: RECEIVERS.email, severities: ["info"] },
    { heartbeat: RECEIVERS.heartbeat },
  );

  it.each([
    ["critical", ["0-webhook", "1-slack"]],
    ["warning", ["0-webhook"]],
    ["info", ["2-email"]],
    ["none", ["none"]],
  ])("of the severity %s are sent to every receiver that wants them", async (severity, expected) => {
    expect(await receiversOf(config, "alertname=TargetDown", `severity=${severity}`)).toEqual(expected);
  });

  it("that always fire are sent to a heartbeat only", async () => {
    for (const severity of ["none", "critical"])
      expect(await receiversOf(config, "alertname=Watchdog", `severity=${severity}`)).toEqual([
        "3-heartbeat",
      ]);
  });
});

describe("Messages", () => {
  const PORT = 17_093;
  const receiver = new WebhookReceiver("127.0.0.1");
  let stop: () => Promise<unknown>;
  const { slack, discord, telegram, heartbeat } = RECEIVERS;
  const send = async (alertname: string, labels: object, annotations: object = {}) => {
    const alerts = [{ labels: { alertname, host: "llm-1", ...labels }, annotations }];
    const response = await fetch(`http://127.0.0.1:${PORT}/api/v2/alerts`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(alerts),
    });
    expect(response.status).toBe(200);
  };
  const oom = {
    summary: "vllm was killed: out of memory",
    description: 'See `docker logs`: "x" <b> & y',
    runbook_url: "https://example.org/runbooks#oom",
  };
  /** The bodies of the messages to a kind of receiver. */
  const sentTo = (kind: string) =>
    receiver.messages.filter(({ path }) => path.includes(kind)).map(({ body }) => body);

  beforeAll(async () => {
    await receiver.start();
    const fast = { groupWait: "1s", groupInterval: "1s" };
    const { notify } = settings(
      { notify: [{ slack, ...fast }, { discord, ...fast }, { telegram, ...fast }, { heartbeat }] },
      WITH_RECEIVERS,
    );
    const here = (secret: string) => secret.replace(/https:\/\/[^/]+/, receiver.url(""));
    stop = await startAlertmanager(alertmanagerConfiguration(notify), PORT, here);
    await eventually(() => send("GpuDriverDown", { severity: "critical" }, { summary: "no driver" }));
    await send("GpuHot", { severity: "warning", gpu: "0" }, { summary: "hot" });
    await send("ContainerOOMKilled", { severity: "critical", name: "vllm" }, oom);
    await send("Watchdog", { severity: "none" });
    const full = { host: "llm-2", severity: "critical", mountpoint: "/data" };
    await send("HostDiskNearlyFull", full, { summary: "/data is full" });
    for (const mountpoint of ["/data", "/models"])
      await send(
        "HostDiskFillingUp",
        { ...full, severity: "warning", mountpoint },
        { summary: `${mountpoint} fills up` },
      );
    for (let i = 0; i < 9; i++)
      await send(
        "DiskFillingUp",
        { severity: "warning", name: "many", device: String(i) },
        {
          summary: "s".repeat(500),
          description: "d".repeat(900),
          runbook_url: "https://example.org/runbooks#disk",
        },
      );
    await eventually(() => {
      for (const kind of ["slack", "discord", "telegram"]) expect(sentTo(kind)).toHaveLength(4);
      return Promise.resolve();
    });
  });
  afterAll(async () => {
    await stop();
    await receiver.stop();
  });

  it("have what happened, what to do, and where to read more", () => {
    const title = "[FIRING:1] ContainerOOMKilled llm-1 vllm (critical)";
    const text = `${oom.summary}\n${oom.description}\n${oom.runbook_url}\n`;
    expect(sentTo("slack")).toContainEqual(
      expect.objectContaining({ attachments: [expect.objectContaining({ title, text })] }),
    );
    expect(sentTo("discord")).toContainEqual(
      expect.objectContaining({ embeds: [expect.objectContaining({ title, description: text })] }),
    );
    expect(sentTo("telegram")).toContainEqual(
      expect.objectContaining({ chat_id: telegram.chatId, text: `\t${title}\n\n${text}` }),
    );
  });

  it("are of a length that Telegram accepts, however many alerts there are", () => {
    const lengths = sentTo("telegram").map(({ text }) => String(text).length);
    expect(Math.max(...lengths)).toBeGreaterThan(3000);
    expect(Math.max(...lengths)).toBeLessThan(4096);
  });

  it("are not sent about what follows from another alert, and heartbeats to their receiver only", () => {
    const all = JSON.stringify(receiver.messages.filter(({ path }) => !path.includes("heartbeat")));
    expect(all).toContain("GpuDriverDown");
    expect(all).not.toMatch(/GpuHot|Watchdog/);
    expect(all).toContain("/models fills up");
    expect(all).not.toContain("/data fills up");
    expect(
      sentTo("heartbeat").flatMap(({ alerts }) => alerts.map(({ labels }) => labels["alertname"])),
    ).toEqual(["Watchdog"]);
  });
});
