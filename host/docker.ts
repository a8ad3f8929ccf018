import { spawn } from "node:child_process";
import { Agent, get } from "node:http";
import { Agent as TlsAgent } from "node:https";
import { Duplex } from "node:stream";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { childEnvironment, run } from "../lib/run";

/** What a command has to end by itself, before it is killed. */
const MILLISECONDS_TO_END = 2000;

/**
 * The words that run a command on the machine of a Docker daemon, as the Docker CLI does; none for this machine. Keys, jump
 * hosts and the like are ssh's own configuration.
 *
 * @param dockerHost the daemon's address, as in DOCKER_HOST
 * @throws Error when that is neither a unix:// nor an ssh:// address
 */
export function remoteShell(dockerHost: string): string[] {
  if (dockerHost.startsWith("unix://")) return [];
  const url = URL.canParse(dockerHost) ? new URL(dockerHost) : undefined;
  if (url?.protocol !== "ssh:" || !url.hostname || url.password || !["", "/"].includes(url.pathname))
    throw new Error(
      `the Docker daemon's address is ${JSON.stringify(dockerHost)}, but must be unix:///path/of/docker.sock or ` +
        "ssh://user@host:port: set docker:host or DOCKER_HOST to one of these, or to nothing for the local socket",
    );
  return [
    ...["ssh", "-T", "-o", "ConnectTimeout=30", "-o", "BatchMode=yes"],
    ...(url.username ? ["-l", decodeURIComponent(url.username)] : []),
    ...(url.port ? ["-p", url.port] : []),
    ...["--", url.hostname.replace(/^\[|\]$/g, "")],
  ];
}

/**
 * What the Docker API answers to GETs, through the daemon's socket, or over one ssh and the Docker CLI there.
 *
 * @param address the daemon's, as in DOCKER_HOST
 * @param paths such as `/info`; the newest version of the API that the daemon speaks answers
 * @returns the answers, from JSON
 * @throws Error with why there is none
 */
export async function askDocker(address: string, ...paths: string[]): Promise<unknown[]> {
  const shell = remoteShell(address);
  const agent = shell.length > 0 ? agentThrough([...shell, "docker", "system", "dial-stdio"]) : undefined;
  const way = agent ? { agent } : { socketPath: address.slice("unix://".length) };
  const ask = (path: string) =>
    new Promise<string>((resolve, reject) => {
      get({ ...way, host: "docker", path }, (response) => {
        let text = "";
        response
          .setEncoding("utf8")
          .on("data", (chunk: string) => (text += chunk))
          .on("error", reject)
          .on("end", () => {
            if (response.statusCode === 200) resolve(text);
            else reject(new Error(`GET ${path}: ${response.statusCode ?? ""} ${text.trim().slice(0, 300)}`));
          });
      }).on("error", (error: Error & { rawPacket?: Buffer }) => {
        // What is not HTTP is what a machine says to those who may not log in.
        reject(error.rawPacket ? new Error(error.rawPacket.toString().trim().slice(0, 300)) : error);
      });
    });
  try {
    return await Promise.all(paths.map(async (path) => JSON.parse(await ask(path)) as unknown));
  } finally {
    agent?.destroy();
  }
}

/**
 * An HTTP agent whose connections are the standard input and output of a command, such as `ssh -W host:port machine`. A
 * request fails with what the command wrote when it ends before the answer.
 *
 * @param ca for https: the certificates that are trusted
 */
export function agentThrough([program = "", ...args]: string[], ca?: string[]): Agent {
  const connect = () => {
    const child = spawn(program, args, { env: childEnvironment() });
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
    const connection = new Duplex({
      read: () => child.stdout.resume(),
      // Why a write failed is told when the command ends.
      write: (chunk, _encoding, done) =>
        child.stdin.write(chunk, () => {
          done();
        }),
      final: (done) => child.stdin.end(done),
    }).on("close", () => {
      // The end of its input ends it. Killing an ssh would cut others that share its connection.
      child.stdin.end();
      setTimeout(() => child.kill(), MILLISECONDS_TO_END).unref();
    });
    child.stdin.on("error", () => undefined);
    child.stdout.on("data", (chunk) => connection.push(chunk) || child.stdout.pause());
    child
      .on("error", (error) => connection.destroy(error))
      .on("close", (status) => {
        if (status === 0) connection.push(null);
        else connection.destroy(new Error(`${program} ended with status ${status}: ${said.trim()}`));
      });
    // What http asks of a socket. A connection that nobody uses must not keep the program from ending.
    const sockets = [child.stdin, child.stdout, child.stderr] as unknown as { ref(): void; unref(): void }[];
    const each = (what: "ref" | "unref") => () => {
      for (const one of [child, ...sockets]) one[what]();
      return connection;
    };
    const nothing = () => connection;
    return Object.assign(connection, {
      ...{ setTimeout: nothing, setKeepAlive: nothing, setNoDelay: nothing },
      ...{ ref: each("ref"), unref: each("unref") },
    });
  };
  const options = { keepAlive: true, maxSockets: 1 };
  return ca
    ? Object.assign(new TlsAgent({ ...options, ca }), {
        createConnection: (tls: ConnectionOptions) => connectTls({ ...tls, socket: connect() }),
      })
    : Object.assign(new Agent(options), { createConnection: connect });
}

/**
 * Runs the Docker CLI.
 *
 * @param address of the daemon; by default, what DOCKER_HOST or the CLI's current context says
 * @throws Error with its output
 */
export const docker = (
  args: string[],
  {
    input = "",
    address,
    env,
  }: { input?: string; address?: string | undefined; env?: NodeJS.ProcessEnv } = {},
): Promise<string> =>
  run("docker", args, { input, env: { ...env, ...(address && { DOCKER_HOST: address }) } });
