import { text } from "node:stream/consumers";
import { docker } from "./docker";
import { get } from "./http";
import { Mismatch, retry } from "./retry";

const FILE = "/etc/prometheus/prometheus.yml";

/**
 * Gives a running Prometheus the configuration on standard input: written beside the old one, checked by the promtool of
 * the very image, swapped in at once, loaded without a restart, and confirmed. A refused one leaves the old one in force.
 */
async function main({ CONTAINER = "", PROMETHEUS_URL = "" }: NodeJS.ProcessEnv): Promise<void> {
  const config = await text(process.stdin);
  const inside = (command: string, input?: string) =>
    docker(["exec", ...(input === undefined ? [] : ["-i"]), CONTAINER, "sh", "-ec", command], input);

  await retry(
    () => ready(PROMETHEUS_URL, CONTAINER),
    120,
    (mismatch) => {
      console.error(`waiting for Prometheus: ${mismatch.seen}`);
    },
  );
  await inside(`cat > ${FILE}.new`, config);
  try {
    await docker(["exec", CONTAINER, "promtool", "check", "config", `${FILE}.new`]);
  } catch (error) {
    await inside(`rm ${FILE}.new`);
    throw new Error(
      `Prometheus would refuse this configuration, so the old one stays in force:\n${(error as Error).message}`,
    );
  }

  const before = await reloads(PROMETHEUS_URL);
  await inside(`cp ${FILE} ${FILE}.old; mv ${FILE}.new ${FILE}`);
  await docker(["kill", "--signal", "HUP", CONTAINER]);
  try {
    await retry(
      () => reloaded(PROMETHEUS_URL, before),
      60,
      () => undefined,
    );
  } catch (error) {
    await inside(`mv ${FILE}.old ${FILE}`);
    await docker(["kill", "--signal", "HUP", CONTAINER]);
    throw new Error(
      `Prometheus did not load this configuration, so the old one was put back:\n  ${(error as Error).message}`,
    );
  }
  await inside(`rm ${FILE}.old`);
  console.error("the configuration is loaded");
}

async function ready(prometheus: string, container: string): Promise<void> {
  const { status } = await get(`${prometheus}/-/ready`);
  if (status !== 200)
    throw new Mismatch(`not ready (status ${status})`, "status 200", `See \`docker logs ${container}\`.`);
}

interface Reloads {
  successful: boolean;
  lastSuccess: number;
}

async function reloads(prometheus: string): Promise<Reloads> {
  const { body } = await get(`${prometheus}/metrics`);
  const value = (metric: string) => Number(new RegExp(`^${metric} (.+)$`, "m").exec(body)?.[1]);
  return {
    successful: value("prometheus_config_last_reload_successful") === 1,
    lastSuccess: value("prometheus_config_last_reload_success_timestamp_seconds"),
  };
}

async function reloaded(prometheus: string, before: Reloads): Promise<void> {
  const now = await reloads(prometheus);
  if (!now.successful || now.lastSuccess === before.lastSuccess)
    throw new Mismatch(
      now.successful ? "not loaded yet" : "the reload failed",
      "a successful reload",
      "See the log of Prometheus.",
    );
}

main(process.env).catch((error: unknown) => {
  console.error((error as Error).message);
  process.exitCode = 1;
});
