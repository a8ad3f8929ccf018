import { type ChildProcess, spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, readlink, rename, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "../../lib/run";
import { DOCKER_HOST } from "./docker";
import { eventually } from "./eventually";

const [DOCKER_SIDE, OTHER_SIDE] = ["10.213.0.1", "10.213.0.2"];

/**
 * A machine, as far as the network goes, that reaches the daemon of the tests by ssh alone: a network namespace that is linked
 * to the daemon's, where a real sshd listens.
 */
export class OtherMachine {
  /** The daemon's address there. */
  readonly dockerHost = `ssh://root@${DOCKER_SIDE}`;

  private constructor(
    private readonly folder: string,
    private readonly machine: ChildProcess,
    private readonly sshd: ChildProcess,
  ) {}

  static async start(): Promise<OtherMachine> {
    const folder = await mkdtemp(path.join(os.tmpdir(), "other-machine-"));
    const machine = spawn("unshare", ["--net", "sleep", "infinity"], { stdio: "ignore" });
    const namespace = `/proc/${machine.pid ?? 0}/ns/net`;
    while ((await readlink(namespace)) === (await readlink("/proc/self/ns/net"))) await sleep(10);
    const ip = (...args: string[]) => run("ip", args);
    const there = (...args: string[]) => run("nsenter", [`--net=${namespace}`, "ip", ...args]);
    await ip(..."link add other-machine type veth peer name eth0 netns".split(" "), String(machine.pid));
    await ip("address", "add", `${DOCKER_SIDE}/30`, "dev", "other-machine");
    await ip("link", "set", "other-machine", "up");
    await there("address", "add", `${OTHER_SIDE}/30`, "dev", "eth0");
    for (const device of ["lo", "eth0"]) await there("link", "set", device, "up");

    for (const key of ["host", "user"])
      await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", path.join(folder, key)]);
    const file = (name: string) => path.join(folder, name);
    await writeFile(file("known_hosts"), `${DOCKER_SIDE} ${await readFile(file("host.pub"), "utf8")}`);
    await writeFile(
      file("ssh_config"),
      `IdentityFile ${file("user")}\nUserKnownHostsFile ${file("known_hosts")}\nStrictHostKeyChecking yes\n`,
    );
    await mkdir(file("bin"));
    await writeFile(file("bin/ssh"), `#!/bin/sh\nexec /usr/bin/ssh -F ${file("ssh_config")} "$@"\n`);
    await chmod(file("bin/ssh"), 0o755);
    const options = [
      `ListenAddress=${DOCKER_SIDE}`,
      `HostKey=${file("host")}`,
      `AuthorizedKeysFile=${file("user.pub")}`,
      `SetEnv=DOCKER_HOST=${DOCKER_HOST}`,
      ...["StrictModes=no", "PasswordAuthentication=no", "UsePAM=no", "PidFile=none", "MaxStartups=100"],
    ];
    await mkdir("/run/sshd", { recursive: true });
    const sshd = spawn("/usr/sbin/sshd", ["-D", "-f", "/dev/null", ...options.flatMap((o) => ["-o", o])], {
      stdio: "ignore",
    });
    const other = new OtherMachine(folder, machine, sshd);
    await eventually(() => run(other.ssh, ["-l", "root", DOCKER_SIDE, "true"]).then(() => undefined));
    return other;
  }

  /** Words that run a command on the machine. */
  get inside(): string[] {
    return ["nsenter", `--net=/proc/${this.machine.pid ?? 0}/ns/net`, "--"];
  }

  /** Its ssh, which has the key. */
  get ssh(): string {
    return path.join(this.folder, "bin/ssh");
  }

  /** Whether the machine has its key. */
  setAuthorized = (authorized: boolean): Promise<void> =>
    rename(
      path.join(this.folder, authorized ? "away" : "user"),
      path.join(this.folder, authorized ? "user" : "away"),
    );

  async stop(): Promise<void> {
    this.sshd.kill();
    this.machine.kill();
    await rm(this.folder, { recursive: true });
  }
}
