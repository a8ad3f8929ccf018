import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { backend, backendIn, folderOf, hasLocalState } from "../../../cli/prerequisites/backend";
import { cliUrl, pluginUrl } from "../../../cli/prerequisites/download";
import { configuredImages } from "../../../cli/prerequisites/images";
import { repair } from "../../../cli/repair";
import { stackArguments } from "../../../cli/stackArguments";
import { reduceOutput } from "../../../cli/output";

const PROJECT = path.join(__dirname, "../../..");
const variables = { ...process.env };
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "scripts-"));
  process.env["PULUMI_HOME"] = folder;
  for (const name of Object.keys(process.env))
    if (/^(PULUMI_(BACKEND_URL|ACCESS_TOKEN|CONFIG_PASSPHRASE.*)|DOCKER_HOST)$/.test(name))
      Reflect.deleteProperty(process.env, name);
});
afterEach(() => {
  process.chdir(PROJECT);
  process.env = { ...variables };
  rmSync(folder, { recursive: true });
});

/** Puts a shell script in the place of a program. */
function standIn(program: string, script: string): void {
  writeFileSync(path.join(folder, program), `#!/bin/sh\n${script}\n`);
  chmodSync(path.join(folder, program), 0o755);
}

test("node modules are installed in a bare clone, and again only when the lockfile changes", () => {
  for (const part of ["cli", "lib"]) mkdirSync(path.join(folder, part));
  for (const file of ["cli/run.mjs", "lib/bundle.cjs", "lib/kept.cjs", "tsconfig.json"])
    cpSync(path.join(PROJECT, file), path.join(folder, file));
  writeFileSync(path.join(folder, "cli/up.ts"), "export default async (): Promise<number> => 7;");
  standIn(
    "npm",
    `echo "$1" >> calls; mkdir -p node_modules; ln -sfn ${PROJECT}/node_modules/esbuild node_modules/esbuild`,
  );
  const runUp = () => {
    const env = { ...process.env, PATH: `${folder}:${process.env["PATH"] ?? ""}` };
    expect(() => execFileSync("node", [`${folder}/cli/run.mjs`, "up"], { env, stdio: "pipe" })).toThrow(
      expect.objectContaining({ status: 7 }) as Error,
    );
    return readFileSync(path.join(folder, "calls"), "utf8").trim().split("\n");
  };
  writeFileSync(path.join(folder, "package-lock.json"), "{}");
  expect(runUp()).toEqual(["ci"]);
  expect(runUp()).toEqual(["ci"]);
  writeFileSync(path.join(folder, "package-lock.json"), '{"changed": true}');
  expect(runUp()).toEqual(["ci", "ci"]);
});

test.each([
  ["--stack prod", "prod"],
  ["--stack=prod", "prod"],
  ["-s prod", "prod"],
  ["-s=prod", "prod"],
  ["-sprod", "prod"],
  ["--diff -s dev --stack prod", "prod"],
  ["--stack acme/llm-metrics/prod", "acme/llm-metrics/prod"],
  ["--message text --stack prod -c a=b -y", "prod"],
  ["--diff", "dev"],
  ["--show-sames", "dev"],
])("the stack of `%s` is the one that the Pulumi CLI reads", (args, stack) => {
  expect(stackArguments("up", args.split(" ")).name).toBe(stack);
});

test("commands are about dev unless a stack is named, whose configuration goes by its short name", () => {
  expect(stackArguments("up", ["--diff"])).toEqual({
    args: ["--stack", "dev", "--diff"],
    name: "dev",
    stack: "dev",
  });
  expect(stackArguments("up", ["-s", "acme/llm-metrics/prod"])).toEqual({
    args: ["-s", "acme/llm-metrics/prod"],
    name: "acme/llm-metrics/prod",
    stack: "prod",
  });
});

