import { execFile, type ExecFileOptions } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { cacheFolder } from "../../lib/cache";
import { cached, exists } from "../../lib/cache";
import { log } from "../../lib/log";

export { exists };

const exec = promisify(execFile);

/** A Go module, by its version and the checksum of its content, as go.sum has it. */
export interface GoModule {
  path: string;
  version: string;
  sum: string;
}

/** Commands that are built from one Go module. */
export interface GoCommands {
  /** Name of the folder in the cache. */
  name: string;
  /** The module, whose own go.mod and go.sum pin everything that it is built from. */
  module: GoModule;
  /** Modules that its go.mod replaces by folders beside it, by the folder. */
  siblings?: Record<string, GoModule>;
  /** Packages of the commands, such as `./cmd/prometheus`. */
  packages: string[];
  tags?: string[];
  ldflags?: string;
  /** Whether C code is compiled too. Default: no. */
  cgo?: boolean;
  /** What has to be made in the sources before the build. */
  prepare?: (sources: string) => Promise<void>;
}

/** Runs a program to its end; what it writes is in the error when it fails. */
export async function run(program: string, args: string[], options: ExecFileOptions = {}): Promise<string> {
  const { stdout } = await exec(program, args, { maxBuffer: 1 << 28, ...options }).catch((error: unknown) => {
    const { message, stderr = "" } = error as Error & { stderr?: string };
    throw new Error(`${program} ${args.slice(0, 4).join(" ")} failed: ${stderr.slice(-4000) || message}`, {
      cause: error,
    });
  });
  return stdout.toString();
}

/**
 * Builds Go commands into the cache, unless they are there.
 *
 * @param progress is told before a build, which takes minutes
 * @returns the folder with the commands
 * @throws Error when Go is missing, a module has another checksum, or the build fails
 */
export async function buildGoCommands(commands: GoCommands): Promise<string> {
  const { name, module, siblings = {}, prepare } = commands;
  return cached(`${name}-${module.version}-${hashOf(JSON.stringify(commands))}`, async (folder) => {
    await requireGo();
    log(`building ${name} ${module.version} from its Go module; this takes minutes, once`);
    const work = await mkdtemp(path.join(cacheFolder(), `${name}-sources-`));
    try {
      const sources = path.join(work, "main");
      await copyModule(module, sources);
      for (const [beside, sibling] of Object.entries(siblings))
        await copyModule(sibling, path.join(work, beside));
      await prepare?.(sources);
      await goBuild(sources, folder, commands);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  });
}

/** Compiles commands of the module in a folder into another folder, from what its go.mod and go.sum pin. */
export async function goBuild(
  sources: string,
  to: string,
  { packages, tags = [], ldflags = "", cgo = false }: Omit<GoCommands, "name" | "module">,
): Promise<void> {
  const flags = ["-trimpath", "-o", to + path.sep, `-tags=${tags.join(",")}`, `-ldflags=${ldflags}`];
  await run("go", ["build", ...flags, ...packages], {
    cwd: sources,
    env: {
      ...process.env,
      GOWORK: "off",
      GOFLAGS: "-mod=readonly -buildvcs=false",
      CGO_ENABLED: cgo ? "1" : "0",
    },
  });
}

/** Short enough for a folder's name. */
export const hashOf = (...contents: (string | Buffer)[]): string => {
  const hash = createHash("sha256");
  for (const content of contents) hash.update(content);
  return hash.digest("hex").slice(0, 12);
};

/** Copies a module's content, checked against its checksum, to a folder that can be written to. */
async function copyModule({ path: module, version, sum }: GoModule, to: string): Promise<void> {
  const downloaded = JSON.parse(await run("go", ["mod", "download", "-json", `${module}@${version}`])) as {
    Dir: string;
    Sum: string;
  };
  if (downloaded.Sum !== sum)
    throw new Error(
      `the Go module ${module} ${version} has the checksum ${downloaded.Sum}, expected ${sum}: it is not what was reviewed; do not use it`,
    );
  await run("cp", ["-r", "--no-preserve=mode", downloaded.Dir, to]);
}

/** Go 1.21 and newer fetch the toolchain that a module asks for. */
export async function requireGo(): Promise<void> {
  const version = await run("go", ["env", "GOVERSION"]).catch(() => "none");
  const minor = Number(/^go1\.(\d+)/.exec(version)?.[1] ?? 0);
  if (minor < 21)
    throw new Error(
      `Go 1.21 or newer is needed to build what cannot be downloaded here, found: ${version.trim()}. Install Go and run this again.`,
    );
}
