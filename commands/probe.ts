import { text } from "node:stream/consumers";
import { retryOnContainer } from "../probes/check";
import { checks } from "../probes/checks";
import type { Expectation, Finding, ProbeReport } from "../probes/report";
import { run } from "./run";

/** Runs the post-deploy checks for the expectation on standard input, logs their progress, and prints the report. */
async function main(): Promise<void> {
  const expectation = JSON.parse(await text(process.stdin)) as Expectation;
  const findings: Finding[] = [];
  for (const { name, container, deadline, query } of checks(expectation)) {
    const start = Date.now();
    const actual = await retryOnContainer(container, query, deadline, (mismatch) => {
      console.error(`waiting until ${name}: ${mismatch.actual}`);
    }).catch((error: unknown) => {
      const seconds = Math.round((Date.now() - start) / 1000);
      throw new Error(`check failed after ${seconds} s: ${name}\n  ${(error as Error).message}`);
    });
    console.error(`ok: ${name} (${actual})`);
    findings.push({ check: name, actual });
  }
  const report: ProbeReport = { at: new Date().toISOString(), findings };
  process.stdout.write(JSON.stringify(report));
}

run(main);
