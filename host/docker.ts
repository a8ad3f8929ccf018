import { get } from "node:http";
import { run, type RunOptions } from "../lib/run";
import { agentOverCommand, remoteShell } from "./ssh";

/** Address of the local daemon, as in DOCKER_HOST. */
export const DEFAULT_ADDRESS = "unix:///var/run/docker.sock";

/** Seconds in which the Docker API has to answer. A daemon with a thousand containers takes less than one. */
const QUERY_TIMEOUT = 30;

/**
 * Sends GET requests to the Docker API, through the daemon's socket, or over one ssh connection and the Docker CLI there.
 *
 * @param address of the daemon, as in DOCKER_HOST
 * @param paths such as `/info`; without a version, the newest one that the daemon speaks answers
 * @returns the parsed JSON of each answer; undefined for a path that the engine does not have
 * @throws Error with the reason when one of them fails, or is not answered within 30 s
 */
export async function queryDocker(address: string, ...paths: string[]): Promise<unknown[]> {
  const shell = remoteShell(address);
  const agent = shell.length > 0 ? agentOverCommand([...shell, "docker", "system", "dial-stdio"]) : undefined;
  const connection = agent ? { agent } : { socketPath: address.slice("unix://".length) };
  const query = (path: string) =>
    new Promise<string | undefined>((resolve, reject) => {
      const signal = AbortSignal.timeout(QUERY_TIMEOUT * 1000);
      const fail = (error: Error) => {
        reject(signal.aborted ? new Error(`GET ${path}: no answer within ${QUERY_TIMEOUT} s`) : error);
      };
      get({ ...connection, host: "docker", path, signal }, (response) => {
        let text = "";
        response
          .setEncoding("utf8")
          .on("data", (chunk: string) => (text += chunk))
          .on("error", fail)
          .on("end", () => {
            if (response.statusCode === 200) resolve(text);
            else if (response.statusCode === 404) resolve(undefined);
            else reject(new Error(`GET ${path}: ${response.statusCode ?? ""} ${text.trim().slice(0, 300)}`));
          });
      }).on("error", (error: Error & { rawPacket?: Buffer }) => {
        // An answer that is not HTTP is the message of a machine that refuses the login.
        fail(error.rawPacket ? new Error(error.rawPacket.toString().trim().slice(0, 300)) : error);
      });
    });
  const parsed = async (path: string) => {
    const text = await query(path);
    return text === undefined ? undefined : (JSON.parse(text) as unknown);
  };
  try {
    return await Promise.all(paths.map(parsed));
  } finally {
    agent?.destroy();
  }
}

/**
 * Runs the Docker CLI.
 *
 * @param address of the daemon; by default, the one in DOCKER_HOST or in the CLI's current context
 * @throws Error with its output
 */
export const docker = (
  args: string[],
  { address, env, ...options }: { address?: string | undefined } & RunOptions = {},
): Promise<string> =>
  run("docker", args, { ...options, env: { ...env, ...(address && { DOCKER_HOST: address }) } });