test("state is kept in the project, under an empty passphrase, where no backend is chosen", async () => {
  const chosen = await backend(folder);
  expect(chosen).toEqual({
    PULUMI_BACKEND_URL: `file://${folder}/.pulumi-state`,
    PULUMI_CONFIG_PASSPHRASE: "",
  });
  expect(existsSync(path.join(folder, ".pulumi-state"))).toBe(true);
  expect(hasLocalState(chosen)).toBe(false); // It is that of another folder than the project's.
  expect(hasLocalState(await backend(PROJECT))).toBe(true);
});

test("the folder of the project may have any name", () => {
  const folder = "/home/o'neil/llm #1 (100%20)?/.pulumi-state";
  expect(folderOf(backendIn(folder))).toBe(folder);
  expect(new URL(backendIn(folder)).hash).toBe("");
});

test.each(["PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"])(
  "a passphrase of your own in %s is left alone",
  async (variable) => {
    process.env[variable] = "mine";
    expect(await backend(folder)).toEqual({ PULUMI_BACKEND_URL: `file://${folder}/.pulumi-state` });
  },
);

test.each([
  ["PULUMI_BACKEND_URL", () => (process.env["PULUMI_BACKEND_URL"] = "s3://states")],
  ["PULUMI_ACCESS_TOKEN", () => (process.env["PULUMI_ACCESS_TOKEN"] = "pul-0")],
  [
    "a login",
    () => {
      writeFileSync(path.join(folder, "credentials.json"), '{"current": "https://api.pulumi.com"}');
    },
  ],
])("a backend chosen by %s wins", async (_, choose) => {
  choose();
  expect(await backend(folder)).toEqual({});
  expect(existsSync(path.join(folder, ".pulumi-state"))).toBe(false);
});

test("the images are those of the stack's configuration, else the project's defaults", async () => {
  process.chdir(folder);
  writeFileSync(
    "Pulumi.yaml",
    "config: { cadvisorImage: { default: 'c:1' }, prometheusImage: { default: 'p:1' }, caddyImage: { default: 'd:1' }, exporterImage: { default: 'n:1' }, nodeExporterImage: { default: 'e:1' }, hostMetrics: { default: 'on' }, alertmanagerImage: { default: 'a:1' }, grafanaImage: { default: 'g:1' }, notify: { default: [] } }",
  );
  writeFileSync("Pulumi.prod.yaml", "config: { 'llm-metrics:prometheusImage': 'mirror/p:2' }");
  writeFileSync("Pulumi.off.yaml", "config: { 'llm-metrics:hostMetrics': 'off' }");
  writeFileSync("Pulumi.old.yaml", "config: { 'llm-metrics:gpuExporterImage': 'n:2' }");
  expect(await configuredImages("prod")).toEqual(["c:1", "mirror/p:2", "d:1", "n:1", "e:1"]);
  expect(await configuredImages("dev")).toEqual(["c:1", "p:1", "d:1", "n:1", "e:1"]);
  expect(await configuredImages("off")).toEqual(["c:1", "p:1", "d:1", "n:1"]);
  expect(await configuredImages("old")).toEqual(["c:1", "p:1", "d:1", "n:2", "e:1"]);
  writeFileSync("Pulumi.with-grafana.yaml", "config: { 'llm-metrics:grafana': 'on' }");
  expect(await configuredImages("with-grafana")).toEqual(["c:1", "p:1", "d:1", "n:1", "e:1", "g:1"]);
  for (const notify of ["[{ slack: { url: { secure: v1 } } }]", "{ secure: v1 }"]) {
    writeFileSync("Pulumi.dev.yaml", `config: { 'llm-metrics:notify': ${notify} }`);
    expect(await configuredImages("dev")).toEqual(["c:1", "p:1", "d:1", "n:1", "e:1", "a:1"]);
  }
});

test("the URLs of the official downloads have the architecture's name that each is published under", () => {
  expect(cliUrl("3.259.0", "x64")).toMatch(/\/sdk\/pulumi-v3\.259\.0-\w+-x64\.tar\.gz$/);
  expect(pluginUrl("docker", "5.2.0", "x64")).toMatch(
    /\/plugins\/pulumi-resource-docker-v5\.2\.0-\w+-amd64\.tar\.gz$/,
  );
  expect(pluginUrl("docker", "5.2.0", "arm64")).toContain("-arm64.");
});

