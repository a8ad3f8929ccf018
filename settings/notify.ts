import * as z from "zod";
import { durationSeconds } from "../lib/units";
import { duration, flag, hostPort, labelName, oneOf, text, type Refuse } from "./formats";
import { secret, type Path } from "./httpClient";

/** A URL that is a secret: its path or its query lets a client send messages. */
const secretUrl = text(
  (value) => URL.canParse(value) && /^https?:/.test(value) && !value.includes("{{"),
  "a URL, such as https://hooks.example.org/T0/B0/x",
);

const address = text(
  (value) => /^[^\s@,]+@[^\s@,]+$/.test(value),
  "an email address, such as me@example.org",
);
const addresses = text(
  (value) => value.split(",").every((one) => address.safeParse(one.trim()).success),
  "email addresses, separated by commas",
);

/** Alertmanager forgets after five days what it has sent. Source: cmd/alertmanager/main.go, --data.retention. */
const MAX_REPEAT_SECONDS = 5 * 86_400;
const repeatInterval = duration.refine((value) => !(durationSeconds(value) > MAX_REPEAT_SECONDS), {
  error: "must be 5d at most, as Alertmanager then forgets what it has sent",
});

/** The kinds of receivers, and what each needs. */
const KINDS = {
  webhook: z.strictObject({ url: secretUrl, token: secret.optional() }),
  /** Also Mattermost and Rocket.Chat, by their webhooks for Slack's format. */
  slack: z.strictObject({ url: secretUrl, channel: z.string().optional() }),
  discord: z.strictObject({ url: secretUrl }),
  telegram: z.strictObject({
    botToken: text((token) => /^\d+:[\w-]+$/.test(token), "a bot token, such as 123456:ABC-def"),
    chatId: z.coerce
      .number({ error: "must be the number of a chat" })
      .int({ error: "must be the number of a chat, such as -1001234567890" }),
  }),
  ntfy: z.strictObject({ url: secretUrl, token: secret.optional() }),
  email: z.strictObject({
    server: hostPort,
    from: address,
    to: addresses,
    username: z.string().optional(),
    password: secret.optional(),
    requireTls: flag.optional(),
  }),
  /** A service that reports when `Watchdog`, the alert that always fires, no longer arrives. */
  heartbeat: z.strictObject({ url: secretUrl }),
} as const;
type Kind = keyof typeof KINDS;

/** The fields that must be encrypted. */
const SECRET_FIELDS: Record<Kind, readonly string[]> = {
  webhook: ["url", "token"],
  slack: ["url"],
  discord: ["url"],
  telegram: ["botToken"],
  ntfy: ["url", "token"],
  email: ["password"],
  heartbeat: ["url"],
};

const ROUTING = {
  /** The severities of the alerts that it gets. Default: critical and warning. */
  severities: z
    .array(oneOf("critical", "warning", "info"))
    .min(1, { error: "must list at least one severity: critical, warning or info" })
    .optional(),
  /** Labels; alerts with the same values of them are one message. Default: host and name. */
  groupBy: z.array(labelName).min(1, { error: "must list at least one label" }).optional(),
  /** How long the first message of a group waits for more alerts. Default: 30s. */
  groupWait: duration.optional(),
  /** How long changes of a group wait for more changes. Default: 5m. */
  groupInterval: duration.optional(),
  /** After how long alerts that still fire are sent again. Default: 4h, of a heartbeat 5m. */
  repeatInterval: repeatInterval.optional(),
};

/** A receiver of alerts: one of the kinds, and which alerts it gets how often. */
export const receiver = z.strictObject(KINDS).partial().extend(ROUTING);

/** An entry of the setting `notify`. */
export type Receiver = z.infer<typeof receiver>;

const kinds = Object.keys(KINDS) as Kind[];

/** The kind of a receiver. */
export const kindOf = (entry: Receiver): Kind => kinds.find((kind) => entry[kind] !== undefined) ?? "webhook";

/** Refuses entries of no kind or of several, and heartbeats with options for other alerts. */
export function checkReceivers(receivers: readonly Receiver[], refuse: Refuse): void {
  for (const [index, entry] of receivers.entries()) {
    const given = kinds.filter((kind) => entry[kind] !== undefined);
    if (given.length !== 1)
      refuse(
        ["notify", index],
        `must have one of ${kinds.slice(0, -1).join(", ")} or ${kinds.at(-1) ?? ""}: give each receiver an entry of its own`,
      );
    if (entry.heartbeat && entry.severities)
      refuse(
        ["notify", index, "severities"],
        "must not be set for a heartbeat, which gets the alert Watchdog only",
      );
    const { email } = entry;
    if (email && (email.username === undefined) !== (email.password === undefined))
      refuse(
        ["notify", index, "email", email.password ? "username" : "password"],
        "must be set, as its counterpart is",
      );
  }
}

/** Where the secrets of a receiver are. */
export function receiverSecrets(entry: Receiver): Path[] {
  const kind = kindOf(entry);
  const values: object = entry[kind] ?? {};
  return SECRET_FIELDS[kind].filter((field) => field in values).map((field) => [kind, field]);
}

/** Whether an error may show the value at a path: only values that are no secret, and have none in them. */
export function isPublicField([, , kind, field]: readonly PropertyKey[]): boolean {
  if (typeof kind !== "string") return false;
  if (kind in ROUTING) return true;
  return field !== undefined && kind in KINDS && !SECRET_FIELDS[kind as Kind].includes(String(field));
}
