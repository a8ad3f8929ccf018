import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { pulumiEnvironment } from "../../cli/pulumiCommand";
import { run } from "../../lib/run";
import { docker } from "../support/docker";

const clone = mkdtempSync(path.join(os.tmpdir(), "llm-metrics-plain-"));
/** The whole environment: nothing of this project's commands is in it. */
let env: NodeJS.ProcessEnv;

const plain = (program: string, ...args: string[]) =>
  run(program, args, {
    cwd: clone,
    // run() adds to this process's environment, so what is not listed is unset.
    env: { ...Object.fromEntries(Object.keys(process.env).map((key) => [key, undefined])), ...env },
  });

beforeAll(async () => {
  const files = execFileSync("git", ["ls-files"], { encoding: "utf8" }).trim().split("\n");
  for (const file of files) cpSync(file, path.join(clone, file));
  const { PATH } = await pulumiEnvironment(clone); // Installs the CLI and its plugins where they are missing.
  env = {
    PATH,
    HOME: os.homedir(),
    PULUMI_BACKEND_URL: `file://${clone}`,
    PULUMI_CONFIG_PASSPHRASE: "",
  };
});
afterAll(async () => {
  await plain("pulumi", "destroy", "--yes", "--skip-preview", "--stack", "plain").catch(() => undefined);
  rmSync(clone, { recursive: true });
});

describe("The plain Pulumi CLI, after npm ci", () => {
  it("deploys, previews without changes, and destroys", async () => {
    await plain("npm", "ci", "--prefer-offline");
    await plain("pulumi", "stack", "init", "plain");
    await plain("pulumi", "config", "set", "docker:host", process.env["DOCKER_HOST"] ?? "");
    await plain("pulumi", "up", "--yes");
    expect(await plain("pulumi", "stack", "output", "prometheusUrl")).toBe("http://127.0.0.1:23001\n");
    await plain("pulumi", "preview", "--expect-no-changes");
    await plain("pulumi", "destroy", "--yes");
    expect(await docker("ps", "--all", "--quiet", "--filter", "label=llm-metrics.environment=plain")).toBe(
      "",
    );
  });
});
