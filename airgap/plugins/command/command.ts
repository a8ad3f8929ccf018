import { randomBytes } from "node:crypto";
import type { Input, ResourceType } from "../resourceType";
import type { Values } from "../values";
import { runShell, type Shell, type Written } from "./shell";

const update: Input = { on: "update", exact: true };
const LOGGING = ["stdout", "stderr", "stdoutAndStderr", "none"];

/** What a command is told of the one before it. */
type Inputs = Shell & Partial<Written>;

/** `command.local.Command`: a command at creation, another at each change of an input, another at deletion. */
export const command: ResourceType = {
  inputs: {
    create: update,
    update,
    delete: update,
    stdin: update,
    environment: update,
    dir: update,
    interpreter: update,
    logging: {
      ...update,
      refuse: (value) =>
        LOGGING.includes(String(value))
          ? undefined
          : `'${String(value)}' is not one of ${LOGGING.join(", ")}`,
    },
    triggers: { on: "replace", exact: true },
  },
  async create(inputs, urn) {
    const name = urn.split("::").pop() ?? "";
    return {
      id: name + randomBytes(4).toString("hex"),
      outputs: await perform(inputs["create"], inputs, {}, urn),
    };
  },
  update: (_id, olds, news, urn) => perform(news["update"] ?? news["create"], news, olds, urn),
  async delete(_id, state, urn) {
    await perform(state["delete"], state, state, urn);
  },
};

/** Runs the command with what the last one wrote in its environment; without a command, the outputs stay. */
async function perform(
  line: unknown,
  inputs: Inputs,
  before: Partial<Written>,
  urn: string,
): Promise<Values> {
  const { stdout = "", stderr = "" } = before;
  if (line === undefined) return { stdout, stderr };
  const previous = {
    ...(stdout && { PULUMI_COMMAND_STDOUT: stdout }),
    ...(stderr && { PULUMI_COMMAND_STDERR: stderr }),
  };
  const environment = { ...inputs.environment, ...previous };
  return { ...(await runShell(line as string, { ...inputs, environment }, urn)) };
}
