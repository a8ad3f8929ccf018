import { docker } from "../support/docker";
import { eventually } from "../support/eventually";
import { query } from "../support/prometheus";
import { sharedStack } from "../support/sharedStack";
import { Stack, succeeded } from "../support/stack";

/** Counts the containers, networks and volumes of a stack by their label. */
async function resources(stack: Stack): Promise<number[]> {
  const mine = ["--filter", `label=llm-metrics.environment=${stack.name}`, "-q"];
  const lists = [
    await docker("ps", "-a", ...mine),
    await docker("network", "ls", ...mine),
    await docker("volume", "ls", ...mine),
  ];
  return lists.map((list) => list.split("\n").filter(Boolean).length);
}

describe("Two stacks on one daemon", () => {
  it("run side by side, and destroying one leaves the other alone", async () => {
    const { stack: other } = await sharedStack();
    const stack = await Stack.create({ scrapeInterval: "1s" });
    await succeeded(stack.up());
    expect([await resources(stack), await resources(other)]).toEqual([
      [5, 2, 4],
      [5, 2, 4],
    ]);

    await succeeded(stack.destroy());
    expect([await resources(stack), await resources(other)]).toEqual([
      [0, 0, 0],
      [5, 2, 4],
    ]);
    await eventually(async () => {
      expect(await query(other.prometheus, 'up{job="cadvisor"} == 1')).toHaveLength(1);
    });
    await stack.remove();
  });
});
