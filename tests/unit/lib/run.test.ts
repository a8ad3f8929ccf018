import { run } from "../../../lib/run";

describe("run", () => {
  it("reports the error message of a program that fails before it has read its input", async () => {
    const program = ["-c", "echo no such container >&2; exit 1"];
    await expect(run("sh", program, { input: "a".repeat(1_000_000) })).rejects.toThrow(/no such container/);
  });
});
