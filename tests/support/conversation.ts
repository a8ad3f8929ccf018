import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { NetConnectOpts } from "node:net";
import http2 from "node:http2";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { docker } from "./docker";

/** Node, in the image that the exporter runs in. */
const NODE = "node:24.11.1-bookworm-slim";

/** What is written to one connection: texts, with half a second between them. */
export type Message = string[];

/**
 * Writes each message to a connection of its own, from inside a container: with its network and its mounts.
 *
 * @param container the container; undefined is an ordinary one of its own
 * @param to where they go to, as Node's net.connect has it
 * @param options of `docker run`
 * @returns what came back to each until the other side closed the connection, or had been silent for 2 s; for 8 s before its
 *   first byte, because a busy machine answers late
 */
export async function converse(
  container: string | undefined,
  to: NetConnectOpts,
  messages: Message[],
  options: string[] = [],
): Promise<string[]> {
  const within = container ? [`--network=container:${container}`, `--volumes-from=${container}:ro`] : [];
  const name = `attacker-${randomBytes(4).toString("hex")}`;
  const folder = await mkdtemp(path.join(os.tmpdir(), "attack-"));
  try {
    const program = path.join(folder, "program.cjs");
    await writeFile(program, `(${talk.toString()})(${JSON.stringify(to)}, ${JSON.stringify(messages)})`);
    const mount = ["-v", `${program}:/program.cjs:ro`];
    const all = ["--rm", "--name", name, ...within, ...mount, ...options, NODE, "node", "/program.cjs"];
    return JSON.parse(await docker("run", ...all)) as string[];
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Runs by itself, in a container. One after the other, because some need what an earlier one made. */
async function talk(to: NetConnectOpts, messages: Message[]): Promise<void> {
  /* eslint-disable @typescript-eslint/no-require-imports -- it is a program of its own */
  const { connect } = require("node:net") as typeof net;
  const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  const answers: string[] = [];
  for (const message of messages) {
    let answer = "";
    const socket = connect(to);
    const ended = new Promise((resolve) => {
      socket.setTimeout(8000, () => {
        socket.destroy();
      });
      socket.on("data", (data: Buffer) => {
        answer += data.toString("latin1");
        socket.setTimeout(2000);
      });
      socket.on("error", () => undefined).on("close", resolve);
    });
    for (const [i, text] of message.entries()) {
      if (i > 0) await sleep(500);
      if (socket.writable) socket.write(text, "latin1");
    }
    await ended;
    answers.push(answer.slice(0, 20_000));
  }
  process.stdout.write(JSON.stringify(answers));
}

/** The status codes of HTTP responses; the one before may end without a line end. */
export const statuses = (answer: string): number[] =>
  [...answer.matchAll(/HTTP\/1\.[01] (\d{3})/g)].map(([, code]) => Number(code));

/** How a gRPC call ended: the HTTP status, and, where it is 200, gRPC's own. */
export interface CallResult {
  http: number;
  grpc?: number;
  message: Buffer;
}

/**
 * Calls a gRPC method through a unix socket. A stream is given up after a second.
 *
 * @param request the protocol buffer
 * @param namespaces values of containerd's header
 */
export function call(
  socket: string,
  method: string,
  request = Buffer.alloc(0),
  namespaces = ["moby"],
): Promise<CallResult> {
  return new Promise((resolve, reject) => {
    const session = http2.connect("http://localhost", { createConnection: () => net.connect(socket) });
    session.on("error", reject);
    const stream = session.request({
      ":method": "POST",
      ":path": method,
      "content-type": "application/grpc",
      te: "trailers",
      "containerd-namespace": namespaces,
    });
    const result: CallResult = { http: 0, message: Buffer.alloc(0) };
    const note = (headers: http2.IncomingHttpHeaders) => {
      if (headers["grpc-status"] !== undefined) result.grpc = Number(headers["grpc-status"]);
    };
    const end = () => {
      session.destroy();
      resolve(result);
    };
    stream.on("response", (headers) => {
      result.http = Number(headers[":status"]);
      note(headers);
    });
    stream.on("trailers", note);
    stream.on("data", (data: Buffer) => (result.message = Buffer.concat([result.message, data])));
    stream.on("error", end).on("close", end).setTimeout(1000, end);
    const length = Buffer.alloc(5);
    length.writeUInt32BE(request.length, 1);
    stream.end(Buffer.concat([length, request]));
  });
}
