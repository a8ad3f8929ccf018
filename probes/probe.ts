import { text } from "node:stream/consumers";
import { checks } from "./checks";
import type { Expectation, Finding, ProbeReport } from "./report";
import { retry } from "./retry";
import { run } from "./run";

/** Reads the expectation from standard input, asks each check, shows progress on standard error, and writes the report. */
async function main(): Promise<void> {
  const expectation = JSON.parse(await text(process.stdin)) as Expectation;
  const findings: Finding[] = [];
  for (const { name, deadline, ask } of checks(expectation)) {
    const seen = await retry(ask, deadline, (mismatch) => {
      console.error(`waiting until ${name}: ${mismatch.seen}`);
    }).catch((error: unknown) => {
      throw new Error(`probe failed after ${deadline} s: ${name}\n  ${(error as Error).message}`);
    });
    console.error(`ok: ${name} (${seen})`);
    findings.push({ check: name, seen });
  }
  const report: ProbeReport = { at: new Date().toISOString(), findings };
  process.stdout.write(JSON.stringify(report));
}

run(main);
