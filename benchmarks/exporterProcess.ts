import { spawn, type ChildProcess } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { exporterBundle, NODE_OPTIONS, PROGRAM } from "../exporter/bundle";
import { SERVERS } from "../lib/names";
import { run } from "../lib/run";
import type { Daemon } from "../tests/support/daemons";
import { buildNvml } from "../tests/support/emulatedDriver/build";
import { description } from "../tests/support/emulatedDriver/description";
import type { EmulatedHost } from "../tests/support/emulatedDriver/host";
import { eventually } from "../tests/support/eventually";

/** Writes the exporter's program to a folder. */
export async function writeProgram(folder: string): Promise<void> {
  for (const [file, content] of Object.entries(exporterBundle().files)) {
    await mkdir(path.join(folder, path.dirname(file)), { recursive: true });
    await writeFile(path.join(folder, file), content);
  }
}

/** Requests a page in the network namespace of a daemon. */
export function fetchInside({ inside: [nsenter = "", ...inside] }: Daemon, url: string): Promise<string> {
  const code = `fetch(${JSON.stringify(url)}).then((r) => r.text()).then(console.log)`;
  return run(nsenter, [...inside, process.execPath, "-e", code]);
}

/** The CPU time, in seconds, of the exporter's two processes. */
export interface CpuTime {
  exporter: number;
  /** The one that calls NVIDIA's library. */
  driver: number;
}

/** The exporter beside a daemon, with NVIDIA's library emulated. */
export class ExporterProcess {
  private constructor(
    private readonly daemon: Daemon,
    private readonly child: ChildProcess,
  ) {}

  /** Starts the exporter on a described host, and waits for its first metrics. */
  static async start(daemon: Daemon, host: EmulatedHost): Promise<ExporterProcess> {
    const folder = path.join(daemon.temporary, "exporter");
    await writeProgram(folder);
    const described = path.join(folder, "host");
    await writeFile(described, description(host));
    const [nsenter = "", ...inside] = daemon.inside;
    const child = spawn(nsenter, [...inside, process.execPath, ...NODE_OPTIONS, path.join(folder, PROGRAM)], {
      stdio: "ignore",
      env: {
        ...process.env,
        DOCKER_HOST: daemon.host,
        LD_LIBRARY_PATH: path.dirname(await buildNvml()),
        EMULATED_HOST: described,
      },
    });
    const exporter = new ExporterProcess(daemon, child);
    await eventually(async () => {
      await exporter.scrape();
    });
    return exporter;
  }

  scrape = (): Promise<string> =>
    fetchInside(this.daemon, `http://127.0.0.1:${SERVERS.exporter.port}/metrics`);

  async cpuTime(): Promise<CpuTime> {
    const [exporter = 0, driver = 0] = await Promise.all((await this.pids()).map(cpuSeconds));
    return { exporter, driver };
  }

  /** The memory of both processes, in MiB. Pages that they share count once, and those that they share with others in part. */
  async memory(): Promise<number> {
    const files = (await this.pids()).map((pid) => readFile(`/proc/${pid}/smaps_rollup`, "utf8"));
    const sizes = (await Promise.all(files)).map((text) => Number(/^Pss:\s+(\d+)/m.exec(text)?.[1]));
    return sizes.reduce((sum, kibibytes) => sum + kibibytes, 0) / 1024;
  }

  private async pids(): Promise<number[]> {
    const pid = this.child.pid ?? 0;
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
    return [pid, ...children.trim().split(" ").filter(Boolean).map(Number)];
  }

  stop(): void {
    this.child.kill();
  }
}

/** The CPU time of a process: of its threads, since Node's run as long as it does. */
async function cpuSeconds(pid: number): Promise<number> {
  const folder = `/proc/${pid}/task`;
  const files = (await readdir(folder)).map((thread) => readFile(`${folder}/${thread}/schedstat`, "utf8"));
  // The first number is the time on a CPU, in nanoseconds.
  const times = (await Promise.all(files)).map((text) => Number(text.split(" ")[0]));
  return times.reduce((sum, nanoseconds) => sum + nanoseconds, 0) / 1e9;
}
