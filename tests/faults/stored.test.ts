import { createHash } from "node:crypto";
import { chown, mkdtemp, open, readdir, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { run } from "../../lib/run";
import { get } from "../../host/http";
import { docker } from "../support/docker";
import { eventually } from "../support/eventually";
import { query, sampleTimes } from "../support/prometheus";
import { failed, Stack, succeeded } from "../support/stack";

const NOBODY = 65_534;

let stack: Stack;
/** The container of Prometheus, and where the samples are. */
let container: string;
let folder: string;
beforeAll(async () => {
  stack = await Stack.create({ scrapeInterval: "1s", retentionSize: "64MB" });
  await succeeded(stack.up());
  container = stack.resource("prometheus");
  folder = await docker(
    "volume",
    "inspect",
    "--format",
    "{{.Mountpoint}}",
    stack.resource("prometheus-data"),
  );
});
afterAll(() => stack.remove());

const times = () => sampleTimes(stack.prometheus, 'up{job="prometheus"}');
const value = async (promql: string) => Number((await query(stack.prometheus, promql))[0]?.value[1]);
const alerts = async () => {
  const { body } = await get(`${stack.prometheus}/api/v1/alerts`);
  const { data } = JSON.parse(body) as {
    data: { alerts: { state: string; labels: { alertname: string } }[] };
  };
  return data.alerts.filter(({ state }) => state === "firing").map(({ labels }) => labels.alertname);
};

/** New samples come. */
const goesOn = () =>
  eventually(async () => {
    expect((await times()).at(-1)).toBeGreaterThan(Date.now() / 1000 - 2.5);
  });

/** Does something to the samples while Prometheus is not running. */
async function meanwhile(change: () => Promise<unknown>): Promise<void> {
  await docker("stop", container);
  await change();
  await docker("start", container);
}

/** Writes garbage into a file of the samples, near its end. */
async function corrupt(file: string): Promise<void> {
  const handle = await open(path.join(folder, file), "r+");
  const { size } = await handle.stat();
  await handle.write(Buffer.from("garbage".repeat(40)), 0, 280, Math.max(0, size - 1000));
  await handle.close();
}

/** Gives Prometheus a block of samples of a series for each of these ages, which are so far apart that blocks are not compacted. */
async function backfill(series: string, hoursAgo: number[], size = 1): Promise<void> {
  const BLOCK = 2 * 3600;
  const now = Math.floor(Date.now() / 1000 / BLOCK) * BLOCK;
  const lines = hoursAgo.flatMap((hours) =>
    Array.from({ length: size }, (_, i) => {
      // What cannot be compressed, in the index of the block.
      const filling = createHash("shake256", { outputLength: 500 }).update(`${hours} ${i}`).digest("hex");
      return `${series}{n="${i}",filling="${size > 1 ? filling : ""}"} 1 ${now - hours * 3600 + 60}`;
    }),
  );
  const file = path.join(folder, "backfill.txt");
  await writeFile(file, `# TYPE ${series} gauge\n${lines.join("\n")}\n# EOF\n`);
  await chown(file, NOBODY, NOBODY);
  const create = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "/prometheus/backfill.txt"];
  // The only folder of the container that can be written to.
  await docker("exec", "--env", "TMPDIR=/prometheus", container, ...create, "/prometheus");
  await rm(file);
}

const latestLog = () => run("sh", ["-c", `docker logs --since 20s ${container} 2>&1`]);

/** The log of a repairing update, beside Pulumi's output. */
async function repairLog(): Promise<string> {
  const stderr = jest.spyOn(process.stderr, "write");
  await succeeded(stack.repairAndUp());
  const logged = stderr.mock.calls.join("\n");
  stderr.mockRestore();
  return logged;
}

/** Blocks on the disk, oldest first. */
const blocks = async () => (await readdir(folder)).filter((name) => /^\w{26}$/.test(name)).sort();

const oldSamples = () => value("sum(count_over_time(old[300h]))");

test("garbage in the WAL loses what comes after it there and nothing else, and is reported by a metric", async () => {
  await backfill("old", [60, 120, 180]);
  await eventually(async () => {
    expect((await times()).length).toBeGreaterThan(30);
  });
  const before = await times();
  await meanwhile(() => corrupt("wal/00000000"));
  await goesOn();
  expect((await times()).slice(0, 20)).toEqual(before.slice(0, 20));
  expect(await oldSamples()).toBe(3);
  await eventually(async () => {
    const corruptions = await value("max_over_time(prometheus_tsdb_wal_corruptions_total[10m])");
    if (corruptions === 1) return;
    // Whether Prometheus found the garbage, and how often it started.
    throw new Error(
      `${corruptions} corruptions\n${await run("sh", ["-c", `docker logs ${container} 2>&1`])}`,
    );
  });
});

