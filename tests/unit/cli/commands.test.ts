import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import down from "../../../cli/down";
import preview from "../../../cli/preview";
import pulumi from "../../../cli/pulumi";
import up from "../../../cli/up";
import { log } from "../../../lib/log";

jest.mock("../../../lib/log");
jest.mock("../../../cli/prerequisites/images");
jest.mock("../../../cli/prerequisites/plugins");
jest.mock("../../../cli/prerequisites/pulumiCli", () => ({
  pulumiCli: () => Promise.resolve(process.env["PULUMI_HOME"]),
  pulumiHome: () => process.env["PULUMI_HOME"],
}));

const PROJECT = process.cwd();
const variables = { ...process.env };
let folder: string;

/** Puts a shell script in the place of a program, which also writes down how it is called. */
function standIn(program: string, script: string): void {
  const file = path.join(folder, program);
  writeFileSync(file, `#!/bin/sh\necho "${program} $*" >> ${folder}/calls\n${script}\n`);
  chmodSync(file, 0o755);
}
const calls = (): string[] =>
  existsSync(path.join(folder, "calls"))
    ? readFileSync(path.join(folder, "calls"), "utf8").trim().split("\n")
    : [];
const logged = (): string =>
  jest
    .mocked(log)
    .mock.calls.map(([line]) => line)
    .join("\n");

/** A state with the stacks dev and prod, whose samples are protected or not. */
function deployed(protect = false, { left = 0, status = 0 } = {}): void {
  const urn = "urn:pulumi:prod::llm-metrics::docker:index/volume:Volume::llm-metrics-prod-prometheus-data";
  const resources = [{ urn, type: "docker:index/volume:Volume", id: "data", protect }];
  const stacks = ["dev", "prod"].map((name) => ({ name, current: name === "dev", resourceCount: left }));
  writeFileSync(path.join(folder, "state.json"), JSON.stringify({ deployment: { resources } }));
  writeFileSync(path.join(folder, "stacks.json"), JSON.stringify(stacks));
  standIn(
    "pulumi",
    `case "$*" in
      "stack ls"*) cat ${folder}/stacks.json ;;
      "stack export"*) cat ${folder}/state.json ;;
      "stack output"*) echo '{"prometheusUrl": "http://127.0.0.1:23001", "cadvisorUrl": "http://127.0.0.1:8080"}' ;;
      "destroy"*) exit ${status} ;;
    esac`,
  );
}

/** A Docker CLI with a default context and a daemon that answers, and more of its answers. */
const dockerAnswers = (more = ""): void => {
  standIn(
    "docker",
    `case "$*" in
      "context inspect"*) echo "default unix:///var/run/docker.sock" ;;
      version*) echo 20.10.24 ;;
      ${more}
    esac`,
  );
};

beforeEach(() => {
  jest.resetAllMocks();
  folder = mkdtempSync(path.join(os.tmpdir(), "commands-"));
  for (const name of Object.keys(process.env))
    if (/^(PULUMI_|DOCKER_|npm_config_)/.test(name)) Reflect.deleteProperty(process.env, name);
  Object.assign(process.env, { PULUMI_HOME: folder, PATH: `${folder}:${process.env["PATH"] ?? ""}` });
  process.chdir(folder);
  deployed();
  dockerAnswers();
});
afterEach(() => {
  process.chdir(PROJECT);
  process.env = { ...variables };
  rmSync(folder, { recursive: true });
});

const COMMANDS = { up, preview, down };

describe("The arguments of a command", () => {
  it.each(Object.entries(COMMANDS))(
    "are refused where npm kept a flag for itself, as in `npm run %s --stack=prod`",
    async (name, command) => {
      process.env["npm_config_stack"] = "prod";
      await expect((async () => command([]))()).rejects.toThrow(
        `npm kept --stack for itself, so nothing was done. Flags come after two dashes: npm run ${name} -- --stack prod`,
      );
      expect(calls()).toEqual([]);
    },
  );

  it("are refused where npm made a word of the flag's value, as in `npm run up --stack prod`", async () => {
    process.env["npm_config_stack"] = "true";
    await expect((async () => up(["prod"]))()).rejects.toThrow("npm run up -- --stack prod");
    expect(calls()).toEqual([]);
  });

  it.each(["target", "exclude_protected", "refresh", "diff"])(
    "are refused where npm kept %s, which changes what a command does",
    async (flag) => {
      process.env[`npm_config_${flag}`] = "true";
      await expect((async () => down([]))()).rejects.toThrow("npm kept --");
      await expect((async () => pulumi(["up"]))()).rejects.toThrow("npm kept --");
      expect(calls()).toEqual([]);
    },
  );

  it.each(Object.entries(COMMANDS))("are flags only, as in `npm run %s prod`", async (name, command) => {
    await expect((async () => command(["prod"]))()).rejects.toThrow(
      `"prod" is not a flag, and \`npm run ${name}\` takes nothing else`,
    );
    expect(calls()).toEqual([]);
  });
});

