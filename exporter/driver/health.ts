import type { GPU_HEALTH_METRICS } from "../../prometheus/catalogue";
import type { Handle, Nvml } from "../nvml/library";
import { CONSTANTS, RETURN } from "../nvml/types";
import {
  field,
  firstOf,
  hundredth,
  optional,
  readClocks,
  readEccErrors,
  thousandth,
  type ByLabel,
  type MigMode,
} from "./values";

/** The metrics of a GPU's health, each a value or the values by its label. */
export type Health = { [Name in keyof typeof GPU_HEALTH_METRICS]?: number | ByLabel | undefined };

/** Every link of a GPU. */
const ALL_LINKS = 0xffff_ffff;

/** The fields that are read in one call, with their scopes. */
const FIELDS = {
  // Since Ampere, the function for the power returns an average over a second; the field is the current power.
  power: { id: CONSTANTS.NVML_FI_DEV_POWER_INSTANT },
  modulePower: { id: CONSTANTS.NVML_FI_DEV_POWER_INSTANT, scope: CONSTANTS.NVML_POWER_SCOPE_MODULE },
  memoryTemperature: { id: CONSTANTS.NVML_FI_DEV_MEMORY_TEMP },
  retiredSingleBit: { id: CONSTANTS.NVML_FI_DEV_RETIRED_SBE },
  retiredDoubleBit: { id: CONSTANTS.NVML_FI_DEV_RETIRED_DBE },
  retiredPending: { id: CONSTANTS.NVML_FI_DEV_RETIRED_PENDING },
  recoveryAction: { id: CONSTANTS.NVML_FI_DEV_GET_GPU_RECOVERY_ACTION },
  swPowerCap: { id: CONSTANTS.NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_POWER_CAP },
  syncBoost: { id: CONSTANTS.NVML_FI_DEV_CLOCKS_EVENT_REASON_SYNC_BOOST },
  swThermal: { id: CONSTANTS.NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN },
  hwThermal: { id: CONSTANTS.NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN },
  hwPowerBrake: { id: CONSTANTS.NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN },
  // The name of the time of software's thermal slowdown before R570.
  thermalPolicy: { id: CONSTANTS.NVML_FI_DEV_PERF_POLICY_THERMAL },
  links: { id: CONSTANTS.NVML_FI_DEV_NVLINK_LINK_COUNT },
  linkCrcFlit: { id: CONSTANTS.NVML_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL },
  linkCrcData: { id: CONSTANTS.NVML_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL },
  linkReplay: { id: CONSTANTS.NVML_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL },
  linkRecovery: { id: CONSTANTS.NVML_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL },
  linkSent: { id: CONSTANTS.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX, scope: ALL_LINKS },
  linkReceived: { id: CONSTANTS.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX, scope: ALL_LINKS },
};

export type Fields = Partial<Record<keyof typeof FIELDS, number | undefined>>;

/** Reads the part of a GPU's health that does not change: the limits of the GPU and of its slot. */
export function readLimits(nvml: Nvml, handle: Handle): Health {
  const uint = (name: string) => optional(() => nvml.uint(name, handle));
  const [minPower, maxPower] =
    optional(() => nvml.uints("nvmlDeviceGetPowerManagementLimitConstraints", 2, handle)) ?? [];
  return {
    gpu_power_limit_default_watts: thousandth(uint("nvmlDeviceGetPowerManagementDefaultLimit")),
    gpu_power_limit_min_watts: thousandth(minPower),
    gpu_power_limit_max_watts: thousandth(maxPower),
    gpu_clock_max_hertz: readClocks(nvml, handle, "nvmlDeviceGetMaxClockInfo"),
    gpu_pcie_link_generation_max: uint("nvmlDeviceGetMaxPcieLinkGeneration"),
    gpu_pcie_link_width_max: uint("nvmlDeviceGetMaxPcieLinkWidth"),
  };
}

