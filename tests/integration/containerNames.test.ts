import type { Expectation } from "../../probes/report";
import { docker, hasContainerdStore, inspect } from "../support/docker";
import { eventually } from "../support/eventually";
import { query } from "../support/prometheus";
import { sharedStack } from "../support/sharedStack";
import { failed, type Stack, succeeded } from "../support/stack";

let stack: Stack;
beforeAll(async () => {
  ({ stack } = await sharedStack());
});

describe("Post-deploy check of container names", () => {
  it("fails when cAdvisor cannot read container names, and passes when it can", async () => {
    // The image store decides which socket the names come from.
    await replaceCadvisor((await hasContainerdStore()) ? "/run/containerd" : "/var/run/docker.sock");
    await eventually(async () => {
      // In the last scrape: other tests restart Prometheus, which then keeps the series of before for five minutes.
      const named = 'timestamp(container_last_seen{name!=""}) > time() - 32';
      expect(await query(stack.prometheus, named)).toEqual([]);
    }, 120);
    const expectation = JSON.parse((await stack.inputs("probe-command"))["stdin"] as string) as Expectation;
    const output = await failed(stack.probe(JSON.stringify({ ...expectation, startTimeoutSeconds: 5 })));
    expect(output).toMatch(/check failed after \d+ s: every running container is listed by name/);
    expect(output).toContain("Registration of the docker container factory failed");

    await docker("rm", "-f", stack.resource("cadvisor"));
    await succeeded(stack.up("--refresh"));
    await succeeded(stack.probe(JSON.stringify(expectation)));
  });
});

/** Replaces the stack's cAdvisor by one that lacks a mount. */
async function replaceCadvisor(without: string): Promise<void> {
  const name = stack.resource("cadvisor");
  const declared = await stack.inputs("cadvisor-container");
  const { Mounts: mounts, Config: config } = await inspect(name);
  await docker("rm", "-f", name);
  await docker(
    ...["run", "-d", "--name", name, "--network", `llm-metrics-${stack.name}`, "--network-alias", "cadvisor"],
    ...mounts
      .filter((mount) => mount.Destination !== without)
      .flatMap((mount) => ["-v", `${mount.Source}:${mount.Destination}:ro`]),
    ...["--device", "/dev/kmsg:/dev/kmsg:r", "--cap-drop", "ALL", "--cap-add", "SYSLOG", "--read-only"],
    config.Image,
    ...(declared["command"] as string[]),
  );
}
