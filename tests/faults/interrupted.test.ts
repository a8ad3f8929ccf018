import { run } from "../../lib/run";
import { docker } from "../support/docker";
import { eventually } from "../support/eventually";
import { failed, Stack, steps, succeeded } from "../support/stack";

const POINTS = 10;

/** What the state has of resources: none is in flight or to be deleted. */
async function complete(stack: Stack): Promise<string[]> {
  const { resources = [], pending_operations: pending = [] } = await stack.deployment();
  expect([pending, resources.filter((resource) => resource.delete)]).toEqual([[], []]);
  return resources.map(({ urn }) => urn).sort();
}

/** The command lines of all processes. */
const processes = () => run("sh", ["-c", String.raw`cat /proc/[0-9]*/cmdline 2> /dev/null | tr '\0' ' '`]);

test("an update that is killed at any point is completed by the next one, and its program ends", async () => {
  const stack = await Stack.create({ scrapeInterval: "1s" });
  try {
    const whole = steps(await succeeded(stack.up()));
    const resources = await complete(stack);
    for (let point = 1; point <= POINTS; point++) {
      await stack.reset();
      expect(await stack.killedUp(Math.round((whole * point) / (POINTS + 1)))).toBe(true);
      await succeeded(stack.repairAndUp());
      expect(await complete(stack)).toEqual(resources);
      const names = (
        await docker("ps", "-a", "--filter", `name=${stack.name}`, "--format", "{{.Names}}")
      ).split("\n");
      expect(names.sort()).toEqual(
        (["cadvisor", "exporter", "gateway", "node-exporter", "prometheus"] as const).map((which) =>
          stack.resource(which),
        ),
      );
      await eventually(async () => {
        expect(await processes()).not.toContain(`--stack ${stack.name} `);
      });
    }
    await succeeded(stack.preview("--expect-no-changes", "--refresh"));
  } finally {
    await stack.remove();
  }
});

test("of two updates at once, the second fails with the owner of the lock, and changes nothing", async () => {
  const stack = await Stack.create({ scrapeInterval: "1s" });
  try {
    const first = stack.up();
    // Its checks wait for cAdvisor, so that it does not end before the second begins.
    await eventually(() => docker("pause", stack.resource("cadvisor")).then(() => undefined));
    let output: string;
    do output = await failed(stack.repairAndUp());
    while (output.includes("checkpoint: EOF")); // The first was writing the state.
    await docker("unpause", stack.resource("cadvisor"));
    expect(output).toMatch(/locked by 1 lock.*\n.*created by/s);
    await succeeded(first);
    await succeeded(stack.preview("--expect-no-changes"));
  } finally {
    await stack.remove();
  }
});
