import { JOB, RECEIVERS, settings, WITH_RECEIVERS } from "../../support/settings";

describe("Receivers of alerts", () => {
  const refusal =
    (notify: unknown, encrypted: readonly string[] = WITH_RECEIVERS) =>
    () =>
      settings({ notify }, encrypted);
  const { slack, telegram, email, heartbeat } = RECEIVERS;

  it("are accepted, of each kind", () => {
    const notify = Object.entries(RECEIVERS).map(([kind, options]) => ({ [kind]: options }));
    expect(settings({ notify: JSON.stringify(notify) }, WITH_RECEIVERS).notify).toEqual(notify);
  });

  it.each([
    ["slak is not a setting: did you mean slack?", { slak: slack }],
    ["slack.chanel is not a setting: did you mean channel?", { slack: { ...slack, chanel: "#a" } }],
    ["slack.url is missing, but must be a URL", { slack: {} }],
    [
      "telegram.chatId is [secret], but must be the number of a chat",
      { telegram: { ...telegram, chatId: "a" } },
    ],
    [
      "telegram.botToken is [secret], but must be a bot token",
      { telegram: { ...telegram, botToken: "a/b" } },
    ],
    ["email.server is [secret], but must be host:port", { email: { ...email, server: "smtp" } }],
    ["email.to is [secret], but must be email addresses", { email: { ...email, to: "ann" } }],
    ["email.password is missing, but must be set", { email: { ...email, password: undefined } }],
    ["severities[0] is [secret], but must be critical, warning or info", { slack, severities: ["page"] }],
    ["repeatInterval is [secret], but must be 5d at most", { slack, repeatInterval: "6d" }],
    ["groupBy[0] is [secret], but must be a label name", { slack, groupBy: ["a-b"] }],
    ["severities is [secret], but must not be set for a heartbeat", { heartbeat, severities: ["critical"] }],
  ])("are refused by their key: %s", (message, entry) => {
    expect(refusal([entry])).toThrow(`llm-metrics:notify[0].${message}`);
  });

  it("are refused without a kind, and with two", () => {
    for (const entry of [{}, { repeatInterval: "1h" }, { slack, email }])
      expect(refusal([entry])).toThrow(
        /notify\[0\] is \[secret\], but must have one of webhook, slack, .* or heartbeat/,
      );
  });

  it.each([
    ["webhook.url", { webhook: { url: "https://hunter2" } }],
    ["webhook.token", { webhook: { url: "https://hunter2", token: "hunter2" } }],
    ["slack.url", { slack: { url: "https://hunter2" } }],
    ["discord.url", { discord: { url: "https://hunter2" } }],
    ["telegram.botToken", { telegram: { botToken: "1:hunter2", chatId: 1 } }],
    ["ntfy.url", { ntfy: { url: "https://hunter2" } }],
    ["ntfy.token", { ntfy: { url: "https://hunter2", token: "hunter2" } }],
    ["email.password", { email: { ...email, password: "hunter2" } }],
    ["heartbeat.url", { heartbeat: { url: "https://hunter2" } }],
  ])("are refused with a secret in plaintext, with the command that encrypts it: %s", (key, entry) => {
    const place = `notify[0].${key}`;
    expect(refusal([entry], [])).toThrow(
      `llm-metrics:${place} is in plaintext, but must be a secret: set it by \`pulumi config set --secret --path '${place}'\``,
    );
    expect(refusal([entry], [])).not.toThrow(/hunter2/);
    refusal([entry])();
  });

  it("are not shown by an error about them, encrypted or not; other values are", () => {
    for (const entry of [
      "https://hunter2",
      { slack: "https://hunter2" },
      { slack: { url: ["hunter2"] } },
      { telegram: { botToken: "hunter2", chatId: 1 } },
      { email: { ...email, password: ["hunter2"] } },
    ]) {
      expect(refusal([entry], [])).toThrow(/is \[secret\], but must/);
      expect(refusal([entry], [])).not.toThrow(/hunter2/);
    }
    expect(refusal([{ email: { ...email, server: "smtp" } }], [])).toThrow('server is "smtp", but');
    expect(refusal([{ slack, groupWait: "soon" }], [])).toThrow('groupWait is "soon", but');
  });

  it("take the name of the job alertmanager, which is free without them", () => {
    const scrapeJobs = [{ ...JOB, job_name: "alertmanager" }];
    expect(settings({ scrapeJobs }).scrapeJobs).toHaveLength(1);
    expect(() => settings({ scrapeJobs, notify: [{ slack }] }, WITH_RECEIVERS)).toThrow(
      /job_name .* is the name of another job/,
    );
  });
});