describe("Removal", () => {
  const destroyed = () => calls().some((call) => call.startsWith("pulumi destroy"));
  const removed = () => calls().includes("pulumi stack rm --yes --preserve-config prod");

  it("removes the stack that it emptied, and keeps its settings", async () => {
    expect(await down(["--stack", "prod", "--yes"])).toBe(0);
    expect(destroyed()).toBe(true);
    expect(removed()).toBe(true);
  });

  it.each([
    ["is not empty yet", { left: 3, status: 0 }],
    ["could not be destroyed", { left: 0, status: 255 }],
  ])("keeps a stack that %s", async (_, outcome) => {
    deployed(false, outcome);
    expect(await down(["--stack", "prod", "--yes"])).toBe(outcome.status);
    expect(removed()).toBe(false);
  });

  it("keeps the empty stack in a backend of the user's", async () => {
    process.env["PULUMI_BACKEND_URL"] = "s3://states";
    expect(await down(["--stack", "prod", "--yes"])).toBe(0);
    expect(removed()).toBe(false);
  });

  it("of a stack with samples has to be confirmed, and without a terminal names the command", async () => {
    await expect(down(["--stack", "prod"])).rejects.toThrow(
      /samples of the stack prod.*nothing was removed: npm run down -- --yes --stack prod/,
    );
    expect(destroyed()).toBe(false);
  });

  it("of protected samples is refused with both ways on", async () => {
    deployed(true);
    writeFileSync("Pulumi.prod.yaml", "config: { llm-metrics:protectData: true }");
    await expect(down(["--stack", "prod", "--yes"])).rejects.toThrow(
      /npm run down -- --exclude-protected --stack prod\n.*\n.*config set protectData false --stack prod\n.*npm run down -- --stack prod/,
    );
    expect(destroyed()).toBe(false);
    expect(await down(["--stack", "prod", "--exclude-protected"])).toBe(0);
    expect(destroyed()).toBe(true);
    expect(calls().join("\n")).not.toContain("state unprotect");
  });

  it("removes the protection of samples whose setting was reset, without another update", async () => {
    deployed(true);
    writeFileSync("Pulumi.prod.yaml", 'config: { llm-metrics:protectData: "false" }');
    expect(await down(["--stack", "prod", "--yes"])).toBe(0);
    const unprotected = calls().findIndex((call) => call.startsWith("pulumi state unprotect urn:"));
    const destroy = calls().findIndex((call) => call.startsWith("pulumi destroy"));
    expect(unprotected).toBeGreaterThan(-1);
    expect(destroy).toBeGreaterThan(unprotected);
  });

  it("is refused while other containers are on the stack's networks, with the command for each", async () => {
    dockerAnswers(`"ps --filter label="*) echo llm-metrics-prod-prometheus ;;
      "network ls"*) echo llm-metrics-prod ;;
      "ps --filter network=llm-metrics-prod "*) printf 'vllm\\nllm-metrics-prod-prometheus\\n' ;;`);
    await expect(down(["--stack", "prod", "--yes"])).rejects.toThrow(
      /nothing was removed.*\n {2}docker network disconnect llm-metrics-prod vllm$/,
    );
    expect(destroyed()).toBe(false);
  });

  it("of a stack that does not exist logs that, and needs no Docker", async () => {
    expect(await down(["--stack", "ghost"])).toBe(0);
    expect(logged()).toContain("there is no stack ghost (there are dev, prod)");
    expect(calls()).toEqual(["pulumi stack ls --json"]);
  });
});

