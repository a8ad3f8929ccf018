import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { run } from "../../lib/run";
import { docker } from "./docker";

/** A host outside of the Docker host: a network namespace beside that of the daemon, which routes everything back to it. */
export class OutsideHost {
  /** Its address, and that of the Docker host on their network. */
  readonly address = "192.0.2.2";
  readonly dockerHost = "192.0.2.1";
  private constructor(
    private readonly namespace: string,
    private readonly server: ReturnType<typeof spawn>,
  ) {}

  /** Connects a new host that serves TCP and UDP on port 7777: it answers "reached". */
  static async connect(): Promise<OutsideHost> {
    const namespace = `outside-${randomBytes(3).toString("hex")}`;
    const setup = [
      `ip netns add ${namespace}`,
      `ip link add outside0 type veth peer name eth0 netns ${namespace}`,
      "ip addr add 192.0.2.1/24 dev outside0 && ip link set outside0 up",
      `ip -n ${namespace} addr add 192.0.2.2/24 dev eth0`,
      `ip -n ${namespace} link set eth0 up && ip -n ${namespace} link set lo up`,
      `ip -n ${namespace} route add default via 192.0.2.1`,
      // The Docker host has egress, and forwards what its containers may send.
      "ip route add default via 192.0.2.2",
    ];
    await run("sh", ["-ec", setup.join("\n")]);
    const program = `
      require("net").createServer((s) => s.on("error", () => {}).end("reached")).listen(7777, () => console.log("listens"));
      const u = require("dgram").createSocket("udp4"); u.on("message", (m, from) => u.send("reached", from.port, from.address)); u.bind(7777);`;
    const server = spawn("ip", ["netns", "exec", namespace, process.execPath, "-e", program]);
    await new Promise((resolve) => server.stdout.once("data", resolve));
    return new OutsideHost(namespace, server);
  }

  /** Runs a command there. */
  run = (...command: string[]): Promise<string> => run("ip", ["netns", "exec", this.namespace, ...command]);

  /** Whether a program in the network namespace of a container gets an answer of the outside host, by TCP or UDP. */
  async reachedFrom(container: string): Promise<string[]> {
    const pid = await docker("inspect", "--format", "{{.State.Pid}}", container);
    const program = `
      const net = require("net"), u = require("dgram").createSocket("udp4");
      const s = net.connect(7777, "${this.address}").on("data", () => console.log("tcp")).on("error", () => {});
      u.on("message", () => console.log("udp")).on("error", () => {}).send("x", 7777, "${this.address}", () => {});
      setTimeout(() => process.exit(), 3000);`;
    const output = await run("nsenter", [`--net=/proc/${pid}/ns/net`, "--", process.execPath, "-e", program]);
    return output.split("\n").filter(Boolean).sort();
  }

  async remove(): Promise<void> {
    this.server.kill("SIGKILL");
    await run("ip", ["link", "del", "outside0"]);
    await run("ip", ["netns", "del", this.namespace]);
  }
}
