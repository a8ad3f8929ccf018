import { randomUUID } from "node:crypto";
import path from "node:path";
import { text } from "node:stream/consumers";
import type { ExecaError } from "execa";
import { load as parse } from "js-yaml";
import { ALERTMANAGER_FOLDER, APPLIED, CONFIG_FOLDER, SERVERS, TARGETS_FOLDER } from "../lib/names";
import { ofVersion, SECRETS, secretsFolder } from "../lib/secretFiles";
import { retryOnContainer } from "../probes/check";
import { refusal } from "../host/configurationCheck";
import { docker } from "../host/docker";
import { get } from "../host/http";
import { Mismatch } from "../lib/retry";
import { run } from "./run";
import { writeCommand } from "./shell";

/** A signal by `docker kill` would count as a manual stop: the container would not start after a crash or a reboot. */
const RELOAD = "kill -HUP 1";
const READY_TIMEOUT_SECONDS = 120;
/** How long {@link loadScript} waits for another one to end, and for a reload. */
const SCRIPT_TIMEOUT_SECONDS = 60;

/** Exit statuses of {@link loadScript}. Its other commands, and Docker, fail with others. */
const REFUSED = 93;
const NOT_LOADED = 94;

/** A server whose configuration this step loads. */
interface Server {
  name: string;
  /** The prefix of its metrics, and its port. */
  address: { alias: string; port: number };
  /** The folder of its configuration, and the file there that it starts with. */
  folder: string;
  file: string;
  /** The tool in its image that checks such a file, and the arguments before the file. */
  check: [tool: string, ...args: string[]];
  /** What the check refuses, with the part of the settings that it is from. Default: the output of the check. */
  refusal?: (container: string, config: string) => Promise<string>;
  /** Folders that the configuration names. */
  folders: string[];
}

const PROMETHEUS: Server = {
  name: "Prometheus",
  address: SERVERS.prometheus,
  folder: CONFIG_FOLDER,
  file: "prometheus.yml",
  check: ["promtool", "check", "config"],
  refusal,
  folders: [TARGETS_FOLDER],
};
const ALERTMANAGER: Server = {
  name: "Alertmanager",
  address: SERVERS.alertmanager,
  folder: ALERTMANAGER_FOLDER,
  file: "alertmanager.yml",
  check: ["amtool", "check-config"],
  folders: [],
};

/** Loads the configuration on standard input, files by name, into a running Prometheus or Alertmanager. */
async function main({
  CONTAINER = "",
  PROMETHEUS_URL = "",
  ALERTMANAGER_URL,
}: NodeJS.ProcessEnv): Promise<void> {
  const [server, url] = ALERTMANAGER_URL ? [ALERTMANAGER, ALERTMANAGER_URL] : [PROMETHEUS, PROMETHEUS_URL];
  const files = parse(await text(process.stdin)) as Record<string, string>;
  await retryOnContainer(
    CONTAINER,
    () => requireReady(url),
    READY_TIMEOUT_SECONDS,
    (mismatch) => {
      console.error(`waiting for ${server.name}: ${mismatch.actual}`);
    },
  );
  const input = loadScript(server, files, randomUUID());
  try {
    await docker(["exec", "-i", CONTAINER, "sh", "-e"], { input });
  } catch (error) {
    const { message, cause } = error as Error;
    const { exitCode } = cause as ExecaError;
    if (exitCode === REFUSED) {
      const reason = await server.refusal?.(CONTAINER, files[server.file] ?? "");
      throw new Error(
        `${server.check[0]} refuses this configuration, and the old one stays in force:\n  ${reason || message}`,
      );
    }
    if (exitCode === NOT_LOADED)
      throw new Error(
        `${server.name} did not load this configuration, and the old one was restored: see the log of ${CONTAINER}`,
      );
    throw error;
  }
  console.error(`the configuration of ${server.name} is loaded`);
}

/**
 * The shell script that loads a configuration. It writes the files to a folder beside those in force, has them checked by the tool
 * of the same image, swaps them in together and reloads the server, or undoes the swap. The script runs in the server's container,
 * so that it goes on when the update is killed. The braces make the shell read all of it before it starts. Scripts wait for each
 * other: the lock is a link to a process, which points nowhere when that process has ended.
 *
 * The secrets of each run have a folder of their own, because the configuration in force uses its own until another is loaded. Only
 * the server's user can read the files.
 */
function loadScript(
  { address, folder, file, check, folders }: Server,
  files: Record<string, string>,
  id: string,
): string {
  const secrets = path.basename(secretsFolder(folder, id));
  const isSecret = (name: string) => name.startsWith(`${SECRETS}/`);
  const placed = Object.entries(files).map(([name, content]) => ({
    name: isSecret(name) ? name.replace(SECRETS, secrets) : `candidate/${name}`,
    content: ofVersion(content, folder, id),
  }));
  const parents = new Set(placed.map(({ name }) => path.dirname(name)));
  const names = Object.keys(files).filter((name) => !isSecret(name));
  return `{
cd ${folder}
start_timeout() { end=$(($(date +%s) + ${SCRIPT_TIMEOUT_SECONDS})); }
pause() { [ "$(date +%s)" -lt "$end" ] && sleep 0.1; }
start_timeout
[ "$(readlink lock)" != /proc/$$ ] || rm lock # Of a process before the container was restarted.
until ln -s /proc/$$ lock; do [ -e lock ] || rm -f lock; pause; done
unused=${secrets}
trap 'rm -rf lock candidate previous $unused' EXIT
rm -rf candidate previous
umask 077
mkdir -p previous ${[...parents, ...folders].join(" ")}
${placed.map(({ name, content }) => writeCommand(name, content)).join("")}
${check.join(" ")} candidate/${file} || exit ${REFUSED}

reloads() { timeout 5 wget -qO- http://127.0.0.1:${address.port}/metrics | grep ^${address.alias}_config_last_reload_success; }
before=$(reloads)
for file in ${names.join(" ")}; do [ ! -e $file ] || cp $file previous; done
mv candidate/* .
${RELOAD}
start_timeout
until now=$(reloads) && [ "$now" != "$before" ]; do pause || break; done
case "$now" in
  "" | "$before" | *"successful 0"*) mv previous/* .; ${RELOAD}; exit ${NOT_LOADED};;
esac

unused=
rm -rf ${APPLIED}/* rules.*.yml ${file}.* # The last two are of earlier versions of this program.
mkdir -p ${APPLIED}
cp ${names.join(" ")} ${APPLIED}
for folder in ${SECRETS}.*; do [ "$folder" = ${secrets} ] || rm -rf "$folder"; done
}
`;
}

async function requireReady(url: string): Promise<void> {
  const { status } = await get(`${url}/-/ready`);
  if (status !== 200)
    throw new Mismatch(
      `not ready (status ${status})`,
      "status 200",
      "While Prometheus replays its WAL, run `npm run up` again later.",
    );
}

run(() => main(process.env));
