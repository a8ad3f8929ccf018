import { spawn } from "node:child_process";
import { mkdir, open, readFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { cacheFolder } from "../../airgap/cache";
import { exists, run } from "../../airgap/toolchain/goCommands";
import { say } from "./say";

/** Makes sure that a Docker daemon answers: the one that is there, else Debian's or Ubuntu's, installed and started. */
export async function dockerDaemon(): Promise<void> {
  const version = await serverVersion();
  if (version) {
    say(`docker: engine ${version} answers`);
    return;
  }
  const named = process.env["DOCKER_HOST"];
  if (named)
    throw new Error(`no Docker daemon answers at DOCKER_HOST=${named}: start it, or unset DOCKER_HOST`);
  await installDocker();
  await startDocker();
  say(`docker: engine ${(await serverVersion()) ?? "?"} answers`);
}

const serverVersion = (): Promise<string | undefined> =>
  run("docker", ["version", "--format", "{{.Server.Version}}"]).then(
    (out) => out.trim(),
    () => undefined,
  );

/** Installs the distribution's engine, where there is none and we may. */
export async function installDocker(): Promise<void> {
  const present = async (program: string) =>
    run("sh", ["-c", `command -v ${program}`]).then(Boolean, () => false);
  if ((await present("dockerd")) && (await present("docker"))) return;
  const release = await readFile("/etc/os-release", "utf8").catch(() => "");
  if (process.getuid?.() !== 0 || !/^ID(_LIKE)?=.*(debian|ubuntu)/m.test(release))
    throw new Error(
      "Docker is not installed: install Docker Engine (docs.docker.com/engine/install) and start it, or run this as root on Debian or Ubuntu, where it installs docker.io",
    );
  say("docker: installing the package docker.io");
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  await run("apt-get", ["update", "-q"], { env });
  await run("apt-get", ["install", "-q", "-y", "docker.io", "iproute2"], { env });
}

async function startDocker(): Promise<void> {
  if (await exists("/run/systemd/system")) {
    say("docker: starting the service");
    await run("systemctl", ["start", "docker"]);
  } else {
    if (process.getuid?.() !== 0)
      throw new Error(
        "the Docker daemon does not run: start it, for example with `sudo service docker start`",
      );
    const log = path.join(cacheFolder(), "dockerd.log");
    say(`docker: starting dockerd, with its log in ${log}`);
    await mkdir(cacheFolder(), { recursive: true });
    const output = await open(log, "a");
    spawn("dockerd", [], { detached: true, stdio: ["ignore", output.fd, output.fd] }).unref();
    await output.close();
  }
  for (let second = 0; second < 60; second++) {
    if (await serverVersion()) return;
    await sleep(1000);
  }
  throw new Error("the Docker daemon was started, but does not answer after 60 s: see its log");
}
