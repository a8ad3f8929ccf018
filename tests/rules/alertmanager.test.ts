import { alertmanagerConfiguration } from "../../alertmanager/config";
import { runAmtool } from "../support/amtool";
import { RECEIVERS, settings, WITH_RECEIVERS } from "../support/settings";

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
