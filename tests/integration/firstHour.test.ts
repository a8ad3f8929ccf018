import { execFileSync, spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { dump, load } from "js-yaml";
import { pulumiEnvironment } from "../../cli/pulumiCommand";
import { docker } from "../support/docker";

/** A clone in which node modules are installed; the node modules are this project's. */
const clone = mkdtempSync(path.join(os.tmpdir(), "llm-metrics-clone-"));
const environment: NodeJS.ProcessEnv = { ...process.env, PULUMI_CONFIG_PASSPHRASE: undefined };

/** Runs a command as the documentation shows it, in the clone; NAME stands for dev. */
function run(
  command: string,
  env: NodeJS.ProcessEnv = environment,
): Promise<{ status: number; lines: string[]; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn("sh", ["-c", `(${command.replaceAll("NAME", "dev")}) 2>&1`], {
      cwd: clone,
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.on("error", reject).on("close", (status) => {
      resolve({ status: status ?? 1, lines: output.trim().split("\n"), output });
    });
  });
}

/** Runs a command that has to succeed. */
async function succeed(command: string, env?: NodeJS.ProcessEnv): Promise<string[]> {
  const { status, lines, output } = await run(command, env);
  if (status !== 0) throw new Error(`${command}\n${output}`);
  return lines;
}
const changedFiles = () => execFileSync("git", ["status", "--short"], { cwd: clone, encoding: "utf8" });
const ofStack = (...list: string[]) => docker(...list, "--filter", "label=llm-metrics.environment=dev");

beforeAll(() => {
  const files = execFileSync("git", ["ls-files"], { encoding: "utf8" }).trim().split("\n");
  for (const file of files) cpSync(file, path.join(clone, file), { preserveTimestamps: true });
  symlinkSync(path.resolve("node_modules"), path.join(clone, "node_modules"));
  writeFileSync(path.join(clone, ".git-exclude"), "node_modules\n");
  const git = (...args: string[]) => execFileSync("git", args, { cwd: clone });
  git("init", "--quiet");
  git("config", "core.excludesFile", path.join(clone, ".git-exclude"));
  git("add", ".");
  git("-c", "user.name=test", "-c", "user.email=test@example.org", "commit", "--quiet", "-m", "clone");
});
afterAll(async () => {
  await run("docker rm -f guest; npm run down -- --stack dev --yes");
  rmSync(clone, { recursive: true });
});

describe("The first hour of a newcomer", () => {
  it("shows what would be created before anything is", async () => {
    await succeed("npm run preview");
    expect(await succeed("npm run --silent pulumi -- stack ls --json 2>/dev/null")).toEqual(["[]"]);
    expect(changedFiles()).toBe("");
  });

  it("deploys in at most 60 lines, which end with the address to open, and changes no tracked file", async () => {
    for (const command of ["npm run up", "npm run up -- --stack NAME"]) {
      const lines = await succeed(command);
      expect(lines.length).toBeLessThanOrEqual(60);
      expect(lines.at(-1)).toBe(
        "open http://127.0.0.1:23001 for containers, GPUs and alerts, http://127.0.0.1:8080 for cAdvisor",
      );
      expect(changedFiles()).toBe("");
    }
    const url = await succeed("npm run --silent pulumi -- stack output prometheusUrl 2>/dev/null");
    expect(url).toEqual(["http://127.0.0.1:23001"]);
  });

  it("has an example that uses the outputs", async () => {
    await succeed("npm run pulumi -- -C examples/consumer stack init --no-select consumer");
    const lines = await succeed("npm run pulumi -- -C examples/consumer up --yes --stack consumer");
    expect(lines.join("\n")).toMatch(/prometheusUrl *: "http:\/\/127\.0\.0\.1:23001"/);
    await succeed("npm run pulumi -- -C examples/consumer destroy --yes --remove --stack consumer");
    expect(changedFiles()).toBe("");
  });

  it("goes on with the Pulumi CLI alone", async () => {
    const { PATH } = await pulumiEnvironment(clone);
    const plain = { PATH, HOME: process.env["HOME"], DOCKER_HOST: process.env["DOCKER_HOST"] };
    const state =
      'export PULUMI_BACKEND_URL="file://$PWD/.pulumi-state" PULUMI_CONFIG_PASSPHRASE=\npulumi stack select --create dev && ';
    await succeed(`${state}pulumi preview --expect-no-changes`, plain);
    await succeed("git checkout Pulumi.dev.yaml");
  });

  it("moves a stack's state through a file", async () => {
    await succeed("npm run pulumi -- stack export --stack NAME --file NAME.json");
    await succeed("npm run pulumi -- stack import --stack NAME --file NAME.json");
    const lines = await succeed("npm run preview -- --stack NAME --diff");
    expect(lines.join("\n")).toMatch(/Resources:\n +\d+ unchanged/);
    rmSync(path.join(clone, "dev.json"));
  });

  it("sets settings of a stack that is not deployed yet, lists and secrets too", async () => {
    for (const file of ["chain.pem", "key.pem", "token", "client.key", "slack-url", "bot-token", "password"])
      writeFileSync(path.join(clone, file), "pem\n");
    await succeed("npm run pulumi -- stack init --no-select prod");
    for (const command of [
      "npm run pulumi -- config set bindAddress 192.0.2.7 --stack prod",
      "npm run pulumi -- config set tlsCertificate --stack prod < chain.pem",
      "npm run pulumi -- config set --secret tlsKey --stack prod < key.pem",
      "npm run pulumi -- config set --path 'tlsNames[0]' metrics.example.org --stack prod",
      "npm run pulumi -- config set --path 'tlsNames[1]' 192.0.2.7 --stack prod",
      "npm run pulumi -- config set docker:host ssh://ops@llm-1 --stack prod",
      "npm run pulumi -- config set --path 'alertmanagers[0]' alertmanager:9093 --stack dev",
      "npm run pulumi -- config set --secret --path 'scrapeJobs[0].authorization.credentials' --stack dev < token",
      "npm run pulumi -- config set --secret --path 'scrapeJobs[1].tls_config.key' --stack dev < client.key",
      "npm run pulumi -- config set --secret --path 'notify[0].slack.url' --stack dev < slack-url",
      "npm run pulumi -- config set --secret --path 'notify[0].telegram.botToken' --stack dev < bot-token",
      "npm run pulumi -- config set --secret --path 'notify[1].email.password' --stack dev < password",
      "npm run pulumi -- config set prometheusImage prom/prometheus:v3.14.0 --stack NAME",
    ])
      await succeed(command);
    const settings = (stack: string) =>
      load(readFileSync(path.join(clone, `Pulumi.${stack}.yaml`), "utf8")) as {
        config: Record<string, unknown>;
      };
    expect(settings("prod").config).toMatchObject({
      "llm-metrics:tlsNames": ["metrics.example.org", "192.0.2.7"],
      "llm-metrics:tlsKey": { secure: expect.any(String) as string },
      "docker:host": "ssh://ops@llm-1",
    });
    expect(settings("dev").config).toMatchObject({ "llm-metrics:alertmanagers": ["alertmanager:9093"] });
    await succeed("git checkout .");
  });

  it("removes nothing while another container is on the network, and names it", async () => {
    await docker("run", "-d", "--name=guest", "--entrypoint=sleep", "caddy:2.11.9-alpine", "1d");
    await succeed("docker network connect --alias vllm llm-metrics-dev guest");
    const { status, lines } = await run("npm run down -- --stack NAME --yes");
    expect(status).not.toBe(0);
    expect(lines.at(-1)).toBe("  docker network disconnect llm-metrics-dev guest");
    expect((await ofStack("ps", "--quiet")).split("\n").filter(Boolean)).toHaveLength(5);
    await succeed(lines.at(-1) ?? "");
    await docker("rm", "--force", "guest");
  });

  it("removes a stack with protected samples in both documented ways", async () => {
    writeFileSync(path.join(clone, "Pulumi.dev.yaml"), dump({ config: { "llm-metrics:protectData": true } }));
    await succeed("npm run up -- --stack NAME");
    const { status, lines } = await run("npm run down -- --stack NAME --yes");
    expect(status).not.toBe(0);
    expect(lines.at(-1)).toBe("  npm run down -- --stack dev");
    await succeed("npm run down -- --exclude-protected --stack NAME");
    expect(await ofStack("ps", "--quiet", "--all")).toBe("");
    expect(await ofStack("volume", "ls", "--quiet")).toMatch(/^llm-metrics-dev-prometheus-data\n?$/);

    await succeed("npm run pulumi -- config set protectData false --stack NAME");
    await succeed("npm run down -- --stack NAME --yes");
    expect(await ofStack("volume", "ls", "--quiet")).toBe("");
    expect(await ofStack("network", "ls", "--quiet")).toBe("");
  });
});
