import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import verifyGpu, { agrees, type Comparison } from "../../benchmarks/verifyGpu";
import { buildNvml } from "../support/emulatedDriver/build";
import { description } from "../support/emulatedDriver/description";
import { gpuUuid, h100 } from "../support/emulatedDriver/host";

const BUILD_MILLISECONDS = 600_000;
const SECONDS = "4";

const PMON =
  "printf '# gpu pid type sm mem enc dec command\\n    0    71  C  50  3  -  -  python\\n    0     -  -   -  -  -  -  -\\n'";

/** What nvidia-smi prints about the emulated host; memory of the GPU in MiB. */
const nvidiaSmi = (usedMemory: number, pmon: string) => `#!/bin/sh
case $1 in
  --query-gpu=*) echo "0, ${gpuUuid(0)}, NVIDIA H100 80GB HBM3, 550.127.05, 81559, ${usedMemory}, 60, 123.45, 650.00, 700.00, 200.00, 700.00, 41, 1980, 1980, P0, 1, 16, 16, 0, 0" ;;
  --query-compute-apps=*) echo "${gpuUuid(0)}, 71, 20000" ;;
  pmon) ${pmon} ;;
esac
`;

let folder: string;
let environment: NodeJS.ProcessEnv;
beforeAll(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), "verify-"));
  copyFileSync(await buildNvml(), path.join(folder, "libnvidia-ml.so.1"));
  writeFileSync(
    path.join(folder, "host"),
    description({
      driver: "550.127.05",
      gpus: [h100(0, { utilization: 60 })],
      processes: [{ pid: 71, gpu: 0, memory: 20_000, sm: 50 }],
    }),
  );
}, BUILD_MILLISECONDS);
beforeEach(() => {
  environment = { ...process.env };
  process.env["LD_LIBRARY_PATH"] = folder;
  process.env["EMULATED_HOST"] = path.join(folder, "host");
  process.env["PATH"] = `${folder}:${process.env["PATH"] ?? ""}`;
});
afterEach(() => {
  process.env = environment;
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe("npm run verify:gpu", () => {
  async function verify(usedMemory: number, pmon = PMON): Promise<{ status: number; output: string }> {
    const program = path.join(folder, "nvidia-smi");
    writeFileSync(program, nvidiaSmi(usedMemory, pmon));
    chmodSync(program, 0o755);
    const lines: string[] = [];
    const log = jest.spyOn(console, "log").mockImplementation((line: string) => lines.push(line));
    const status = await verifyGpu([SECONDS]);
    log.mockRestore();
    return { status, output: lines.join("\n") };
  }

  it("prints what the exporter and nvidia-smi report", async () => {
    const { output } = await verify(20_000);
    expect(output).toMatch(/^ok GPU 0: UUID +(GPU-\S+) +\1$/m);
    expect(output).toMatch(/^ok GPU 0: memory used +20000 MiB +20000 MiB$/m);
    expect(output).toMatch(/^ok GPU 0: power limit, lowest +200 W +200 W$/m);
    expect(output).toMatch(/^ok memory of the process 71 +20000 MiB +20000 MiB$/m);
    expect(output).toMatch(/^.. GPU 0: energy +[\d.]+ J +[\d.]+ J$/m);
    expect(output).toMatch(/^.. use of the GPU 0 by the process 71 +[\d.]+ % +50 %$/m);
  }, 60_000);

  it("does without the use of each process where nvidia-smi does not report it, as with MIG", async () => {
    const { output } = await verify(20_000, "echo 'Not supported on the device(s)' >&2; exit 3");
    expect(output).toMatch(/^ok memory of the process 71 /m);
    expect(output).not.toContain("by the process");
  }, 60_000);

  it("fails, and marks what differs", async () => {
    const { status, output } = await verify(30_000);
    expect(status).toBe(1);
    expect(output).toMatch(/^!! GPU 0: memory used +20000 MiB +30000 MiB$/m);
  }, 60_000);
});

test.each<[Comparison, boolean]>([
  [{ what: "energy", unit: "J", ours: 1040, theirs: 1000 }, true],
  [{ what: "energy", unit: "J", ours: 1060, theirs: 1000 }, false],
  [{ what: "use", unit: "%", ours: 11.9, theirs: 10 }, true],
  [{ what: "memory", unit: "MiB", ours: 100, theirs: 110 }, false],
  [{ what: "UUID", unit: "", ours: "GPU-1", theirs: "GPU-2" }, false],
  [{ what: "links", unit: "", ours: 8, theirs: 16 }, false],
  [{ what: "ECC errors", unit: "", ours: 3, theirs: undefined }, true],
  [{ what: "ECC errors", unit: "", ours: undefined, theirs: 3 }, false],
  [{ what: "clock", unit: "MHz", ours: 300, theirs: 1980, moving: true }, true],
])("%j agrees: %s", (comparison, expected) => {
  expect(agrees(comparison)).toBe(expected);
});
