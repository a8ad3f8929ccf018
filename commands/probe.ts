import { text } from "node:stream/consumers";
import { checks } from "../probes/checks";
import { retryOn } from "../probes/retryOnContainer";
import type { Expectation, Finding, ProbeReport } from "../probes/report";
import { run } from "./run";

/** Reads the expectation from standard input, asks each check, shows progress on standard error, and writes the report. */
async function main(): Promise<void> {
  const expectation = JSON.parse(await text(process.stdin)) as Expectation;
  const findings: Finding[] = [];
  for (const { name, container, deadline, ask } of checks(expectation)) {
    const start = Date.now();
    const seen = await retryOn(container, ask, deadline, (mismatch) => {
      console.error(`waiting until ${name}: ${mismatch.actual}`);
    }).catch((error: unknown) => {
      const seconds = Math.round((Date.now() - start) / 1000);
      throw new Error(`probe failed after ${seconds} s: ${name}\n  ${(error as Error).message}`);
    });
    console.error(`ok: ${name} (${seen})`);
    findings.push({ check: name, seen });
  }
  const report: ProbeReport = { at: new Date().toISOString(), findings };
  process.stdout.write(JSON.stringify(report));
}

run(main);
