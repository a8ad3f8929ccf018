import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { gpuTrial } from "../../../host/gpuTrial";
import type { GpuAccess } from "../../../host/facts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "trial-"));
  jest.replaceProperty(process, "env", { ...process.env, PATH: `${folder}:${process.env["PATH"] ?? ""}` });
});
afterEach(() => {
  jest.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

/** Tries with a `docker` in which the cases of a shell decide what a command does; the others succeed. */
async function tried(cases: string, access: GpuAccess = { runtime: "nvidia" }) {
  const file = path.join(folder, "docker");
  writeFileSync(file, `#!/bin/sh\necho "$@" >> ${folder}/calls\ncase "$1" in ${cases} esac; echo done\n`);
  chmodSync(file, 0o755);
  const failure = await gpuTrial({ access, image: "node:24", name: "trial", address: "unix:///d.sock" });
  return { failure, calls: readFileSync(path.join(folder, "calls"), "utf8").trim().split("\n") };
}

describe("A trial of the GPUs", () => {
  it("starts a closed container with every GPU, and removes it", async () => {
    const { failure, calls } = await tried("");
    expect(failure).toBeUndefined();
    const create = calls.find((call) => call.startsWith("create")) ?? "";
    expect(create).toContain("--name trial --network none --cap-drop ALL --read-only");
    expect(create).toContain("--runtime nvidia --env NVIDIA_VISIBLE_DEVICES=all");
    expect(create).toMatch(/--entrypoint sh node:24 -c :$/);
    expect(calls.at(-1)).toBe("rm --force trial");
  });

  it("requests a CDI device in a form that every Docker CLI knows", async () => {
    const { calls } = await tried("", { cdiDevice: "nvidia.com/gpu=all" });
    expect(calls.join("\n")).toContain("--gpus driver=cdi,device=nvidia.com/gpu=all");
  });

  it.each(["create", "start"])(
    "that fails at `docker %s` returns the error, and removes the container",
    async (command) => {
      const { failure, calls } = await tried(`${command}) echo driver not loaded >&2; exit 1 ;;`);
      expect(failure).toContain("driver not loaded");
      expect(calls.at(-1)).toBe("rm --force trial");
    },
  );

  it("finds nothing out where the image cannot be pulled", async () => {
    const { failure, calls } = await tried("image|pull) exit 1 ;;");
    expect(failure).toBeUndefined();
    expect(calls).toHaveLength(2);
  });
});
