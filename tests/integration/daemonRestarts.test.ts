import { reloadDaemon, restartContainerd, restartDaemon, whileDaemonHangs } from "../support/daemonControl";
import { docker, startContainer } from "../support/docker";
import { eventually } from "../support/eventually";
import { query } from "../support/prometheus";
import { Stack, succeeded } from "../support/stack";

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
    'group by (name) (timestamp(container_last_seen{job="cadvisor"}) > time() - 10)',
  ).catch(() => []);
  return samples.map(({ metric }) => metric["name"] ?? "");
}

/** Starts containers, and returns the seconds until each of them has its name. */
async function secondsUntilNamed(): Promise<number> {
  const late = await Promise.all(Array.from({ length: LATE }, () => startContainer(IMAGE)));
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

describe.each(["socket", "proxy"])("With dockerAccess %s", (dockerAccess) => {
  beforeAll(async () => {
    await stack.configure({ dockerAccess });
    await succeeded(stack.up());
  });

  it.each(Object.entries(RESTARTS))(
    "every container that starts after a restart of %s has its name within two scrapes",
    async (what, restart) => {
      await restart();
      const seconds = await secondsUntilNamed();
      console.info(`${dockerAccess}, ${what}: ${LATE} containers have their names after ${seconds} s`);
      expect(seconds).toBeLessThan(TWO_SCRAPES);
    },
  );

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

  it("has nothing to change after that", async () => {
    await succeeded(stack.preview("--expect-no-changes", "--refresh"));
  });
});
