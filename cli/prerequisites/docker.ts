import { spawn } from "node:child_process";
import { mkdir, open } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { docker } from "../../host/docker";
import { remoteShell } from "../../host/ssh";
import { cacheFolder, exists } from "../../lib/cache";
import { log } from "../../lib/log";
import { run } from "../../lib/run";
import { installPackages } from "../../lib/packages";

/**
 * Finds the Docker daemon: at the named address, else at that of the Docker CLI's current context. A daemon that was named and
 * does not answer is an error.
 *
 * @param named its address, which may be that of another machine
 * @param options.start whether to install and start the distribution's engine where no daemon was named and none answers
 * @returns its address, as in DOCKER_HOST
 */
export async function dockerDaemon(named?: string, { start = false } = {}): Promise<string> {
  const context = named ? undefined : await currentContext();
  const address = named ?? context?.address ?? "unix:///var/run/docker.sock";
  remoteShell(address);
  let answer = await version(address);
  if (answer.version === undefined) {
    if (answer.failure.includes("permission denied") && !address.startsWith("ssh:"))
      throw new Error(
        `this user may not use the Docker daemon at ${address}: add it to the group docker and log in again, or run this as root (${answer.failure})`,
      );
    const source = named ? "docker:host or DOCKER_HOST" : `the Docker context ${context?.name ?? "default"}`;
    if (named || (context && context.name !== "default"))
      throw new Error(
        `no Docker daemon answers at ${address}, which ${source} names: start it, see that ` +
          `\`docker --host ${address} version\` works, or name another one (${answer.failure})`,
      );
    if (!start)
      throw new Error(
        `no Docker daemon answers at ${address}: start it, for example with \`sudo systemctl start docker\`; ` +
          `\`npm run up\` starts it too, and installs it on Debian and Ubuntu (${answer.failure})`,
      );
    await installDocker();
    await startDocker(address);
    answer = await version(address);
  }
  log(`docker: engine ${answer.version ?? "?"} answers${address.startsWith("ssh:") ? ` at ${address}` : ""}`);
  return address;
}

/** The Docker CLI's current context; undefined where there is no Docker CLI. */
async function currentContext(): Promise<{ name: string; address: string } | undefined> {
  const format = "{{.Name}} {{.Endpoints.docker.Host}}";
  try {
    const [name = "", address = ""] = (await docker(["context", "inspect", "--format", format]))
      .trim()
      .split(" ");
    return { name, address };
  } catch (error) {
    if (((error as Error).cause as NodeJS.ErrnoException | undefined)?.code === "ENOENT") return undefined;
    throw new Error(
      `the Docker context ${process.env["DOCKER_CONTEXT"] ?? "of ~/.docker/config.json"} cannot be used: choose one that ` +
        `\`docker context ls\` lists, or unset DOCKER_CONTEXT (${(error as Error).message.trim()})`,
      { cause: error },
    );
  }
}

/** The version of the daemon at an address, or why it does not answer. */
const version = (address: string): Promise<{ version: string } | { version?: undefined; failure: string }> =>
  docker(["version", "--format", "{{.Server.Version}}"], { address }).then(
    (out) => ({ version: out.trim() }),
    (error: unknown) => ({ failure: (error as Error).message.trim() }),
  );

/** Installs the distribution's engine, where there is none and we may. */
export const installDocker = (): Promise<void> =>
  installPackages(
    { "docker.io": "command -v dockerd && command -v docker" },
    "Docker is not installed: install Docker Engine (docs.docker.com/engine/install) and start it, or run this as root on Debian or Ubuntu, where it installs docker.io",
  );

async function startDocker(address: string): Promise<void> {
  let logs = "journalctl -u docker";
  if (await exists("/run/systemd/system")) {
    log("docker: starting the service");
    await run("systemctl", ["start", "docker"]);
  } else {
    if (process.getuid?.() !== 0)
      throw new Error(
        "the Docker daemon does not run: start it, for example with `sudo service docker start`",
      );
    logs = path.join(cacheFolder(), "dockerd.log");
    log(`docker: starting dockerd, with its log in ${logs}`);
    await mkdir(cacheFolder(), { recursive: true });
    const output = await open(logs, "a");
    spawn("dockerd", [], { detached: true, stdio: ["ignore", output.fd, output.fd] }).unref();
    await output.close();
  }
  for (let second = 0; second < 60; second++) {
    if ((await version(address)).version !== undefined) return;
    await sleep(1000);
  }
  throw new Error(`the Docker daemon was started, but does not answer after 60 s: see ${logs}`);
}
