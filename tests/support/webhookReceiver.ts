import { once } from "node:events";
import { createServer, type Server } from "node:http";

/** A message of Alertmanager's webhooks, as far as tests read it. */
export interface Message {
  status: "firing" | "resolved";
  alerts: { status: string; labels: Record<string, string>; annotations: Record<string, string> }[];
}

/** A server that records the messages of Alertmanager's webhooks, by the path that they were sent to. */
export class WebhookReceiver {
  readonly messages: { path: string; at: number; authorization: string; body: Message }[] = [];
  private server: Server | undefined;

  constructor(
    private readonly address: string,
    private readonly port: number,
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
          response.end();
        });
    });
    this.server = server;
    await new Promise<void>((resolve) => {
      server.listen(this.port, this.address, resolve);
    });
  }

  async stop(): Promise<void> {
    const { server } = this;
    if (!server) return;
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  }

  url = (path: string): string => `http://${this.address}:${this.port}${path}`;

  /** Such as ["firing TargetDown cadvisor"]: the alerts of all messages since a time, in milliseconds. */
  received = (since = 0): string[] =>
    this.messages
      .filter(({ at }) => at >= since)
      .flatMap(({ body }) => body.alerts)
      .map(({ status, labels }) => `${status} ${labels["alertname"] ?? ""} ${labels["job"] ?? ""}`.trim());
}
