import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { cached, cacheFolder } from "../../lib/cache";
import { log } from "../../lib/log";
import { run } from "../../lib/run";

/** A Go module, by its version and the checksum of its content, as go.sum has it. */
export interface GoModule {
  path: string;
  version: string;
  sum: string;
}

/** How commands are compiled. */
interface Build {
  /** Packages of the commands, such as `./cmd/prometheus`. */
  packages: string[];
  tags?: string[];
  ldflags?: string;
  /** Whether C code is compiled too. Default: no. */
  cgo?: boolean;
}

/** Commands that are built from one Go module. */
export interface GoCommands extends Build {
  /** Name of the folder in the cache. */
  name: string;
  /** The module, whose own go.mod and go.sum pin everything that it is built from. */
  module: GoModule;
  /** Modules that its go.mod replaces by folders beside it, by the folder. */
  siblings?: Record<string, GoModule>;
  /** What has to be made in the sources before the build. */
  prepare?: (sources: string) => Promise<void>;
}

/**
 * Builds Go commands into the cache, unless they are there.
 *
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

/**
 * Builds commands of a Go module in this repository into the cache, unless they are there.
 *
 * @param sources its folder in the project, with go.mod and go.sum
 * @param name of the folder in the cache, to which a hash of the sources is added
 * @returns the folder with the commands
 */
export async function buildSources(
  sources: string,
  { name, ...build }: Build & { name: string },
): Promise<string> {
  const files = (await readdir(sources, { recursive: true }))
    .filter((file) => /^go\.|\.go$/.test(file))
    .sort();
  const contents = await Promise.all(files.map((file) => readFile(path.join(sources, file))));
  return cached(`${name}-${hashOf(JSON.stringify(build), ...contents)}`, async (folder) => {
    await requireGo();
    log(`building ${name} from ${sources}; this takes minutes, once`);
    await goBuild(sources, folder, build);
  });
}

/** Compiles commands of the module in a folder into another folder, from what its go.mod and go.sum pin. */
async function goBuild(
  sources: string,
  to: string,
  { packages, tags = [], ldflags = "", cgo = false }: Build,
): Promise<void> {
  const flags = ["-trimpath", "-o", to + path.sep, `-tags=${tags.join(",")}`, `-ldflags=${ldflags}`];
  await run("go", ["build", ...flags, ...packages], {
    cwd: sources,
    env: { GOWORK: "off", GOFLAGS: "-mod=readonly -buildvcs=false", CGO_ENABLED: cgo ? "1" : "0" },
  });
}

/** Short enough for a folder's name. */
export const hashOf = (...contents: (string | Buffer)[]): string => {
  const hash = createHash("sha256");
  for (const content of contents) hash.update(content);
  return hash.digest("hex").slice(0, 12);
};

/** Copies a module's content to a folder that can be written to. */
async function copyModule(module: GoModule, to: string): Promise<void> {
  await run("cp", ["-r", "--no-preserve=mode", await goModuleFolder(module), to]);
}

/** Downloads a module, unless it is there, and returns the folder with its content, checked against its checksum. */
export async function goModuleFolder({ path: module, version, sum }: GoModule): Promise<string> {
  await requireGo();
  const downloaded = JSON.parse(await run("go", ["mod", "download", "-json", `${module}@${version}`])) as {
    Dir: string;
    Sum: string;
  };
  if (downloaded.Sum !== sum)
    throw new Error(
      `the Go module ${module} ${version} has the checksum ${downloaded.Sum}, expected ${sum}: it is not what was reviewed; do not use it`,
    );
  return downloaded.Dir;
}

/** Go 1.21 and newer fetch the toolchain that a module asks for. */
async function requireGo(): Promise<void> {
  const version = await run("go", ["env", "GOVERSION"]).catch(() => "none");
  const minor = Number(/^go1\.(\d+)/.exec(version)?.[1] ?? 0);
  if (minor < 21)
    throw new Error(
      `Go 1.21 or newer is needed to build what cannot be downloaded here, found: ${version.trim()}. Install Go and run this again.`,
    );
}
