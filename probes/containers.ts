import type { ExecaError } from "execa";
import { gpuAllocation, type ContainerConfig, type GpuAllocation } from "../exporter/allocation";
import { docker } from "../host/docker";
import { ENVIRONMENT_LABEL } from "../lib/names";
import { Mismatch } from "../lib/retry";

/** A container that runs, restarts or is paused. */
export interface RunningContainer {
  id: string;
  name: string;
  /** The environment whose stack deployed it; "" for a container of the user's. */
  environment: string;
}

/** The part of `docker inspect` that the checks read. */
interface Inspection extends ContainerConfig {
  Id: string;
  RestartCount: number;
  State: { Status: string; StartedAt: string; ExitCode: number };
}

/** Docker can hang on one container while it answers for the others (moby/moby 18848). */
const INSPECT_TIMEOUT_SECONDS = 10;

/** The containers that Docker lists as running. */
export async function runningContainers(): Promise<RunningContainer[]> {
  const format = `{"id":{{json .ID}},"names":{{json .Names}},"environment":{{json (.Label "${ENVIRONMENT_LABEL}")}}}`;
  const lines = (await docker(["ps", "--no-trunc", "--format", format])).split("\n").filter(Boolean);
  return lines.map((line) => {
    const { id, names, environment } = JSON.parse(line) as Omit<RunningContainer, "name"> & { names: string };
    // A container to which another one links has a second name, such as `web/db`.
    const name = names.split(",").find((one) => !one.includes("/")) ?? names;
    return { id, name, environment };
  });
}

/**
 * Inspects containers. Those that are gone since they were listed are left out.
 *
 * @throws Mismatch when Docker does not answer in time
 */
async function inspect(ids: string[]): Promise<Map<string, Inspection>> {
  if (ids.length === 0) return new Map();
  const output = await docker(["inspect", "--type", "container", ...ids], {
    timeoutSeconds: INSPECT_TIMEOUT_SECONDS,
  }).catch(foundOnes);
  return new Map((JSON.parse(output) as Inspection[]).map((one) => [one.Id, one]));
}

/** When one container is gone, `docker inspect` prints the others, and fails. */
function foundOnes(error: unknown): string {
  const { message, cause } = error as Error & { cause?: Partial<ExecaError<{ stripFinalNewline: false }>> };
  if (/no such (container|object)/i.test(cause?.stderr ?? "") && cause?.stdout) return cause.stdout;
  throw new Mismatch(
    cause?.timedOut
      ? `docker inspect did not answer within ${INSPECT_TIMEOUT_SECONDS} s`
      : `docker inspect failed: ${(cause?.stderr || message).trim().slice(0, 300)}`,
    "an answer about each running container",
    "Try `docker inspect` of each container: the one that does not answer must be stopped.",
  );
}

/** The running containers that may use GPUs, with those that they may use. */
export async function gpuContainers(): Promise<(RunningContainer & { allocation: GpuAllocation })[]> {
  const running = await runningContainers();
  const [info, inspections] = await Promise.all([
    docker(["info", "--format", "{{json .}}"]),
    inspect(running.map(({ id }) => id)),
  ]);
  const { DefaultRuntime, Runtimes } = JSON.parse(info) as {
    DefaultRuntime: string;
    Runtimes: Record<string, { path?: string }>;
  };
  const paths = Object.fromEntries(Object.entries(Runtimes).map(([name, { path = "" }]) => [name, path]));
  return running.flatMap((container) => {
    const inspection = inspections.get(container.id);
    const allocation = inspection && gpuAllocation(inspection, { default: DefaultRuntime, paths });
    return allocation ? [{ ...container, allocation }] : [];
  });
}

/** What a running container lacks in Prometheus. */
export interface Gap {
  container: RunningContainer;
  /** Such as "no container_memory_rss". */
  missing: string;
}

/** Why a container lacks it. */
export interface ExplainedGap {
  name: string;
  reason: string;
  /** Whether a later scrape can close the gap. */
  mayClose: boolean;
}

/** Finds the reason of each gap. */
export type Explain = (gaps: Gap[]) => Promise<ExplainedGap[]>;

/**
 * Finds the reason of each gap: a container that restarts, or is younger than two scrapes, cannot be complete. Gaps of containers
 * that are gone are left out.
 *
 * @param since the start of the checks, in milliseconds: later containers are not waited for, or a host that starts one every few seconds would never be done
 * @param scrapeIntervalSeconds the scrape interval
 */
export async function reasonsForGaps(
  gaps: Gap[],
  since: number,
  scrapeIntervalSeconds: number,
): Promise<ExplainedGap[]> {
  const inspections = await inspect(gaps.map(({ container }) => container.id)).catch((error: unknown) => {
    if (error instanceof Mismatch) return error.actual;
    throw error;
  });
  if (typeof inspections === "string")
    return gaps.map(({ container: { name }, missing }) => ({
      name,
      reason: `${missing}; ${inspections}`,
      mayClose: false,
    }));
  return gaps.flatMap(({ container: { id, name }, missing }) => {
    const inspection = inspections.get(id);
    return inspection ? [{ name, ...explain(missing, inspection, since, scrapeIntervalSeconds) }] : [];
  });
}

function explain(
  missing: string,
  { State: { Status: status, StartedAt, ExitCode }, RestartCount: restarts }: Inspection,
  since: number,
  scrapeIntervalSeconds: number,
): Omit<ExplainedGap, "name"> {
  if (status === "restarting") return { reason: `restarting, exit status ${ExitCode}`, mayClose: false };
  const startedAt = Date.parse(StartedAt);
  const age = Math.max(0, (Date.now() - startedAt) / 1000);
  if (age > 2 * scrapeIntervalSeconds) return { reason: missing, mayClose: true };
  const restarted = restarts > 0 ? ` by restart ${restarts}` : "";
  return { reason: `started ${age.toFixed(0)} s ago${restarted}`, mayClose: startedAt <= since };
}
