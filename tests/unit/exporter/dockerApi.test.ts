import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { DockerApi, DockerApiError } from "../../../exporter/dockerApi";

describe("The client of the Docker API", () => {
  let server: Server;
  let api: DockerApi;
  let answer: RequestListener;
  const signal = () => AbortSignal.timeout(500);
  beforeEach(async () => {
    server = createServer((request, response) => {
      answer(request, response);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    api = new DockerApi(`tcp://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  it("reads a daemon or a proxy at a TCP address", async () => {
    answer = ({ method, url }, response) => response.end(JSON.stringify([{ Id: `${method} ${url}` }]));
    expect(await api.containers(signal())).toEqual([{ Id: "GET /containers/json?all=1&limit=1000" }]);
  });

  it("lists all running containers, and no more than a thousand others", async () => {
    const newest = Array.from({ length: 1000 }, (_, i) => ({ Id: `stopped-${i}`, State: "exited" }));
    const running = [{ Id: "old", State: "running" }];
    answer = ({ url }, response) =>
      response.end(JSON.stringify(url === "/containers/json" ? running : newest));
    expect(await api.containers(signal())).toEqual([...newest, ...running]);
  });

  it("fails with the path, the status and the message of an error response", async () => {
    answer = (_, response) => response.writeHead(403).end("forbidden\n");
    const error = await api.info(signal()).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(DockerApiError);
    expect(error).toMatchObject({ status: 403, message: "GET /info: 403 forbidden" });
  });

  it("returns undefined for a container that no longer exists", async () => {
    answer = (_, response) => response.writeHead(404).end("{}");
    expect(await api.inspect("abc", signal())).toBeUndefined();
  });

  it.each<[string, RequestListener]>([
    ["no response", () => undefined],
    ["half of a response", (_, response) => response.write('{"DefaultRuntime":')],
  ])("fails at the timeout when there is %s", async (_, listener) => {
    answer = listener;
    await expect(api.info(signal())).rejects.toThrow("GET /info: no answer from the Docker API");
  });

  it.each<[string, RequestListener]>([
    ["closes the connection", (_, response) => response.socket?.destroy()],
    [
      "closes the connection in the middle of a response",
      (_, response) => {
        response.write("{", () => response.socket?.destroy());
      },
    ],
    ["returns no JSON", (_, response) => response.end("<html>")],
  ])("fails when the server %s", async (_, listener) => {
    answer = listener;
    await expect(api.info(signal())).rejects.toThrow();
  });

  it.each(["ssh://host", "tcp://host", "http://host:2375", "/var/run/docker.sock"])(
    "rejects the address %s",
    (address) => {
      expect(() => new DockerApi(address)).toThrow(`DOCKER_HOST is "${address}", but must be unix://`);
    },
  );
});
