import { copyFile, mkdir, readdir, rename, rm } from "node:fs/promises";
import path from "node:path";
import { cacheFolder } from "../cache";
import { buildGoCommands, exists, type GoCommands } from "./goCommands";

/** Engine 29 with the containerd, shim and runc that it needs; Debian's are too old for it. */
const PARTS: GoCommands[] = [
  {
    name: "dockerd",
    module: {
      path: "github.com/moby/moby/v2",
      version: "v2.0.0-beta.24",
      sum: "h1:sWv7EckkDJhpraR9yUjkw1XeVf39+MWd58E22PYloNA=",
    },
    packages: ["./cmd/dockerd", "./cmd/docker-proxy"],
    ldflags: "-X github.com/moby/moby/v2/dockerversion.Version=29.0.0-beta.24",
  },
  {
    name: "containerd",
    module: {
      path: "github.com/containerd/containerd/v2",
      version: "v2.4.2",
      sum: "h1:p6Qg+xbEz8lvwdhHDx0U469xENvp4LgGBx+E7djXkGw=",
    },
    packages: ["./cmd/containerd", "./cmd/containerd-shim-runc-v2"],
  },
  {
    name: "runc",
    module: {
      path: "github.com/opencontainers/runc",
      version: "v1.5.2",
      sum: "h1:eUUowc2WJCnFYzI87C1WqRcu356Dk/wsoi90y+2wEfE=",
    },
    packages: ["."],
    tags: ["seccomp"],
    cgo: true,
  },
];

/**
 * Builds a current Docker engine, for tests on a host whose own engine is older. Needs a C compiler and libseccomp's headers.
 *
 * @returns the folder with `dockerd`, `docker-proxy`, `containerd`, `containerd-shim-runc-v2` and `runc`
 */
export async function buildEngine29(progress: (line: string) => void): Promise<string> {
  const folder = path.join(cacheFolder(), `engine-${PARTS.map((part) => part.module.version).join("-")}`);
  if (await exists(folder)) return folder;
  const making = `${folder}.${process.pid}`;
  await mkdir(making, { recursive: true });
  for (const part of PARTS) {
    const built = await buildGoCommands(part, progress);
    for (const file of await readdir(built)) await copyFile(path.join(built, file), path.join(making, file));
  }
  await rename(making, folder).catch(() => rm(making, { recursive: true }));
  return folder;
}
