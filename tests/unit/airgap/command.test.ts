import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Readable } from "node:stream";
import {
  credentials,
  Server,
  ServerCredentials,
  type sendUnaryData,
  type ServerUnaryCall,
} from "@grpc/grpc-js";
import { EngineService } from "@pulumi/pulumi/proto/engine_grpc_pb";
import type { LogRequest } from "@pulumi/pulumi/proto/engine_pb";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as messages from "@pulumi/pulumi/proto/provider_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { type JavaScriptValue, Struct } from "google-protobuf/google/protobuf/struct_pb";
import { buildProviders } from "../../../airgap";
import { run } from "../../../lib/run";
import { eventually } from "../../support/eventually";

jest.setTimeout(1_800_000); // The first run builds the providers.

const URN = "urn:pulumi:s::p::command:local:Command::probe";
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const secret = (value: unknown) => ({ [SIGNATURE]: "1b47061264138c4ac30d75fd1eb44270", value });

type Values = Record<string, unknown>;

let engine: Server;
let engineAddress: string;
let shown: LogRequest.AsObject[] = [];
let folder: string;
let plugin: ChildProcessByStdio<null, Readable, null>;
let client: ResourceProviderClient;

beforeAll(async () => {
  engine = new Server();
  const log = (call: ServerUnaryCall<LogRequest, Empty>, callback: sendUnaryData<Empty>) => {
    shown.push(call.request.toObject());
    callback(null, new Empty());
  };
  engine.addService(EngineService, { log });
  const port = await new Promise<number>((resolve, reject) => {
    engine.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(error);
      else resolve(bound);
    });
  });
  engineAddress = `127.0.0.1:${port}`;
  folder = mkdtempSync(path.join(os.tmpdir(), "command-"));
  const program = path.join(await buildProviders(), "pulumi-resource-command");
  plugin = spawn(program, [engineAddress], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(plugin.stdout, "data")) as [Buffer];
  client = new ResourceProviderClient(`127.0.0.1:${line.toString().trim()}`, credentials.createInsecure());
  const request = new messages.ConfigureRequest();
  request.setAcceptsecrets(true);
  request.setArgs(Struct.fromJavaScript({}));
  await call<messages.ConfigureResponse>((done) => client.configure(request, done));
});
beforeEach(() => {
  shown = [];
});
afterAll(() => {
  client.close();
  plugin.kill();
  engine.forceShutdown();
  rmSync(folder, { recursive: true });
});

const call = <T>(start: (done: (error: Error | null, value: T) => void) => unknown) =>
  new Promise<T>((resolve, reject) => {
    start((error, value) => {
      if (error) reject(error);
      else resolve(value);
    });
  });
const struct = (values: Values) => Struct.fromJavaScript(values as Record<string, JavaScriptValue>);

async function check(inputs: Values, urn = URN): Promise<Record<string, string>> {
  const request = new messages.CheckRequest();
  request.setUrn(urn);
  request.setNews(struct(inputs));
  const response = await call<messages.CheckResponse>((done) => client.check(request, done));
  return Object.fromEntries(response.getFailuresList().map((one) => [one.getProperty(), one.getReason()]));
}

async function diff(olds: Values, news: Values) {
  const request = new messages.DiffRequest();
  request.setUrn(URN);
  request.setOldInputs(struct(olds));
  request.setOlds(struct({ ...olds, stdout: "out", stderr: "" }));
  request.setNews(struct(news));
  const response = await call<messages.DiffResponse>((done) => client.diff(request, done));
  const { DIFF_NONE } = messages.DiffResponse.DiffChanges;
  if (response.getChanges() === DIFF_NONE) return "nothing";
  expect(response.getDeletebeforereplace()).toBe(false);
  return response.getReplacesList().length > 0 ? "replace" : "update";
}

async function create(inputs: Values, preview = false) {
  const request = new messages.CreateRequest();
  request.setUrn(URN);
  request.setPreview(preview);
  request.setProperties(struct(inputs));
  const response = await call<messages.CreateResponse>((done) => client.create(request, done));
  return { id: response.getId(), outputs: response.getProperties()?.toJavaScript() ?? {} };
}

