import { spawn } from "node:child_process";
import { Agent } from "node:http";
import { Agent as TlsAgent } from "node:https";
import { Duplex } from "node:stream";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { childEnvironment } from "../lib/run";

/** Milliseconds for a command to exit by itself before it is killed. */
const EXIT_TIMEOUT_MS = 2000;

/**
 * The words that run a command on the machine of a Docker daemon, as the Docker CLI does; none for this machine. Keys, jump
 * hosts and the like are ssh's own configuration.
 *
 * @param dockerHost address of the daemon, as in DOCKER_HOST
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
 * An HTTP agent whose connections are the standard input and output of a command, such as `ssh -W host:port machine`. When
 * the command exits before the answer, the request fails with the command's standard error.
 *
 * @param ca for https: the trusted certificates
 */
export function agentOverCommand([program = "", ...args]: string[], ca?: string[]): Agent {
  const connect = () => {
    const child = spawn(program, args, { env: childEnvironment() });
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    const connection = new Duplex({
      read: () => child.stdout.resume(),
      // The reason of a failed write is reported when the command exits.
      write: (chunk, _encoding, done) =>
        child.stdin.write(chunk, () => {
          done();
        }),
      final: (done) => child.stdin.end(done),
    }).on("close", () => {
      // The end of its input makes it exit. A killed ssh would cut other sessions that share its connection.
      child.stdin.end();
      setTimeout(() => child.kill(), EXIT_TIMEOUT_MS).unref();
    });
    child.stdin.on("error", () => undefined);
    child.stdout.on("data", (chunk) => connection.push(chunk) || child.stdout.pause());
    child
      .on("error", (error) => connection.destroy(error))
      .on("close", (status) => {
        if (status === 0) connection.push(null);
        else connection.destroy(new Error(`${program} exited with status ${status}: ${stderr.trim()}`));
      });
    // The methods that http calls on a socket. An idle connection must not keep this process running.
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
