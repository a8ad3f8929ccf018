import { run } from "../../../lib/run";
import { dockerDaemon } from "../../../cli/prerequisites/docker";

jest.mock("../../../lib/run");
jest.mock("../../../lib/log");

/** A Docker CLI whose current context is the named one; its daemon answers with a version, or fails. */
function dockerCli(context: string | Error, version: string | Error): void {
  jest.mocked(run).mockImplementation((_, [command] = []) => {
    const answer = command === "context" ? context : version;
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(`${answer}\n`);
  });
}
const programs = () => new Set(jest.mocked(run).mock.calls.map(([program]) => program));
const LOCAL = "default unix:///var/run/docker.sock";
beforeEach(() => jest.resetAllMocks());

describe("The Docker daemon", () => {
  it("is used as it is where it answers, at the address of the Docker CLI's context", async () => {
    dockerCli("rootless unix:///run/user/1/docker.sock", "29.0.0");
    expect(await dockerDaemon(undefined, { start: true })).toBe("unix:///run/user/1/docker.sock");
    expect(programs()).toEqual(new Set(["docker"]));
  });

  const silent = new Error("Cannot connect");
  it.each([
    [
      "this user may not use",
      LOCAL,
      new Error("permission denied while trying"),
      undefined,
      "the group docker",
    ],
    [
      "an address names",
      LOCAL,
      silent,
      "unix:///nowhere.sock",
      "no Docker daemon answers at unix:///nowhere.sock, which docker:host or DOCKER_HOST names",
    ],
    [
      "is on another machine",
      LOCAL,
      new Error("Permission denied (publickey)"),
      "ssh://llm-1",
      "see that `docker --host ssh://llm-1 version` works",
    ],
    [
      "a context names",
      "rootless unix:///run/user/1/docker.sock",
      silent,
      undefined,
      "no Docker daemon answers at unix:///run/user/1/docker.sock, which the Docker context rootless names",
    ],
    [
      "a context names that does not exist",
      new Error("not found"),
      silent,
      undefined,
      "unset DOCKER_CONTEXT",
    ],
    [
      "is reached over TCP",
      LOCAL,
      silent,
      "tcp://192.0.2.1:2375",
      '"tcp://192.0.2.1:2375", but must be unix://',
    ],
  ])(
    "that %s and that does not answer is an error with the hint, and nothing is installed",
    async (_, context, version, named, hint) => {
      dockerCli(context, version);
      await expect(dockerDaemon(named, { start: true })).rejects.toThrow(hint);
      expect([...programs()].filter((program) => program !== "docker")).toEqual([]);
    },
  );
});
