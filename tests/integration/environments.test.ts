import { docker, query } from "./host";
import { Stack } from "./stack";

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
  for (const result of [await one.up(), await two.up()]) expect(result).toMatchObject({ status: 0 });
  expect([await leftovers(one), await leftovers(two)]).toEqual([
    [2, 1, 2],
    [2, 1, 2],
  ]);

  expect(await one.destroy()).toMatchObject({ status: 0 });
  expect([await leftovers(one), await leftovers(two)]).toEqual([
    [0, 0, 0],
    [2, 1, 2],
  ]);
  expect(await query(two.prometheus, 'up{job="cadvisor"} == 1')).toHaveLength(1);
  await one.remove();
  await two.remove();
});

test("protected samples survive a destroy, until they are unprotected explicitly", async () => {
  const stack = await Stack.create({ scrapeInterval: "1s", protectData: true });
  expect(await stack.up()).toMatchObject({ status: 0 });
  const { status, output } = await stack.destroy();
  expect(status).not.toBe(0);
  expect(output).toContain("protect");
  expect(await docker("volume", "ls", "-q")).toContain(stack.resource("prometheus-data"));

  await stack.configure({ protectData: false });
  expect(await stack.up()).toMatchObject({ status: 0 });
  expect(await stack.destroy()).toMatchObject({ status: 0 });
  expect(await leftovers(stack)).toEqual([0, 0, 0]);
  await stack.remove();
});
