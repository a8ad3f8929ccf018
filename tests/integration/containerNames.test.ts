import type { Expectation } from "../../probes/report";
import { docker, hasContainerdStore, inspect } from "../support/docker";
import { failed, Stack, succeeded } from "../support/stack";

let stack: Stack;
beforeAll(async () => {
  stack = await Stack.create({ scrapeInterval: "1s" });
  await succeeded(stack.up());
});
afterAll(() => stack.remove());

test("the probe for names fails where cAdvisor cannot ask who a container is, and passes where it can", async () => {
  // Which socket the names come from depends on where the images are.
  await replaceCadvisor(
    (await hasContainerdStore()) ? "/run/containerd/containerd.sock" : "/var/run/docker.sock",
  );
  const expectation = JSON.parse((await stack.inputs("probe-command"))["stdin"] as string) as Expectation;
  const output = await failed(stack.probe(JSON.stringify({ ...expectation, patienceSeconds: 20 })));
  expect(output).toMatch(/probe failed after \d+ s: every running container is listed by name/);
  expect(output).toContain("Registration of the docker container factory failed");

  await docker("rm", "-f", stack.resource("cadvisor"));
  await succeeded(stack.up("--refresh"));
  await succeeded(stack.probe(JSON.stringify(expectation)));
});

/** Puts a cAdvisor in the place of the stack's, with everything that the stack's has but one mount. */
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
