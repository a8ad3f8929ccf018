import { docker } from "../support/docker";
import { failed, Stack, steps, succeeded } from "../support/stack";

const POINTS = 10;

test("an update that is killed at any point is completed by the next one", async () => {
  const stack = await Stack.create({ scrapeInterval: "1s" });
  try {
    const whole = steps(await succeeded(stack.up()));
    for (let point = 1; point <= POINTS; point++) {
      await succeeded(stack.destroy());
      expect(await stack.killedUp(Math.round((whole * point) / (POINTS + 1)))).toBe(true);
      await succeeded(stack.repairAndUp());
      await succeeded(stack.preview("--expect-no-changes"));
      const names = (
        await docker("ps", "-a", "--filter", `name=${stack.name}`, "--format", "{{.Names}}")
      ).split("\n");
      expect(names.sort()).toEqual(
        (["cadvisor", "gateway", "prometheus"] as const).map((which) => stack.resource(which)),
      );
    }
  } finally {
    await stack.remove();
  }
});

test("of two updates at once, the second is told who is at it, and changes nothing", async () => {
  const stack = await Stack.create({ scrapeInterval: "1s" });
  try {
    const first = stack.up();
    for (;;) {
      const { output } = await stack.pulumi("stack", "export");
      if (output.includes("docker:index/network:Network")) break;
    }
    let told: string;
    do told = await failed(stack.repairAndUp());
    while (told.includes("checkpoint: EOF")); // The first was writing the state.
    expect(told).toMatch(/locked by 1 lock.*\n.*created by/s);
    await succeeded(first);
    await succeeded(stack.preview("--expect-no-changes"));
  } finally {
    await stack.remove();
  }
});
