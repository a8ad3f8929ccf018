import { NvmlError, type Handle, type Nvml } from "../nvml/library";
import { CONSTANTS, RETURN } from "../nvml/types";
import type { GpuFault } from "./faults";

/** An error that the driver reported by its number, an XID, as it also does in the kernel's log. */
export interface XidError {
  /** UUID of the GPU. */
  uuid: string;
  xid: number;
}

/** A GPU that answers. */
export interface WatchedGpu {
  /** Its index. */
  gpu: string;
  uuid: string;
}

/** More than a GPU can report in a second. A library that returns garbage can return events without end. */
const MAX_EVENTS = 1000;

const XID_EVENTS = BigInt(CONSTANTS.nvmlEventTypeXidCriticalError);

/** Errors of drivers and GPUs that report no events. */
const UNSUPPORTED: readonly number[] = [
  RETURN.NVML_ERROR_NOT_SUPPORTED,
  RETURN.NVML_ERROR_FUNCTION_NOT_FOUND,
];

/**
 * The XID errors of GPUs. Each GPU has an event set of its own: after the error of one GPU, its set is in an undefined state or only
 * returns that the GPU is lost (nvml.h, nvmlDeviceRegisterEvents and nvmlEventSetWait_v2), which must not hide the errors of others.
 */
export class XidEvents {
  /** The event sets by UUID; undefined for a GPU that reports no events. */
  private readonly sets = new Map<string, Handle | undefined>();
  private readonly uuids = new Map<Handle, string>();
  private errors: XidError[] = [];

  constructor(private readonly nvml: Nvml) {}

  /**
   * Registers for the errors of the GPUs that answer, and of no others: one that was lost is registered again once it answers, as a
   * reset ends the registration.
   *
   * @returns the GPUs whose errors cannot be read
   */
  watch(gpus: readonly WatchedGpu[]): GpuFault[] {
    const answering = new Set(gpus.map(({ uuid }) => uuid));
    for (const uuid of this.sets.keys()) if (!answering.has(uuid)) this.forget(uuid);
    return gpus.flatMap((gpu) => (this.sets.has(gpu.uuid) ? [] : this.register(gpu)));
  }

  /** @returns the errors since the last call */
  poll(): XidError[] {
    for (const uuid of this.sets.keys()) this.read(uuid);
    const { errors } = this;
    this.errors = [];
    return errors;
  }

  private register({ gpu, uuid }: WatchedGpu): GpuFault[] {
    try {
      const device = this.nvml.handle("nvmlDeviceGetHandleByIndex_v2", Number(gpu));
      this.uuids.set(device, uuid);
      const set = this.nvml.handle("nvmlEventSetCreate");
      this.sets.set(uuid, set);
      this.nvml.call("nvmlDeviceRegisterEvents", device, XID_EVENTS, set);
      return [];
    } catch (error) {
      this.free(uuid);
      if (error instanceof NvmlError && UNSUPPORTED.includes(error.code)) {
        this.sets.set(uuid, undefined);
        return [];
      }
      const message = `the driver does not report the XID errors of the GPU ${gpu}: ${(error as Error).message}`;
      return [{ gpu, up: true, reason: "failed", message }];
    }
  }

  /** Reads the errors of a GPU, up to a failure, after which {@link watch} registers it again. */
  private read(uuid: string): void {
    const set = this.sets.get(uuid);
    if (set === undefined) return;
    try {
      for (let i = 0; i < MAX_EVENTS; i++) {
        const event = this.nvml.struct("nvmlEventSetWait_v2", "nvmlEventData_t", [set], 0, [0]);
        const device = BigInt(event["device"] ?? 0);
        if (BigInt(event["eventType"] ?? 0) === XID_EVENTS)
          this.errors.push({ uuid: this.uuids.get(device) ?? uuid, xid: Number(event["eventData"]) });
      }
    } catch (error) {
      const isEnd = error instanceof NvmlError && error.code === RETURN.NVML_ERROR_TIMEOUT;
      if (!isEnd) this.free(uuid);
    }
  }

  private forget(uuid: string): void {
    this.read(uuid);
    this.free(uuid);
  }

  private free(uuid: string): void {
    const set = this.sets.get(uuid);
    this.sets.delete(uuid);
    if (set === undefined) return;
    try {
      this.nvml.call("nvmlEventSetFree", set);
    } catch {
      // The driver is gone, and the set with it.
    }
  }
}
