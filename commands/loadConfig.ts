import { randomUUID } from "node:crypto";
import { text } from "node:stream/consumers";
import { load as parse } from "js-yaml";
import { APPLIED_FOLDER, CONFIG_FOLDER } from "../prometheus/config";
import { retryOnContainer } from "../probes/check";
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
 * in force. The names of rule files change with their text, so that old and new rules lie side by side.
 */
async function main({ CONTAINER = "", PROMETHEUS_URL = "" }: NodeJS.ProcessEnv): Promise<void> {
  const { "prometheus.yml": config = "", ...rules } = parse(await text(process.stdin)) as Record<
    string,
    string
  >;
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
  const writeRules = Object.entries(rules).map(([name, content]) =>
    writeCommand(`${CONFIG_FOLDER}/${name}`, content),
  );
  await runInContainer(writeRules.join("") + writeCommand(candidate, config));
  try {
    await docker(["exec", CONTAINER, "promtool", "check", "config", candidate]);
  } catch (error) {
    await runInContainer(`rm ${candidate}`);
    throw new Error(
      `promtool refuses this configuration, and the old one stays in force:\n${(error as Error).message}`,
    );
  }

  const before = await lastReload(PROMETHEUS_URL);
  await runInContainer(`cp ${FILE} ${backup}; mv ${candidate} ${FILE}; ${RELOAD}`);
  try {
    await retry(() => requireReloaded(PROMETHEUS_URL, before), RELOAD_TIMEOUT_SECONDS);
  } catch (error) {
    await runInContainer(`mv ${backup} ${FILE}; ${RELOAD}`);
    throw new Error(
      `Prometheus did not load this configuration, and the old one was restored:\n  ${(error as Error).message}`,
    );
  }
  await runInContainer(cleanUp(backup, Object.keys(rules).join(" ")));
  console.error("the configuration is loaded");
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
