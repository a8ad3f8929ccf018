import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { cacheFolder } from "../../airgap/cache";
import { staticBusybox } from "../../airgap/images/busybox";
import { buildPrometheus } from "../../airgap/toolchain/prometheus";
import { ENGINES, startDaemon } from "../../tests/integration/daemons";
import { stackImages } from "../environment/images";
import { say } from "../environment/say";
import { pulumiEnvironment } from "../pulumi";

interface Count {
  passed: number;
  failed: number;
}

/** What `npm test` runs, in this order. */
const PARTS: Record<string, () => Promise<Count>> = {
  lint: async () =>
    sum(
      await command("tsc", ["--noEmit"]),
      await command("eslint", ["."]),
      await command("prettier", ["--check", "."]),
    ),
  unit: () => jest(["--testPathIgnorePatterns=/tests/(integration|faults)/"]),
  ...Object.fromEntries(
    (Object.keys(ENGINES) as (keyof typeof ENGINES)[]).map((engine) => [
      `integration:${engine}`,
      () => onDaemon(engine, "tests/integration"),
    ]),
  ),
  faults: async () => {
    await buildPrometheus("3.13.4", say); // From which they upgrade.
    return onDaemon("distribution", "tests/faults");
  },
};

/** Aborted by Ctrl-C and the like, so that what is running ends, and daemons are removed on the way out. */
const interruption = new AbortController();
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** `npm test [-- PART …]`: runs every part, or those whose name starts with one of the words; ends with `N passed, N failed`. */
export default async (args: string[]): Promise<number> => {
  const chosen = Object.entries(PARTS).filter(
    ([name]) => args.length === 0 || args.some((word) => name.startsWith(word)),
  );
  if (chosen.length === 0)
    throw new Error(`no such part: ${args.join(" ")}; there are ${Object.keys(PARTS).join(", ")}`);
  for (const signal of SIGNALS)
    process.once(signal, () => {
      say(`${signal}: ending the tests and removing their daemon`);
      interruption.abort();
    });
  let total: Count = { passed: 0, failed: 0 };
  for (const [name, runPart] of chosen) {
    if (interruption.signal.aborted) break;
    say(`\n== ${name}`);
    const count = await runPart().catch((error: unknown) => {
      say(`error: ${(error as Error).message}`);
      return { passed: 0, failed: 1 };
    });
    total = sum(total, count);
  }
  console.log(`${total.passed} passed, ${total.failed} failed`);
  return total.failed > 0 || interruption.signal.aborted ? 1 : 0;
};

const sum = (...counts: Count[]): Count => ({
  passed: counts.reduce((n, count) => n + count.passed, 0),
  failed: counts.reduce((n, count) => n + count.failed, 0),
});

/** Runs a tool of node_modules that either passes or fails. */
async function command(tool: string, args: string[]): Promise<Count> {
  const passed = (await inTerminal([path.join("node_modules", ".bin", tool), ...args])) === 0;
  say(`${tool}: ${passed ? "no complaint" : "failed"}`);
  return passed ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

/** Runs the tests that arguments of jest choose. A run without a test, or with a broken one, counts as failed. */
async function jest(args: string[], inside: string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Count> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "jest-"));
  const report = path.join(folder, "report.json");
  try {
    const words = [
      ...inside,
      path.join("node_modules", ".bin", "jest"),
      "--json",
      `--outputFile=${report}`,
      `--cacheDirectory=${path.join(cacheFolder(), "jest")}`,
      ...args,
    ];
    const status = await inTerminal(words, { ...env, NODE_OPTIONS: "" });
    const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites, numPendingTests } = JSON.parse(
      await readFile(report, "utf8"),
    ) as Record<string, number>;
    const failed = (numFailedTests ?? 0) + (numRuntimeErrorTestSuites ?? 0) + (numPendingTests ?? 0);
    return {
      passed: numPassedTests ?? 0,
      failed: failed === 0 && (status !== 0 || numPassedTests === 0) ? 1 : failed,
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Runs the tests of a folder on a daemon of their own. */
async function onDaemon(engine: keyof typeof ENGINES, tests: string): Promise<Count> {
  // Whatever has to be downloaded or built comes first: the daemon's network namespace reaches nothing.
  await Promise.all([pulumiEnvironment(), staticBusybox()]);
  const daemon = await startDaemon(engine);
  try {
    await stackImages("of-the-tests", daemon.host, { gpus: true });
    return await jest([tests, "--runInBand", "--verbose", "--testTimeout=600000"], daemon.inside, {
      DOCKER_HOST: daemon.host,
      TMPDIR: daemon.temporary,
      DAEMON_FOLDER: daemon.folder,
    });
  } finally {
    await daemon.stop();
  }
}

function inTerminal([program = "", ...args]: string[], env: NodeJS.ProcessEnv = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    spawn(program, args, {
      stdio: ["ignore", 2, 2],
      env: { ...process.env, ...env },
      signal: interruption.signal,
    })
      .on("error", reject)
      .on("close", (status) => {
        resolve(status ?? 1);
      });
  });
}
