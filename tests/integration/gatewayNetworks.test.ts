import { docker, startContainer } from "../support/docker";
import { eventually } from "../support/eventually";
import { OutsideHost } from "../support/outsideHost";
import { sharedStack } from "../support/sharedStack";
import type { Stack } from "../support/stack";

let outside: OutsideHost;
let stack: Stack;
beforeAll(async () => {
  outside = await OutsideHost.connect();
  ({ stack } = await sharedStack());
});
afterAll(() => outside.remove());

describe("Stack on loopback", () => {
  it("has no egress for its containers, even to a host that routes back", async () => {
    // Engine 29 itself drops what comes back to a network of the usual mode.
    const bridge = "com.docker.network.bridge";
    await docker(
      ...["network", "create", "--opt", `${bridge}.enable_ip_masquerade=false`],
      ...["--opt", `${bridge}.gateway_mode_ipv4=routed`, "no-masquerade"],
    );
    const ordinary = [
      await startContainer("example/web:1"),
      await startContainer("example/web:1", ["--network", "no-masquerade"]),
    ];
    for (const [i, container] of ordinary.entries())
      await eventually(async () => {
        expect([i, await outside.reachedFrom(container)]).toEqual([i, ["tcp", "udp"]]);
      });
    for (const which of ["cadvisor", "gateway", "prometheus"] as const)
      expect([which, await outside.reachedFrom(stack.resource(which))]).toEqual([which, []]);
    await docker("rm", "-f", ...ordinary);
    await docker("network", "rm", "no-masquerade");
  });

  it("gives no egress to a container that joins its network to be scraped", async () => {
    const { networkName } = await stack.outputs<{ networkName: string }>();
    const server = await startContainer("example/web:1", ["--network", networkName]);
    expect(await outside.reachedFrom(server)).toEqual([]);
    await docker("rm", "-f", server);
  });

  it("publishes ports of the gateway only, on loopback only", async () => {
    const all = await docker("ps", "--filter", `name=${stack.name}`, "--format", "{{.Names}} {{.Ports}}");
    const published = all.split("\n").filter((line) => line.includes("->"));
    expect(published).toEqual([expect.stringContaining(stack.resource("gateway"))]);
    const port = Number(new URL(stack.prometheus).port);
    const program = `require("net").connect(${port}, "${outside.dockerHost}").on("connect", () => console.log("connected")).on("error", () => {}).setTimeout(2000, () => process.exit())`;
    expect(await outside.run(process.execPath, "-e", program)).toBe("");
  });
});
