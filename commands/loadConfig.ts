import { randomUUID } from "node:crypto";
import { text } from "node:stream/consumers";
import { load as parse } from "js-yaml";
import { APPLIED_FOLDER, CONFIG_FOLDER } from "../prometheus/config";
import { retryOn } from "../probes/retryOnContainer";
import { docker } from "../host/docker";
import { get } from "../host/http";
import { requireLoaded } from "../probes/loadedConfig";
import { Mismatch, retry } from "../lib/retry";
import { run } from "./run";

/** Not by `docker kill`, which takes the container for stopped by hand: it would not come back after a crash or a reboot. */
const RELOAD = "kill -HUP 1";
const FILE = `${CONFIG_FOLDER}/prometheus.yml`;

/**
 * Gives a running Prometheus the configuration on standard input, files by name: written beside the old one, checked by the
 * promtool of the very image, swapped in at once, loaded without a restart, and confirmed. A refused one leaves the old one
 * in force. The names of rule files change with their text, so that old and new ones lie side by side.
 */
async function main({ CONTAINER = "", PROMETHEUS_URL = "" }: NodeJS.ProcessEnv): Promise<void> {
  const { "prometheus.yml": config = "", ...rules } = parse(await text(process.stdin)) as Record<
    string,
    string
  >;
  const inside = (script: string) => docker(["exec", "-i", CONTAINER, "sh", "-e"], { input: script });

  await retryOn(
    CONTAINER,
    () => ready(PROMETHEUS_URL),
    120,
    (mismatch) => {
      console.error(`waiting for Prometheus: ${mismatch.actual}`);
    },
  );
  // Names of their own, because the command of an update that was killed may still be at it.
  const [fresh, old] = ["new", "old"].map((end) => `${FILE}.${randomUUID()}.${end}`) as [string, string];
  const rulesWritten = Object.entries(rules).map(([name, content]) =>
    written(`${CONFIG_FOLDER}/${name}`, content),
  );
  await inside(rulesWritten.join("") + written(fresh, config));
  try {
    await docker(["exec", CONTAINER, "promtool", "check", "config", fresh]);
  } catch (error) {
    await inside(`rm ${fresh}`);
    throw new Error(
      `Prometheus would refuse this configuration, so the old one stays in force:\n${(error as Error).message}`,
    );
  }

  await inside(`cp ${FILE} ${old}; mv ${fresh} ${FILE}; ${RELOAD}`);
  try {
    await retry(
      () => requireLoaded(PROMETHEUS_URL, config),
      30,
      () => undefined,
    );
  } catch (error) {
    await inside(`mv ${old} ${FILE}; ${RELOAD}`);
    throw new Error(
      `Prometheus did not load this configuration, so the old one was put back:\n  ${(error as Error).message}`,
    );
  }
  const unused = `*" $file "*) ;; *) rm -f "$file";;`;
  const used = Object.keys(rules).join(" ");
  await inside(
    `rm ${old}; find ${CONFIG_FOLDER} -name 'prometheus.yml.*' -mmin +10 -exec rm -f {} +\n` +
      `cd ${CONFIG_FOLDER}; for file in rules.*; do case " ${used} " in ${unused} esac; done; ` +
      `rm -rf ${APPLIED_FOLDER}; mkdir -p ${APPLIED_FOLDER}; cp prometheus.yml ${used} ${APPLIED_FOLDER}`,
  );
  console.error("the configuration is loaded");
}

/** The part of a shell script that writes a text, which ends with a line break, to a file. */
function written(file: string, content: string): string {
  const end = randomUUID();
  return `cat > ${file} <<'${end}'\n${content}${end}\n`;
}

async function ready(prometheus: string): Promise<void> {
  const { status } = await get(`${prometheus}/-/ready`);
  if (status !== 200)
    throw new Mismatch(
      `not ready (status ${status})`,
      "status 200",
      "While it reads its log of changes, run `npm run up` again later.",
    );
}

run(() => main(process.env));
