import { run } from "../../../lib/run";
import { dockerDaemon } from "../../../cli/prerequisites/docker";

jest.mock("../../../lib/run");
jest.mock("../../../lib/log");

const programs = () => jest.mocked(run).mock.calls.map(([program]) => program);
beforeEach(() => jest.resetAllMocks());

test("a daemon that answers is used as it is, at the address of the Docker CLI's context", async () => {
  jest
    .mocked(run)
    .mockImplementation((_, [command] = []) =>
      Promise.resolve(command === "context" ? "unix:///run/user/1/docker.sock\n" : "29.0.0\n"),
    );
  expect(await dockerDaemon()).toBe("unix:///run/user/1/docker.sock");
  expect(new Set(programs())).toEqual(new Set(["docker"]));
});

test.each([
  ["this user may not talk to", "permission denied while trying", undefined, "the group docker"],
  [
    "is named wrongly",
    "Cannot connect",
    "unix:///nowhere.sock",
    "no Docker daemon answers at unix:///nowhere.sock",
  ],
  [
    "is on another machine and does not answer",
    "Permission denied (publickey)",
    "ssh://llm-1",
    "see that `docker --host ssh://llm-1 version` works",
  ],
])(
  "a daemon that %s is refused with the remedy, and nothing is installed",
  async (_, says, named, remedy) => {
    jest.mocked(run).mockRejectedValue(new Error(says));
    await expect(dockerDaemon(named)).rejects.toThrow(remedy);
    expect(programs()).toEqual(["docker"]);
  },
);
