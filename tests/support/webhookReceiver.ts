import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** A message of Alertmanager, as far as tests read it; other kinds than webhooks have other fields. */
export interface Message {
  [field: string]: unknown;
  status: "firing" | "resolved";
  alerts: Alert[];
}

/** An alert of a message. */
export interface Alert {
  status: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

/** A server that records the messages of Alertmanager's webhooks, by the path that they were sent to. Port 0 is a free one. */
export class WebhookReceiver {
  readonly messages: { path: string; at: number; authorization: string; body: Message }[] = [];
  private server: Server | undefined;

  constructor(
    private readonly address: string,
    private port = 0,
  ) {}

  async start(): Promise<void> {
    const server = createServer((request, response) => {
      let text = "";
      request
        .setEncoding("utf8")
        .on("data", (chunk: string) => (text += chunk))
        .on("end", () => {
          this.messages.push({
            path: request.url ?? "",
            at: Date.now(),
            authorization: request.headers.authorization ?? "",
            body: JSON.parse(text) as Message,
          });
          response.end("ok"); // Slack's answer.
        });
    });
    this.server = server;
    await new Promise<void>((resolve) => {
      server.listen(this.port, this.address, resolve);
    });
    this.port = (server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const { server } = this;
    if (!server) return;
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  }

  url = (path: string): string => `http://${this.address}:${this.port}${path}`;

  /** The alerts of all messages with these labels, and when each message arrived, in milliseconds. */
  alerts = (status: string, labels: Record<string, string>): (Alert & { at: number })[] =>
    this.messages
      .flatMap(({ at, body }) => body.alerts.map((alert) => ({ ...alert, at })))
      .filter((alert) => alert.status === status)
      .filter((alert) => Object.entries(labels).every(([label, value]) => alert.labels[label] === value));

  /** Such as ["firing TargetDown cadvisor"]: the alerts of all messages since a time, in milliseconds. */
  received = (since = 0): string[] =>
    this.messages
      .filter(({ at }) => at >= since)
      .flatMap(({ body }) => body.alerts)
      .map(({ status, labels }) => `${status} ${labels["alertname"] ?? ""} ${labels["job"] ?? ""}`.trim());
}
