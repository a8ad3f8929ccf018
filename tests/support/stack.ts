import { spawn } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import { execa } from "execa";
import { dump, load } from "js-yaml";
import { run } from "../../lib/run";
import { POLICY_PACK, pulumiEnvironment } from "../../cli/pulumiCommand";
import { repair } from "../../cli/repair";
import { buildConfiguration } from "../../prometheus/config";
import { docker, DOCKER_HOST } from "./docker";
import type { OtherMachine } from "./otherMachine";
import { settings } from "./settings";

const PROJECT = path.join(__dirname, "../..");

/** Arguments of a Pulumi command that checks the policies. */
export const WITH_POLICIES = ["--policy-pack", POLICY_PACK];

/** The status and the output of a command. */
export interface Result {
  status: number;
  output: string;
}

/** The output of a command that has to succeed. */
export async function succeeded(result: Promise<Result>): Promise<string> {
  const { status, output } = await result;
  if (status !== 0) throw new Error(output);
  return output;
}

/** The output of a command that has to fail. */
export async function failed(result: Promise<Result>): Promise<string> {
  const { status, output } = await result;
  if (status === 0) throw new Error(`succeeded, but should not:\n${output}`);
  return output;
}

/** Counts the resources that the output of an update reports as being created or created. */
export const steps = (output: string): number =>
  output.match(/ (creating \(0s\) *$|created \()/gm)?.length ?? 0;

/** The part of a stack's state that the tests read. */
interface Deployment {
  pending_operations?: unknown[];
  resources?: {
    urn: string;
    type: string;
    delete?: boolean;
    protect?: boolean;
    inputs?: Record<string, unknown>;
    outputs?: Record<string, unknown>;
  }[];
}

/** A stack of the program, with configuration and state of its own, on the daemon of the tests. */
export class Stack {
  private constructor(
    readonly name: string,
    readonly folder: string,
    private readonly env: NodeJS.ProcessEnv,
    private settings: Record<string, unknown>,
    private readonly inside: string[],
  ) {}

  /**
   * Makes a stack with free ports and the named settings; nothing is deployed yet.
   *
   * @param options its name, secret settings, and the machine that Pulumi runs on, where that is not the Docker host
   */
  static async create(
    settings: Record<string, unknown> = {},
    {
      name = `test-${randomBytes(3).toString("hex")}`,
      secrets = {},
      from,
    }: { name?: string; secrets?: Record<string, string>; from?: OtherMachine } = {},
  ): Promise<Stack> {
    const folder = await mkdtemp(path.join(os.tmpdir(), "llm-metrics-stack-"));
    for (const entry of await readdir(PROJECT))
      if (!/^(Pulumi\..+\.yaml|\..*)$/.test(entry))
        await symlink(path.join(PROJECT, entry), path.join(folder, entry));
    const [cadvisorPort, prometheusPort] = await freePorts(2);
    const stack = await Stack.open({ name, folder, settings: { cadvisorPort, prometheusPort } }, from);
    await succeeded(stack.pulumi("stack", "init", stack.name));
    await stack.configure(settings, secrets);
    return stack;
  }

  /** A stack that another test file made. */
  static async open(
    { name, folder, settings }: { name: string; folder: string; settings: Record<string, unknown> },
    from?: OtherMachine,
  ): Promise<Stack> {
    const env: NodeJS.ProcessEnv = {
      ...(await pulumiEnvironment(folder)),
      PULUMI_BACKEND_URL: `file://${folder}`,
      PULUMI_CONFIG_PASSPHRASE: "",
      DOCKER_HOST: from?.dockerHost ?? DOCKER_HOST,
    };
    if (from) env["PATH"] = `${path.dirname(from.ssh)}:${env["PATH"] ?? ""}`;
    return new Stack(name, folder, env, settings, from?.inside ?? []);
  }

  /** Name of a container, volume or network of the stack. */
  resource = (
    suffix:
      | "alertmanager"
      | "cadvisor"
      | "docker-proxy"
      | "gateway"
      | "llm-forwarder"
      | "exporter"
      | "node-exporter"
      | "grafana"
      | "prometheus"
      | "prometheus-data"
      | "prometheus-config",
  ): string => `llm-metrics-${this.name}-${suffix}`;

  /** URLs of both servers. */
  get cadvisor(): string {
    return `http://127.0.0.1:${String(this.settings["cadvisorPort"])}`;
  }
  get prometheus(): string {
    return `http://127.0.0.1:${String(this.settings["prometheusPort"])}`;
  }

  /** What {@link Stack.open} needs to open the stack in another test file. */
  description = () => ({ name: this.name, folder: this.folder, settings: this.settings });

  /** Changes settings of the stack, and secret ones, by their key or a path such as `a[0].b`. The other settings stay. */
  async configure(settings: Record<string, unknown>, secrets: Record<string, string> = {}): Promise<void> {
    this.settings = { ...this.settings, ...settings };
    const file = path.join(this.folder, `Pulumi.${this.name}.yaml`);
    const { config: old = {}, ...rest } = load(await readFile(file, "utf8").catch(() => "{}")) as {
      config?: Record<string, unknown>;
    };
    const isSecret = (value: unknown) => typeof value === "object" && value !== null && "secure" in value;
    const config = {
      ...Object.fromEntries(Object.entries(old).filter(([, value]) => isSecret(value))),
      ...Object.fromEntries(
        Object.entries(this.settings).map(([key, value]) => [`llm-metrics:${key}`, value]),
      ),
    };
    await writeFile(file, dump({ ...rest, config }, { skipInvalid: true }));
    for (const [key, value] of Object.entries(secrets))
      await succeeded(this.execute("pulumi", ["config", "set", "--secret", "--path", key], value));
  }

  /** Updates the stack. Policies are checked where `--policy-pack` names them. */
  up = (...args: string[]): Promise<Result> => this.pulumi("up", "--yes", "--skip-preview", ...args);

  /** What `npm run up` does. */
  async repairAndUp(): Promise<Result> {
    const flags = await repair(this.name, this.env);
    return this.up("--refresh", ...flags);
  }

  /**
   * Starts an update and kills it with all its processes after n {@link steps}.
   *
   * @returns whether the update came so far
   */
  async killedUp(nth: number): Promise<boolean> {
    const child = spawn("pulumi", ["up", "--yes", "--skip-preview"], {
      cwd: this.folder,
      env: this.env,
      stdio: ["ignore", "pipe", "ignore"],
      detached: true,
    });
    let output = "";
    let killed = false;
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      if (killed || steps(output) < nth) return;
      killed = true;
      process.kill(-(child.pid ?? 0), "SIGKILL");
    });
    await new Promise((resolve) => child.on("close", resolve));
    return killed;
  }

  preview = (...args: string[]): Promise<Result> => this.pulumi("preview", ...args);
  refresh = (...args: string[]): Promise<Result> =>
    this.pulumi("refresh", "--yes", "--skip-preview", ...args);
  destroy = (...args: string[]): Promise<Result> =>
    this.pulumi("destroy", "--yes", "--skip-preview", ...args);

  /** What `npm run down` does. */
  down = (...args: string[]): Promise<Result> => this.pulumi("destroy", "--yes", ...args);

  /** The stack's outputs, none of which is secret. */
  async outputs<T>(): Promise<T> {
    const { resources = [] } = await this.deployment();
    return resources.find(({ type }) => type === "pulumi:pulumi:Stack")?.outputs as T;
  }

  /** The stack's state, from the file in which Pulumi keeps it. */
  async deployment(): Promise<Deployment> {
    const file = path.join(this.folder, ".pulumi/stacks/llm-metrics", `${this.name}.json`);
    const { checkpoint } = JSON.parse(await readFile(file, "utf8")) as {
      checkpoint: { latest?: Deployment };
    };
    return checkpoint.latest ?? {};
  }

  /** Everything that the backend keeps of the stack, as text. */
  async state(): Promise<string> {
    return (
      (await run("grep", ["-rh", "", path.join(this.folder, ".pulumi")])) +
      (await readFile(path.join(this.folder, `Pulumi.${this.name}.yaml`), "utf8"))
    );
  }

  /** The inputs of one of the stack's resources, by the end of its name. */
  async inputs(suffix: string): Promise<Record<string, unknown>> {
    const { resources = [] } = await this.deployment();
    return resources.find(({ urn }) => urn.endsWith(suffix))?.inputs ?? {};
  }

  /** Removes what was deployed with the Docker CLI, which takes a tenth of the time of `pulumi destroy`. */
  async removeDeployed(): Promise<void> {
    const mine = ["--quiet", "--filter", `label=llm-metrics.environment=${this.name}`];
    const remove = async (list: string[], command: string[]) => {
      const found = (await docker(...list, ...mine)).split("\n").filter(Boolean);
      if (found.length > 0) await docker(...command, ...found);
    };
    await remove(["ps", "--all"], ["rm", "--force", "--volumes"]);
    await remove(["network", "ls"], ["network", "rm"]);
    await remove(["volume", "ls"], ["volume", "rm"]);
  }

  /** Puts the stack back to before its first update. */
  async reset(): Promise<void> {
    await this.removeDeployed();
    await rm(path.join(this.folder, ".pulumi"), { recursive: true });
    await succeeded(this.pulumi("stack", "init", this.name));
  }

  /** Removes the stack and what it deployed. */
  async remove(): Promise<void> {
    await this.removeDeployed();
    await rm(this.folder, { recursive: true });
  }

  /** Runs the Pulumi CLI on the stack. */
  pulumi(...args: string[]): Promise<Result> {
    return this.execute("pulumi", args);
  }

  /** Runs the post-deploy checks as the stack does. */
  probe(input: string, env: NodeJS.ProcessEnv = {}): Promise<Result> {
    return this.execute("node", ["commands/start.cjs", "probe"], input, env);
  }

  /** The input of {@link loadConfig} with some settings changed, which the settings of the stack do not keep. */
  async configFiles(changes: Record<string, unknown>): Promise<string> {
    const { hostLabel } = await this.outputs<{ hostLabel: string }>();
    const context = { environment: this.name, host: hostLabel, gpu: false };
    const { files } = buildConfiguration(settings({ ...this.settings, ...changes }), context);
    return dump(files, { lineWidth: -1 });
  }

  /** Loads the configuration of Prometheus or Alertmanager as the stack does: files by name, as YAML. */
  async loadConfig(files: string, server: "prometheus" | "alertmanager" = "prometheus"): Promise<Result> {
    const { environment } = await this.inputs(`${server}-configuration`);
    return this.execute(
      "node",
      ["commands/start.cjs", "loadConfig"],
      files,
      environment as NodeJS.ProcessEnv,
    );
  }

  /** Runs a command in the stack's folder. One that hangs ends after ten minutes, with all that it started. */
  private async execute(
    program: string,
    args: string[],
    input = "",
    env: NodeJS.ProcessEnv = {},
  ): Promise<Result> {
    const limited = [...this.inside, "timeout", "--kill-after=30", "600", program, ...args];
    const [first = program, ...rest] = limited;
    const { exitCode, all } = await execa(first, rest, {
      cwd: this.folder,
      env: { ...this.env, ...env },
      input,
      all: true,
      reject: false,
      stripFinalNewline: false,
    });
    return { status: exitCode ?? 1, output: all };
  }
}

/** Ports of loopback without a listener, below those that the kernel gives to clients. */
async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = randomInt(20_000, 32_000);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on("error", () => {
      resolve(false);
    });
    server.listen(port, "127.0.0.1", () =>
      server.close(() => {
        resolve(true);
      }),
    );
  });
}
