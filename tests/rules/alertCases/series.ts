import type { AlertName } from "../../../settings";

/** Series with samples every 30 s, in promtool's notation, and the times at which an alert about them is silent, and fires. */
export interface AlertCase {
  /** Ends the sentence "The alert is silent …" or "The alert fires …". */
  name: string;
  series: Record<string, string>;
  silent: string[];
  /** Without any, the case is a look-alike. */
  fires?: string[];
}

export type AlertCases = Partial<Record<AlertName, AlertCase[]>>;

/** A series of a job's target, such as `up{job="cadvisor",…}`. */
const of =
  (job: string) =>
  (metric: string, labels = "") =>
    `${metric}{job="${job}",instance="${job}:1",host="h"${labels && `,${labels}`}}`;
export const cadvisor = of("cadvisor");
export const prometheus = of("prometheus");
export const alertmanager = of("alertmanager");
export const gateway = of("gateway");
export const exporter = of("exporter");
export const host = of("host");
export const llmJob = of("llm-servers");
export const llmForwarder = of("llm-forwarder");

export const named = (name: string, id = name) =>
  `id="/docker/${id}",name="${name}",image="example/${name}:1"`;
/** A series of a container, as cAdvisor exposes it. */
export const container = (metric: string, name = "chat", more = "") =>
  cadvisor(metric, named(name) + (more && `,${more}`));
export const EXEMPT = 'alerts="none"';
/** A series of a container, as the exporter exposes it from what Docker reports. */
export const docker = (metric: string, name = "chat", more = "") =>
  exporter(metric, named(name) + (more && `,${more}`));

export const GIB = 1024 ** 3;
/** Samples of a container that is seen from the beginning, in each scrape, for some scrapes more. */
export const seen = (scrapes: number) => `0+30x${scrapes}`;
/** A pattern of samples, again and again. */
export const repeated = (pattern: string, times: number) => Array<string>(times).fill(pattern).join(" ");

/** Prometheus scrapes itself. */
export const HEALTHY = { [prometheus("up")]: "1x900" };
