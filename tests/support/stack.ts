import { spawn } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import os from "node:os";
import path from "node:path";
import { dump } from "js-yaml";
import { run } from "../../lib/run";
import { stackImages } from "../../cli/prerequisites/images";
import { POLICY_PACK, pulumiEnvironment } from "../../cli/pulumiCommand";
import { repair } from "../../cli/repair";
import { DOCKER_HOST } from "./docker";
import type { OtherMachine } from "./otherMachine";

const PROJECT = path.join(__dirname, "../..");

/** How a Pulumi command ended, and what it wrote. */
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

/** How often the output of an update says that a resource is being created, or was. */
export const steps = (output: string): number =>
  output.match(/ (creating \(0s\) *$|created \()/gm)?.length ?? 0;

/** A stack of the program, with configuration and state of its own, on the daemon of the tests. */
export class Stack {
  private wasProtected = false;

  private constructor(
    readonly name: string,
    private readonly folder: string,
    private readonly env: NodeJS.ProcessEnv,
    private settings: Record<string, unknown>,
    private secrets: Record<string, string>,
    private readonly inside: string[],
  ) {}

  /**
   * Makes a stack with free ports and the named settings; nothing is deployed yet.
   *
   * @param options its name, settings that are secret, and the machine that Pulumi runs on, where that is not the Docker host
   */
  static async create(
    settings: Record<string, unknown> = {},
    {
      name = `test-${randomBytes(3).toString("hex")}`,
      secrets = {},
      from,
    }: { name?: string; secrets?: Record<string, string>; from?: OtherMachine } = {},
  ): Promise<Stack> {
    await stackImages("of-the-tests");
    const folder = await mkdtemp(path.join(os.tmpdir(), "llm-metrics-stack-"));
    for (const entry of await readdir(PROJECT))
      if (!/^(Pulumi\..+\.yaml|\..*)$/.test(entry))
        await symlink(path.join(PROJECT, entry), path.join(folder, entry));
    const env: NodeJS.ProcessEnv = {
      ...(await pulumiEnvironment(folder)),
      PULUMI_BACKEND_URL: `file://${folder}`,
      PULUMI_CONFIG_PASSPHRASE: "",
      DOCKER_HOST: from?.dockerHost ?? DOCKER_HOST,
    };
    if (from) env["PATH"] = `${path.dirname(from.ssh)}:${env["PATH"] ?? ""}`;
    const [cadvisorPort, prometheusPort] = await freePorts(2);
    const stack = new Stack(
      name,
      folder,
      env,
      { cadvisorPort, prometheusPort, ...settings },
      secrets,
      from?.inside ?? [],
    );
    await stack.writeSettings();
    const { status, output } = await stack.pulumi("stack", "init", stack.name);
    if (status !== 0) throw new Error(output);
    await stack.configure({});
    return stack;
  }

  /** Name of a container, volume or network of the stack. */
  resource = (
    suffix:
      | "cadvisor"
      | "docker-proxy"
      | "gateway"
      | "gpu-exporter"
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

  /** Changes settings of the stack, and secret ones. */
  async configure(settings: Record<string, unknown>, secrets: Record<string, string> = {}): Promise<void> {
    this.settings = { ...this.settings, ...settings };
    this.wasProtected ||= this.settings["protectData"] === true;
    this.secrets = { ...this.secrets, ...secrets };
    await this.writeSettings();
    for (const [key, value] of Object.entries(this.secrets))
      await succeeded(this.execute("pulumi", ["config", "set", "--secret", key], value));
  }

  private async writeSettings(): Promise<void> {
    const config = Object.fromEntries(
      Object.entries(this.settings).map(([key, value]) => [`llm-metrics:${key}`, value]),
    );
    await writeFile(path.join(this.folder, `Pulumi.${this.name}.yaml`), dump({ config }));
  }

  up = (...args: string[]): Promise<Result> =>
    this.pulumi("up", "--yes", "--skip-preview", "--policy-pack", POLICY_PACK, ...args);

  /** What `npm run up` does. */
  async repairAndUp(): Promise<Result> {
    const flags = await repair(this.name, this.env);
    return this.up("--refresh", ...flags);
  }

  /**
   * Starts an update and kills it, with everything that it started, as soon as it says for the nth time that something was
   * begun or done.
   *
   * @returns whether it came so far
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

  preview = (...args: string[]): Promise<Result> =>
    this.pulumi("preview", "--policy-pack", POLICY_PACK, ...args);
  refresh = (...args: string[]): Promise<Result> =>
    this.pulumi("refresh", "--yes", "--skip-preview", ...args);
  destroy = (...args: string[]): Promise<Result> =>
    this.pulumi("destroy", "--yes", "--skip-preview", ...args);

  /** What `npm run down` does. */
  down = (...args: string[]): Promise<Result> => this.pulumi("destroy", "--yes", ...args);

  /** The stack's outputs. */
  async outputs<T>(): Promise<T> {
    const { output } = await this.pulumi("stack", "output", "--json");
    return JSON.parse(output.slice(output.indexOf("{"))) as T;
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
    const { output } = await this.pulumi("stack", "export");
    const { deployment } = JSON.parse(output.slice(output.indexOf("{"))) as {
      deployment: { resources: { urn: string; inputs?: Record<string, unknown> }[] };
    };
    return deployment.resources.find(({ urn }) => urn.endsWith(suffix))?.inputs ?? {};
  }

  /** Removes everything of the stack, protected or not. */
  async remove(): Promise<void> {
    if (this.wasProtected) await this.pulumi("state", "unprotect", "--all", "--yes");
    await this.destroy();
    await rm(this.folder, { recursive: true });
  }

  /** Runs the Pulumi CLI on the stack. */
  pulumi(...args: string[]): Promise<Result> {
    return this.execute("pulumi", args);
  }

  /** Runs a program of commands/ as the stack does. */
  probe(input: string): Promise<Result> {
    return this.execute("node", ["commands/start.cjs", "probe"], input);
  }

  /** A command that hangs ends after ten minutes, with all that it started; what it wrote tells where it was. */
  private execute(program: string, args: string[], input = ""): Promise<Result> {
    const [first = program, ...rest] = [
      ...this.inside,
      "timeout",
      "--kill-after=30",
      "600",
      program,
      ...args,
    ];
    return new Promise((resolve, reject) => {
      const child = spawn(first, rest, {
        cwd: this.folder,
        env: this.env,
        stdio: ["pipe", "pipe", "pipe"],
      });
      let output = "";
      for (const stream of [child.stdout, child.stderr])
        stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
      child.on("error", reject).on("close", (status) => {
        resolve({ status: status ?? 1, output });
      });
      child.stdin.end(input);
    });
  }
}

/** Ports of loopback that nobody listens on, below those that the kernel gives to clients. */
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
