import pRetry, { type RetryContext } from "p-retry";

/** What a running system answered instead of what was expected, with a hint for the reader. */
export class Mismatch extends Error {
  constructor(
    readonly actual: string,
    readonly expected: string,
    readonly hint: string,
  ) {
    super(`actual: ${actual}\n  expected: ${expected}\n  hint: ${hint}`);
  }
}

/**
 * Calls a function until it no longer throws a {@link Mismatch}, with pauses that grow from 0.1 s to 1 s.
 *
 * @param seconds the deadline
 * @param onMismatch called with each mismatch that differs from the one before
 * @throws the last {@link Mismatch} at the deadline; any other error at once
 */
export function retry<T>(
  attempt: () => Promise<T>,
  seconds: number,
  onMismatch: (mismatch: Mismatch) => void = () => undefined,
): Promise<T> {
  let reported = "";
  return pRetry(attempt, {
    retries: Infinity,
    minTimeout: 100,
    factor: 1.5,
    maxTimeout: 1000,
    maxRetryTime: seconds * 1000,
    shouldRetry: ({ error }: RetryContext) => error instanceof Mismatch,
    onFailedAttempt: ({ error }: RetryContext) => {
      if (!(error instanceof Mismatch) || error.actual === reported) return;
      reported = error.actual;
      onMismatch(error);
    },
  });
}
