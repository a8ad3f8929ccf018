import { readFileSync } from "node:fs";
import type { EmulatedGpu, EmulatedHost, EmulatedProcess } from "./host";

/** The file that describes the host. The build sets it. */
declare const HOST_FILE: string;

/**
 * An `nvidia-smi` for a host that a file describes. It supports the exporter's commands, and writes the formats of public logs
 * of R418 to R580.
 */
function main(args: string[]): void {
  const host = JSON.parse(readFileSync(HOST_FILE, "utf8")) as EmulatedHost;
  const answer = () => {
    const uuid = args[args.indexOf("-i") + 1];
    if (args[0] === "-L") list(host);
    else if (args[0] === "pmon") write(pmon(host));
    else if (args[0] === "-q") query(host, args.includes("-i") ? uuid : undefined);
    else end(2, `Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.`);
  };
  switch (host.fault) {
    case "hang":
      setTimeout(() => undefined, 60_000);
      return;
    case "no-driver":
      end(
        9,
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.\n",
      );
      return;
    case "garbage":
      write("Segmentation fault <gpu><uuid>GPU-1</uuid> \0\u0007 &&&");
      return;
    default:
      setTimeout(answer, host.delay ?? 0);
  }
}

const write = (text: string) => process.stdout.write(text);
function end(status: number, text: string): void {
  write(text);
  process.exitCode = status;
}

const generation = ({ driver }: EmulatedHost) => Number(driver.split(".")[0]);
const bus = (gpu: number) => `0000:${(gpu + 1).toString(16).toUpperCase().padStart(2, "0")}:00.0`;
const lostGpuWarning = (gpu: number) =>
  `Unable to determine the device handle for GPU${gpu}: ${bus(gpu)}: Unknown Error\n`;

function list(host: EmulatedHost): void {
  for (const [i, gpu] of host.gpus.entries()) {
    if (gpu.lost) {
      write(lostGpuWarning(i));
      continue;
    }
    write(`GPU ${i}: ${gpu.model} (UUID: ${gpu.uuid})\n`);
    for (const [m, { profile, uuid }] of (gpu.mig ?? []).entries())
      write(`  MIG ${profile.padEnd(12)} Device  ${m}: (UUID: ${uuid})\n`);
  }
}

function pmon({ gpus, processes }: EmulatedHost): string {
  const row = (...cells: string[]) =>
    `${cells.map((cell, i) => (i < cells.length - 1 ? cell.padStart(6) : cell)).join(" ")} \n`;
  const rows = gpus.flatMap(({ lost, mig }, i) => {
    if (lost || mig) return [];
    const own = processes.filter(({ gpu }) => gpu === i);
    const shown = own.map(({ pid, sm, graphics }) =>
      row(String(i), String(pid), graphics ? "G" : "C", String(sm ?? "-"), "0", "-", "-", "-", "-", "python"),
    );
    return shown.length > 0 ? shown : [row(String(i), "-", "-", "-", "-", "-", "-", "-", "-", "-")];
  });
  return (
    "# gpu         pid   type     sm    mem    enc    dec    jpg    ofa    command \n" +
    "# Idx           #    C/G      %      %      %      %      %      %    name \n" +
    rows.join("")
  );
}

function query(host: EmulatedHost, only: string | undefined): void {
  const chosen = [...host.gpus.entries()].filter(([, { uuid }]) => only === undefined || uuid === only);
  const lost = chosen.filter(([, gpu]) => gpu.lost);
  if (lost.length > 0 && (host.fault === "lost-fatal" || only !== undefined)) {
    end(15, lost.map(([i]) => lostGpuWarning(i)).join(""));
    return;
  }
  for (const [i] of lost) process.stderr.write(lostGpuWarning(i));
  const there = chosen.filter(([, gpu]) => !gpu.lost);
  const xml = [
    '<?xml version="1.0" ?>',
    `<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v${generation(host) < 500 ? 11 : 12}.dtd">`,
    tag("nvidia_smi_log", [
      tag("timestamp", "Tue Nov 24 12:00:00 2026"),
      tag("driver_version", host.driver),
      tag("cuda_version", "12.4"),
      tag("attached_gpus", String(there.length)),
      ...there.map(([i, gpu]) => gpuXml(host, i, gpu)),
    ]),
    "",
  ].join("\n");
  write(host.fault === "truncated" ? xml.slice(0, xml.length / 2) : xml);
}

const tag = (name: string, content: string | string[], attributes = ""): string =>
  typeof content === "string"
    ? `<${name}${attributes}>${content}</${name}>`
    : `<${name}${attributes}>\n${content.join("\n").replace(/^/gm, "\t")}\n</${name}>`;
const tags = (values: Record<string, string>): string[] =>
  Object.entries(values).map(([name, value]) => tag(name, value));

