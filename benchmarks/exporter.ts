import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { buildShellImage } from "../airgap/images";
import { SERVERS } from "../lib/names";
import { run } from "../lib/run";
import { exporterBundle, NODE_OPTIONS } from "../exporter/bundle";
import { buildNvidiaSmi } from "../tests/support/emulatedDriver/build";
import { h100, type EmulatedHost } from "../tests/support/emulatedDriver/host";
import { startDaemon } from "../tests/support/daemons";

const GPUS = 8;
const CONTAINERS = 64;
const PROCESSES = 200;
const SCRAPES = 60;
const IMAGE = "example/llm:1";

/**
 * Measures the cost of a scrape of the GPU exporter on a host with 8 GPUs, 64 containers with a GPU each, and 200 GPU
 * processes. Containers and pids are real, `nvidia-smi` is emulated: the exporter reports how long it takes, and the benchmark
 * subtracts that.
 */
export async function exporterCost(): Promise<void> {
  const daemon = await startDaemon("distribution");
  const folder = await mkdtemp(path.join(os.tmpdir(), "exporter-"));
  const docker = (...args: string[]) =>
    run("docker", args, { env: { ...process.env, DOCKER_HOST: daemon.host } });
  try {
    await buildShellImage(IMAGE, daemon.host);
    const each = Math.ceil(PROCESSES / CONTAINERS);
    const work = `${"sleep 9999 & ".repeat(each - 1)}sleep 9999`;
    for (let i = 0; i < CONTAINERS; i++)
      await docker(
        ...["run", "-d", "--gpus", `device=${i % GPUS}`, "--name", `llm-${i}`, IMAGE, "sh", "-c", work],
      );
    const pids: { gpu: number; pid: number }[] = [];
    for (let i = 0; i < CONTAINERS; i++)
      for (const pid of (await docker("top", `llm-${i}`, "-eo", "pid")).split("\n").slice(1).filter(Boolean))
        pids.push({ gpu: i % GPUS, pid: Number(pid) });
    const host: EmulatedHost = {
      driver: "550.127.05",
      gpus: Array.from({ length: GPUS }, (_, i) => h100(i, { utilization: 50 })),
      processes: pids.slice(0, PROCESSES).map((one, i) => ({ ...one, memory: 100 + i, sm: i % 10 })),
    };
    await writeFile(path.join(folder, "host.json"), JSON.stringify(host));
    await buildNvidiaSmi(folder, path.join(folder, "host.json"), process.execPath);
    const { file, code } = exporterBundle();
    await writeFile(path.join(folder, file), code);

    const [nsenter = "", ...inside] = daemon.inside;
    const exporter = spawn(nsenter, [...inside, process.execPath, ...NODE_OPTIONS, path.join(folder, file)], {
      stdio: "ignore",
      env: { ...process.env, DOCKER_HOST: daemon.host, PATH: `${folder}:${process.env["PATH"] ?? ""}` },
    });
    await sleep(2000);
    const own: number[] = [];
    let text = "";
    for (let i = 0; i <= SCRAPES; i++) {
      const fetched = `fetch("http://127.0.0.1:${SERVERS.gpuExporter.port}/metrics").then((r) => r.text()).then(console.log)`;
      text = await run(nsenter, [...inside, process.execPath, "-e", fetched]);
      const value = (name: string) => Number(new RegExp(`^${name} (.+)$`, "m").exec(text)?.[1]);
      if (i > 0)
        own.push(value("gpu_exporter_duration_seconds") - value("gpu_exporter_driver_duration_seconds"));
    }
    const held = (text.match(/^container_gpu_memory_used_bytes/gm) ?? []).length;
    const processes = [...text.matchAll(/^container_gpu_processes\{.*\} (\d+)$/gm)].reduce(
      (n, [, c]) => n + Number(c),
      0,
    );
    const status = await readFile(`/proc/${exporter.pid ?? 0}/status`, "utf8");
    const peak = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024;
    exporter.kill();
    own.sort((a, b) => a - b);
    const ms = (at: number) => ((own[Math.floor(at)] ?? NaN) * 1000).toFixed(0);
    console.log(
      `GPU exporter: ${GPUS} GPUs, ${held} containers with one, ${processes} GPU processes, ${SCRAPES} scrapes:`,
    );
    console.log(
      `  beside nvidia-smi, ms (min, median, max)   ${ms(0)}  ${ms(SCRAPES / 2)}  ${ms(SCRAPES - 1)}`,
    );
    console.log(`  most memory resident, MiB                  ${peak.toFixed(0)}`);
  } finally {
    await daemon.stop();
    await rm(folder, { recursive: true });
  }
}