test.each([
  ["an index that is corrupt", (block: string) => corrupt(`${block}/index`), latestLog, "corrupted block"],
  [
    "no description",
    (block: string) => rm(path.join(folder, block, "meta.json")),
    alerts,
    "PrometheusTSDBCompactionsFailing",
  ],
])(
  "a block with %s is reported, and quarantined by an update that names it, and all others stay",
  async (_, damage, reported, sign) => {
    const [block = ""] = await blocks();
    const [before, samples] = [await times(), await oldSamples()];
    await meanwhile(() => damage(block));
    await eventually(async () => {
      expect(await reported()).toContain(sign);
    });
    expect(await repairLog()).toContain(`could not read ${block}: quarantined`);
    await goesOn();
    expect((await times()).slice(0, before.length)).toEqual(before);
    expect(await oldSamples()).toBe(samples - 1);
    expect(await readdir(path.join(folder, "quarantine"))).toContain(block);
  },
);

test("a corrupt file of the newest chunks is quarantined too, and loses nothing, as the WAL has its samples", async () => {
  await goesOn();
  const before = await times();
  const file = "chunks_head/000001";
  await meanwhile(async () => {
    await writeFile(path.join(folder, file), "garbage".repeat(40));
    await chown(path.join(folder, file), NOBODY, NOBODY);
  });
  await eventually(async () => {
    expect(await latestLog()).toContain(`${file}: invalid magic number`);
  });
  expect(await repairLog()).toContain(`could not read ${file}: quarantined`);
  await goesOn();
  expect((await times()).slice(0, before.length)).toEqual(before);
});

/** Puts the samples on a small disk of their own while something is done; what is stored there meanwhile goes with it. */
async function onSmallDisk(work: () => Promise<void>): Promise<void> {
  const copy = await mkdtemp(path.join(os.tmpdir(), "samples-"));
  await meanwhile(async () => {
    await run("cp", ["-a", `${folder}/.`, copy]);
    await run("mount", ["-t", "tmpfs", "-o", "size=200m,uid=65534,gid=65534", "tmpfs", folder]);
    await run("cp", ["-a", `${copy}/.`, folder]);
  });
  try {
    await goesOn();
    await work();
  } finally {
    await meanwhile(() => run("umount", [folder]));
    await rm(copy, { recursive: true });
  }
}

test("a full disk is reported by an alert and by the post-deploy checks, loses nothing that is stored, and Prometheus ingests again when there is room", async () => {
  const { stdin } = await stack.inputs("probe-command");
  const probe = JSON.stringify({ ...(JSON.parse(stdin as string) as object), startTimeoutSeconds: 5 });
  await onSmallDisk(async () => {
    await eventually(async () => {
      expect(await alerts()).not.toContain("PrometheusNotIngestingSamples"); // It was stopped.
    });
    const before = await times();
    const filler = path.join(folder, "filler");
    await run("dd", ["if=/dev/zero", `of=${filler}`, "bs=4k"]).catch(() => undefined); // Until there is no room.
    await eventually(async () => {
      expect(await alerts()).toContain("PrometheusNotIngestingSamples");
    });
    const output = await failed(stack.probe(probe));
    expect(output).toMatch(
      /check failed after \d+ s: the samples are fresh\s+actual: .*\d+ writes to the disk of Prometheus failed/,
    );
    expect(output).toContain("no space left on device");

    await rm(filler);
    await goesOn();
    await eventually(async () => {
      expect(await alerts()).toContain("PrometheusWritesFailed");
      expect(await alerts()).not.toContain("PrometheusNotIngestingSamples");
    });
    await docker("restart", container);
    await goesOn();
    await succeeded(stack.probe(probe));
    expect((await times()).slice(0, before.length)).toEqual(before);
    await eventually(async () => {
      expect(await alerts()).not.toContain("PrometheusWritesFailed");
    });
  });
});

test("retention by size keeps the newest samples within the budget", async () => {
  await goesOn();
  await backfill("big", [90, 150, 210, 270, 330], 15_000); // 15 MB each.
  await eventually(async () => {
    expect(await value("prometheus_tsdb_size_retentions_total")).toBeGreaterThan(0);
    expect(await value("count(count_over_time(big[100h]))")).toBe(15_000);
  }, 240); // Prometheus looks for new blocks once a minute.
  expect(await value("prometheus_tsdb_storage_blocks_bytes")).toBeLessThan(64 * 1024 ** 2);
  expect(await value("count(count_over_time(big{n='0'}[340h]))")).toBeLessThan(5);
  await goesOn();
});

test("samples that are protected outlive the stack, and the next one finds them", async () => {
  const mine = ["-q", "--filter", `label=llm-metrics.environment=${stack.name}`];
  await stack.configure({ protectData: true });
  await succeeded(stack.up());
  const running = await docker("ps", ...mine);
  expect(await failed(stack.down())).toMatch(/protect/);
  expect(await docker("ps", ...mine)).toBe(running);

  const before = await times();
  await succeeded(stack.down("--exclude-protected"));
  expect(await docker("ps", "-a", ...mine)).toBe("");
  expect(await docker("volume", "ls", ...mine)).toBe(stack.resource("prometheus-data"));
  await succeeded(stack.up());
  await goesOn();
  expect((await times()).slice(0, before.length)).toEqual(before);

  await stack.configure({ protectData: false });
  await succeeded(stack.up());
  await succeeded(stack.destroy());
  expect(await docker("volume", "ls", ...mine)).toBe("");
});
