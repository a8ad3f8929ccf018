import { randomUUID } from "node:crypto";
import { text } from "node:stream/consumers";
import { load as parse } from "js-yaml";
import { APPLIED_FOLDER, CONFIG_FOLDER, toYaml, type PrometheusConfig } from "../prometheus/config";
import { durationSeconds } from "../prometheus/units";
import { retryOn } from "./container";
import { docker } from "./docker";
import { get } from "./http";
import { requireLoaded } from "./loadedConfig";
import { Mismatch, retry } from "./retry";
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
  const inside = (script: string) => docker(["exec", "-i", CONTAINER, "sh", "-e"], script);

  await retryOn(
    CONTAINER,
    () => ready(PROMETHEUS_URL),
    120,
    (mismatch) => {
      console.error(`waiting for Prometheus: ${mismatch.seen}`);
    },
  );
  await inside(
    Object.entries({ ...rules, "prometheus.yml.new": config })
      .map(([name, content]) => written(`${CONFIG_FOLDER}/${name}`, content))
      .join(""),
  );
  try {
    await docker(["exec", CONTAINER, "promtool", "check", "config", `${FILE}.new`]);
  } catch (error) {
    await inside(`rm ${FILE}.new`);
    throw new Error(
      `Prometheus would refuse this configuration, so the old one stays in force:\n${(error as Error).message}`,
    );
  }

  const keepOld = `cp ${FILE} ${FILE}.old\n`;
  const quickened = withFirstScrapes(config);
  const first = quickened && !(await scraped(PROMETHEUS_URL, CADVISOR));
  if (first) {
    await inside(`${keepOld}${written(FILE, quickened)}${RELOAD}`);
    await retry(
      () => requireScraped(PROMETHEUS_URL),
      20,
      () => undefined,
    ).catch(() => undefined);
  }
  try {
    await inside(`${first ? "" : keepOld}mv ${FILE}.new ${FILE}; ${RELOAD}`);
    await retry(
      () => requireLoaded(PROMETHEUS_URL, config),
      30,
      () => undefined,
    );
  } catch (error) {
    await inside(`mv ${FILE}.old ${FILE}; ${RELOAD}`);
    throw new Error(
      `Prometheus did not load this configuration, so the old one was put back:\n  ${(error as Error).message}`,
    );
  }
  const unused = `*" $file "*) ;; *) rm -f "$file";;`;
  const used = Object.keys(rules).join(" ");
  await inside(
    `rm ${FILE}.old; cd ${CONFIG_FOLDER}; for file in rules.*; do case " ${used} " in ${unused} esac; done; ` +
      `rm -rf ${APPLIED_FOLDER}; mkdir ${APPLIED_FOLDER}; cp prometheus.yml ${used} ${APPLIED_FOLDER}`,
  );
  console.error("the configuration is loaded");
}

/** The part of a shell script that writes a text, which ends with a line break, to a file. */
function written(file: string, content: string): string {
  const end = randomUUID();
  return `cat > ${file} <<'${end}'\n${content}${end}\n`;
}

/** The interval of first scrapes. */
const FIRST = "3s";

/**
 * The configuration with which a Prometheus that has just started scrapes each target soon; with its own interval, it would at
 * a random moment of the first one. Undefined: its interval is as short.
 */
function withFirstScrapes(config: string): string | undefined {
  const { global, scrape_configs, ...rest } = parse(config) as PrometheusConfig;
  if (durationSeconds(global.scrape_interval) <= durationSeconds(FIRST)) return undefined;
  return toYaml({
    ...rest,
    global: { ...global, scrape_interval: FIRST },
    scrape_configs: scrape_configs.map(({ scrape_interval, scrape_timeout, ...job }) =>
      scrape_interval && scrape_interval !== global.scrape_interval
        ? { ...job, scrape_interval, ...(scrape_timeout && { scrape_timeout }) }
        : job,
    ),
  });
}

interface Target {
  scrapePool: string;
  scrapeInterval: string;
  health: "unknown" | "up" | "down";
}

const CADVISOR = ({ scrapePool }: Target) => scrapePool === "cadvisor";

/** Whether there are targets such as these, and each has been scraped: cAdvisor with success, others perhaps without one. */
async function scraped(prometheus: string, such: (target: Target) => boolean): Promise<boolean> {
  const { body } = await get(`${prometheus}/api/v1/targets?state=active`);
  const targets = (JSON.parse(body) as { data: { activeTargets: Target[] } }).data.activeTargets.filter(such);
  return (
    targets.length > 0 &&
    targets.every((target) => target.health === "up" || (target.health === "down" && !CADVISOR(target)))
  );
}

async function requireScraped(prometheus: string): Promise<void> {
  if (!(await scraped(prometheus, ({ scrapeInterval }) => scrapeInterval === FIRST)))
    throw new Mismatch("not scraped yet", "a first scrape of each target", "Run `npm run up` again.");
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
