import type { AllValues, Described } from "./answers";
import { groupBy } from "./group";
import { byGpu, type Container } from "./containers";
import { last, type Series } from "./tagged";

/** What uses a part of a GPU's memory. */
export interface MemoryPart {
  /** A container's name; undefined for the processes of the host, and for what no one reports. */
  container?: { name: string; id: string } | undefined;
  label: string;
  bytes: number;
}

/** A GPU or a MIG device. */
export interface Gpu {
  gpu: string;
  uuid: string;
  model: string;
  responds: boolean;
  use?: Series | undefined;
  memory?: Series | undefined;
  memoryTotal?: number | undefined;
  /** What uses its memory; they add up to all that is used. */
  parts: MemoryPart[];
  power?: Series | undefined;
  powerLimit?: number | undefined;
  temperature?: Series | undefined;
  /** The driver's reasons for lower clocks. */
  throttling: string[];
  /** The containers to which it is allocated and that have not used it in the last hour. */
  idle: { name: string; id: string }[];
}

/** Memory below this, in bytes, that nothing reports is the driver's own. */
const DRIVERS_OWN = 1024 ** 3;

export function gpusOf(
  described: Described,
  { now, series }: AllValues,
  containers: readonly Container[],
): Gpu[] {
  const throttling = groupBy(described.throttling, ({ labels }) => labels["gpu_uuid"]);
  return described.gpus
    .map(({ labels, value }) => {
      const { gpu = "", gpu_uuid: uuid = "" } = labels;
      const users = containers.flatMap(({ name, id, gpus }) =>
        gpus.filter((use) => use.uuid === uuid).map((use) => ({ name, id, use })),
      );
      const hasMigDevices = described.gpus.some((one) => one.labels["gpu"]?.startsWith(`${gpu}:`));
      const memory = series.gpu.get("gpu.memory", labels);
      const parts = users
        .map(({ name, id, use }) => ({ container: { name, id }, label: name, bytes: last(use.memory) ?? 0 }))
        .filter(({ bytes }) => bytes > 0)
        .sort((a, b) => b.bytes - a.bytes);
      return {
        gpu,
        uuid,
        model: labels["gpu_model"] ?? "",
        responds: value === 1,
        use: series.gpu.get("gpu.use", labels),
        memory,
        memoryTotal: now.gpu.get("gpu.memoryTotal", labels),
        parts: [
          ...parts,
          ...othersOf(parts, hasMigDevices, last(memory), now.gpu.get("gpu.hostMemory", labels)),
        ],
        power: series.gpu.get("gpu.power", labels),
        powerLimit: now.gpu.get("gpu.powerLimit", labels),
        temperature: series.gpu.get("gpu.temperature", labels),
        throttling: (throttling.get(uuid) ?? []).map(({ labels: { reason = "" } }) => reason),
        idle: users
          .filter(({ id }) => now.containerGpu.get("containerGpu.idle", { id, gpu_uuid: uuid }) !== undefined)
          .map(({ name, id }) => ({ name, id })),
      };
    })
    .sort(byGpu);
}

/** The processes of the host, and what no process accounts for: those in MIG devices count there. */
function othersOf(parts: readonly MemoryPart[], hasMigDevices: boolean, used = 0, host = 0): MemoryPart[] {
  const rest = used - host - parts.reduce((total, { bytes }) => total + bytes, 0);
  const unaccounted = rest < DRIVERS_OWN ? "the driver" : "not accounted for";
  return [
    { label: "processes of the host", bytes: host },
    { label: hasMigDevices ? "its MIG devices" : unaccounted, bytes: rest },
  ].filter(({ bytes }) => bytes > 0);
}