describe("A preview", () => {
  it("of a stack that does not exist creates none, and names the others and the command", async () => {
    await expect(preview(["--stack", "ghost"])).rejects.toThrow(
      "there is no stack ghost (there are dev, prod): `npm run up -- --stack ghost` creates and deploys it",
    );
    expect(calls()).toEqual(["pulumi stack ls --json"]);
  });

  it("of a stack that has settings only shows what would be created, with a state that is thrown away", async () => {
    writeFileSync("Pulumi.new.yaml", "config: {}\n");
    standIn(
      "pulumi",
      `case "$*" in
        "stack ls"*) echo "[]" ;;
        "stack init"*) echo "$PULUMI_BACKEND_URL" > ${folder}/backend; printf 'config: {}\\nencryptionsalt: v1:x\\n' > Pulumi.new.yaml ;;
        preview*) [ "$PULUMI_BACKEND_URL" = "$(cat ${folder}/backend)" ] || exit 1 ;;
      esac`,
    );
    expect(await preview(["--stack", "new"])).toBe(0);
    const state = readFileSync(path.join(folder, "backend"), "utf8").trim().slice("file://".length);
    expect(state).not.toBe(path.join(folder, ".pulumi-state"));
    expect(existsSync(state)).toBe(false);
    expect(readFileSync("Pulumi.new.yaml", "utf8")).toBe("config: {}\n");
  });

  it("starts and installs no Docker daemon, and names the commands that do", async () => {
    for (const program of ["dockerd", "apt-get", "systemctl"]) standIn(program, "exit 1");
    standIn(
      "docker",
      `case "$*" in "context inspect"*) echo "default unix:///var/run/docker.sock" ;; *) echo "Cannot connect" >&2; exit 1 ;; esac`,
    );
    await expect(preview([])).rejects.toThrow(
      /no Docker daemon answers at unix:\/\/\/var\/run\/docker\.sock: start it.*`npm run up` starts it too/,
    );
    expect(calls().filter((call) => !/^(docker|pulumi) /.test(call))).toEqual([]);
  });
});

describe("An update", () => {
  it("ends with the addresses to open", async () => {
    expect(await up([])).toBe(0);
    expect(logged().split("\n").at(-1)).toBe(
      "open http://127.0.0.1:23001 for containers, GPUs and alerts, http://127.0.0.1:8080 for cAdvisor",
    );
  });

  it("creates a stack that does not exist, and selects the default one", async () => {
    writeFileSync(path.join(folder, "stacks.json"), "[]");
    await up([]);
    await up(["--stack", "prod"]);
    expect(calls().filter((call) => call.startsWith("pulumi stack init"))).toEqual([
      "pulumi stack init dev",
      "pulumi stack init prod --no-select",
    ]);
  });

  it.each(["config:\n  a: 1 # why\n", "# empty\n", "config: {}\n", undefined])(
    "leaves a settings file as it was: %j",
    async (text) => {
      if (text !== undefined) writeFileSync("Pulumi.dev.yaml", text);
      const salted = `config: ${text?.includes("a: 1") ? '{"a": "1"}' : "{}"}\\nencryptionsalt: v1:x\\n`;
      standIn(
        "pulumi",
        `case "$*" in "stack ls"*) echo "[]" ;; "stack export"*) echo {} ;; "stack output"*) echo {} ;; *) printf '${salted}' > Pulumi.dev.yaml ;; esac`,
      );
      expect(await up([])).toBe(0);
      expect(calls()).toContain("pulumi stack init dev");
      expect(existsSync("Pulumi.dev.yaml") ? readFileSync("Pulumi.dev.yaml", "utf8") : undefined).toBe(text);
    },
  );
});

describe("The Pulumi CLI in the project's environment", () => {
  it("writes the settings of `config set`, with the salt that their secrets need", async () => {
    const text = "config:\n  llm-metrics:users:\n    secure: v1:y\nencryptionsalt: v1:x\n";
    writeFileSync("Pulumi.dev.yaml", "config: {}\n");
    standIn("pulumi", `printf '${text.replaceAll("\n", "\\n")}' > Pulumi.dev.yaml`);
    expect(await pulumi(["config", "set", "--secret", "users"])).toBe(0);
    expect(readFileSync("Pulumi.dev.yaml", "utf8")).toBe(text);
  });

  it("reaches its own processes on loopback without the proxy", async () => {
    process.env["http_proxy"] = "http://proxy.example:3128";
    process.env["NO_PROXY"] = "registry.example";
    standIn("pulumi", `echo "$NO_PROXY $no_proxy" > ${folder}/exceptions`);
    await pulumi(["version"]);
    const exceptions = "registry.example,127.0.0.1,localhost,::1";
    expect(readFileSync(path.join(folder, "exceptions"), "utf8")).toBe(`${exceptions} ${exceptions}\n`);
  });

  it("names the variables of the passphrase where that is wrong", async () => {
    standIn("pulumi", 'echo "error: incorrect passphrase" >&2; exit 255');
    expect(await pulumi(["preview"])).toBe(255);
    expect(logged()).toMatch(/set PULUMI_CONFIG_PASSPHRASE, or PULUMI_CONFIG_PASSPHRASE_FILE/);
  });
});
