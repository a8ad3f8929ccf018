import { OWN_JOBS } from "../prometheus/queries";
import { alertsOf, type Alert } from "./alerts";
import type { Sample } from "./api";
import { describedBy, valuesOf, type AllValues, type Answers, type Described } from "./answers";
import { containersOf, type Container } from "./containers";
import { gpusOf, type Gpu } from "./gpus";
import { noticesOf, type Notice } from "./notices";
import type { Series } from "./tagged";

export interface Host {
  name: string;
  cores?: number | undefined;
  memoryTotal?: number | undefined;
  containersCpu?: Series | undefined;
  containersMemory?: Series | undefined;
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
  /** Whether a GPU exporter is deployed. */
  hasGpuExporter: boolean;
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
    host: hostOf(described, values),
    hasGpuExporter: described.targets.some(({ labels }) => labels["job"] === OWN_JOBS.gpu),
  };
}

function hostOf({ targets }: Described, { now, series }: AllValues): Host {
  const name = targets.find(({ labels }) => labels["host"])?.labels["host"] ?? "";
  const labels = { host: name };
  return {
    name,
    cores: now.host.get("host.cores", labels),
    memoryTotal: now.host.get("host.memoryTotal", labels),
    containersCpu: series.host.get("host.containersCpu", labels),
    containersMemory: series.host.get("host.containersMemory", labels),
  };
}
