import { run } from "../../../lib/run";

describe("A program that is run", () => {
  it("fails with its own message, even when it exits before it has read its input", async () => {
    const input = "a".repeat(1_000_000);
    await expect(run("sh", ["-c", "echo 'no such container' >&2; exit 1"], { input })).rejects.toThrow(
      /sh -c .* failed: no such container/,
    );
  });

  it("fails with the reason when it is not installed", async () => {
    await expect(run("no-such-program")).rejects.toThrow(/no-such-program failed: .*ENOENT/s);
  });

  it("does not see the secrets of the stack", async () => {
    jest.replaceProperty(process, "env", { ...process.env, PULUMI_CONFIG: "a secret" });
    expect(await run("env")).not.toContain("a secret");
    jest.restoreAllMocks();
  });

  it("returns its standard error in order with its output where `stderr` is set", async () => {
    expect(await run("sh", ["-c", "echo 1; sleep 0.1; echo 2 >&2"], { stderr: true })).toBe("1\n2\n");
    expect(await run("sh", ["-c", "echo 1; echo 2 >&2"])).toBe("1\n");
  });

  it("is killed at its timeout, which is an error", async () => {
    await expect(run("sleep", ["60"], { timeoutSeconds: 0.2 })).rejects.toMatchObject({
      message: expect.stringContaining("timed out") as unknown,
      cause: { timedOut: true },
    });
  });
});
