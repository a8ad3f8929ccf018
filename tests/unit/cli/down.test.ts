import down from "../../../cli/down";
import { dockerDaemon } from "../../../cli/prerequisites/docker";
import { knownStacks, pulumi, pulumiEnvironment } from "../../../cli/pulumiCommand";

jest.mock("../../../cli/prerequisites/docker");
jest.mock("../../../lib/log");
jest.mock("../../../cli/pulumiCommand");

const local = { PULUMI_BACKEND_URL: `file://${process.cwd()}/.pulumi-state` };
const commands = () => jest.mocked(pulumi).mock.calls.map(([args]) => args.join(" "));
const REMOVAL = "stack rm --yes --preserve-config dev";

/** A backend with the stack dev that has so many resources left after the command. */
function dev(left: number, status = 0, env: NodeJS.ProcessEnv = local): void {
  jest.mocked(pulumiEnvironment).mockResolvedValue(env);
  jest.mocked(dockerDaemon).mockResolvedValue("unix:///var/run/docker.sock");
  jest.mocked(pulumi).mockResolvedValue({ status, stdout: "" });
  jest
    .mocked(knownStacks)
    .mockResolvedValueOnce(new Map([["dev", 14]]))
    .mockResolvedValueOnce(new Map([["dev", left]]));
}
beforeEach(() => jest.resetAllMocks());

test("down removes the stack that it emptied, and keeps its configuration", async () => {
  dev(0);
  expect(await down([])).toBe(0);
  expect(commands()).toEqual(["destroy --yes --stack dev", REMOVAL]);
});

test.each([
  ["is not empty yet", 3, 0, local],
  ["could not be destroyed", 14, 255, local],
  ["is kept in a backend of yours", 0, 0, { PULUMI_BACKEND_URL: "s3://states" }],
])("down keeps a stack that %s", async (_, left, status, env) => {
  dev(left, status, env);
  expect(await down([])).toBe(status);
  expect(commands()).not.toContain(REMOVAL);
});

test("down of a stack that does not exist makes none, and needs no Docker", async () => {
  dev(14);
  expect(await down(["--stack", "ghost"])).toBe(0);
  expect(commands()).toEqual([]);
  expect(dockerDaemon).not.toHaveBeenCalled();
});