async function update(before: Values, inputs: Values) {
  const request = new messages.UpdateRequest();
  request.setUrn(URN);
  request.setOlds(struct(before));
  request.setNews(struct(inputs));
  const response = await call<messages.UpdateResponse>((done) => client.update(request, done));
  return response.getProperties()?.toJavaScript();
}

async function remove(state: Values) {
  const request = new messages.DeleteRequest();
  request.setUrn(URN);
  request.setProperties(struct(state));
  await call((done) => client.delete(request, done));
}

describe("A command", () => {
  it("gets its input, environment, folder and interpreter, and its output loses the last line break", async () => {
    const inputs = {
      create: "read line; echo $line $A $PWD $0; printf 'b\\n\\n' >&2",
      stdin: "line\n",
      environment: { A: "x" },
      dir: "/",
      interpreter: ["/bin/sh", "-c"],
    };
    const { id, outputs } = await create(inputs);
    expect(id).toMatch(/^probe[0-9a-f]{8}$/);
    expect(outputs).toEqual({ ...inputs, stdout: "line x / /bin/sh", stderr: "b\n" });
  });

  it.each([
    [
      { create: 'echo "seen"; sleep 0.2; echo wrong >&2; exit 3' },
      'exit status 3: running "echo \\"seen\\"; sleep 0.2; echo wrong >&2; exit 3":\nseen\nwrong\n',
    ],
    [{ create: "kill -9 $$" }, "signal: killed: running"],
    [{ create: "true", dir: "/no/such" }, 'chdir /no/such: no such file or directory: running "true"'],
    [
      { create: "true", interpreter: ["/no/such"] },
      'fork/exec /no/such: no such file or directory: running "true"',
    ],
    [
      { create: "true", interpreter: ["no-such"] },
      'exec: "no-such": executable file not found in $PATH: running "true"',
    ],
  ])("fails in the official plugin's words: %j", async (inputs, reason) => {
    await expect(create(inputs)).rejects.toThrow(reason);
  });

  it("runs `update`, else `create`, and knows what the command before it wrote", async () => {
    const before = { stdout: "out", stderr: "err" };
    const line = "echo $PULUMI_COMMAND_STDOUT $PULUMI_COMMAND_STDERR";
    expect(await update(before, { create: "false", update: line })).toMatchObject({ stdout: "out err" });
    expect(await update(before, { create: `${line} again` })).toMatchObject({ stdout: "out err again" });
    expect(await update(before, {})).toEqual(before);
  });

  it("runs `delete` at its removal, and fails with it", async () => {
    await remove({ create: "false", stdout: "", stderr: "" });
    await expect(remove({ delete: "echo $PULUMI_COMMAND_STDOUT; exit 1", stdout: "out" })).rejects.toThrow(
      'exit status 1: running "echo $PULUMI_COMMAND_STDOUT; exit 1":\nout',
    );
  });

  it.each([
    [undefined, ["one", "two", "three"]],
    ["stdout", ["one", "three"]],
    ["stderr", ["two"]],
    ["none", []],
  ])("shows the lines that logging %s names while it runs", async (logging, lines) => {
    const line = "echo one; sleep 0.1; echo two >&2; sleep 0.1; printf three";
    await create({ create: line, ...(logging && { logging }) });
    expect(shown.map(({ message }) => message)).toEqual(lines);
    for (const { urn, ephemeral } of shown) expect({ urn, ephemeral }).toEqual({ urn: URN, ephemeral: true });
  });

  it("has secret outputs where an input is secret", async () => {
    const { outputs } = await create({ create: "echo $A", environment: { A: secret("x") } });
    expect(outputs).toMatchObject({ stdout: secret("x"), stderr: secret("") });
  });

  it("does not run in a preview, which does not know its outputs", async () => {
    const { outputs } = await create({ create: `touch ${folder}/ran` }, true);
    expect(outputs).toMatchObject({ stdout: UNKNOWN, stderr: UNKNOWN });
    expect(existsSync(path.join(folder, "ran"))).toBe(false);
  });
});