/** Reads the health of a GPU, without its limits. A value that the GPU does not report is absent. */
export function readHealth(nvml: Nvml, handle: Handle, fields: Fields, mig: MigMode): Health {
  const uint = (name: string) => optional(() => nvml.uint(name, handle));
  const uints = (name: string, count: number) => optional(() => nvml.uints(name, count, handle)) ?? [];
  const [corrected, uncorrected, pending, failure] = uints("nvmlDeviceGetRemappedRows", 4);
  const [encoder] = uints("nvmlDeviceGetEncoderUtilization", 2);
  const [decoder] = uints("nvmlDeviceGetDecoderUtilization", 2);
  const bar1 = optional(() => nvml.struct("nvmlDeviceGetBAR1MemoryInfo", "nvmlBAR1Memory_t", [handle]));
  const performanceState = uint("nvmlDeviceGetPerformanceState");
  return {
    // Some GPUs without this sensor report 0.
    gpu_memory_temperature_celsius: fields.memoryTemperature || undefined,
    gpu_performance_state:
      performanceState !== undefined && performanceState <= CONSTANTS.NVML_PSTATE_15
        ? performanceState
        : undefined,
    gpu_mig_enabled: mig.current,
    gpu_mig_pending: mig.pending,
    gpu_module_power_watts: thousandth(fields.modulePower),
    gpu_bar1_memory_total_bytes: field(bar1, "bar1Total"),
    gpu_bar1_memory_used_bytes: field(bar1, "bar1Used"),
    gpu_encoder_utilization_ratio: hundredth(encoder),
    gpu_decoder_utilization_ratio: hundredth(decoder),
    gpu_ecc_errors_lifetime_total: readEccErrors(nvml, handle, CONSTANTS.NVML_AGGREGATE_ECC),
    gpu_retired_pages: { single_bit: fields.retiredSingleBit, double_bit: fields.retiredDoubleBit },
    gpu_retired_pages_pending: fields.retiredPending,
    gpu_remapped_rows: { corrected, uncorrected },
    gpu_remapped_rows_pending: pending,
    gpu_remapped_rows_failure: failure,
    gpu_recovery_action: current(recoveryAction(fields)),
    gpu_throttle_seconds_total: throttleSeconds(fields),
    gpu_pcie_replays_total: uint("nvmlDeviceGetPcieReplayCounter"),
    gpu_pcie_link_generation: uint("nvmlDeviceGetCurrPcieLinkGeneration"),
    gpu_pcie_link_width: uint("nvmlDeviceGetCurrPcieLinkWidth"),
    ...readLinks(nvml, handle, fields),
    gpu_fabric_state: current(readFabricState(nvml, handle)),
  };
}

/** Reads the values of all fields. */
export function readFields(nvml: Nvml, handle: Handle): Fields {
  const names = Object.keys(FIELDS) as (keyof typeof FIELDS)[];
  const values = optional(() =>
    nvml.fields(
      handle,
      names.map((name) => FIELDS[name]),
    ),
  );
  return Object.fromEntries(names.map((name, i) => [name, values?.[i]]));
}

/** A state as the one series of a metric, with the value 1. */
const current = (state: string | undefined): ByLabel => (state === undefined ? {} : { [state]: 1 });

const RECOVERY_ACTIONS: Record<number, string> = {
  [CONSTANTS.NVML_GPU_RECOVERY_ACTION_NONE]: "none",
  [CONSTANTS.NVML_GPU_RECOVERY_ACTION_GPU_RESET]: "gpu_reset",
  [CONSTANTS.NVML_GPU_RECOVERY_ACTION_NODE_REBOOT]: "node_reboot",
  [CONSTANTS.NVML_GPU_RECOVERY_ACTION_DRAIN_P2P]: "drain_p2p",
  [CONSTANTS.NVML_GPU_RECOVERY_ACTION_DRAIN_AND_RESET]: "drain_and_reset",
  [CONSTANTS.NVML_GPU_RECOVERY_ACTION_RECOVER_IMEX_DOMAIN]: "recover_imex_domain",
  [CONSTANTS.NVML_GPU_RECOVERY_ACTION_BUS_RESET]: "bus_reset",
  [CONSTANTS.NVML_GPU_RECOVERY_ACTION_SYSTEM_REBOOT]: "system_reboot",
};

/** A newer driver can ask for an action that has no name here. */
const recoveryAction = ({ recoveryAction: action }: Fields): string | undefined =>
  action === undefined ? undefined : (RECOVERY_ACTIONS[action] ?? "unknown");

