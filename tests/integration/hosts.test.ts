import { chmod, mkdir, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import path from "node:path";
import { configureRuntime, DAEMON_FOLDER } from "../support/daemonControl";
import { docker, inspect } from "../support/docker";
import { GpuHost } from "../support/emulatedDriver/gpuHost";
import { h100 } from "../support/emulatedDriver/host";
import { eventually } from "../support/eventually";
import { query } from "../support/prometheus";
import { HASH } from "../support/settings";
import { failed, Stack, succeeded } from "../support/stack";

const FOLDER = path.join(DAEMON_FOLDER, "hosts");
const PATH = process.env["PATH"] ?? "";
const gpuHost = GpuHost.at(path.join(DAEMON_FOLDER, "gpu"));

/** Writes a program into a folder. */
async function program(name: string, script: string): Promise<string> {
  await mkdir(path.join(FOLDER, "bin"), { recursive: true });
  const file = path.join(FOLDER, "bin", name);
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
  return file;
}

let stack: Stack;
beforeAll(async () => {
  // This machine has the kernel log; for the program, it does not. Everything else is as on a host without it.
  await program("stat", 'case "$*" in */dev/kmsg) exit 1 ;; esac; PATH=/usr/bin:/bin exec stat "$@"');
  process.env["PATH"] = `${FOLDER}/bin:${PATH}`;
  stack = await Stack.create({ scrapeInterval: "1s" });
});
afterAll(async () => {
  process.env["PATH"] = PATH;
  await stack.remove();
  await configureRuntime("other", "runc");
});

const finding = async (check: string) => {
  const { probeReport } = await stack.outputs<{
    probeReport: { findings: { check: string; actual: string }[] };
  }>();
  return probeReport.findings.find((one) => one.check.includes(check))?.actual;
};
const firing = (metric: string) =>
  eventually(async () => {
    const alert = `ALERTS{alertstate="firing",alertname="MetricUnavailable",metric="${metric}"}`;
    expect(await query(stack.prometheus, alert)).toHaveLength(1);
  });

describe("A host", () => {
  it("where a process listens on one address refuses the port on all of them, in the preview", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const busy = await Stack.create(
      { cadvisorPort: port, bindAddress: "0.0.0.0", tlsNames: ["a.example"] },
      { secrets: { users: `ann:${HASH}` } },
    );
    expect(await failed(busy.preview())).toMatch(
      new RegExp(
        `0\\.0\\.0\\.0:${port} is in use by the process .+ \\(pid ${process.pid}\\) on 127\\.0\\.0\\.1`,
      ),
    );
    await new Promise((resolve) => server.close(resolve));
    await busy.remove();
  });

  it("without the kernel log gets every other metric, and report and alert say which one is missing, and why", async () => {
    const output = await succeeded(stack.up());
    expect(output).toMatch(/not available on this host: container_oom_events_total \(.*\/dev\/kmsg/);
    const { HostConfig: host } = await inspect(stack.resource("cadvisor"));
    expect([host.Devices ?? [], host.CapAdd ?? []]).toEqual([[], []]);
    expect(await finding("does not provide")).toContain(
      "container_oom_events_total (the host has no kernel log",
    );
    expect(await finding("the required metrics are there")).toContain("12 metrics");
    await firing("container_oom_events_total");
    await succeeded(stack.preview("--expect-no-changes", "--refresh"));
  });

  it("whose NVIDIA driver is not loaded gets everything but GPU metrics, and report and alert say why", async () => {
    const error = "nvidia-container-cli: initialization error: nvml error: driver not loaded";
    await configureRuntime(
      "nvidia",
      await program("nvidia-container-runtime", `echo "${error}" >&2; exit 1`),
    );
    const preview = await succeeded(stack.preview());
    expect(preview).toContain("the update will find out whether a container with GPUs starts");

    const output = await succeeded(stack.up());
    expect(output).toContain("GPUs are not measured: no container starts with the runtime nvidia");
    expect(await finding("every GPU container has its GPU series")).toContain(
      "no container starts with the runtime nvidia",
    );
    await firing("container_gpu_*");
    await succeeded(stack.preview("--expect-no-changes"));
    expect(await docker("ps", "-a", "--format", "{{.Names}}")).not.toContain("gpu-trial");
    expect((await inspect(stack.resource("exporter"))).HostConfig.PidMode).toBe("");

    await stack.configure({ gpu: "on" });
    expect(await failed(stack.up())).toMatch(
      /"on", but no container starts with the runtime nvidia .*modprobe/s,
    );
    await stack.configure({ gpu: "auto" });
  });

  it("whose driver is loaded later gets GPU metrics with the next update", async () => {
    await gpuHost.describe({ driver: "550.127.05", gpus: [h100(0)], processes: [] });
    await program("nvidia-container-runtime", `exec ${gpuHost.runtime} "$@"`);
    await succeeded(stack.up());
    expect((await inspect(stack.resource("exporter"))).State.Running).toBe(true);
    await eventually(async () => {
      expect(await query(stack.prometheus, 'gpu_up{job="exporter"} == 1')).toHaveLength(1);
      expect(
        await query(stack.prometheus, 'monitoring_metric_unavailable{metric="container_gpu_*"}'),
      ).toEqual([]);
    });
    await succeeded(stack.preview("--expect-no-changes"));
  });
});
