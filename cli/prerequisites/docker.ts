import { spawn } from "node:child_process";
import { mkdir, open } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { cacheFolder } from "../../lib/cache";
import { run } from "../../lib/run";
import { exists } from "../../lib/cache";
import { installPackages } from "./packages";
import { log } from "../../lib/log";

/**
 * Makes sure that a Docker daemon answers: the named one, else the one that is there, else Debian's or Ubuntu's, installed and
 * started.
 *
 * @param named its address, which may be that of another machine; undefined: that of the Docker CLI's current context
 * @returns its address, as in DOCKER_HOST
 */
export async function dockerDaemon(named?: string): Promise<string> {
  let answer = await ask(named);
  if (answer.version === undefined) {
    if (named)
      throw new Error(
        `no Docker daemon answers at ${named}, as docker:host or DOCKER_HOST says: start it, see that ` +
          `\`docker --host ${named} version\` works, or unset it (${answer.failure})`,
      );
    if (answer.failure.includes("permission denied"))
      throw new Error(
        `this user may not talk to the Docker daemon: add it to the group docker and log in again, or run this as root (${answer.failure})`,
      );
    await installDocker();
    await startDocker();
    answer = await ask();
  }
  log(`docker: engine ${answer.version ?? "?"} answers${named?.startsWith("ssh:") ? ` at ${named}` : ""}`);
  if (named) return named;
  return (await run("docker", ["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"])).trim();
}

/** The version of the daemon that the Docker CLI talks to, or why it talks to none. */
const ask = (named?: string): Promise<{ version: string } | { version?: undefined; failure: string }> =>
  run("docker", [...(named ? ["--host", named] : []), "version", "--format", "{{.Server.Version}}"]).then(
    (out) => ({ version: out.trim() }),
    (error: unknown) => ({ failure: (error as Error).message.trim() }),
  );

/** Installs the distribution's engine, where there is none and we may. */
export const installDocker = (): Promise<void> =>
  installPackages(
    { "docker.io": "command -v dockerd && command -v docker" },
    "Docker is not installed: install Docker Engine (docs.docker.com/engine/install) and start it, or run this as root on Debian or Ubuntu, where it installs docker.io",
  );

async function startDocker(): Promise<void> {
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
    if ((await ask()).version !== undefined) return;
    await sleep(1000);
  }
  throw new Error(`the Docker daemon was started, but does not answer after 60 s: see ${logs}`);
}
