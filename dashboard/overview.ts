import { OWN_JOBS } from "../prometheus/queries";
import { alertsOf, type Alert } from "./alerts";
import type { Sample } from "./api";
import { describedBy, valuesOf, type AllValues, type Answers, type Described } from "./answers";
import { containersOf, type Container } from "./containers";
import { gpusOf, type Gpu } from "./gpus";
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
  const containers = containersOf(described, values, alerts);
  return {
    at: answers.grid.end,
    alerts,
    notices: noticesOf(described, values.now.target, answers),
    containers,
    gpus: gpusOf(described, values, containers),
    host: hostOf(described, values, answers),
    whyNoGpus: whyNoGpus(described),
  };
}

function hostOf({ targets }: Described, { now, series }: AllValues, { others, grid }: Answers): Host {
  // Targets of a user's own job can be on another host.
  const name = targets.find(({ labels }) => labels["job"] === OWN_JOBS.cadvisor)?.labels["host"] ?? "";
  const labels = { host: name };
  return {
    name,
    cores: now.host.get("host.cores", labels),
    memoryTotal: now.host.get("host.memoryTotal", labels),
    containersCpu: series.host.get("host.containersCpu", labels),
    containersMemory: series.host.get("host.containersMemory", labels),
    cpu: series.host.get("host.cpu", labels),
    memory: series.host.get("host.memory", labels),
    disks: others
      .filter(({ metric }) => metric[FIELD] === "host.disks")
      .map((range) => ({ mountpoint: range.metric["mountpoint"] ?? "", used: onGrid(range, grid) })),
  };
}
