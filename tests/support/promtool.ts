import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { dump } from "js-yaml";
import { buildPrometheus, type PrometheusRelease } from "../../airgap/toolchain/prometheus";
import { run } from "../../lib/run";
import { RULES_FILE, rulesYaml, type RuleGroup } from "../../prometheus/rules";
import { promtoolInput, promtoolResults, RESULTS, type TestedRules } from "./ruleTests";
import { settings } from "./settings";

const BUILD_MILLISECONDS = 1_800_000;

// promtool takes seconds to start on a busy machine.
jest.setTimeout(30_000);

let promtool: string;
let folder: string;
beforeAll(async () => {
  const release = settings().prometheusImage.replace(/^.*:v/, "") as PrometheusRelease;
  promtool = path.join(await buildPrometheus(release), "promtool");
  folder = await mkdtemp(path.join(os.tmpdir(), "promtool-"));
}, BUILD_MILLISECONDS);
afterAll(() => rm(folder, { recursive: true }));

/** Runs promtool, of the release that is deployed, in a folder with some files. */
export async function runPromtool(files: Record<string, string>, ...args: string[]): Promise<string> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.join(folder, path.dirname(name)), { recursive: true });
    await writeFile(path.join(folder, name), content);
  }
  return run(promtool, args, { cwd: folder });
}

/** Has a `docker` on the PATH whose containers are this machine with promtool. */
export async function standInForDocker(): Promise<void> {
  const docker = path.join(folder, "docker");
  // docker exec -i CONTAINER COMMAND
  await writeFile(docker, '#!/bin/sh\nshift 3\nexec "$@"\n', { mode: 0o755 });
  process.env["PATH"] = [folder, path.dirname(promtool), process.env["PATH"]].join(":");
}

/** Runs promtool's own unit tests of rules, which are evaluated every 30 s. */
export async function testRules(groups: readonly RuleGroup[], tests: object[]): Promise<void> {
  const file = dump({ rule_files: [RULES_FILE], evaluation_interval: "30s", tests });
  const files = { [RULES_FILE]: rulesYaml(groups), "test.yml": file };
  const output = await runPromtool(files, "test", "rules", "test.yml");
  expect(output).toContain("SUCCESS");
}

/**
 * Runs tests of rules, all in one process.
 *
 * @returns the tests that fail, by their names, each with the reason
 */
export async function failedTests(tested: readonly TestedRules[]): Promise<Record<string, string>> {
  const { files, args } = promtoolInput(tested);
  // Where a test fails, promtool fails, and has written the results.
  await runPromtool(files, ...args).catch(() => undefined);
  const results = promtoolResults(await readFile(path.join(folder, RESULTS), "utf8")).flat();
  expect(results).toHaveLength(tested.flatMap(({ tests }) => tests).length);
  return Object.fromEntries(
    results.flatMap(({ name, reason }) => (reason === undefined ? [] : [[name, reason]])),
  );
}
