import { run } from "../lib/run";
import { DEFAULT_ADDRESS, queryDocker } from "./docker";
import {
  dockerInfo,
  parseContainers,
  parseDockerInfo,
  parseListeners,
  parseNetworks,
  parseVolumes,
  type HostContainer,
  type HostFacts,
  type HostNetwork,
  type Listener,
} from "./facts";
import { remoteShell } from "./ssh";

/** A Docker host, as it was when it was queried. */
export interface Host {
  facts: HostFacts;
  networks: HostNetwork[];
  usage: HostUsage;
}

/** What is in use on a Docker host. */
export interface HostUsage {
  /** Its containers, running or not. */
  containers: HostContainer[];
  /** Names of its networks. */
  networks: string[];
  /** Names of its volumes. */
  volumes: string[];
  /** Its listening TCP sockets; none where the machine of the daemon is not the one of its socket. */
  listeners: Listener[];
  /** Name and pid of the process that has a listener, where the user may see them. */
  processOf: (listener: Listener) => Promise<string | undefined>;
}

/**
 * What the Docker API does not report: the daemon's socket as the host itself knows it, the socket's group (0 for an address
 * that is no socket, which is refused later), the machine's name, whether it has the kernel log (device 1:11; LXC guides put a
 * link to the console there), and its TCP sockets; there is no tcp6 without IPv6.
 */
const HOST_SCRIPT = `set -e
socket="\${DOCKER_HOST:-$(docker context inspect --format '{{.Endpoints.docker.Host}}')}"
printf '%s\\n' "$socket"
case $socket in unix://*) stat -L -c %g "\${socket#unix://}" ;; *) echo 0 ;; esac
uname -n
[ "$(stat -L -c %t:%T /dev/kmsg 2>/dev/null)" = 1:b ] && echo kmsg || echo no-kmsg
cat /proc/net/tcp /proc/net/tcp6 2>/dev/null || true`;

/**
 * Queries the Docker host, in previews too: this machine, or another one over ssh.
 *
 * @param address of the daemon, as in DOCKER_HOST; the default is the local socket
 * @throws Error when the host does not answer, or cannot be monitored
 */
export async function readHost(address = DEFAULT_ADDRESS): Promise<Host> {
  const [program = "sh", ...args] = remoteShell(address).concat("sh");
  const env = program === "sh" ? { DOCKER_HOST: address } : {};
  const runOnHost = async (script: string) => (await run(program, args, { input: script, env })).trim();
  const [[info = {}, containers, networkList, volumes], output] = await Promise.all([
    queryDocker(address, "/info", "/containers/json?all=true", "/networks", "/volumes"),
    runOnHost(HOST_SCRIPT),
  ]).catch((error: unknown) => {
    throw new Error(
      `the Docker host at ${address} cannot be queried: ${(error as Error).message}\n` +
        `See that \`docker --host ${address} info\` works, or set docker:host to the daemon's address.`,
    );
  });
  const [socket = "", group, machine, kmsg, ...tables] = output.split("\n");
  // With a socket that is mounted in a container, or forwarded from a virtual machine, the shell is not on the daemon's machine.
  const isOnHost = machine === dockerInfo.parse(info).Name;
  const networks = parseNetworks(networkList);
  const machineFacts = { socket, socketGroup: Number(group), kernelLog: kmsg === "kmsg" || !isOnHost };
  return {
    facts: parseDockerInfo(info, address, machineFacts),
    networks,
    usage: {
      containers: parseContainers(containers),
      networks: networks.map(({ name }) => name),
      volumes: parseVolumes(volumes),
      listeners: isOnHost ? parseListeners(tables) : [],
      processOf: async (listener) => (await runOnHost(processScript(listener))) || undefined,
    },
  };
}

/** A shell script that prints name and pid of the process that has a listener, or nothing. Source: proc(5). */
export const processScript = ({ inode }: Listener): string =>
  `pid=$(find /proc/[0-9]*/fd -lname 'socket:\\[${inode}\\]' 2>/dev/null | head -n 1 | cut -d / -f 3)
[ -z "$pid" ] || echo "$(cat "/proc/$pid/comm") (pid $pid)"`;
