import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { load } from "js-yaml";
import { policies } from "../../policy/policies";
import { POLICY_PACK, pulumiEnvironment } from "../../cli/pulumiCommand";
import { docker } from "../support/docker";
import { failed, type Result, Stack, succeeded } from "../support/stack";

const PROJECT = path.join(__dirname, "../..");

/** What the daemon has. */
const everything = () =>
  Promise.all([docker("ps", "-aq"), docker("volume", "ls", "-q"), docker("network", "ls", "-q")]);

/** How Pulumi says that a policy stopped it. */
const stoppedBy = (policy: string) => new RegExp(`\\[mandatory\\]\\s+${policy}\\s`);

describe("an environment of the program", () => {
  let stack: Stack;
  afterEach(() => stack.remove());

  test.each(["dev", "prod"])("the shipped %s keeps to every policy", async (name) => {
    const { config } = load(await readFile(path.join(PROJECT, `Pulumi.${name}.yaml`), "utf8")) as {
      config: Record<string, unknown>;
    };
    const settings = Object.entries(config).filter(([key]) => key.startsWith("llm-metrics:"));
    stack = await Stack.create(
      Object.fromEntries(settings.map(([key, value]) => [key.slice("llm-metrics:".length), value])),
      { name },
    );
    expect(await succeeded(stack.preview())).toMatch(/✅ llm-metrics@v/);
  });

  test.each([
    [
      "scrape-interval",
      { scrapeInterval: "10s", protectData: true },
      "set llm-metrics:scrapeInterval to 30s",
    ],
    ["data-protected", { protectData: false }, "llm-metrics:protectData is false: set it to true"],
  ])(
    "with settings that break %s is stopped before it changes anything",
    async (policy, settings, remedy) => {
      const before = await everything();
      stack = await Stack.create(settings, { name: "prod-1" });
      for (const attempt of [stack.preview, stack.up]) {
        const output = await failed(attempt());
        expect(output).toMatch(stoppedBy(policy));
        expect(output).toContain(remedy);
      }
      expect(await everything()).toEqual(before);
    },
  );
});

/** A program of somebody else's, whose containers a variable tells. */
const PROGRAM = `
  const docker = require("@pulumi/docker");
  for (const [name, args] of Object.entries(JSON.parse(process.env.CONTAINERS))) new docker.Container(name, args);
`;
const KEEPS_TO_ALL = {
  name: "theirs",
  image: "example/web:1",
  readOnly: true,
  securityOpts: ["no-new-privileges:true"],
  capabilities: { drops: ["ALL"] },
  memory: 64,
  cpus: "0.5",
  ports: [{ internal: 80, external: 8000, ip: "127.0.0.1" }],
  healthcheck: { tests: ["CMD", "true"], interval: "30s", timeout: "5s", startPeriod: "5s", retries: 3 },
};
const socket = { hostPath: "/var/run/docker.sock", containerPath: "/var/run/docker.sock", readOnly: true };

describe("a program of another project", () => {
  let folder: string;
  let env: NodeJS.ProcessEnv;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "theirs-"));
    await symlink(path.join(PROJECT, "node_modules"), path.join(folder, "node_modules"));
    await writeFile(path.join(folder, "Pulumi.yaml"), "name: theirs\nruntime: nodejs\n");
    await writeFile(path.join(folder, "package.json"), '{ "main": "index.js" }');
    await writeFile(path.join(folder, "index.js"), PROGRAM);
    env = {
      ...(await pulumiEnvironment(folder)),
      PULUMI_BACKEND_URL: `file://${folder}`,
      PULUMI_CONFIG_PASSPHRASE: "",
    };
    await succeeded(pulumi({}, "stack", "init", "staging"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const pulumi = (containers: object, ...args: string[]) =>
    new Promise<Result>((resolve) => {
      const options = { cwd: folder, env: { ...env, CONTAINERS: JSON.stringify(containers) } };
      execFile("pulumi", args, options, (error, stdout, stderr) => {
        resolve({ status: error ? 1 : 0, output: stdout + stderr });
      });
    });
  const preview = (...containers: object[]) =>
    pulumi(Object.fromEntries(containers.entries()), "preview", "--policy-pack", POLICY_PACK);

  test("passes when its containers keep to every policy", async () => {
    expect(await succeeded(preview(KEEPS_TO_ALL))).toMatch(/✅ llm-metrics@v/);
  });

  /** What breaks each policy, and no other, that settings of the program cannot break. */
  const BREAKS: Record<string, object[]> = {
    "image-pinned": [{ image: "example/web:latest" }],
    // Not by privileged, which the plugins of airgap/ do not know.
    "not-privileged": [{ securityOpts: ["no-new-privileges:true", "seccomp=unconfined"] }],
    capabilities: [{ capabilities: { drops: ["ALL"], adds: ["CAP_SYS_ADMIN"] } }],
    "read-only-root": [{ readOnly: false }],
    "no-new-privileges": [{ securityOpts: [] }],
    sockets: [{ volumes: [socket] }],
    "sockets-behind-proxy": [
      { name: "their-docker-proxy", volumes: [socket] },
      { name: "their-cadvisor", volumes: [socket] },
    ],
    loopback: [{ ports: [{ internal: 80, external: 8000 }] }],
    "host-namespaces": [{ pidMode: "host" }],
    limits: [{ memory: undefined }],
    "health-check": [{ healthcheck: undefined }],
  };
  test.each(Object.entries(BREAKS))("is stopped in the preview by %s", async (policy, changes) => {
    const output = await failed(preview(...changes.map((change) => ({ ...KEEPS_TO_ALL, ...change }))));
    expect(output).toMatch(stoppedBy(policy));
    expect(output.match(/\[mandatory\]/g)).toHaveLength(1);
  });

  test("has a test here for every policy, or this project has", () => {
    expect([...Object.keys(BREAKS), "scrape-interval", "data-protected"]).toEqual(
      policies({}).map(({ name }) => name),
    );
  });
});
