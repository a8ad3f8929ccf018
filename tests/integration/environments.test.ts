import { docker } from "../support/docker";
import { query } from "../support/prometheus";
import { failed, Stack, succeeded } from "../support/stack";

/** What the daemon has with the label of a stack. */
const leftovers = async (stack: Stack) => {
  const filter = ["--filter", `label=llm-metrics.environment=${stack.name}`, "-q"];
  const lists = [
    await docker("ps", "-a", ...filter),
    await docker("network", "ls", ...filter),
    await docker("volume", "ls", ...filter),
  ];
  return lists.map((list) => list.split("\n").filter(Boolean).length);
};

test("two stacks run side by side on one daemon, and destroying one leaves the other alone", async () => {
  const [one, two] = [
    await Stack.create({ scrapeInterval: "1s" }),
    await Stack.create({ scrapeInterval: "1s" }),
  ];
  await succeeded(one.up());
  await succeeded(two.up());
  expect([await leftovers(one), await leftovers(two)]).toEqual([
    [3, 2, 2],
    [3, 2, 2],
  ]);

  await succeeded(one.destroy());
  expect([await leftovers(one), await leftovers(two)]).toEqual([
    [0, 0, 0],
    [3, 2, 2],
  ]);
  expect(await query(two.prometheus, 'up{job="cadvisor"} == 1')).toHaveLength(1);
  await one.remove();
  await two.remove();
});

test("protected samples survive a destroy, until they are unprotected explicitly", async () => {
  const stack = await Stack.create({ scrapeInterval: "1s", protectData: true });
  await succeeded(stack.up());
  expect(await failed(stack.destroy())).toContain("protect");
  expect(await docker("volume", "ls", "-q")).toContain(stack.resource("prometheus-data"));

  await stack.configure({ protectData: false });
  await succeeded(stack.up());
  await succeeded(stack.destroy());
  expect(await leftovers(stack)).toEqual([0, 0, 0]);
  await stack.remove();
});
