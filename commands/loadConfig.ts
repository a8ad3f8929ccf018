import { randomUUID } from "node:crypto";
import { text } from "node:stream/consumers";
import { load as parse } from "js-yaml";
import { ALERTMANAGER_FOLDER, CONFIG_FOLDER, TARGETS_FOLDER } from "../lib/names";
import { APPLIED_FOLDER } from "../prometheus/config";
import { ofVersion, SECRETS, secretsFolder } from "../lib/secretFiles";
import { retryOnContainer } from "../probes/check";
import { refusal } from "../host/configurationCheck";
import { docker } from "../host/docker";
import { get } from "../host/http";
import { Mismatch, retry } from "../lib/retry";
import { run } from "./run";
import { writeCommand } from "./shell";

/** A signal by `docker kill` would count as a manual stop: the container would not start after a crash or a reboot. */
const RELOAD = "kill -HUP 1";
const READY_TIMEOUT_SECONDS = 120;
const RELOAD_TIMEOUT_SECONDS = 30;

/** A server whose configuration this step loads. */
interface Server {
  name: string;
  /** The folder of its configuration, and the file there that it starts with. */
  folder: string;
  file: string;
  /** The command in its image that checks such a file. */
  check: string[];
  /** When a configuration was last loaded successfully, in Unix seconds with fractions. */
  lastReload: string;
  /** What the check refuses, with the part of the settings that it is from. Default: the output of the check. */
  refusal?: (container: string, config: string) => Promise<string>;
  /** Folders that the configuration names. */
  folders: string[];
  /** The folder for a copy of what was loaded, by which edits are found. */
  applied?: string;
}

const PROMETHEUS: Server = {
  name: "Prometheus",
  folder: CONFIG_FOLDER,
  file: "prometheus.yml",
  check: ["promtool", "check", "config"],
  lastReload: "prometheus_config_last_reload_success_timestamp_seconds",
  refusal,
  folders: [TARGETS_FOLDER],
  applied: APPLIED_FOLDER,
};
const ALERTMANAGER: Server = {
  name: "Alertmanager",
  folder: ALERTMANAGER_FOLDER,
  file: "alertmanager.yml",
  check: ["amtool", "check-config"],
  lastReload: "alertmanager_config_last_reload_success_timestamp_seconds",
  folders: [],
};

/**
 * Loads the configuration on standard input, files by name, into a running Prometheus or Alertmanager: written beside the current
 * one, checked by the tool of the same image, swapped in atomically and reloaded. A configuration that is refused leaves the
 * current one in force. The names of rule files change with their text, and each run has a folder of its own for secrets, so that
 * old and new files lie side by side. Only the server's own user can read the secrets.
 */
async function main({
  CONTAINER = "",
  PROMETHEUS_URL = "",
  ALERTMANAGER_URL,
}: NodeJS.ProcessEnv): Promise<void> {
  const [server, url] = ALERTMANAGER_URL ? [ALERTMANAGER, ALERTMANAGER_URL] : [PROMETHEUS, PROMETHEUS_URL];
  const files = parse(await text(process.stdin)) as Record<string, string>;
  const isSecret = (name: string) => name.startsWith(`${SECRETS}/`);
  const secrets = Object.entries(files).filter(([name]) => isSecret(name));
  const rules = Object.entries(files).filter(([name]) => name !== server.file && !isSecret(name));
  const runInContainer = (script: string) => docker(["exec", "-i", CONTAINER, "sh", "-e"], { input: script });

  await retryOnContainer(
    CONTAINER,
    () => requireReady(url),
    READY_TIMEOUT_SECONDS,
    (mismatch) => {
      console.error(`waiting for ${server.name}: ${mismatch.actual}`);
    },
  );
  // Each run has file names of its own: the command of an update that was killed may still run.
  const id = randomUUID();
  const file = `${server.folder}/${server.file}`;
  const [candidate, backup] = [`${file}.${id}.new`, `${file}.${id}.old`] as const;
  const newSecrets = secretsFolder(server.folder, id);
  const config = ofVersion(files[server.file] ?? "", server.folder, id);
  await runInContainer(
    server.folders.map((folder) => `mkdir -p ${folder}\n`).join("") +
      writeSecrets(newSecrets, secrets) +
      rules.map(([name, content]) => writeCommand(`${server.folder}/${name}`, content)).join("") +
      writeCommand(candidate, config),
  );
  try {
    await docker(["exec", CONTAINER, ...server.check, candidate]);
  } catch (error) {
    await runInContainer(`rm -rf ${candidate} ${newSecrets}`);
    const reason = (await server.refusal?.(CONTAINER, config)) || (error as Error).message;
    throw new Error(
      `${server.check[0] ?? ""} refuses this configuration, and the old one stays in force:\n  ${reason}`,
    );
  }

  const before = await lastReload(server, url);
  await runInContainer(`cp ${file} ${backup}; mv ${candidate} ${file}; ${RELOAD}`);
  try {
    await retry(() => requireReloaded(server, url, before), RELOAD_TIMEOUT_SECONDS);
  } catch (error) {
    await runInContainer(`mv ${backup} ${file}; ${RELOAD}; rm -rf ${newSecrets}`);
    throw new Error(
      `${server.name} did not load this configuration, and the old one was restored:\n  ${(error as Error).message}`,
    );
  }
  await runInContainer(cleanUp(server, backup, rules.map(([name]) => name).join(" ")));
  console.error(`the configuration of ${server.name} is loaded`);
}

/** The part of a shell script that writes secrets where only the container's own user can read them. */
function writeSecrets(folder: string, secrets: [name: string, content: string][]): string {
  if (secrets.length === 0) return "";
  const writes = secrets.map(([name, content]) =>
    writeCommand(`${folder}/${name.slice(SECRETS.length + 1)}`, content),
  );
  return `umask 077; mkdir ${folder}\n${writes.join("")}umask 022\n`;
}

/** A shell script that removes what the new configuration does not use, and keeps a copy of what it does. */
function cleanUp({ folder, file, applied }: Server, backup: string, rules: string): string {
  const copy = applied ? `rm -rf ${applied}; mkdir -p ${applied}; cp ${file} ${rules} ${applied}` : "";
  return `rm ${backup}; find ${folder} -name '${file}.*' -mmin +10 -exec rm -f {} +
cd ${folder}; for file in rules.*; do case " ${rules} " in *" $file "*) ;; *) rm -f "$file";; esac; done
for folder in ${SECRETS}.*; do case "$(cat ${file})" in *"/$folder/"*) ;; *) rm -rf "$folder";; esac; done
${copy}`;
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

/** When a configuration was last loaded successfully, in Unix seconds with fractions. */
async function lastReload(server: Server, url: string): Promise<number> {
  const { body } = await get(`${url}/metrics`);
  return Number(new RegExp(`^${server.lastReload} (\\S+)$`, "m").exec(body)?.[1] ?? NaN);
}

async function requireReloaded(server: Server, url: string, before: number): Promise<void> {
  const last = await lastReload(server, url);
  if (!(last > before))
    throw new Mismatch(
      "no successful reload since the configuration was swapped in",
      "a successful reload",
      `See the log of ${server.name} for the reason.`,
    );
}

run(() => main(process.env));
