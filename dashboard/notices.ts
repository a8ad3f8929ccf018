import { OWN_JOBS } from "../prometheus/queries";
import { groupBy } from "./group";
import type { Answers, Described, Description } from "./answers";
import type { Values } from "./tagged";
import { isWatched } from "./alerts";
import { duration } from "./format";

/** What is missing on the page, and why. */
export interface Notice {
  severity: "critical" | "warning" | "info";
  text: string;
}

/** Samples that are older are reported as old: four scrapes of 30 s. */
const OLD_SECONDS = 120;

/** What the page lacks while a target is down. */
const LACKS: Readonly<Record<string, string>> = {
  [OWN_JOBS.cadvisor]: "cAdvisor is down: no CPU, memory, network or disk of containers is measured",
  [OWN_JOBS.exporter]: "The exporter is down: no GPU and no state of containers is measured",
  [OWN_JOBS.llmForwarder]:
    "The forwarder to LLM servers is down: those on networks of their own, and those with keys, are not measured",
  [OWN_JOBS.host]: "node_exporter is down: no load, memory or disk of the host is measured",
  [OWN_JOBS.gateway]: "The gateway's own metrics are not scraped",
  [OWN_JOBS.alertmanager]: "Alertmanager is down: no alert is sent to a receiver",
  [OWN_JOBS.dcgm]: "The dcgm-exporter is down",
};

/** Everything that keeps the page from showing what it could. */
export function noticesOf(described: Described, ages: Values<number>, answers: Answers): Notice[] {
  return [
    ...targetNotices(described, ages, answers),
    ...sourceNotices(described),
    ...unavailableNotices(described),
    ...when(
      !isWatched(answers.alerts),
      warning(
        "Prometheus evaluates no alert (its page /rules shows the error), or the alert Watchdog is disabled.",
      ),
    ),
  ];
}

const warning = (text: string): Notice => ({ severity: "warning", text });
const critical = (text: string): Notice => ({ severity: "critical", text });
/** A list with the notice, if there is one. */
const when = (isSo: boolean, notice: Notice): Notice[] => (isSo ? [notice] : []);
const info = (text: string): Notice => ({ severity: "info", text });

function targetNotices({ targets, containers }: Described, ages: Values<number>, answers: Answers): Notice[] {
  if (targets.length === 0)
    return [
      critical(
        "Prometheus answers, and has no sample of the last five minutes. If it has just started, the first ones arrive within a scrape interval; otherwise, its disk may be full: see its log.",
      ),
    ];
  const errors = new Map(
    answers.targets.map(({ labels, lastError }) => [
      `${labels["job"] ?? ""} ${labels["instance"] ?? ""}`,
      lastError,
    ]),
  );
  const listed = new Set(containers.map(({ labels }) => labels["id"]));
  // The table of LLM servers has the reason beside the server.
  const isInTable = ({ labels }: Description) => labels["job"] === OWN_JOBS.llm && listed.has(labels["id"]);
  const down = targets
    .filter((target) => target.value === 0 && !isInTable(target))
    .map(({ labels: { job = "", instance = "" } }) => {
      const lacks = LACKS[job] ?? `The target ${instance} of the job ${job} is down`;
      const error = errors.get(`${job} ${instance}`);
      return (job in LACKS ? critical : warning)(error ? `${lacks} (${error}).` : `${lacks}.`);
    });
  const youngest = Math.min(...targets.map(({ labels }) => ages.get("age", labels) ?? Infinity));
  return [
    ...when(
      Number.isFinite(youngest) && youngest > OLD_SECONDS,
      critical(
        `Prometheus has ingested no sample for ${duration(youngest)}: these numbers are that old. Its disk may be full: see its log.`,
      ),
    ),
    ...down,
  ];
}

/** What cAdvisor and the exporter read from. */
function sourceNotices({ targets, containers, driverUp, dockerUp }: Described): Notice[] {
  const isUp = (job: string) => targets.some(({ labels, value }) => labels["job"] === job && value === 1);
  return [
    ...when(
      isUp(OWN_JOBS.cadvisor) && containers.length === 0,
      critical(
        "cAdvisor answers, and lists no container by name: Docker or containerd does not answer it. See its log.",
      ),
    ),
    ...when(
      driverUp.some(({ value }) => value === 0),
      critical(
        "The NVIDIA driver does not respond: the use of GPUs is unknown. The log of the exporter has the reason.",
      ),
    ),
    ...when(
      dockerUp.some(({ value }) => value === 0),
      critical(
        "Docker does not answer the exporter: containers have no state, and GPU use is not assigned to containers.",
      ),
    ),
  ];
}

/** A sentence for each reason, with the metrics that it is about. */
function unavailableNotices({ unavailable }: Described): Notice[] {
  const byReason = groupBy(unavailable, ({ labels }) => labels["reason"] ?? "");
  return [...byReason].map(([reason, metrics]) =>
    info(
      `Not measured on this host: ${metrics.map(({ labels }) => labels["metric"] ?? "").join(", ")} (${reason}).`,
    ),
  );
}

const NO_GPUS =
  "No NVIDIA GPU is measured: Docker on this host has neither NVIDIA's container runtime nor CDI devices of NVIDIA GPUs, or the setting gpu is off. `npm run up` logs the reason.";

/** Why there are no GPUs on the page. */
export function whyNoGpus({ targets, driverUp, unavailable }: Described): string {
  const exporter = targets.find(({ labels }) => labels["job"] === OWN_JOBS.exporter);
  if (exporter?.value === 0) return "No GPU is measured while the exporter is down.";
  const [driver] = driverUp;
  if (driver)
    return driver.value === 1 ? "The driver reports no GPU." : "The NVIDIA driver does not respond.";
  const reason = unavailable.find(({ labels }) => labels["metric"] === "container_gpu_*")?.labels["reason"];
  return reason ? `No GPU is measured: ${reason}.` : NO_GPUS;
}
