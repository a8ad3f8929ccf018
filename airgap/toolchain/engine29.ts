import { copyFile, readdir } from "node:fs/promises";
import path from "node:path";
import { cached } from "../../lib/cache";
import { buildGoCommands, type GoCommands, hashOf } from "./goCommands";
import { installPackages } from "../../lib/packages";

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

/** Debian's and Ubuntu's packages that compile runc, which is partly C. */
const C_PACKAGES = ["gcc", "libc6-dev", "libseccomp-dev", "pkg-config"];

/**
 * Builds a current Docker engine, for tests on a host whose own engine is older.
 *
 * @returns the folder with `dockerd`, `docker-proxy`, `containerd`, `containerd-shim-runc-v2` and `runc`
 */
export async function buildEngine29(): Promise<string> {
  const versions = PARTS.map((part) => part.module.version).join("-");
  return cached(`engine-${versions}-${hashOf(JSON.stringify(PARTS))}`, async (folder) => {
    await installPackages(
      Object.fromEntries(
        C_PACKAGES.map((name) => [name, "command -v gcc && pkg-config --exists libseccomp"]),
      ),
      `a C compiler, pkg-config and the headers of libseccomp are needed to build runc, but are not all there; on Debian or Ubuntu: apt-get install ${C_PACKAGES.join(" ")}`,
      ["--no-install-recommends"],
    );
    for (const part of PARTS) {
      const built = await buildGoCommands(part);
      for (const file of await readdir(built))
        await copyFile(path.join(built, file), path.join(folder, file));
    }
  });
}