test("a stack of an organization is queried by its full name, its containers by their label", async () => {
  standIn("pulumi", `echo "$@" >> ${folder}/calls; echo {}`);
  standIn("docker", `echo "$@" >> ${folder}/calls`);
  process.env["PATH"] = `${folder}:${process.env["PATH"] ?? ""}`;
  const env = { ...process.env, PULUMI_BACKEND_URL: "https://pulumi.example" };
  expect(await repair("acme/llm-metrics/prod", env)).toEqual([]);
  const calls = readFileSync(path.join(folder, "calls"), "utf8");
  expect(calls).toContain("stack export --stack acme/llm-metrics/prod\n");
  expect(calls).toContain("label=llm-metrics.environment=prod --filter");
});

test("what an update that was killed cut off beside its state does not keep the next one from reading that", async () => {
  const [stacks, locks] = ["stacks/llm-metrics", "locks/organization/llm-metrics/dev"].map((name) => {
    mkdirSync(path.join(folder, ".pulumi", name), { recursive: true });
    return path.join(folder, ".pulumi", name);
  }) as [string, string];
  const notes = path.join(stacks, "dev.json.attrs");
  writeFileSync(notes, "");
  const { pid } = spawnSync("true");
  writeFileSync(path.join(locks, "1.json"), JSON.stringify({ pid, hostname: os.hostname() }));
  standIn("pulumi", `[ ! -e ${notes} ] && echo {}`);
  standIn("docker", "true");
  process.env["PATH"] = `${folder}:${process.env["PATH"] ?? ""}`;
  await repair("dev", { ...process.env, PULUMI_BACKEND_URL: backendIn(folder) });
  expect(existsSync(notes)).toBe(false);
});

test("what is written without a terminal leaves out beginnings and repetitions, and ends with a failure", () => {
  const output = [
    "Updating (dev):",
    "",
    "@ updating....",
    "Loading policy packs...: starting",
    " +  docker:index:Network llm-metrics-dev-network creating (0s) ",
    " +  docker:index:Network llm-metrics-dev-network created (0.38s) ",
    " ~  docker:index:Volume llm-metrics-dev-prometheus-data refresh (0.59s) ",
    " ~  docker:index:Container llm-metrics-dev-gateway-container refresh (0.38s) [diff: ~memory]",
    "    llm-metrics:docker:Gateway llm-metrics-dev-gateway  ",
    " +  docker:index:Container llm-metrics-dev-cadvisor-container creating (1s) error: it exits",
    " +  command:local:Command llm-metrics-dev-probe-command creating (1s) ok: cAdvisor is healthy (ok)",
    " +  command:local:Command llm-metrics-dev-probe-command created (2s) ok: cAdvisor is healthy (ok)",
    " +  docker:index:RemoteImage llm-metrics-dev-cadvisor-image created (0.1s) ",
    "    pulumi:pulumi:Stack llm-metrics-dev running GPUs are not measured",
    " +  pulumi:pulumi:Stack llm-metrics-dev creating (1s) GPUs are not measured",
    " +  pulumi:pulumi:Stack llm-metrics-dev created (3s) 1 message",
    "Diagnostics:",
    "  docker:index:Container (llm-metrics-dev-cadvisor-container):",
    "    error: it exits",
    "",
    "Resources:",
    "    1 unchanged",
    "",
    "Duration: 3s",
  ];
  const reduced = (succeeded: boolean) => {
    const lines: string[] = [];
    const { write, end } = reduceOutput((line) => lines.push(line));
    output.forEach(write);
    end(succeeded);
    return lines;
  };
  const kept = [0, 1, 5, 7, 10, 15, 16, 17, 18, 19].map((index) => output[index]);
  expect(reduced(false)).toEqual(kept);
  expect(reduced(true)).toEqual([...kept, "Resources:", "    1 unchanged", "Duration: 3s"]);
});
