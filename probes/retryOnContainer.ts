import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { docker } from "../host/docker";
import { Mismatch, retry } from "../lib/retry";

/** Docker waits twice as long before each restart: the fifth comes 3 s after the first. */
const TOO_MANY_RESTARTS = 5;

/**
 * {@link retry}, about what a container serves. One that ends again and again is not waited for, and an error tells with
 * what its log ends.
 */
export async function retryOn<T>(
  container: string,
  ask: () => Promise<T>,
  ...[seconds, waiting]: [seconds: number, waiting: (mismatch: Mismatch) => void]
): Promise<T> {
  const asked = () =>
    ask().catch(async (error: unknown) => {
      await requireNoCrashLoop(container);
      throw error;
    });
  try {
    return await retry(asked, seconds, waiting);
  } catch (error) {
    throw new Error(
      `${(error as Error).message}\n  the log of ${container} ends with:\n${await logEnd(container)}`,
    );
  }
}

/** A container that is gone or stopped is no crash loop: an update under way can bring it back. */
async function requireNoCrashLoop(container: string): Promise<void> {
  const format = "{{.State.Status}} {{.RestartCount}} {{.State.ExitCode}}";
  const inspected = await docker(["inspect", "--format", format, container]).catch(() => "");
  const [status, restarts, exitCode] = inspected.trim().split(" ");
  if (status !== "restarting" || Number(restarts) < TOO_MANY_RESTARTS) return;
  const { message } = new Mismatch(
    `${container} ends each time it is started, with status ${exitCode ?? "?"} (${restarts ?? "?"} restarts)`,
    "a container that goes on running",
    "See the end of its log below. If its image is new, put the old one back in the settings and run `npm run up`: samples are kept.",
  );
  throw new Error(message);
}

const logEnd = (container: string): Promise<string> =>
  promisify(execFile)("docker", ["logs", "--tail", "12", container]).then(
    ({ stdout, stderr }) => (stdout + stderr).trim().replace(/^/gm, "    "),
    (error: unknown) => `    (${(error as Error).message.trim()})`,
  );
