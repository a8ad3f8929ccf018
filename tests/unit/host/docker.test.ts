import { createServer, type AddressInfo } from "node:net";
import { createServer as createHttpServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import fetch from "node-fetch";
import { agentOverCommand, remoteShell } from "../../../host/ssh";
import { CERTIFICATE, KEY } from "../../support/settings";

test.each([
  ["ssh://llm-1", ["--", "llm-1"]],
  ["ssh://ops@llm-1", ["-l", "ops", "--", "llm-1"]],
  ["ssh://ops@10.0.0.7:2222", ["-l", "ops", "-p", "2222", "--", "10.0.0.7"]],
  ["ssh://[fd00::7]", ["--", "fd00::7"]],
])("the machine of %s is reached by its ssh arguments", (address, words) => {
  const shell = remoteShell(address);
  expect(shell[0]).toBe("ssh");
  expect(shell.slice(-words.length)).toEqual(words);
});

test("the machine of a unix socket is this one", () => {
  expect(remoteShell("unix:///var/run/docker.sock")).toEqual([]);
});

test.each([
  "tcp://10.0.0.7:2376",
  "npipe:////./pipe/docker",
  "llm-1",
  "ssh://ops:secret@llm-1",
  "ssh://llm-1/x",
])("the address %s is refused with the forms that are accepted", (address) => {
  expect(() => remoteShell(address)).toThrow(/must be unix:\/\/\/path.* or ssh:\/\/user@host:port/);
});

describe("through a command", () => {
  let server: Server;
  let connections = 0;
  beforeAll(
    () =>
      new Promise<void>((resolve) => {
        server = createHttpServer((request, response) => response.end(`path ${request.url ?? ""}`))
          .on("connection", () => connections++)
          .listen(0, "127.0.0.1", resolve);
        server.keepAliveTimeout = 0; // By default, it closes a connection that is idle for 5 s.
      }),
  );
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  const bridge = (port: number) => [
    process.execPath,
    "-e",
    `const there = require("net").connect(${port}, "127.0.0.1"); process.stdin.pipe(there).pipe(process.stdout)`,
  ];

  test("many requests take one connection", async () => {
    const agent = agentOverCommand(bridge((server.address() as AddressInfo).port));
    for (let i = 0; i < 20; i++)
      expect(await (await fetch(`http://docker/${i}`, { agent })).text()).toBe(`path /${i}`);
    const both = await Promise.all(["a", "b"].map((one) => fetch(`http://docker/${one}`, { agent })));
    expect(await Promise.all(both.map((one) => one.text()))).toEqual(["path /a", "path /b"]);
    expect(connections).toBe(1);
    agent.destroy();
  });

  test("a certificate has to be of the requested name, and trusted", async () => {
    const secure = createTlsServer({ cert: CERTIFICATE, key: KEY }, (_, response) => response.end("yes"));
    await new Promise<void>((resolve) => secure.listen(0, "127.0.0.1", resolve));
    const there = bridge((secure.address() as AddressInfo).port);
    const getFrom = async (name: string, ca: string[]) => {
      const agent = agentOverCommand(there, ca);
      try {
        return await (await fetch(`https://${name}/`, { agent })).text();
      } finally {
        agent.destroy();
      }
    };
    expect(await getFrom("metrics.example.org", [CERTIFICATE])).toBe("yes");
    expect(await getFrom("192.0.2.7", [CERTIFICATE])).toBe("yes");
    await expect(getFrom("other.example.org", [CERTIFICATE])).rejects.toThrow(/altnames/);
    await expect(getFrom("metrics.example.org", [])).rejects.toThrow(/self-signed|unable to verify/);
    await new Promise((resolve) => secure.close(resolve));
  });

  test("a command that fails is reported with its output", async () => {
    const agent = agentOverCommand(["sh", "-c", "echo 'Permission denied (publickey).' >&2; exit 255"]);
    await expect(fetch("http://docker/", { agent })).rejects.toThrow(
      "sh exited with status 255: Permission denied (publickey).",
    );
  });

  test("a server that closes the connection at once is an error", async () => {
    const deaf = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => deaf.listen(0, "127.0.0.1", resolve));
    const agent = agentOverCommand(bridge((deaf.address() as AddressInfo).port));
    await expect(fetch("http://docker/", { agent })).rejects.toThrow(
      /ended|hang up|closed|Premature|ECONNRESET/,
    );
    deaf.close();
  });
});
