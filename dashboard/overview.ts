import { OWN_JOBS } from "../prometheus/queries";
import { alertsOf, type Alert } from "./alerts";
import type { Sample } from "./api";
import { describedBy, valuesOf, type AllValues, type Answers, type Described } from "./answers";
import { containersOf, type Container } from "./containers";
import { gpusOf, type Gpu } from "./gpus";
import { serverReports } from "./llmServers";
import { noticesOf, whyNoGpus, type Notice } from "./notices";
import { FIELD, onGrid, type Series } from "./tagged";

export interface Host {
  name: string;
  cores?: number | undefined;
  memoryTotal?: number | undefined;
  containersCpu?: Series | undefined;
  containersMemory?: Series | undefined;
  /** Fractions of the whole host. */
  cpu?: Series | undefined;
  memory?: Series | undefined;
  disks: { mountpoint: string; used: Series }[];
  /** Tokens per second of all LLM servers. */
  generated?: Series | undefined;
  prompts?: Series | undefined;
  /** Requests of all LLM servers. */
  running?: Series | undefined;
  waiting?: Series | undefined;
  gpusBusy?: Series | undefined;
  /** The GPUs whose use the driver reports. */
  gpusMeasured?: number | undefined;
}

/** What the first screen shows. */
export interface Overview {
  /** Unix seconds. */
  at: number;
  alerts: Alert[];
  notices: Notice[];
  containers: Container[];
  gpus: Gpu[];
  host: Host;
  /** Why there are no GPUs, where there are none. */
  whyNoGpus: string;
}

/** Whether a target is down, so that its error is worth a request. */
export const hasDownTarget = (samples: readonly Sample[]): boolean =>
  describedBy(samples).targets.some(({ value }) => value === 0);

/** Joins the answers. */
export function overview(answers: Answers): Overview {
  const described = describedBy(answers.descriptions);
  const values = valuesOf(answers);
  const alerts = alertsOf(answers.alerts);
  const at = answers.grid.end;
  const serverOf = serverReports(described, values, answers.targets, at);
  const containers = containersOf(described, values, alerts, serverOf);
  return {
    at,
    alerts,
    notices: noticesOf(described, values.now.target, answers),
    containers,
    gpus: gpusOf(described, values, containers),
    host: hostOf(described, values, answers),
    whyNoGpus: whyNoGpus(described),
  };
}

function hostOf({ targets }: Described, { now, series: all }: AllValues, { others, grid }: Answers): Host {
  // Targets of a user's own job can be on another host.
  const name = targets.find(({ labels }) => labels["job"] === OWN_JOBS.cadvisor)?.labels["host"] ?? "";
  const labels = { host: name };
  const series = (field: string) => all.host.get(`host.${field}`, labels);
  return {
    name,
    cores: now.host.get("host.cores", labels),
    memoryTotal: now.host.get("host.memoryTotal", labels),
    containersCpu: series("containersCpu"),
    containersMemory: series("containersMemory"),
    cpu: series("cpu"),
    memory: series("memory"),
    disks: others
      .filter(({ metric }) => metric[FIELD] === "host.disks")
      .map((range) => ({ mountpoint: range.metric["mountpoint"] ?? "", used: onGrid(range, grid) })),
    generated: series("generated"),
    prompts: series("prompts"),
    running: series("running"),
    waiting: series("waiting"),
    gpusBusy: series("gpusBusy"),
    gpusMeasured: now.host.get("host.gpusMeasured", labels),
  };
}
