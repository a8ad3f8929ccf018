import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { readHost } from "../../components/hostFacts";

const INFO = { ServerVersion: "28.2.2", OSType: "linux", DockerRootDir: "/data/docker", Name: "llm-1" };
const CONTAINER = { Names: "chat", Image: "vllm/vllm-openai:v0.11.0", Labels: "a=b", Ports: "" };

let folder: string;
let address: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "host-"));
  address = `unix://${file("docker.sock", "")}`;
  file("ps", `${JSON.stringify(CONTAINER)}\n`);
  jest.replaceProperty(process, "env", {
    ...process.env,
    PATH: `${folder}:${process.env["PATH"] ?? ""}`,
    PULUMI_CONFIG: '{"llm-metrics:tlsKey":"a key"}',
  });
});
afterEach(() => {
  jest.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

function file(name: string, text: string): string {
  writeFileSync(path.join(folder, name), text);
  return path.join(folder, name);
}
/** A program that stands in for another one. */
const standIn = (name: string, script: string) => {
  chmodSync(file(name, `#!/bin/sh\n${script}\n`), 0o755);
};
/** A Docker CLI on whose host one container runs, and whose `docker info` runs a line. */
const docker = (info: string) => {
  standIn("docker", `cd ${folder}; env > seen\ncase $1 in info) ${info};; ps) cat ps;; esac`);
};

test("a daemon's answer is read as it is, line ends in its warnings included", async () => {
  file("info", JSON.stringify({ ...INFO, Warnings: ["the API is open\n  to everybody \\ 100%s"] }));
  docker("cat info");
  const { facts, containers, listeners } = await readHost(address);
  expect(facts).toMatchObject({ name: "llm-1", rootDirectory: "/data/docker", address });
  expect(facts.socketGroup).toBe(process.getgid?.());
  expect(containers).toEqual([
    { name: "chat", image: "vllm/vllm-openai:v0.11.0", labels: { a: "b" }, ports: [] },
  ]);
  expect(listeners).toEqual(expect.any(Array));
});

test("the host is asked at its address, without the stack's secrets", async () => {
  file("info", JSON.stringify(INFO));
  docker("cat info");
  await readHost(address);
  const seen = readFileSync(path.join(folder, "seen"), "utf8");
  expect(seen).toContain(`DOCKER_HOST=${address}\n`);
  expect(seen).not.toContain("a key");
});

test("a host behind ssh is asked there, for the socket that its own Docker CLI uses", async () => {
  file("info", JSON.stringify(INFO));
  docker("cat info");
  standIn("ssh", `echo "$@" > ${folder}/words; export DOCKER_HOST=${address}; exec sh`);
  expect((await readHost("ssh://ops@llm-1")).facts).toMatchObject({
    address: "ssh://ops@llm-1",
    dockerSocket: address.slice("unix://".length),
  });
  expect(readFileSync(path.join(folder, "words"), "utf8")).toMatch(/-l ops -- llm-1 sh\n$/);
});

test("a host whose daemon is not at a socket is refused with where it is", async () => {
  file("info", JSON.stringify(INFO));
  docker("cat info");
  standIn("ssh", "export DOCKER_HOST=tcp://10.0.0.7:2376; exec sh");
  await expect(readHost("ssh://llm-1")).rejects.toThrow(/its daemon is at "tcp:\/\/10.0.0.7:2376"/);
});

test.each([
  ["Docker 28's", "echo '{}'; echo 'Cannot connect to the daemon' >&2; exit 1"],
  ["Docker 20.10's", `echo '{"ServerErrors":["Cannot connect to the daemon"]}'`],
])("a daemon that does not answer is told with why, its address and what to do: %s CLI", async (_, info) => {
  docker(info);
  await expect(readHost(address)).rejects.toThrow(/Cannot connect to the daemon[^]*set docker:host/);
  await expect(readHost(address)).rejects.toThrow(address);
});

test("a machine that ssh does not reach is told with ssh's words, its address and what to try", async () => {
  standIn("ssh", "echo 'ssh: connect to host llm-1 port 22: Connection refused' >&2; exit 255");
  await expect(readHost("ssh://llm-1")).rejects.toThrow(
    /Docker host at ssh:\/\/llm-1 could not be asked: .*Connection refused\nSee that `docker --host ssh:\/\/llm-1 info` works/,
  );
});
