import { alertmanagerConfiguration } from "../../../alertmanager/config";
import { INHIBIT_RULES } from "../../../alertmanager/inhibition";
import { ALERT_NAMES } from "../../../settings";
import { RECEIVERS, settings, WITH_RECEIVERS } from "../../support/settings";

const build = (...notify: object[]) => alertmanagerConfiguration(settings({ notify }, WITH_RECEIVERS).notify);
const all = Object.entries(RECEIVERS).map(([kind, options]) => ({ [kind]: options }));

test("Inhibition names alerts that exist", () => {
  const matchers = INHIBIT_RULES.flatMap((rule) => [...rule.source_matchers, ...rule.target_matchers]);
  const named = matchers.flatMap((matcher) => /^alertname(?:=|!=|=~|!~)"([^"]+)"$/.exec(matcher)?.[1] ?? []);
  expect(named.length).toBeGreaterThan(5);
  for (const pattern of named.flatMap((text) => text.split("|")))
    expect([pattern, ALERT_NAMES.filter((name) => new RegExp(`^(${pattern})$`).test(name))]).not.toEqual([
      pattern,
      [],
    ]);
});

describe("Configuration of Alertmanager", () => {
  it("groups alerts by host and container, and repeats them after four hours", () => {
    expect(build({ slack: RECEIVERS.slack }).config.route).toEqual({
      receiver: "none",
      routes: [
        {
          receiver: "0-slack",
          matchers: ['alertname!="Watchdog"', 'severity=~"critical|warning"'],
          group_by: ["host", "name"],
          group_wait: "30s",
          group_interval: "5m",
          repeat_interval: "4h",
          continue: true,
        },
      ],
    });
  });

  it("has the routing that a receiver sets", () => {
    const routing = {
      severities: ["critical"],
      groupBy: ["host"],
      groupWait: "1s",
      groupInterval: "2s",
      repeatInterval: "1h",
    };
    expect(build({ slack: RECEIVERS.slack, ...routing }).config.route.routes).toMatchObject([
      {
        matchers: ['alertname!="Watchdog"', 'severity=~"critical"'],
        group_by: ["host"],
        group_wait: "1s",
        group_interval: "2s",
        repeat_interval: "1h",
      },
    ]);
  });

  it("names the files with the secrets, and has none of them", () => {
    const { config, files, secretFiles } = build(...all);
    expect(JSON.stringify([config, files])).not.toContain("secret-");
    expect(JSON.stringify([config, files])).not.toContain("secret-of");
    expect(secretFiles).toEqual({
      "secrets/0.webhook.token": "secret-token-of-webhook\n",
      "secrets/0.webhook.url": "https://hooks.example.org/secret-of-webhook\n",
      "secrets/1.slack.url": "https://hooks.example.org/services/secret-of-slack\n",
      "secrets/2.discord.url": "https://discord.example.org/api/webhooks/1/secret-of-discord\n",
      "secrets/3.telegram.botToken": "https://api.telegram.org/bot123456:secret-of-telegram/sendMessage\n",
      "secrets/4.ntfy.token": "secret-token-of-ntfy\n",
      "secrets/4.ntfy.url": "https://ntfy.example.org/secret-of-ntfy?template=alertmanager\n",
      "secrets/5.email.password": "secret-of-email\n",
      "secrets/6.heartbeat.url": "https://heartbeat.example.org/secret-of-heartbeat\n",
    });
    for (const file of Object.keys(secretFiles))
      expect(files["alertmanager.yml"]).toContain(`/etc/alertmanager/${file}\n`);
  });

  it("sends a message when an alert is resolved, except to a heartbeat", () => {
    const integrations = build(...all).config.receivers.flatMap(({ name, ...kinds }) =>
      Object.values(kinds as Record<string, object[]>).map(([options]) => [name, options]),
    );
    expect(integrations).toHaveLength(all.length);
    for (const [name, options] of integrations)
      expect(options).toMatchObject({ send_resolved: name !== "6-heartbeat" });
  });

  it("keeps a template that the URL of ntfy names", () => {
    const url = "https://ntfy.example.org/topic?template=own";
    expect(build({ ntfy: { url } }).secretFiles["secrets/0.ntfy.url"]).toBe(`${url}\n`);
  });
});
