import { get, type Sample } from "../host/http";
import { Mismatch } from "../lib/retry";

/** A target, as the API of Prometheus reports it. */
export interface Target {
  health: "up" | "down" | "unknown";
  scrapeUrl: string;
  lastError: string;
  labels: Record<string, string>;
  /** Its labels before relabeling. */
  discoveredLabels: Record<string, string>;
}

/** The targets of Prometheus, or those that the parameters of the API choose. */
export async function activeTargets(prometheus: string, parameters = ""): Promise<Target[]> {
  const { body } = await get(`${prometheus}/api/v1/targets?state=active${parameters}`);
  return (JSON.parse(body) as { data: { activeTargets: Target[] } }).data.activeTargets;
}

function describe(target: Target | undefined): string {
  if (!target) return "no target";
  return target.health === "unknown" ? "not scraped yet" : `${target.health}: ${target.lastError}`;
}

/** The URL of a job's only target. */
export async function requireTargetUp(prometheus: string, job: string): Promise<string> {
  const [target] = await activeTargets(prometheus, `&scrapePool=${job}`);
  if (target?.health === "up") return target.scrapeUrl;
  throw new Mismatch(
    describe(target),
    `target ${job} up`,
    `See whether the container that serves ${job} runs and is on the network of the stack.`,
  );
}

/** The state of each target of the given jobs, up or not. */
export async function scrapeJobStates(prometheus: string, jobs: string[]): Promise<string> {
  const targets = await activeTargets(prometheus);
  return jobs
    .flatMap((job) => {
      const own = targets.filter(({ labels }) => labels["job"] === job);
      if (own.length === 0) return `${job} has no target`;
      return own.map((target) =>
        target.health === "up" ? `${job} is up` : `${job} (${target.scrapeUrl}) is ${describe(target)}`,
      );
    })
    .join("; ");
}

/** Samples by the last 64-digit container id of their label `id`; the cgroup of a nested container has several. */
export function samplesByContainer(samples: Sample[]): Map<string, Sample[]> {
  const result = new Map<string, Sample[]>();
  for (const sample of samples) {
    const id = sample.labels["id"]?.match(/[0-9a-f]{64}/g)?.pop();
    if (id) result.set(id, [...(result.get(id) ?? []), sample]);
  }
  return result;
}
