import { mkdtemp, readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { stripVTControlCharacters } from "node:util";
import { execa } from "execa";
import { staticBusybox } from "../airgap/images/busybox";
import { buildCaddy } from "../airgap/toolchain/caddy";
import { buildPrometheus } from "../airgap/toolchain/prometheus";
import { stackImages } from "../cli/prerequisites/images";
import { pulumiEnvironment } from "../cli/pulumiCommand";
import { cacheFolder } from "../lib/cache";
import { log } from "../lib/log";
import { type Engine, startDaemon } from "./support/daemons";
import { installBrowser } from "./support/page/install";

/** How many tests passed, and each failure with its reason. */
interface Result {
  passed: number;
  failures: { test: string; reason: string }[];
}

/** The fields of Jest's JSON report that are used here. */
interface JestReport {
  numPassedTests: number;
  testResults: {
    name: string;
    message: string;
    assertionResults: { fullName: string; status: string; failureMessages: string[] }[];
  }[];
}

type Part = (files: string[]) => Promise<Result>;

/** By default, Jest leaves one CPU idle. */
const ALL_CPUS = ["--maxWorkers=100%"];

/** Parts that only compute run one after the other. */
const COMPUTING: Record<string, Part> = {
  lint: async () =>
    sum(
      ...(await Promise.all([
        linter("eslint", ["."]),
        linter("tsc", ["--noEmit"]),
        linter("prettier", ["--check", "."]),
      ])),
    ),
  unit: (files) => jest("unit", files, ALL_CPUS),
  rules: (files) => jest("rules", files, ALL_CPUS),
  page: async (files) => {
    await installBrowser();
    await buildCaddy();
    return jest("page", files);
  },
};
/** Parts that mostly wait for containers run side by side. Each has a Docker daemon of its own. */
const WAITING: Record<string, Part> = {
  "integration:20.10": (files) => onDaemon("20.10", "integration:20.10", files),
  "integration:29": (files) => onDaemon("29", "integration:29", files),
  faults: (files) => onDaemon("20.10", "faults", files),
};
/** Parts that run only where a word chooses them. */
const CHOSEN: Record<string, Part> = {
  soak: (files) => onDaemon("29", "soak", files),
};
const PARTS = Object.keys({ ...COMPUTING, ...WAITING, ...CHOSEN });

/** Aborted by Ctrl-C and the like: running tests end, and daemons are removed. */
const interruption = new AbortController();

/**
 * `npm test [-- PART… [FILE…]]`. A word that begins the name of a part chooses this part; the other words choose files of these
 * parts by their path. Without words, everything runs but the soak test, which takes a quarter of an hour. The failures and the line `N passed, N failed` come last.
 */
export default async (words: string[]): Promise<number> => {
  const isPart = (word: string) => PARTS.some((part) => part.startsWith(word));
  const [parts, files] = [words.filter(isPart), words.filter((word) => !isPart(word))];
  if (words.length > 0 && parts.length === 0)
    throw new Error(`no such part: ${words.join(" ")}; the parts are ${PARTS.join(", ")}`);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    // Not once: without a listener, a library that ends child processes sends the signal again, which ends this process at once.
    process.on(signal, () => {
      if (interruption.signal.aborted) process.exit(1);
      log(`${signal}: stopping the tests and removing their Docker daemons`);
      interruption.abort();
    });

  const results: Result[] = [];
  const start = async ([name, part]: [string, Part]) => {
    const isChosen = parts.some((word) => name.startsWith(word)) || (parts.length === 0 && !(name in CHOSEN));
    if (!isChosen || interruption.signal.aborted) return;
    log(`== ${name}`);
    const { passed, failures } = await part(files).catch((error: unknown) => failure("run", String(error)));
    log(`== ${name}: ${passed} passed, ${failures.length} failed`);
    results.push({
      passed,
      failures: failures.map(({ test, reason }) => ({ test: `${name} | ${test}`, reason })),
    });
  };
  for (const part of Object.entries(COMPUTING)) await start(part);
  await Promise.all(Object.entries({ ...WAITING, ...CHOSEN }).map(start));

  const { passed, failures } = sum(...results);
  for (const { test, reason } of failures) log(`${test}\n${reason}`);
  for (const { test, reason } of failures) log(`failed: ${test}\n${beginning(reason)}`);
  console.log(`${passed} passed, ${failures.length} failed`);
  return passed === 0 || failures.length > 0 || interruption.signal.aborted ? 1 : 0;
};

const sum = (...results: Result[]): Result => ({
  passed: results.reduce((total, { passed }) => total + passed, 0),
  failures: results.flatMap(({ failures }) => failures),
});
/** The first lines of a reason that say something, indented. */
const beginning = (reason: string): string =>
  stripVTControlCharacters(reason)
    .split("\n")
    .filter((line) => line.trim() && !/^\s+at /.test(line))
    .slice(0, 9)
    .map((line) => `  ${line.slice(0, 160)}`)
    .join("\n");
const failure = (test: string, reason: string): Result => ({ passed: 0, failures: [{ test, reason }] });

/** Runs a tool of node_modules that passes or fails as a whole. */
async function linter(tool: string, args: string[]): Promise<Result> {
  const status = await terminal([path.join("node_modules", ".bin", tool), ...args]);
  return status === 0 ? { passed: 1, failures: [] } : failure(tool, "its output is above");
}

/** Runs a Jest project. Skipped tests, and a run without any test, are failures. */
async function jest(
  project: string,
  files: string[],
  args: string[] = [],
  { inside = [], env = {} }: { inside?: string[]; env?: NodeJS.ProcessEnv } = {},
): Promise<Result> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "jest-"));
  const file = path.join(folder, "report.json");
  const command = [...inside, path.join("node_modules", ".bin", "jest"), "--selectProjects", project];
  const cache = path.join(cacheFolder(), "jest");
  const options = [`--outputFile=${file}`, "--json", `--cacheDirectory=${cache}`, ...args];
  // A part need not have the files that were chosen.
  if (files.length > 0) options.push("--passWithNoTests", "--", ...files);
  try {
    const status = await terminal([...command, ...options], project, env);
    if (interruption.signal.aborted) return failure("run", "interrupted");
    const { numPassedTests, testResults } = JSON.parse(await readFile(file, "utf8")) as JestReport;
    const failures = testResults.flatMap(({ name, message, assertionResults }) => {
      const file = path.relative("", name);
      const broken = assertionResults.filter(({ status }) => status !== "passed");
      if (message && broken.length === 0) return [{ test: `${file} | could not run`, reason: message }];
      return broken.map(({ fullName, failureMessages }) => ({
        test: `${file} | ${fullName}`,
        reason: failureMessages.join("\n") || "skipped",
      }));
    });
    if (failures.length === 0 && (status !== 0 || (numPassedTests === 0 && files.length === 0)))
      return failure("jest", `status ${status}, ${numPassedTests} tests passed`);
    return { passed: numPassedTests, failures };
  } finally {
    await rm(folder, { recursive: true });
  }
}

