import type { Handle, Nvml } from "../nvml/library";
import { CONSTANTS } from "../nvml/types";
import { gpuCount, uuidOf } from "./devices";

/** An error that the driver reported by its number, an XID, as it also does in the kernel's log. */
export interface XidError {
  /** UUID of the GPU. */
  uuid: string;
  xid: number;
}

/** More than one poll can have, but from a library that returns garbage. */
const MAX_EVENTS = 1000;

/** The XID errors since the library was initialized. */
export class XidEvents {
  private readonly uuids = new Map<Handle, string>();
  private readonly set: Handle | undefined;

  /** Registers for the errors of each GPU that reports them. */
  constructor(private readonly nvml: Nvml) {
    const types = BigInt(CONSTANTS.nvmlEventTypeXidCriticalError);
    try {
      this.set = nvml.handle("nvmlEventSetCreate");
      const set = this.set;
      for (let index = 0; index < gpuCount(nvml); index++)
        try {
          const handle = nvml.handle("nvmlDeviceGetHandleByIndex_v2", index);
          this.uuids.set(handle, uuidOf(nvml, handle));
          nvml.call("nvmlDeviceRegisterEvents", handle, types, set);
        } catch {
          // A GPU that is lost, or reports none.
        }
    } catch {
      // A driver without events.
    }
  }

  /** @returns the errors since the last call */
  poll(): XidError[] {
    const found: XidError[] = [];
    if (this.set === undefined) return found;
    for (const set = this.set; found.length < MAX_EVENTS;) {
      try {
        const event = this.nvml.struct("nvmlEventSetWait_v2", "nvmlEventData_t", [set], 0, [0]);
        const uuid = this.uuids.get(BigInt(event["device"] ?? 0));
        if (BigInt(event["eventType"] ?? 0) === BigInt(CONSTANTS.nvmlEventTypeXidCriticalError) && uuid)
          found.push({ uuid, xid: Number(event["eventData"]) });
      } catch {
        // There are no more, or the driver is lost, which the next query reports.
        break;
      }
    }
    return found;
  }
}