/** The driver counts them in nanoseconds, under the reasons of gpu_throttle_reason_active. */
function throttleSeconds(fields: Fields): ByLabel {
  const reasons: ByLabel = {
    sw_power_cap: fields.swPowerCap,
    sync_boost: fields.syncBoost,
    sw_thermal_slowdown: fields.swThermal ?? fields.thermalPolicy,
    hw_thermal_slowdown: fields.hwThermal,
    hw_power_brake_slowdown: fields.hwPowerBrake,
  };
  return Object.fromEntries(
    Object.entries(reasons).flatMap(([reason, nanoseconds]) =>
      nanoseconds === undefined ? [] : [[reason, nanoseconds / 1e9]],
    ),
  );
}

const KIB = 1024;

/** Up to NVLink 4, the driver counts for all links of a GPU; since NVLink 5, for each link. */
function readLinks(nvml: Nvml, handle: Handle, fields: Fields): Health {
  const count = Math.min(fields.links ?? 0, CONSTANTS.NVML_NVLINK_MAX_LINKS);
  if (count === 0) return {};
  const links = [...Array(count).keys()];
  const states = links.map((link) =>
    optional(() => nvml.uint("nvmlDeviceGetNvLinkState", handle, link) !== 0),
  );
  const active = links.filter((link) => states[link]);
  const countsLinks = fields.linkCrcFlit === undefined;
  const sumOf = (id: number) => (countsLinks ? sumOfLinks(nvml, handle, id, active) : undefined);
  const scaled = (kibibytes: number | undefined) => (kibibytes === undefined ? undefined : kibibytes * KIB);
  return {
    gpu_nvlink_links: {
      active: states.filter((state) => state === true).length,
      inactive: states.filter((state) => state === false).length,
    },
    gpu_nvlink_errors_total: {
      crc_flit: fields.linkCrcFlit,
      crc_data: fields.linkCrcData,
      replay: fields.linkReplay,
      recovery: fields.linkRecovery ?? sumOf(CONSTANTS.NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_EVENTS),
      received: sumOf(CONSTANTS.NVML_FI_DEV_NVLINK_COUNT_RCV_ERRORS),
    },
    gpu_nvlink_transmit_bytes_total:
      scaled(fields.linkSent) ?? sumOf(CONSTANTS.NVML_FI_DEV_NVLINK_COUNT_XMIT_BYTES),
    gpu_nvlink_receive_bytes_total:
      scaled(fields.linkReceived) ?? sumOf(CONSTANTS.NVML_FI_DEV_NVLINK_COUNT_RCV_BYTES),
  };
}

/** @returns undefined where a link does not report the field */
function sumOfLinks(nvml: Nvml, handle: Handle, id: number, links: number[]): number | undefined {
  if (links.length === 0) return undefined;
  const values = optional(() =>
    nvml.fields(
      handle,
      links.map((scope) => ({ id, scope })),
    ),
  );
  return values?.reduce<number | undefined>(
    (sum, value) => (sum === undefined || value === undefined ? undefined : sum + value),
    0,
  );
}

const FABRIC_STATES: Record<number, string> = {
  [CONSTANTS.NVML_GPU_FABRIC_STATE_NOT_STARTED]: "not_started",
  [CONSTANTS.NVML_GPU_FABRIC_STATE_IN_PROGRESS]: "in_progress",
  [CONSTANTS.NVML_GPU_FABRIC_STATE_COMPLETED]: "completed",
};

/** @returns undefined for a GPU that is not on an NVLink fabric with switches */
function readFabricState(nvml: Nvml, handle: Handle): string | undefined {
  const info = firstOf(
    () =>
      nvml.struct(
        "nvmlDeviceGetGpuFabricInfoV",
        "nvmlGpuFabricInfo_v2_t",
        [handle],
        CONSTANTS.nvmlGpuFabricInfo_v2,
      ),
    () => nvml.struct("nvmlDeviceGetGpuFabricInfo", "nvmlGpuFabricInfo_t", [handle]),
  );
  if (!info) return undefined;
  const hasFailed =
    info["state"] === CONSTANTS.NVML_GPU_FABRIC_STATE_COMPLETED && info["status"] !== RETURN.NVML_SUCCESS;
  return hasFailed ? "failed" : FABRIC_STATES[Number(info["state"])];
}
