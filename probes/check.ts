import { setTimeout as sleep } from "node:timers/promises";
import { docker } from "../host/docker";
import { cut } from "../lib/labels";
import { Mismatch, retry } from "../lib/retry";
import type { ExplainedGap } from "./containers";

/** A check of the running system. */
export interface Check {
  /** The expected state, as a sentence. */
  name: string;
  /** The container whose log helps when the check fails. */
  container: string;
  /** Seconds to retry. */
  deadline: number;
  /** Queries the system once. Resolves to the actual state, or throws {@link Mismatch}. */
  query: () => Promise<string>;
  /** What the check reports of containers that are not of the stack, after it has passed. It fails nothing. */
  advisory?: () => Promise<Advice>;
}

/** A check, by its fields. */
export const check = (name: string, container: string, deadline: number, query: Check["query"]): Check => ({
  name,
  container,
  deadline,
  query,
});

/** The actual state of containers that are not of the stack. */
export interface Advice {
  actual: string;
  gaps: ExplainedGap[];
}

/** Docker doubles the delay before each restart: the fifth comes 3 s after the first. */
const CRASH_LOOP_RESTARTS = 5;

/** The last lines of a container's log that an error shows. */
const LOG_LINES = 6;
const LOG_LINE_LENGTH = 300;

/**
 * Retries a query about what a container serves. A container in a crash loop is not waited for; the error ends with the last
 * lines of the container's log.
 */
export async function retryOnContainer<T>(
  container: string,
  query: () => Promise<T>,
  seconds: number,
  onMismatch: (mismatch: Mismatch) => void,
): Promise<T> {
  const attempt = () =>
    query().catch(async (error: unknown) => {
      await requireNoCrashLoop(container);
      throw error;
    });
  try {
    return await retry(attempt, seconds, onMismatch);
  } catch (error) {
    throw new Error(
      `${(error as Error).message}\n  the log of ${container} ends with:\n${await logEnd(container)}`,
    );
  }
}

/** The names in the text of a finding; a host can have hundreds of containers. */
const DESCRIBED_GAPS = 20;

/** Such as "crashy (restarting, exit status 1), late (started 4 s ago)". */
export function describeGaps(gaps: ExplainedGap[]): string {
  const described = gaps.slice(0, DESCRIBED_GAPS).map(({ name, reason }) => `${cut(name)} (${reason})`);
  const others = gaps.length - described.length;
  return described.sort().join(", ") + (others > 0 ? ` and ${others} others` : "");
}

/**
 * Repeats an advisory query until it finds no gap that a later scrape can close.
 *
 * @param until the deadline, in milliseconds since 1970
 * @param onWait called once, before the first repetition
 */
export async function advise(
  advisory: () => Promise<Advice>,
  until: number,
  onWait: (actual: string) => void,
): Promise<Advice> {
  for (let attempt = 1; ; attempt++) {
    const advice = await advisory().catch(unanswered);
    const wait = advice.gaps.some(({ mayClose }) => mayClose);
    if (!wait || Date.now() >= until) return advice;
    if (attempt === 1) onWait(advice.actual);
    await sleep(1000);
  }
}

function unanswered(error: unknown): Advice {
  const reason = error instanceof Mismatch ? error.actual : (error as Error).message;
  return { actual: `unknown: ${reason}`, gaps: [{ name: "unknown", reason, mayClose: true }] };
}

/** A container that is missing or stopped is in no crash loop: an update in flight can start it. */
async function requireNoCrashLoop(container: string): Promise<void> {
  const format = "{{.State.Status}} {{.RestartCount}} {{.State.ExitCode}}";
  const state = await docker(["inspect", "--format", format, container]).catch(() => "");
  const [status, restarts, exitCode] = state.trim().split(" ");
  if (status !== "restarting" || Number(restarts) < CRASH_LOOP_RESTARTS) return;
  const { message } = new Mismatch(
    `${container} exits each time it is started, with status ${exitCode ?? "?"} (${restarts ?? "?"} restarts)`,
    "a running container",
    "See the end of its log below. If its image is new, set the previous one and run `npm run up`: samples are kept.",
  );
  throw new Error(message);
}

async function logEnd(container: string): Promise<string> {
  const args = ["logs", "--tail", String(LOG_LINES), container];
  const log = await docker(args, { stderr: true }).catch((error: unknown) => (error as Error).message);
  return log
    .trim()
    .split("\n")
    .map((line) => `    ${line.slice(0, LOG_LINE_LENGTH)}`)
    .join("\n");
}
