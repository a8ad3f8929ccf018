import { buildImage, buildShellImage } from "../../airgap/images";
import { DOCKER_HOST, inspect } from "../support/docker";
import { eventually } from "../support/eventually";
import { failed, Stack, succeeded } from "../support/stack";
import { largestGap, sampleTimes } from "../support/prometheus";

const OLD = "prom/prometheus:v3.13.4";

let stack: Stack;
beforeAll(async () => {
  await buildImage(OLD, DOCKER_HOST);
  stack = await Stack.create({ scrapeInterval: "1s", prometheusImage: OLD });
  await succeeded(stack.up());
});
afterAll(() => stack.remove());

const times = () => sampleTimes(stack.prometheus, 'up{job="cadvisor"}');
const version = async () => {
  const response = await fetch(`${stack.prometheus}/api/v1/status/buildinfo`);
  return ((await response.json()) as { data: { version: string } }).data.version;
};

/** Samples come, and those of before are all there. */
async function goesOnAfter(before: number[]): Promise<void> {
  await eventually(async () => {
    expect((await times()).at(-1)).toBeGreaterThan(Date.now() / 1000 - 2.5);
  });
  expect((await times()).slice(0, before.length)).toEqual(before);
}

test("an upgrade of Prometheus and the way back keep every sample, and take less than one scrape of 30 s", async () => {
  const versions = [await version()];
  for (const prometheusImage of [undefined, OLD]) {
    const before = await times();
    await stack.configure({ prometheusImage });
    await succeeded(stack.up());
    versions.push(await version());
    await goesOnAfter(before);
  }
  expect(versions).toEqual(["3.13.4", "3.13.5", "3.13.4"]);
  expect(largestGap(await times())).toBeLessThan(30);
});

test("an image that ends at once fails the update with the end of its log, and the old one is put back by an update", async () => {
  const before = await times();
  await buildShellImage("example/broken:1", DOCKER_HOST);
  await stack.configure({ prometheusImage: "example/broken:1" });
  const output = await failed(stack.up());
  expect(output).toMatch(/prometheus exits each time it is started, with status 127/);
  expect(output).toMatch(/the log of \S+-prometheus ends with:\s+.*prometheus: not found/);

  await stack.configure({ prometheusImage: OLD });
  await succeeded(stack.repairAndUp());
  await goesOnAfter(before);
});

test("an image that cannot be had fails the update while the old one goes on", async () => {
  const { Id: id } = await inspect(stack.resource("prometheus"));
  await stack.configure({ prometheusImage: "prom/prometheus:v3.13.99" });
  expect(await failed(stack.up())).toContain("prom/prometheus:v3.13.99");
  expect((await inspect(stack.resource("prometheus"))).Id).toBe(id);
  await stack.configure({ prometheusImage: OLD });
  await succeeded(stack.up());
  await succeeded(stack.preview("--expect-no-changes"));
});
