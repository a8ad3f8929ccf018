import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { execa } from "execa";
import { load } from "js-yaml";
import { buildShellImage } from "../../airgap/images";
import { policies } from "../../policy/policies";
import { pulumiEnvironment } from "../../cli/pulumiCommand";
import { docker, DOCKER_HOST } from "../support/docker";
import { failed, type Result, Stack, succeeded, WITH_POLICIES } from "../support/stack";

const PROJECT = path.join(__dirname, "../..");

/** The containers, volumes and networks of the daemon. */
const everything = () =>
  Promise.all([docker("ps", "-aq"), docker("volume", "ls", "-q"), docker("network", "ls", "-q")]);

/** Pulumi's message when a policy stops it. */
const stoppedBy = (policy: string) => new RegExp(`\\[mandatory\\]\\s+${policy}\\s`);

describe("Environment", () => {
  let stack: Stack;
  afterEach(() => stack.remove());

  it.each(["dev", "prod"])("%s, as shipped, keeps to every policy", async (name) => {
    const { config } = load(await readFile(path.join(PROJECT, `Pulumi.${name}.yaml`), "utf8")) as {
      config: Record<string, unknown>;
    };
    const settings = Object.entries(config).filter(([key]) => key.startsWith("llm-metrics:"));
    stack = await Stack.create(
      Object.fromEntries(settings.map(([key, value]) => [key.slice("llm-metrics:".length), value])),
      { name },
    );
    expect(await succeeded(stack.preview(...WITH_POLICIES))).toMatch(/✅ llm-metrics@v/);
  });

  it("is stopped by the policies on its settings before anything changes", async () => {
    const before = await everything();
    stack = await Stack.create({ scrapeInterval: "10s", protectData: false }, { name: "prod-1" });
    const stops = {
      "scrape-interval": "set llm-metrics:scrapeInterval to 30s",
      "data-protected": "llm-metrics:protectData is false: set it to true",
    };
    for (const attempt of [stack.preview, stack.up]) {
      const output = await failed(attempt(...WITH_POLICIES));
      for (const [policy, hint] of Object.entries(stops)) {
        expect(output).toMatch(stoppedBy(policy));
        expect(output).toContain(hint);
      }
    }
    expect(await everything()).toEqual(before);
  });
});

/** Another project's program. The variable CONTAINERS has its containers. */
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

describe("Program of another project", () => {
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

  const pulumi = async (containers: object, ...args: string[]): Promise<Result> => {
    const options = { cwd: folder, env: { ...env, CONTAINERS: JSON.stringify(containers) } };
    const { exitCode, all } = await execa("pulumi", args, { ...options, all: true, reject: false });
    return { status: exitCode ?? 1, output: all };
  };
  const preview = (containers: object) => pulumi(containers, "preview", ...WITH_POLICIES);

  it("passes when its containers keep to every policy", async () => {
    expect(await succeeded(preview({ theirs: KEEPS_TO_ALL }))).toMatch(/✅ llm-metrics@v/);
  });

  /** The policies that settings of the program cannot break, each with what breaks it and no other. */
  const BREAKS: Record<string, object> = {
    "image-pinned": { image: "example/web:latest" },
    "not-privileged": { securityOpts: ["no-new-privileges:true", "seccomp=unconfined"] },
    capabilities: { capabilities: { drops: ["ALL"], adds: ["CAP_SYS_ADMIN"] } },
    "read-only-root": { readOnly: false },
    "no-new-privileges": { securityOpts: [] },
    sockets: { volumes: [socket] },
    loopback: { ports: [{ internal: 80, external: 8000 }] },
    "host-namespaces": { pidMode: "host" },
    limits: { memory: undefined },
    "health-check": { healthcheck: undefined },
  };
  it("is stopped in the preview by each policy that its containers break", async () => {
    const containers = Object.fromEntries(
      Object.entries(BREAKS).map(([policy, changes]) => [policy, { ...KEEPS_TO_ALL, ...changes }]),
    );
    const output = await failed(preview(containers));
    const violations = [...output.matchAll(/\[mandatory\]\s+(\S+)\s.*Container: ([\w-]+)\)/g)];
    expect(violations.map(([, policy, container]) => [policy, container]).sort()).toEqual(
      Object.keys(BREAKS)
        .map((policy) => [policy, policy])
        .sort(),
    );
  });

  it("is stopped in the preview by sockets-behind-proxy", async () => {
    const proxy = { ...KEEPS_TO_ALL, name: "their-docker-proxy", volumes: [socket] };
    const output = await failed(preview({ proxy, cadvisor: { ...proxy, name: "their-cadvisor" } }));
    expect(output).toMatch(stoppedBy("sockets-behind-proxy"));
    expect(output.match(/\[mandatory\]/g)).toHaveLength(1);
  });

  it("passes in the update that replaces its docker-proxy by the socket", async () => {
    await buildShellImage(KEEPS_TO_ALL.image, DOCKER_HOST);
    const up = (containers: object) =>
      pulumi(containers, "up", "--yes", "--skip-preview", "--refresh", ...WITH_POLICIES);
    const mounted = { volumes: [{ ...socket, hostPath: DOCKER_HOST.replace("unix://", "") }] };
    const cadvisor = { ...KEEPS_TO_ALL, ports: [] };
    await succeeded(up({ proxy: { ...cadvisor, ...mounted, name: "their-docker-proxy" } }));
    await succeeded(up({ cadvisor: { ...cadvisor, ...mounted, name: "their-cadvisor" } }));
    await succeeded(pulumi({}, "destroy", "--yes", "--skip-preview"));
  });

  it("or an environment has a test for every policy", () => {
    const tested = [...Object.keys(BREAKS), "sockets-behind-proxy", "scrape-interval", "data-protected"];
    expect(tested.sort()).toEqual(
      policies({})
        .map(({ name }) => name)
        .sort(),
    );
  });
});
