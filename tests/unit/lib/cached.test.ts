import { spawn } from "node:child_process";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { cached } from "../../../lib/cache";
import { log } from "../../../lib/log";

jest.mock("../../../lib/log");

let cache: string;
const before = process.env["XDG_CACHE_HOME"];

beforeEach(async () => {
  cache = await mkdtemp(path.join(os.tmpdir(), "cache-"));
  process.env["XDG_CACHE_HOME"] = cache;
});

afterEach(async () => {
  if (before === undefined) delete process.env["XDG_CACHE_HOME"];
  else process.env["XDG_CACHE_HOME"] = before;
  await rm(cache, { recursive: true });
});

test("a file that two processes need at once is built once, and both get it complete", async () => {
  let made = 0;
  const make = async (folder: string) => {
    made++;
    await sleep(200);
    await writeFile(path.join(folder, "tool"), "x");
  };
  const folders = await Promise.all([cached("tool-1", make), cached("tool-1", make)]);
  expect(made).toBe(1);
  expect(folders[0]).toBe(folders[1]);
  expect(await readdir(folders[0])).toEqual(["tool"]);
  expect(await cached("tool-1", () => Promise.reject(new Error("made again")))).toBe(folders[0]);
});

test("a failed build leaves nothing behind, and the next try can succeed", async () => {
  await expect(cached("tool-1", () => Promise.reject(new Error("no network")))).rejects.toThrow("no network");
  expect(await readdir(path.join(cache, "llm-metrics"))).toEqual(["tool-1.lock"]);
  await cached("tool-1", () => Promise.resolve());
});

test("a builder that was killed does not block the next one", async () => {
  const script = `
    import { cached } from ${JSON.stringify(path.join(__dirname, "../../../lib/cache.ts"))};
    void cached("tool-1", async () => { console.log("making"); await new Promise((r) => setTimeout(r, 60000)); });`;
  const file = path.join(cache, "builder.ts");
  await writeFile(file, script);
  const builder = spawn(process.execPath, ["--import", "tsx", file], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, XDG_CACHE_HOME: cache },
  });
  await new Promise((resolve) => builder.stdout.once("data", resolve));
  let waiting: Promise<string> | undefined;
  await new Promise<void>((resolve) => {
    jest.mocked(log).mockImplementation(() => {
      resolve();
    });
    waiting = cached("tool-1", () => Promise.resolve());
  });
  builder.kill("SIGKILL");
  expect(await waiting).toBe(path.join(cache, "llm-metrics", "tool-1"));
}, 60_000);
