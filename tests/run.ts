import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { cacheFolder } from "../lib/cache";
import { staticBusybox } from "../airgap/images/busybox";
import { buildPrometheus } from "../airgap/toolchain/prometheus";
import { ENGINES, startDaemon } from "./support/daemons";
import { stackImages } from "../cli/prerequisites/images";
import { log } from "../lib/log";
import { pulumiEnvironment } from "../cli/pulumiCommand";

interface Count {
  passed: number;
  failed: number;
  /** What is told of those that failed, once more at the end: why, then which. */
  failures: { which: string; why: string }[];
}

/** Of what jest's `--json` writes, what is read here. */
interface JestReport {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numRuntimeErrorTestSuites: number;
  testResults: {
    name: string;
    status: string;
    message: string;
    assertionResults: { fullName: string; status: string }[];
  }[];
}

/** What runs the tests of a part, given its name. */
type Part = (name: string) => Promise<Count>;

/** What `npm test` runs, in this order, */
const FIRST: Record<string, Part> = {
  lint: async () =>
    sum(
      await command("tsc", ["--noEmit"]),
      await command("eslint", ["."]),
      await command("prettier", ["--check", "."]),
    ),
  unit: () => jest(["--testPathIgnorePatterns=/tests/(integration|faults)/"]),
};
/** and what it runs then, side by side, because most of their time they wait. */
const ON_DAEMONS: Record<string, Part> = {
  ...Object.fromEntries(
    (Object.keys(ENGINES) as (keyof typeof ENGINES)[]).map((engine) => [
      `integration:${engine}`,
      (name) => onDaemon(name, engine, "tests/integration"),
    ]),
  ),
  faults: async (name) => {
    await inTurn(() => buildPrometheus("3.13.4")); // From which they upgrade.
    return onDaemon(name, "distribution", "tests/faults");
  },
};

/** Aborted by Ctrl-C and the like, so that what is running ends, and daemons are removed on the way out. */
const interruption = new AbortController();
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * `npm test [-- PART …]`: runs every part, or those whose name starts with one of the words.
 * Ends with what failed, and why, and the line `N passed, N failed`.
 */
export default async (args: string[]): Promise<number> => {
  const chosen = (parts: Record<string, Part>) =>
    Object.entries(parts).filter(([name]) => args.length === 0 || args.some((word) => name.startsWith(word)));
  const [first, onDaemons] = [chosen(FIRST), chosen(ON_DAEMONS)];
  if (first.length + onDaemons.length === 0)
    throw new Error(
      `no such part: ${args.join(" ")}; there are ${Object.keys({ ...FIRST, ...ON_DAEMONS }).join(", ")}`,
    );
  for (const signal of SIGNALS)
    process.once(signal, () => {
      log(`${signal}: ending the tests and removing their daemon`);
      interruption.abort();
    });
  const counts: Count[] = [];
  const start = async ([name, part]: [string, Part]) => {
    if (interruption.signal.aborted) return;
    log(`== ${name}`);
    const count = await part(name).catch((error: unknown) => {
      log(`${name}: error: ${(error as Error).message}`);
      return failure("its run", (error as Error).message);
    });
    counts.push({
      ...count,
      failures: count.failures.map(({ which, why }) => ({ which: `${name} | ${which}`, why })),
    });
    log(`== ${name}: ${count.passed} passed, ${count.failed} failed`);
  };
  for (const part of first) await start(part);
  await Promise.all(onDaemons.map(start));
  const total = sum(...counts);
  for (const { which, why } of total.failures) log(`${which}\n${why}`);
  for (const { which } of total.failures) log(`failed: ${which}`);
  console.log(`${total.passed} passed, ${total.failed} failed`);
  return total.failed > 0 || interruption.signal.aborted ? 1 : 0;
};

const sum = (...counts: Count[]): Count => ({
  passed: counts.reduce((n, count) => n + count.passed, 0),
  failed: counts.reduce((n, count) => n + count.failed, 0),
  failures: counts.flatMap(({ failures }) => failures),
});

const failure = (which: string, why: string): Count => ({
  passed: 0,
  failed: 1,
  failures: [{ which, why }],
});

/** Runs a tool of node_modules that either passes or fails. */
async function command(tool: string, args: string[]): Promise<Count> {
  const passed = (await inTerminal([path.join("node_modules", ".bin", tool), ...args])) === 0;
  log(`${tool}: ${passed ? "no complaint" : "failed"}`);
  return passed ? { passed: 1, failed: 0, failures: [] } : failure(tool, "see what it said, above");
}

/**
 * Runs the tests that arguments of jest choose. A run without a test, or with a broken one, counts as failed.
 *
 * @param side where other tests run beside these: words before jest, more environment, and the name before each line
 */
async function jest(
  args: string[],
  { inside = [], env = {}, name }: { inside?: string[]; env?: NodeJS.ProcessEnv; name?: string } = {},
): Promise<Count> {
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
    // Certificates that a machine adds for Node take each of its processes 60 ms to load, and no test asks anybody outside.
    const plain = { NODE_OPTIONS: "", NODE_EXTRA_CA_CERTS: undefined };
    const status = await inTerminal(words, { ...env, ...plain }, name);
    const results = JSON.parse(await readFile(report, "utf8")) as JestReport;
    const passed = results.numPassedTests;
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites + results.numPendingTests;
    if (failed === 0 && (status !== 0 || passed === 0))
      return { ...failure("jest", `ended with status ${status}, ${passed} passed`), passed };
    return {
      passed,
      failed,
      failures: results.testResults
        .map(({ name: file, message, assertionResults }) => {
          const failed = assertionResults.filter((test) => test.status !== "passed");
          return {
            which: [path.relative("", file), ...failed.map((test) => test.fullName)].join("\n  ✕ "),
            why: message || failed.map((test) => test.status).join(", "),
          };
        })
        .filter(({ why }) => why),
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

let last: Promise<unknown> = Promise.resolve();

/** Does what installs packages or builds: one at a time. */
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const mine = last.then(work);
  last = mine.catch(() => undefined);
  return mine;
}

/** Runs the tests of a folder on a daemon of their own. */
async function onDaemon(name: string, engine: keyof typeof ENGINES, tests: string): Promise<Count> {
  const daemon = await inTurn(async () => {
    // Whatever has to be downloaded or built comes first: the daemon's network namespace reaches nothing.
    await Promise.all([pulumiEnvironment(), staticBusybox()]);
    return startDaemon(engine);
  });
  try {
    await inTurn(() => stackImages("of-the-tests", daemon.host, { gpus: true }));
    return await jest([tests, "--runInBand", "--verbose", "--testTimeout=1800000"], {
      inside: daemon.inside,
      env: { DOCKER_HOST: daemon.host, TMPDIR: daemon.temporary, DAEMON_FOLDER: daemon.folder },
      name,
    });
  } finally {
    await daemon.stop();
  }
}

/** Runs a program with its output in the terminal; with a name, it goes before each line. */
function inTerminal(
  [program = "", ...args]: string[],
  env: NodeJS.ProcessEnv = {},
  name?: string,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: name ? ["ignore", "pipe", "pipe"] : ["ignore", 2, 2],
      env: { ...process.env, ...env },
      signal: interruption.signal,
    });
    for (const output of [child.stdout, child.stderr])
      if (output)
        createInterface(output).on("line", (line) => {
          log(`${name} | ${line}`);
        });
    child.on("error", reject).on("close", (status) => {
      resolve(status ?? 1);
    });
  });
}
