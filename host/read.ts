import { askDocker, remoteShell } from "./docker";
import { run } from "../lib/run";
import {
  DEFAULT_SOCKET,
  parseContainers,
  parseDockerInfo,
  parseListeners,
  type HostContainer,
  type HostFacts,
  type Listener,
} from "./facts";

/** What the Docker host says of itself. */
export interface Host {
  facts: HostFacts;
  /** Its containers, running or not. */
  containers: HostContainer[];
  /** What listens on its TCP ports. */
  listeners: Listener[];
  /** The process that has a listener, as far as the user may see that. */
  processOf: (listener: Listener) => Promise<string | undefined>;
}

/**
 * What Docker does not tell: its socket, the socket's group (0 for what is no socket, which is refused), and what listens on
 * the host, which has no tcp6 without IPv6.
 */
const QUESTIONS = `set -e
socket="\${DOCKER_HOST:-$(docker context inspect --format '{{.Endpoints.docker.Host}}')}"
printf '%s\\n' "$socket"
case $socket in unix://*) stat -L -c %g "\${socket#unix://}" ;; *) echo 0 ;; esac
cat /proc/net/tcp /proc/net/tcp6 2>/dev/null || true`;

/**
 * Asks the Docker host, in previews too: this machine, or another over ssh.
 *
 * @param address the daemon's address, as in DOCKER_HOST; the default is the local socket
 * @throws Error when the host does not answer, or is not one that can be monitored
 */
export async function readHost(address = DEFAULT_SOCKET): Promise<Host> {
  const [program, ...args] = [...remoteShell(address), "sh"] as [string, ...string[]];
  const env = program === "sh" ? { DOCKER_HOST: address } : {};
  const onHost = async (script: string) => (await run(program, args, { input: script, env })).trim();
  const [[info, containers], told] = await Promise.all([
    askDocker(address, "/info", "/containers/json?all=true"),
    onHost(QUESTIONS),
  ]).catch((error: unknown) => {
    throw new Error(
      `the Docker host at ${address} could not be asked: ${(error as Error).message}\n` +
        `See that \`docker --host ${address} info\` works, or set docker:host to where the daemon listens.`,
    );
  });
  const [socket = "", group, ...tables] = told.split("\n");
  return {
    facts: parseDockerInfo(info, { address, socket, socketGroup: Number(group) }),
    containers: parseContainers(containers),
    listeners: parseListeners(tables),
    processOf: async (listener) => (await onHost(processScript(listener))) || undefined,
  };
}

/** A shell script that writes name and pid of the process that has a listener, or nothing. Source: proc(5). */
export const processScript = ({ inode }: Listener): string =>
  `pid=$(find /proc/[0-9]*/fd -lname 'socket:\\[${inode}\\]' 2>/dev/null | head -n 1 | cut -d / -f 3)
[ -z "$pid" ] || echo "$(cat "/proc/$pid/comm") (pid $pid)"`;
