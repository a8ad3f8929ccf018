import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";
import { loadedConfiguration } from "../../../host/loadedConfiguration";
import { readHost } from "../../../host/read";

const INFO = { ServerVersion: "28.2.2", OSType: "linux", DockerRootDir: "/data/docker", Name: "llm-1" };
/** Stands in for `uname -n` on the machine of the daemon. */
const SAME_MACHINE = "echo llm-1";
const CONTAINER = {
  Names: ["/chat"],
  Image: "vllm/vllm-openai:v0.11.0",
  Labels: { a: "b" },
  State: "running",
  Ports: [],
};

const ANSWERS: Partial<Record<string, object>> = {
  "/info": INFO,
  "/containers/json?all=true": [CONTAINER],
  "/networks": [{ Name: "bridge" }],
  "/volumes": { Volumes: [{ Name: "models" }] },
};

let folder: string;
let socket: string;
let daemon: Server;
/** Requests to the Docker API. */
let requests: string[];
let answer: { status: number; text?: string };
beforeEach(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), "host-"));
  socket = path.join(folder, "docker.sock");
  requests = [];
  answer = { status: 200 };
  daemon = createServer(({ method, url = "" }, response) => {
    requests.push(`${method ?? ""} ${url}`);
    response.writeHead(answer.status).end(answer.text ?? JSON.stringify(ANSWERS[url]));
  });
  await new Promise<void>((resolve) => daemon.listen(socket, resolve));
  jest.replaceProperty(process, "env", {
    ...process.env,
    PATH: `${folder}:${process.env["PATH"] ?? ""}`,
    PULUMI_CONFIG: '{"llm-metrics:tlsKey":"a key"}',
  });
});
afterEach(() => {
  jest.restoreAllMocks();
  daemon.closeAllConnections();
  daemon.close();
  rmSync(folder, { recursive: true });
});

/** A program that stands in for another one. */
function standIn(name: string, script: string): void {
  writeFileSync(path.join(folder, name), `#!/bin/sh\n${script}\n`);
  chmodSync(path.join(folder, name), 0o755);
}
/** An `ssh` that runs the command here, where Docker is at an address. */
function sshTo(dockerHost: string): void {
  const dial = path.join(folder, "dial.cjs");
  writeFileSync(
    dial,
    `process.stdin.pipe(require("net").connect("${socket}")).on("error", () => 0).pipe(process.stdout);`,
  );
  standIn(
    "ssh",
    `echo "$@" >> ${folder}/words; env >> ${folder}/environment; export DOCKER_HOST=${dockerHost}
    case "$*" in *"docker system dial-stdio") exec ${process.execPath} ${dial} ;; *) exec sh ;; esac`,
  );
}

test("the daemon on this machine is queried at its socket, and only read", async () => {
  stats({ kernelLog: true });
  standIn("uname", SAME_MACHINE);
  const listener = createServer();
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const { port } = listener.address() as AddressInfo;
  const { facts, usage } = await readHost(`unix://${socket}`);
  listener.close();
  expect(facts).toMatchObject({ name: "llm-1", rootDirectory: "/data/docker", dockerSocket: socket });
  expect([facts.socketGroup, facts.kernelLog]).toEqual([998, true]);
  expect(usage.containers).toEqual([
    { name: "chat", image: "vllm/vllm-openai:v0.11.0", labels: { a: "b" }, running: true, ports: [] },
  ]);
  expect(usage.listeners).toContainEqual(expect.objectContaining({ address: "127.0.0.1", port }));
  expect([usage.networks, usage.volumes]).toEqual([["bridge"], ["models"]]);
  expect(requests.sort()).toEqual(
    Object.keys(ANSWERS)
      .map((url) => `GET ${url}`)
      .sort(),
  );
});

/** Stands in for `stat` about the daemon's socket, and about the device /dev/kmsg. */
const stats = ({ kernelLog }: { kernelLog: boolean }) => {
  standIn(
    "stat",
    `case "$*" in "-L -c %g ${socket}") echo 998 ;; "-L -c %t:%T /dev/kmsg") ${kernelLog ? "echo 1:b" : "exit 1"} ;; esac`,
  );
};

test("a host without the kernel log is recognized, as in a container of LXC (google/cadvisor issue 1895)", async () => {
  stats({ kernelLog: false });
  standIn("uname", SAME_MACHINE);
  expect((await readHost(`unix://${socket}`)).facts.kernelLog).toBe(false);
});

test("of a machine that is not the daemon's, as where only the socket is mounted, neither devices nor listeners count", async () => {
  stats({ kernelLog: false });
  standIn("uname", "echo ci-runner-7");
  const { facts, usage } = await readHost(`unix://${socket}`);
  expect([facts.kernelLog, usage.listeners]).toEqual([true, []]);
});

test("a daemon that accepts connections and does not answer is an error after a timeout", async () => {
  daemon.removeAllListeners("request");
  jest.spyOn(AbortSignal, "timeout").mockImplementation(() => AbortSignal.abort());
  await expect(readHost(`unix://${socket}`)).rejects.toThrow(
    /cannot be queried: GET \/.*: no answer within 30 s/,
  );
});

