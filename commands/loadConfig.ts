import { randomUUID } from "node:crypto";
import { text } from "node:stream/consumers";
import { load as parse } from "js-yaml";
import { CONFIG_FOLDER, TARGETS_FOLDER } from "../lib/names";
import { APPLIED_FOLDER } from "../prometheus/config";
import { ofVersion, SECRETS, secretsFolder } from "../prometheus/secretFiles";
import { retryOnContainer } from "../probes/check";
import { refusal } from "../host/configurationCheck";
import { docker } from "../host/docker";
import { get } from "../host/http";
import { Mismatch, retry } from "../lib/retry";
import { run } from "./run";

/** A signal by `docker kill` would count as a manual stop: the container would not start after a crash or a reboot. */
const RELOAD = "kill -HUP 1";
const FILE = `${CONFIG_FOLDER}/prometheus.yml`;
const READY_TIMEOUT_SECONDS = 120;
const RELOAD_TIMEOUT_SECONDS = 30;

/**
 * Loads the configuration on standard input, files by name, into a running Prometheus: written beside the current one, checked
 * by the promtool of the same image, swapped in atomically and reloaded. A configuration that is refused leaves the current one
 * in force. The names of rule files change with their text, and each run has a folder of its own for secrets, so that old and new
 * files lie side by side. Only the user of Prometheus can read the secrets.
 */
async function main({ CONTAINER = "", PROMETHEUS_URL = "" }: NodeJS.ProcessEnv): Promise<void> {
  const files = parse(await text(process.stdin)) as Record<string, string>;
  const isSecret = (name: string) => name.startsWith(`${SECRETS}/`);
  const secrets = Object.entries(files).filter(([name]) => isSecret(name));
  const rules = Object.entries(files).filter(([name]) => name !== "prometheus.yml" && !isSecret(name));
  const runInContainer = (script: string) => docker(["exec", "-i", CONTAINER, "sh", "-e"], { input: script });

  await retryOnContainer(
    CONTAINER,
    () => requireReady(PROMETHEUS_URL),
    READY_TIMEOUT_SECONDS,
    (mismatch) => {
      console.error(`waiting for Prometheus: ${mismatch.actual}`);
    },
  );
  // Each run has file names of its own: the command of an update that was killed may still run.
  const id = randomUUID();
  const [candidate, backup] = [`${FILE}.${id}.new`, `${FILE}.${id}.old`] as const;
  const config = ofVersion(files["prometheus.yml"] ?? "", id);
  await runInContainer(
    `mkdir -p ${TARGETS_FOLDER}\n` +
      writeSecrets(secretsFolder(id), secrets) +
      rules.map(([name, content]) => writeCommand(`${CONFIG_FOLDER}/${name}`, content)).join("") +
      writeCommand(candidate, config),
  );
  try {
    await docker(["exec", CONTAINER, "promtool", "check", "config", candidate]);
  } catch (error) {
    await runInContainer(`rm -rf ${candidate} ${secretsFolder(id)}`);
    const reason = (await refusal(CONTAINER, config)) || (error as Error).message;
    throw new Error(`promtool refuses this configuration, and the old one stays in force:\n  ${reason}`);
  }

  const before = await lastReload(PROMETHEUS_URL);
  await runInContainer(`cp ${FILE} ${backup}; mv ${candidate} ${FILE}; ${RELOAD}`);
  try {
    await retry(() => requireReloaded(PROMETHEUS_URL, before), RELOAD_TIMEOUT_SECONDS);
  } catch (error) {
    await runInContainer(`mv ${backup} ${FILE}; ${RELOAD}; rm -rf ${secretsFolder(id)}`);
    throw new Error(
      `Prometheus did not load this configuration, and the old one was restored:\n  ${(error as Error).message}`,
    );
  }
  await runInContainer(cleanUp(backup, rules.map(([name]) => name).join(" ")));
  console.error("the configuration is loaded");
}

/** The part of a shell script that writes secrets where only the container's own user can read them. */
function writeSecrets(folder: string, secrets: [name: string, content: string][]): string {
  if (secrets.length === 0) return "";
  const writes = secrets.map(([name, content]) =>
    writeCommand(`${folder}/${name.slice(SECRETS.length + 1)}`, content),
  );
  return `umask 077; mkdir ${folder}\n${writes.join("")}umask 022\n`;
}

/** The part of a shell script that writes a text, which ends with a line break, to a file. */
function writeCommand(file: string, content: string): string {
  const end = randomUUID();
  return `cat > ${file} <<'${end}'\n${content}${end}\n`;
}

/** A shell script that removes what the new configuration does not use, and keeps a copy of what it does. */
function cleanUp(backup: string, rules: string): string {
  return `rm ${backup}; find ${CONFIG_FOLDER} -name 'prometheus.yml.*' -mmin +10 -exec rm -f {} +
cd ${CONFIG_FOLDER}; for file in rules.*; do case " ${rules} " in *" $file "*) ;; *) rm -f "$file";; esac; done
for folder in ${SECRETS}.*; do case "$(cat prometheus.yml)" in *"/$folder/"*) ;; *) rm -rf "$folder";; esac; done
rm -rf ${APPLIED_FOLDER}; mkdir -p ${APPLIED_FOLDER}; cp prometheus.yml ${rules} ${APPLIED_FOLDER}`;
}

async function requireReady(prometheus: string): Promise<void> {
  const { status } = await get(`${prometheus}/-/ready`);
  if (status !== 200)
    throw new Mismatch(
      `not ready (status ${status})`,
      "status 200",
      "While it replays its WAL, run `npm run up` again later.",
    );
}

/** When a configuration was last loaded successfully, in Unix seconds with fractions. */
async function lastReload(prometheus: string): Promise<number> {
  const { body } = await get(`${prometheus}/metrics`);
  return Number(/^prometheus_config_last_reload_success_timestamp_seconds (\S+)$/m.exec(body)?.[1] ?? NaN);
}

async function requireReloaded(prometheus: string, before: number): Promise<void> {
  const last = await lastReload(prometheus);
  if (!(last > before))
    throw new Mismatch(
      "no successful reload since the configuration was swapped in",
      "a successful reload",
      "See the log of Prometheus for the reason.",
    );
}

run(() => main(process.env));
