import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

const PROJECT = path.join(__dirname, "../../..");
let project: string;

beforeEach(() => {
  project = mkdtempSync(path.join(os.tmpdir(), "bundle-"));
  for (const folder of ["lib", "node_modules"]) mkdirSync(path.join(project, folder));
  for (const file of ["lib/bundle.cjs", "lib/kept.cjs"])
    cpSync(path.join(PROJECT, file), path.join(project, file));
  symlinkSync(path.join(PROJECT, "node_modules/esbuild"), path.join(project, "node_modules/esbuild"));
  for (const file of ["package-lock.json", "tsconfig.json"]) writeFileSync(path.join(project, file), "{}");
});
afterEach(() => {
  rmSync(project, { recursive: true });
});

const write = (file: string, text: string) => {
  writeFileSync(path.join(project, file), text);
};
const load = () =>
  execFileSync(process.execPath, ["-p", 'require("./lib/bundle.cjs").load("index.ts").value'], {
    cwd: project,
    encoding: "utf8",
  }).trim();

describe("The bundle of a program", () => {
  it("has what its TypeScript sources export", () => {
    write("lib/part.ts", "export const part: number = 41;");
    write("index.ts", 'import { part } from "./lib/part"; export const value = part + 1;');
    expect(load()).toBe("42");
    expect(load()).toBe("42");
  });

  it("is made again when a source changes", () => {
    write("lib/part.ts", "export const part = 1;");
    write("index.ts", 'import { part } from "./lib/part"; export const value = part;');
    expect(load()).toBe("1");
    write("lib/part.ts", "export const part = 1000;");
    expect(load()).toBe("1000");
  });

  it("is made again when a source changes in neither its length nor its time, as in reproducible archives", () => {
    const writeAtEpoch = (text: string) => {
      write("index.ts", text);
      utimesSync(path.join(project, "index.ts"), 0, 0);
    };
    writeAtEpoch("export const value = 30;");
    expect(load()).toBe("30");
    writeAtEpoch("export const value = 60;");
    expect(load()).toBe("60");
  });
});