test("an engine that has no path of the API that is queried is refused for its version", async () => {
  daemon.removeAllListeners("request");
  daemon.on("request", ({ url }: { url?: string }, response: ServerResponse) => {
    const known = url === "/info";
    response
      .writeHead(known ? 200 : 404)
      .end(known ? JSON.stringify({ ...INFO, ServerVersion: "1.8.2" }) : "404 page not found");
  });
  await expect(readHost(`unix://${socket}`)).rejects.toThrow(/its engine is 1\.8\.2\. Upgrade it/);
});

test("a daemon behind ssh is queried there, without the stack's secrets in the environment", async () => {
  sshTo(`unix://${socket}`);
  const { facts, usage } = await readHost("ssh://ops@llm-1");
  expect(facts).toMatchObject({ name: "llm-1", address: "ssh://ops@llm-1", dockerSocket: socket });
  expect(usage.containers).toHaveLength(1);
  const words = readFileSync(path.join(folder, "words"), "utf8").trim().split("\n").sort();
  expect(words).toEqual([
    expect.stringMatching(/-l ops -- llm-1 docker system dial-stdio$/),
    expect.stringMatching(/-l ops -- llm-1 sh$/),
  ]);
  expect(readFileSync(path.join(folder, "environment"), "utf8")).not.toContain("a key");
});

test("a host whose daemon is not at a socket is refused with the daemon's address", async () => {
  sshTo("tcp://10.0.0.7:2376");
  await expect(readHost("ssh://llm-1")).rejects.toThrow(
    /its own Docker CLI uses the daemon at "tcp:\/\/10.0.0.7:2376"/,
  );
});

test("a daemon that does not run, or refuses, is an error with the reason, the address and a hint", async () => {
  await expect(readHost(`unix://${folder}/none`)).rejects.toThrow(
    new RegExp(`ENOENT.*\nSee that \`docker --host unix://${folder}/none info\` works, or set docker:host`),
  );
  answer = { status: 403 };
  await expect(readHost(`unix://${socket}`)).rejects.toThrow(/cannot be queried: GET \/[^]*: 403/);
  answer = { status: 200, text: "<html>" };
  await expect(readHost(`unix://${socket}`)).rejects.toThrow(/cannot be queried: .*JSON/);
});

test.each([
  "echo 'ssh: connect to host llm-1: Connection refused' >&2; exit 255",
  "cat > /dev/null & echo 'ssh: Connection refused for this account'; wait",
])(
  "a machine that denies the login is an error with the message of ssh, the address and a hint",
  async (script) => {
    standIn("ssh", script);
    await expect(readHost("ssh://llm-1")).rejects.toThrow(
      /Docker host at ssh:\/\/llm-1 cannot be queried: [^]*Connection refused[^]*docker --host ssh:\/\/llm-1 info/,
    );
  },
);

test("a missing Docker CLI is an error before anything is changed; one that fails means no drift", async () => {
  standIn("docker", "exit 1");
  expect(await loadedConfiguration("prometheus", `unix://${socket}`)).toEqual({ text: "", drift: "" });
  rmSync(path.join(folder, "docker"));
  process.env["PATH"] = folder;
  await expect(loadedConfiguration("prometheus", `unix://${socket}`)).rejects.toThrow(
    /Docker CLI is missing.*install it/,
  );
});

describe("The loaded configuration", () => {
  const version = "01234567-89ab-cdef-0123-456789abcdef";
  /** Lines such as those of a job with a client certificate. */
  const config = (host: string) =>
    `ca: |\n  -----BEGIN CERTIFICATE-----\n  -----END CERTIFICATE-----\nkey_file: /etc/prometheus/secrets.${version}/a.key\nhost: ${host}\n`;

  /** Puts a container's configuration folder here, with an edit of its prometheus.yml. */
  function configurationWith(edited: string): void {
    const configuration = path.join(folder, "prometheus");
    mkdirSync(path.join(configuration, "applied"), { recursive: true });
    for (const place of ["", "applied"])
      writeFileSync(path.join(configuration, place, "rules.yml"), "groups: []\n");
    writeFileSync(path.join(configuration, "applied/prometheus.yml"), config("a"));
    writeFileSync(path.join(configuration, "prometheus.yml"), edited);
    // docker exec CONTAINER sh -c SCRIPT
    standIn("docker", `exec sh -c "$(printf %s "$5" | sed 's#/etc/prometheus#${configuration}#')"`);
  }
  const loaded = () => loadedConfiguration("prometheus", `unix://${socket}`);

  it("is read as the settings give it, without edits", async () => {
    configurationWith(config("a"));
    const text = `${config("a").replace(`secrets.${version}`, "secrets")}groups: []\n`;
    expect(await loaded()).toEqual({ text, drift: "" });
  });

  it("is read with the edits since", async () => {
    configurationWith(config("b"));
    expect((await loaded()).drift).toMatch(/^prometheus.yml was edited, [^]*-host: a\n\+host: b$/);
  });
});