let last: Promise<unknown> = Promise.resolve();

/** Prepares one daemon at a time, because that installs packages and builds. */
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const mine = last.then(work);
  last = mine.catch(() => undefined);
  return mine;
}

/** Runs a Jest project in the network namespace of a new Docker daemon. */
async function onDaemon(engine: Engine, project: string, files: string[]): Promise<Result> {
  const daemon = await inTurn(async () => {
    // The namespace reaches no other network, so everything is downloaded and built before.
    await Promise.all([pulumiEnvironment(), staticBusybox()]);
    if (project.startsWith("integration")) await installBrowser();
    if (project === "faults") await buildPrometheus("3.13.4"); // Its tests upgrade from this release.
    return startDaemon(engine);
  });
  try {
    await inTurn(() => stackImages("of-the-tests", daemon.host, { notify: true }));
    const env = {
      DOCKER_HOST: daemon.host,
      DOCKER_ENGINE: engine,
      TMPDIR: daemon.temporary,
      DAEMON_FOLDER: daemon.folder,
      GOGC: "400", // Pulumi's programs in Go end soon: collecting less garbage saves a fifteenth of the CPU time of a preview.
    };
    return await jest(project, files, ["--runInBand", "--verbose", "--testTimeout=1800000"], {
      inside: daemon.inside,
      env,
    });
  } finally {
    await daemon.stop();
  }
}

/** Runs a program with its output in the terminal, each line after a name, and returns its exit status. */
async function terminal(
  [program = "", ...args]: string[],
  name = "",
  env: NodeJS.ProcessEnv = {},
): Promise<number> {
  const prefixed = function* (line: unknown) {
    yield name ? `${name} | ${String(line)}` : line;
  };
  const { exitCode } = await execa(program, args, {
    stdin: "ignore",
    stdout: [prefixed, 2],
    stderr: [prefixed, 2],
    // No test calls a host outside, and loading a machine's own certificates costs each Node process 60 ms.
    env: { NODE_OPTIONS: "", NODE_EXTRA_CA_CERTS: undefined, ...env },
    cancelSignal: interruption.signal,
    buffer: false,
    reject: false,
  });
  return exitCode ?? 1;
}
