import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import os from "node:os";
import path from "node:path";
import { readHost } from "../../components/hostFacts";

const INFO = { ServerVersion: "28.2.2", OSType: "linux", DockerRootDir: "/data/docker", Name: "llm-1" };
const CONTAINER = { Names: ["/chat"], Image: "vllm/vllm-openai:v0.11.0", Labels: { a: "b" }, Ports: [] };

let folder: string;
let socket: string;
let daemon: Server;
/** What the Docker API was asked. */
let asked: string[];
let status = 200;
beforeEach(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), "host-"));
  socket = path.join(folder, "docker.sock");
  asked = [];
  status = 200;
  daemon = createServer(({ method, url = "" }, response) => {
    asked.push(`${method ?? ""} ${url}`);
    response.writeHead(status).end(JSON.stringify(url === "/info" ? INFO : [CONTAINER]));
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

/** An `ssh` that runs the command here, where Docker is at an address. */
function sshTo(dockerHost: string): void {
  writeFileSync(
    path.join(folder, "dial.cjs"),
    `const socket = require("net").connect("${socket}");process.stdin.pipe(socket).pipe(process.stdout);`,
  );
  writeFileSync(
    path.join(folder, "ssh"),
    `#!/bin/sh
echo "$@" >> ${folder}/words
env >> ${folder}/environment
export DOCKER_HOST=${dockerHost}
case "$*" in
*"docker system dial-stdio") exec ${process.execPath} ${folder}/dial.cjs ;;
*) exec sh ;;
esac
`,
  );
  chmodSync(path.join(folder, "ssh"), 0o755);
}

test("the daemon on this machine is asked at its socket, and only read", async () => {
  const { facts, containers, listeners } = await readHost(`unix://${socket}`);
  expect(facts).toMatchObject({ name: "llm-1", rootDirectory: "/data/docker", dockerSocket: socket });
  expect(containers).toEqual([
    { name: "chat", image: "vllm/vllm-openai:v0.11.0", labels: { a: "b" }, ports: [] },
  ]);
  expect(listeners).toEqual(expect.any(Array));
  expect(asked.sort()).toEqual(["GET /containers/json?all=true", "GET /info"]);
});

test("a daemon behind ssh is asked there, without the stack's secrets in the environment", async () => {
  sshTo(`unix://${socket}`);
  const { facts, containers } = await readHost("ssh://ops@llm-1");
  expect(facts).toMatchObject({ name: "llm-1", address: "ssh://ops@llm-1", dockerSocket: socket });
  expect(containers).toHaveLength(1);
  const words = readFileSync(path.join(folder, "words"), "utf8").trim().split("\n").sort();
  expect(words).toEqual([
    expect.stringMatching(/-l ops -- llm-1 docker system dial-stdio$/),
    expect.stringMatching(/-l ops -- llm-1 docker system dial-stdio$/),
    expect.stringMatching(/-l ops -- llm-1 sh$/),
  ]);
  expect(readFileSync(path.join(folder, "environment"), "utf8")).not.toContain("a key");
});

test("a host whose daemon is not at a socket is refused with where it is", async () => {
  sshTo("tcp://10.0.0.7:2376");
  await expect(readHost("ssh://llm-1")).rejects.toThrow(/its daemon is at "tcp:\/\/10.0.0.7:2376"/);
});

test("a daemon that does not run, or refuses, is told with why, its address and what to try", async () => {
  await expect(readHost(`unix://${folder}/none`)).rejects.toThrow(
    new RegExp(`ENOENT.*\nSee that \`docker --host unix://${folder}/none info\` works, or set docker:host`),
  );
  status = 403;
  await expect(readHost(`unix://${socket}`)).rejects.toThrow(/could not be asked: GET \/[^]*: 403/);
});

test("a machine that ssh does not reach is told with ssh's words, its address and what to try", async () => {
  writeFileSync(
    path.join(folder, "ssh"),
    "#!/bin/sh\necho 'ssh: connect to host llm-1: Connection refused' >&2\nexit 255",
  );
  chmodSync(path.join(folder, "ssh"), 0o755);
  await expect(readHost("ssh://llm-1")).rejects.toThrow(
    /Docker host at ssh:\/\/llm-1 could not be asked: [^]*Connection refused[^]*docker --host ssh:\/\/llm-1 info/,
  );
});