function gpuXml(host: EmulatedHost, i: number, gpu: EmulatedGpu): string {
  const release = generation(host);
  const { mig, consumer = false, memoryMiB } = gpu;
  const own = host.processes.filter((process) => process.gpu === i);
  const held = own.reduce((sum, { memory }) => sum + (typeof memory === "number" ? memory : 0), 0);
  const used = gpu.usedMiB ?? held;
  const na = consumer ? "N/A" : "0";
  const reasons = release < 535 ? "clocks_throttle_reason" : "clocks_event_reason";
  const draw = { power_draw: "123.45 W" };
  const power =
    release < 530
      ? tag(
          "power_readings",
          tags({ power_state: "P0", ...draw, power_limit: "700.00 W", enforced_power_limit: "650.00 W" }),
        )
      : tag(
          "gpu_power_readings",
          tags({
            power_state: "P0",
            ...(release < 545 ? draw : { average_power_draw: "120.00 W", instant_power_draw: "123.45 W" }),
            current_power_limit: "650.00 W",
            max_power_limit: "700.00 W",
          }),
        );
  return tag(
    "gpu",
    [
      tag("product_name", gpu.model),
      tag("mig_mode", tags({ current_mig: consumer ? "N/A" : mig ? "Enabled" : "Disabled" })),
      tag("mig_devices", mig ? mig.map((one, m) => migXml(host, one, m, own)) : "\n\t\tNone\n\t"),
      tag("uuid", gpu.uuid),
      tag("minor_number", String(i)),
      tag("pci", tags({ pci_bus_id: `0000${bus(i)}` })),
      tag("fan_speed", consumer ? "30 %" : "N/A"),
      tag(
        `${reasons}s`,
        tags({ [`${reasons}_gpu_idle`]: "Not Active", [`${reasons}_sw_power_cap`]: "Active" }),
      ),
      tag(
        "fb_memory_usage",
        tags({
          total: `${memoryMiB} MiB`,
          ...(release >= 510 && { reserved: "551 MiB" }),
          used: mig ? "N/A" : `${used} MiB`,
          free: mig ? "N/A" : `${memoryMiB - used} MiB`,
        }),
      ),
      tag(
        "utilization",
        tags({ gpu_util: mig ? "N/A" : `${gpu.utilization ?? 0} %`, memory_util: mig ? "N/A" : "3 %" }),
      ),
      tag("ecc_errors", [
        tag(
          "volatile",
          release < 450
            ? [tag("single_bit", tags({ total: na })), tag("double_bit", tags({ total: na }))]
            : tags(
                release < 550
                  ? {
                      sram_correctable: na,
                      sram_uncorrectable: na,
                      dram_correctable: na,
                      dram_uncorrectable: na,
                    }
                  : {
                      sram_correctable: na,
                      sram_uncorrectable_parity: na,
                      sram_uncorrectable_secded: na,
                      dram_correctable: na,
                      dram_uncorrectable: na,
                    },
              ),
        ),
      ]),
      tag("temperature", tags({ gpu_temp: "41 C", gpu_target_temperature: "N/A" })),
      power,
      tag(
        "clocks",
        tags({
          graphics_clock: "1980 MHz",
          sm_clock: "1980 MHz",
          mem_clock: "2619 MHz",
          video_clock: "1545 MHz",
        }),
      ),
      tag("supported_clocks", [
        tag("supported_mem_clock", tags({ value: "2619 MHz", supported_graphics_clock: "1980 MHz" })),
      ]),
      tag(
        "processes",
        own.map((process) => processXml(process, mig)),
      ),
    ],
    ` id="0000${bus(i)}"`,
  );
}

type Mig = NonNullable<EmulatedGpu["mig"]>[number];

function migXml(host: EmulatedHost, mig: Mig, m: number, processes: EmulatedProcess[]): string {
  const used = processes.reduce(
    (sum, p) => sum + (p.mig === m && typeof p.memory === "number" ? p.memory : 0),
    0,
  );
  return tag("mig_device", [
    ...tags({ index: String(m), gpu_instance_id: String(mig.gpuInstance), compute_instance_id: "0" }),
    ...(generation(host) < 570 ? [] : [tag("uuid", mig.uuid)]),
    tag("ecc_error_count", [tag("volatile_count", tags({ sram_uncorrectable: "0" }))]),
    tag(
      "fb_memory_usage",
      tags({ total: `${mig.memoryMiB} MiB`, used: `${used} MiB`, free: `${mig.memoryMiB - used} MiB` }),
    ),
  ]);
}

const processXml = ({ pid, mig, memory, graphics }: EmulatedProcess, migs: Mig[] = []): string =>
  tag(
    "process_info",
    tags({
      gpu_instance_id: mig === undefined ? "N/A" : String(migs[mig]?.gpuInstance),
      compute_instance_id: mig === undefined ? "N/A" : "0",
      pid: String(pid),
      type: graphics ? "G" : "C",
      process_name: "python",
      used_memory: typeof memory === "number" ? `${memory} MiB` : memory,
    }),
  );

main(process.argv.slice(2));
