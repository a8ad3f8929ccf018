import { randomBytes } from "node:crypto";
import type { Input, Invoke, ResourceType } from "../plugin";
import type { Values } from "../values";
import { runShell, type Shell } from "./shell";

const update: Input = { on: "update" };

/** What the last command wrote. */
interface Outputs {
  stdout?: string;
  stderr?: string;
}

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
    logging: update,
    triggers: { on: "replace" },
  },
  async create(inputs, urn) {
    const name = urn.split("::").pop() ?? "";
    return {
      id: name + randomBytes(4).toString("hex"),
      outputs: await perform(inputs["create"], inputs, {}, urn),
    };
  },
  async update(_id, olds, news, urn) {
    return perform(news["update"] ?? news["create"], news, olds, urn);
  },
  async delete(_id, state, urn) {
    if (state["delete"] !== undefined) await perform(state["delete"], state, state, urn);
  },
};

/** `command.local.run`: a command at each run of the program, in previews too. */
export const run: Invoke = async (args) => ({
  ...(await runShell(args["command"] as string, args)),
});

/** Runs the command with what the last one wrote in its environment; without a command, the outputs stay. */
async function perform(line: unknown, inputs: Shell, state: Outputs, urn: string): Promise<Values> {
  const { stdout = "", stderr = "" } = state;
  if (line === undefined) return { stdout, stderr };
  const previous = {
    ...(stdout && { PULUMI_COMMAND_STDOUT: stdout }),
    ...(stderr && { PULUMI_COMMAND_STDERR: stderr }),
  };
  return {
    ...(await runShell(
      line as string,
      { ...inputs, environment: { ...inputs.environment, ...previous } },
      urn,
    )),
  };
}
