import type { Expectation } from "../../probes/report";
import { reloadDaemon, restartContainerd, restartDaemon, whileDaemonHangs } from "../support/daemonControl";
import { docker, hasContainerdStore, inspect, startContainer } from "../support/docker";
import { eventually } from "../support/eventually";
import { query } from "../support/prometheus";
import { failed, Stack, succeeded } from "../support/stack";

/** Two scrapes, with the default interval of 30 s. */
const TWO_SCRAPES = 60;
const LATE = 20;
const IMAGE = "example/web:1";

let stack: Stack;
let early: string;
beforeAll(async () => {
  early = await startContainer(IMAGE, ["--restart=always"]);
  stack = await Stack.create({ scrapeInterval: "5s" });
});
afterAll(async () => {
  await reloadDaemon({});
  await stack.remove();
  await docker("rm", "-f", early);
});

/** The containers that Prometheus has a sample of in the last two scrapes. */
async function named(): Promise<string[]> {
  const samples = await query(
    stack.prometheus,
    'group by (name) (timestamp(container_last_seen{job="cadvisor",name!=""}) > time() - 10)',
  ).catch(() => []);
  return samples.map(({ metric }) => metric["name"] ?? "");
}

/** Starts containers, and returns the seconds until each of them has its name. */
async function secondsUntilNamed(): Promise<number> {
  const late = await Promise.all(
    Array.from({ length: LATE }, () => startContainer(IMAGE, ["--network=none"])),
  );
  const start = Date.now();
  try {
    await eventually(async () => {
      expect(await named()).toEqual(expect.arrayContaining([early, ...late]));
    });
    return (Date.now() - start) / 1000;
  } finally {
    await docker("rm", "-f", ...late);
  }
}

const RESTARTS = {
  "dockerd with live-restore": async () => {
    await reloadDaemon({ "live-restore": true });
    await eventually(async () => {
      expect(await docker("info", "--format", "{{.LiveRestoreEnabled}}")).toBe("true");
    });
    await restartDaemon("SIGTERM");
  },
  "dockerd with live-restore, after half a minute": () => restartDaemon("SIGTERM", 30),
  "containerd alone": restartContainerd,
  "dockerd without live-restore": async () => {
    await reloadDaemon({ "live-restore": false });
    await restartDaemon("SIGTERM");
  },
  "dockerd that was killed": () => restartDaemon("SIGKILL"),
};

/** The restarts that the Docker proxy sees: with less than half a minute, and where it has a socket of containerd. */
const SEEN_BY_PROXY: (keyof typeof RESTARTS)[] = [
  "dockerd with live-restore",
  "containerd alone",
  "dockerd without live-restore",
];

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

describe.each([
  ["socket", Object.keys(RESTARTS) as (keyof typeof RESTARTS)[]],
  ["proxy", SEEN_BY_PROXY],
])("With dockerAccess %s", (dockerAccess, restarts) => {
  beforeAll(async () => {
    await stack.configure({ dockerAccess });
    await succeeded(stack.up());
  });

  if (dockerAccess === "socket")
    it("the post-deploy check of container names fails when cAdvisor cannot read them, and passes when it can", async () => {
      // The image store decides which socket the names come from.
      await replaceCadvisor((await hasContainerdStore()) ? "/run/containerd" : "/var/run/docker.sock");
      await eventually(async () => {
        expect(await query(stack.prometheus, 'up{job="cadvisor"} == 1')).toHaveLength(1);
        expect(await named()).toEqual([]);
      });
      const expectation = JSON.parse((await stack.inputs("probe-command"))["stdin"] as string) as Expectation;
      const output = await failed(stack.probe(JSON.stringify({ ...expectation, startTimeoutSeconds: 5 })));
      expect(output).toMatch(/check failed after \d+ s: every running container is listed by name/);
      expect(output).toContain("Registration of the docker container factory failed");

      await docker("rm", "-f", stack.resource("cadvisor"));
      expect(await succeeded(stack.up("--refresh"))).toContain(
        "ok: every running container is listed by name",
      );
    });

  it.each(restarts)(
    "every container that starts after a restart of %s has its name within two scrapes",
    async (what) => {
      const withContainerd = dockerAccess === "socket" || (await hasContainerdStore());
      if (what !== "containerd alone" || withContainerd) await RESTARTS[what]();
      const seconds = await secondsUntilNamed();
      console.info(`${dockerAccess}, ${what}: ${LATE} containers have their names after ${seconds} s`);
      expect(seconds).toBeLessThan(TWO_SCRAPES);
    },
  );

  it("has nothing to change after that", async () => {
    await succeeded(stack.preview("--expect-no-changes", "--refresh"));
  });
});

it("an alert fires within two minutes where the daemon does not answer", async () => {
  const start = Date.now();
  await whileDaemonHangs(() =>
    eventually(async () => {
      const alerts = 'ALERTS{alertstate="firing",alertname=~"ContainerMetricsMissing|TargetDown"}';
      expect(await query(stack.prometheus, alerts)).not.toEqual([]);
    }),
  );
  expect((Date.now() - start) / 1000).toBeLessThan(120);
  await secondsUntilNamed();
});
