import { run } from "../../airgap/toolchain/goCommands";
import { dockerDaemon } from "../../scripts/environment/docker";

jest.mock("../../airgap/toolchain/goCommands");
jest.mock("../../scripts/environment/say");

const programs = () => jest.mocked(run).mock.calls.map(([program]) => program);
const host = process.env["DOCKER_HOST"];
beforeEach(() => {
  jest.resetAllMocks();
  Reflect.deleteProperty(process.env, "DOCKER_HOST");
});
afterAll(() => {
  if (host !== undefined) process.env["DOCKER_HOST"] = host;
});

test("a daemon that answers is used as it is, at the address of the Docker CLI's context", async () => {
  jest
    .mocked(run)
    .mockImplementation((_, [command]) =>
      Promise.resolve(command === "context" ? "unix:///run/user/1/docker.sock\n" : "29.0.0\n"),
    );
  expect(await dockerDaemon()).toBe("unix:///run/user/1/docker.sock");
  expect(new Set(programs())).toEqual(new Set(["docker"]));
});

test.each([
  ["this user may not talk to", "permission denied while trying to connect", undefined, "the group docker"],
  ["DOCKER_HOST names wrongly", "Cannot connect", "unix:///nowhere.sock", "DOCKER_HOST=unix:///nowhere.sock"],
])(
  "a daemon that %s is refused with the remedy, and nothing is installed",
  async (_, says, named, remedy) => {
    if (named) process.env["DOCKER_HOST"] = named;
    jest.mocked(run).mockRejectedValue(new Error(says));
    await expect(dockerDaemon()).rejects.toThrow(remedy);
    expect(programs()).toEqual(["docker"]);
  },
);
