import type { NvmlError } from "../nvml/library";
import { RETURN } from "../nvml/types";

/** What is wrong with a driver or a GPU that answers with an error. */
export type Fault =
  "not_loaded" | "version_mismatch" | "permission" | "lost" | "reset_required" | "unknown" | "failed";

/** A fault of a GPU of which the driver knows. */
export interface GpuFault {
  /** Its index. A GPU that is lost can have no UUID. */
  gpu: string;
  /** Whether it answers nevertheless. */
  up: boolean;
  reason: Fault;
  message: string;
}

const FAULTS: Record<number, Fault> = {
  [RETURN.NVML_ERROR_DRIVER_NOT_LOADED]: "not_loaded",
  [RETURN.NVML_ERROR_LIB_RM_VERSION_MISMATCH]: "version_mismatch",
  [RETURN.NVML_ERROR_NO_PERMISSION]: "permission",
  [RETURN.NVML_ERROR_GPU_IS_LOST]: "lost",
  [RETURN.NVML_ERROR_RESET_REQUIRED]: "reset_required",
  [RETURN.NVML_ERROR_UNKNOWN]: "unknown",
};

export const faultOf = ({ code }: NvmlError): Fault => FAULTS[code] ?? "failed";