describe("Changed inputs of a command", () => {
  const declared = {
    create: "cat; echo out $A",
    environment: { A: "x" },
    stdin: "in\n",
    logging: "stderr",
    triggers: ["k"],
  };
  /** What the official plugin does with each. */
  const official: [Values, "nothing" | "update" | "replace"][] = [
    [{}, "nothing"],
    [{ create: "true" }, "update"],
    [{ update: "echo up" }, "update"],
    [{ delete: "echo del" }, "update"],
    [{ stdin: "in2\n" }, "update"],
    [{ stdin: "" }, "update"],
    [{ environment: { A: "y" } }, "update"],
    [{ environment: { A: "x", B: "" } }, "update"],
    [{ environment: { A: secret("x") } }, "update"],
    [{ environment: { A: UNKNOWN } }, "update"],
    [{ dir: "/" }, "update"],
    [{ interpreter: ["/bin/bash", "-c"] }, "update"],
    [{ logging: "none" }, "update"],
    [{ triggers: ["l"] }, "replace"],
    [{ triggers: ["k", "l"] }, "replace"],
    [{ triggers: undefined }, "replace"],
  ];
  it.each(official)("do what they do with the official plugin: %j → %s", async (changes, does) => {
    const news = JSON.parse(JSON.stringify({ ...declared, ...changes })) as Values; // Without what is undefined.
    expect(await diff(declared, news)).toBe(does);
  });
});

describe("The command provider", () => {
  it("accepts what the program uses, and what a preview does not know yet", async () => {
    expect(await check({ create: "true", environment: { A: secret("x") }, triggers: [1, {}] })).toEqual({});
    expect(await check({ create: UNKNOWN, environment: { A: UNKNOWN }, interpreter: UNKNOWN })).toEqual({});
  });

  it.each([
    [{ assetPaths: ["*"] }, "assetPaths", 'does not implement the input "assetPaths"'],
    [{ logging: "loud" }, "logging", '"loud" is not one of stdout, stderr, stdoutAndStderr, none'],
    [{ create: 1 }, "create", "cannot unmarshal number"],
  ])("rejects an input that it does not implement: %j", async (inputs, name, reason) => {
    expect(await check(inputs)).toEqual({ [name]: expect.stringContaining(reason) as string });
  });

  it("rejects other resources, functions and configuration by their names", async () => {
    const remote = "urn:pulumi:s::p::command:remote:Command::probe";
    expect(Object.values(await check({}, remote))[0]).toContain("the resource command:remote:Command");
    const invoke = new messages.InvokeRequest();
    invoke.setTok("command:local:run");
    await expect(call((done) => client.invoke(invoke, done))).rejects.toThrow(
      "the function command:local:run",
    );
    const request = new messages.CheckRequest();
    request.setUrn("urn:pulumi:s::p::pulumi:providers:command::default");
    request.setNews(struct({ version: "1.2.1", "__pulumi-go-provider-version": "1.2.0", host: "x" }));
    const response = await call<messages.CheckResponse>((done) => client.checkConfig(request, done));
    expect(response.getFailuresList().map((one) => one.getProperty())).toEqual(["host"]);
  });

  // The last test: the provider starts nothing afterwards.
  it("kills a command with all that it started when an update is interrupted", async () => {
    const file = path.join(folder, "pid");
    const running = create({ create: `sleep 300 & echo $$ $! > ${file}.new; mv ${file}.new ${file}; wait` });
    const failed = expect(running).rejects.toThrow("signal: killed");
    while (!existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 20));
    await call((done) => client.cancel(new Empty(), done));
    await failed;
    const processes = readFileSync(file, "utf8").trim().split(" ");
    expect(processes).toHaveLength(2);
    // A killed process can take a moment to end.
    for (const id of processes)
      await eventually(async () => {
        expect(await run("ps", ["-o", "stat=", "-p", id]).catch(() => "Z")).toMatch(/^Z/);
      });
  });
});
