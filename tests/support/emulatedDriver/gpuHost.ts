import { chmod, copyFile, mkdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { buildNvml } from "./build";
import { description } from "./description";
import type { EmulatedHost } from "./host";

/** Where the emulated runtime mounts the description of the host in containers. */
const INSIDE = "/run/emulated-gpus";

/**
 * An emulation of NVIDIA's Container Toolkit on a host: a container runtime that mounts NVIDIA's library in containers that request
 * GPUs, the hook without which dockerd rejects `--gpus`, and CDI specifications.
 */
export class GpuHost {
  private constructor(private readonly folder: string) {}

  /** The toolkit in a folder, which {@link install} fills. */
  static at = (folder: string): GpuHost => new GpuHost(folder);

  /** Folder of the hook, for the PATH of dockerd. */
  get programs(): string {
    return path.join(this.folder, "bin");
  }
  /** Folder of the CDI specifications, for dockerd. */
  get cdi(): string {
    return path.join(this.folder, "cdi");
  }
  /** Path of the container runtime, for dockerd's setting `runtimes`. */
  get runtime(): string {
    return path.join(this.programs, "nvidia-container-runtime");
  }

  async install(): Promise<this> {
    const described = path.join(this.folder, "described");
    for (const folder of [this.programs, this.cdi, described]) await mkdir(folder, { recursive: true });
    const library = path.join(this.folder, "libnvidia-ml.so.1");
    await copyFile(await buildNvml(), library);
    const files = { "/usr/lib/libnvidia-ml.so.1": library, [INSIDE]: described };
    const mounts = Object.entries(files).map(([destination, source]) => ({
      destination,
      source,
      type: "bind",
      options: ["bind", "ro"],
    }));
    const inject = path.join(this.folder, "inject.cjs");
    await writeFile(
      inject,
      `(${injectMounts.toString()})(${JSON.stringify(mounts)}, process.argv.slice(2));\n`,
    );
    await executable(this.runtime, `"${process.execPath}" "${inject}" "$@"\nexec runc "$@"`);
    await executable(path.join(this.programs, "nvidia-container-runtime-hook"), "exit 0");
    const cdiMounts = Object.entries(files).map(([containerPath, hostPath]) => ({
      containerPath,
      hostPath,
      options: ["bind", "ro"],
    }));
    await writeFile(
      path.join(this.folder, "cdi.json"),
      JSON.stringify({
        cdiVersion: "0.6.0",
        kind: "nvidia.com/gpu",
        devices: ["0", "1", "gpu0", "gpu1", "all"].map((name) => ({
          name,
          containerEdits: { mounts: cdiMounts },
        })),
      }),
    );
    await this.describe({ driver: "550.127.05", gpus: [], processes: [] });
    return this;
  }

  /** Adds the CDI specification, or removes it, as an administrator does. */
  addCdi = (): Promise<void> =>
    copyFile(path.join(this.folder, "cdi.json"), path.join(this.cdi, "nvidia.json"));
  removeCdi = (): Promise<void> => rm(path.join(this.cdi, "nvidia.json"), { force: true });

  /** Sets the host whose GPUs the library reports. */
  async describe(host: EmulatedHost): Promise<void> {
    const file = path.join(this.folder, "described", "host");
    await writeFile(`${file}.new`, description(host));
    await rename(`${file}.new`, file);
  }
}

async function executable(file: string, script: string): Promise<void> {
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
}

/** A program of its own, which runs before runc. Like NVIDIA's runtime, it changes only containers whose environment requests GPUs. */
function injectMounts(mounts: object[], args: string[]): void {
  /* eslint-disable @typescript-eslint/no-require-imports -- the function is written to a file of its own */
  const fs = require("node:fs") as typeof import("node:fs");
  const at = args.indexOf("--bundle");
  if (!args.includes("create") || at < 0) return;
  const file = `${args[at + 1] ?? ""}/config.json`;
  const config = JSON.parse(fs.readFileSync(file, "utf8")) as {
    process: { env: string[] };
    mounts: object[];
  };
  if (!config.process.env.some((entry) => /^NVIDIA_VISIBLE_DEVICES=(?!void$|none$|$)/.test(entry))) return;
  config.mounts.push(...mounts);
  fs.writeFileSync(file, JSON.stringify(config));
}
