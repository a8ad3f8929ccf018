import { command } from "../../../airgap/plugins/command/command";

const URN = "urn:pulumi:s::p::command:local:Command::probe";

test("a failed command says the exit status, the command and everything that it wrote", async () => {
  await expect(command.create({ create: 'echo "seen"; echo wrong >&2; exit 3' }, URN)).rejects.toThrow(
    'exit status 3: running "echo \\"seen\\"; echo wrong >&2; exit 3":\nseen\nwrong\n',
  );
  await expect(command.create({ create: "kill -9 $$" }, URN)).rejects.toThrow("signal: killed: running");
});

test("a command that cannot start says why", async () => {
  await expect(command.create({ create: "true", dir: "/no/such" }, URN)).rejects.toThrow(
    'chdir /no/such: no such file or directory: running "true"',
  );
  await expect(command.create({ create: "true", interpreter: ["/no/such"] }, URN)).rejects.toThrow(
    'fork/exec /no/such: no such file or directory: running "true"',
  );
  await expect(command.create({ create: "true", interpreter: ["no-such"] }, URN)).rejects.toThrow(
    'exec: "no-such": executable file not found in $PATH: running "true"',
  );
});

test("its outputs are what it wrote, without the last line break", async () => {
  const { id, outputs } = await command.create({ create: "echo a; printf 'b\\n\\n' >&2" }, URN);
  expect(id).toMatch(/^probe[0-9a-f]{8}$/);
  expect(outputs).toEqual({ stdout: "a", stderr: "b\n" });
});

test("it gets its input, environment, folder and interpreter", async () => {
  const { outputs } = await command.create(
    {
      create: "read line; echo $line $A $PWD $0",
      stdin: "line\n",
      environment: { A: "x" },
      dir: "/",
      interpreter: ["/bin/sh", "-c"],
      logging: "none",
    },
    URN,
  );
  expect(outputs).toEqual({ stdout: "line x / /bin/sh", stderr: "" });
});

test("an update runs `update`, else `create`, and knows what the command before it wrote", async () => {
  const before = { stdout: "out", stderr: "err" };
  const line = "echo $PULUMI_COMMAND_STDOUT $PULUMI_COMMAND_STDERR";
  expect(await command.update?.("id", before, { create: "false", update: line }, URN)).toMatchObject({
    stdout: "out err",
  });
  expect(await command.update?.("id", before, { create: `${line} again` }, URN)).toMatchObject({
    stdout: "out err again",
  });
  expect(await command.update?.("id", before, {}, URN)).toEqual(before);
});

test("a deletion without a command does nothing, and with a failing one fails", async () => {
  await command.delete("id", {}, URN);
  await expect(command.delete("id", { delete: "exit 1" }, URN)).rejects.toThrow("exit status 1");
});
