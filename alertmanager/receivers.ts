import { kindOf, type Receiver } from "../settings";
import { TEXT, TITLE } from "./messages";

/** A receiver by its name, with an integration, such as `slack_configs`. */
export interface AlertmanagerReceiver {
  name: string;
  [integration: `${string}_configs`]: object[];
}

/** Keeps a secret in a file, by its place in the receiver, and returns the file's path in Alertmanager's container. */
export type StoreSecret = (kind: string, field: string, secret: string) => string;

/** The name of an entry of the setting `notify`. */
export const nameOf = (receiver: Receiver, index: number): string => `${index}-${kindOf(receiver)}`;

/** The integration of an entry of the setting `notify`. Each sends a message too when an alert is resolved. */
export function integration(receiver: Receiver, name: string, store: StoreSecret): AlertmanagerReceiver {
  const { webhook, slack, discord, telegram, ntfy, email, heartbeat } = receiver;
  if (slack) return { name, slack_configs: [slackConfig(slack, store)] };
  if (discord) return { name, discord_configs: [discordConfig(discord, store)] };
  if (telegram) return { name, webhook_configs: [telegramConfig(telegram, store)] };
  if (ntfy) return { name, webhook_configs: [ntfyConfig(ntfy, store)] };
  if (email) return { name, email_configs: [emailConfig(email, store)] };
  if (heartbeat) return { name, webhook_configs: [heartbeatConfig(heartbeat, store)] };
  return { name, webhook_configs: webhook ? [webhookConfig("webhook", webhook, store)] : [] };
}

type Options<Kind extends keyof Receiver> = NonNullable<Receiver[Kind]>;

/** Alertmanager's own JSON format, https://prometheus.io/docs/alerting/latest/configuration/#webhook_config. */
const webhookConfig = (kind: "webhook" | "ntfy", { url, token }: Options<"webhook">, store: StoreSecret) => ({
  send_resolved: true,
  ...(token && { http_config: { authorization: { credentials_file: store(kind, "token", token) } } }),
  url_file: store(kind, "url", url),
});

/** ntfy makes its message of Alertmanager's JSON format: https://docs.ntfy.sh/publish/#pre-defined-templates. */
function ntfyConfig({ url, token }: Options<"ntfy">, store: StoreSecret) {
  const topic = new URL(url);
  if (!topic.searchParams.has("template")) topic.searchParams.set("template", "alertmanager");
  return webhookConfig("ntfy", { url: topic.href, token }, store);
}

const heartbeatConfig = ({ url }: Options<"heartbeat">, store: StoreSecret) => ({
  send_resolved: false,
  url_file: store("heartbeat", "url", url),
});

const slackConfig = ({ url, channel }: Options<"slack">, store: StoreSecret) => ({
  send_resolved: true,
  api_url_file: store("slack", "url", url),
  channel,
  title: TITLE,
  text: TEXT,
  fallback: TITLE,
});

const discordConfig = ({ url }: Options<"discord">, store: StoreSecret) => ({
  send_resolved: true,
  webhook_url_file: store("discord", "url", url),
  title: TITLE,
  message: TEXT,
});

/**
 * A webhook, because Alertmanager's integration for Telegram logs the bot's token when the connection fails (notify/telegram), and
 * its webhooks do not log their URL. Alertmanager parses what a payload's text renders to as YAML, and `[FIRING:1] …` would be a list
 * (template.DeepCopyWithTemplate); a text that begins with a tab is no YAML, and stays as it is. Telegram trims messages.
 */
const telegramConfig = ({ botToken, chatId }: Options<"telegram">, store: StoreSecret) => ({
  send_resolved: true,
  url_file: store("telegram", "botToken", `https://api.telegram.org/bot${botToken}/sendMessage`),
  payload: { chat_id: chatId, text: `\t${TITLE}\n\n${TEXT}`, disable_web_page_preview: true },
});

const emailConfig = (
  { server, from, to, username, password, requireTls }: Options<"email">,
  store: StoreSecret,
) => ({
  send_resolved: true,
  to,
  from,
  smarthost: server,
  auth_username: username,
  auth_password_file: password && store("email", "password", password),
  headers: { Subject: TITLE },
  html: "",
  text: TEXT,
  require_tls: requireTls,
});
