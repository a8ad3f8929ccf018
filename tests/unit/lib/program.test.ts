import { spawn } from "node:child_process";
import { once } from "node:events";

it("ends when no process reads its output, as after its engine was killed", async () => {
  // As Pulumi's SDK does, it reports each error to its output, also that of the report before.
  const sdk =
    'process.on("uncaughtException", (error) => console.error(error)); require("./lib/program.cjs")';
  const program = spawn(process.execPath, ["-e", `${sdk}; setInterval(() => console.error("log"), 10)`]);
  await once(program.stderr, "data");
  program.stderr.destroy();
  const timer = setTimeout(() => program.kill("SIGKILL"), 30_000); // It must not outlive a failed test.
  expect(await once(program, "exit")).toEqual([1, null]);
  clearTimeout(timer);
}, 60_000);
