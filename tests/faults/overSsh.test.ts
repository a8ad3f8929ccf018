import { createServer } from "node:net";
import { restartDaemon } from "../support/daemonControl";
import { docker, inspect } from "../support/docker";
import { eventually } from "../support/eventually";
import { query } from "../support/prometheus";
import { OtherMachine } from "../support/otherMachine";
import { failed, Stack, succeeded } from "../support/stack";
import { changeTwentyTimes, job } from "../support/configurationChanges";

let machine: OtherMachine;
let stack: Stack;
beforeAll(async () => {
  machine = await OtherMachine.start();
  stack = await Stack.create({ scrapeInterval: "1s", hostLabel: "h" }, { from: machine });
});
afterAll(async () => {
  await stack.remove();
  await machine.stop();
});

const fresh = () =>
  eventually(async () => {
    const up = await query(stack.prometheus, "time() - timestamp(up) < 2.5 and up == 1");
    expect(up.map(({ metric }) => metric["job"]).sort()).toEqual([
      ...["cadvisor", "exporter", "gateway", "host", "prometheus"],
    ]);
  });

test("a Docker host that is reached by ssh alone is deployed to and probed, and then nothing changes", async () => {
  const occupied = createServer();
  const port = Number(new URL(stack.prometheus).port);
  await new Promise<void>((resolve) => occupied.listen(port, "127.0.0.1", resolve));
  expect(await failed(stack.preview())).toMatch(`is in use by the process node (pid ${process.pid})`);
  await new Promise((resolve) => occupied.close(resolve));

  await succeeded(stack.up());
  await fresh();
  const { probeReport } = await stack.outputs<{ probeReport: { findings: { check: string }[] } }>();
  expect(probeReport.findings.map(({ check }) => check)).toContain(
    "every running container is listed by name",
  );
  await succeeded(stack.preview("--expect-no-changes", "--refresh"));
});

test("twenty changes of the configuration over ssh cost no sample, and the last one is in force", () =>
  changeTwentyTimes(stack));

test("a configuration that Prometheus refuses is refused over ssh too, and the next good one works", async () => {
  const loaded = async () => (await fetch(`${stack.prometheus}/api/v1/status/config`)).text();
  const before = await loaded();
  await stack.configure({ scrapeJobs: [job(1, { metric_relabel_configs: [{ action: "hashmod" }] })] });
  expect(await failed(stack.up())).toMatch(/relabel configuration for hashmod/);
  expect(await loaded()).toBe(before);
  await stack.configure({ scrapeJobs: [job(2)] });
  await succeeded(stack.up());
  expect(await loaded()).toMatch(/job-2/);
});

test("containers that were stopped, removed and paused are repaired over ssh", async () => {
  await docker("stop", stack.resource("cadvisor"));
  await docker("rm", "-f", stack.resource("gateway"));
  await docker("pause", stack.resource("prometheus"));
  await succeeded(stack.repairAndUp());
  await fresh();
  await succeeded(stack.preview("--expect-no-changes", "--refresh"));
});

test("after the daemon was killed, everything comes back, and an update over ssh finds nothing to do", async () => {
  const { Id: id } = await inspect(stack.resource("prometheus"));
  await restartDaemon("SIGKILL");
  await fresh();
  await succeeded(stack.preview("--expect-no-changes", "--refresh"));
  expect((await inspect(stack.resource("prometheus"))).Id).toBe(id);
});

test("a login that the host denies fails with the message of ssh, before anything is changed", async () => {
  await machine.setAuthorized(false);
  expect(await failed(stack.up())).toMatch(/Permission denied \(publickey/);
  await machine.setAuthorized(true);
  await succeeded(stack.preview("--expect-no-changes"));
});
