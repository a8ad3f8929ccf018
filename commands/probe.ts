import { text } from "node:stream/consumers";
import { advise, retryOnContainer, type Check } from "../probes/check";
import { checks } from "../probes/checks";
import type { Expectation, Finding, ProbeReport } from "../probes/report";
import { run } from "./run";

/** cAdvisor needs some seconds to discover the containers of a host, however short the scrape interval is. */
const DISCOVERY_SECONDS = 10;

/** Runs the post-deploy checks for the expectation on standard input, logs their progress, and prints the report. */
async function main(): Promise<void> {
  const expectation = JSON.parse(await text(process.stdin)) as Expectation;
  const findings: Finding[] = [];
  // For all checks together, from when the first of them has found the stack's own containers.
  const advisoryTimeout = 1000 * Math.max(2 * expectation.scrapeIntervalSeconds, DISCOVERY_SECONDS);
  let adviseUntil: number | undefined;
  for (const check of checks(expectation)) {
    let actual = await required(check);
    let prefix = "ok";
    if (check.advisory) {
      adviseUntil ??= Date.now() + advisoryTimeout;
      const advice = await advise(check.advisory, adviseUntil, (gaps) => {
        console.error(`waiting at most ${advisoryTimeout / 1000} s for other containers: ${gaps}`);
      });
      ({ actual } = advice);
      if (advice.gaps.length > 0) prefix = "note";
    }
    console.error(`${prefix}: ${check.name} (${actual})`);
    findings.push({ check: check.name, actual });
  }
  const report: ProbeReport = { at: new Date().toISOString(), findings };
  process.stdout.write(JSON.stringify(report));
}

/** Retries a check until it passes. */
async function required({ name, container, deadline, query }: Check): Promise<string> {
  const start = Date.now();
  try {
    return await retryOnContainer(container, query, deadline, (mismatch) => {
      console.error(`waiting until ${name}: ${mismatch.actual}`);
    });
  } catch (error) {
    const seconds = Math.round((Date.now() - start) / 1000);
    throw new Error(`check failed after ${seconds} s: ${name}\n  ${(error as Error).message}`);
  }
}

run(main);
