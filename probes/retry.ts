import { setTimeout as sleep } from "node:timers/promises";

/** An answer that is not the expected one. */
export class Mismatch extends Error {
  constructor(
    readonly seen: string,
    readonly expected: string,
    readonly remedy: string,
  ) {
    super(`seen: ${seen}\n  expected: ${expected}\n  remedy: ${remedy}`);
  }
}

/**
 * Asks until the answer is the expected one, with pauses that grow from 0.1 s to 1 s.
 *
 * @param seconds how long to go on asking
 * @param waiting is told each new reason for waiting
 * @throws the last {@link Mismatch}; any other error at once
 */
export async function retry<T>(
  ask: () => Promise<T>,
  seconds: number,
  waiting: (mismatch: Mismatch) => void,
): Promise<T> {
  const end = Date.now() + seconds * 1000;
  let said = "";
  for (let pause = 100; ; pause = Math.min(pause * 1.5, 1000)) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof Mismatch) || Date.now() + pause > end) throw error;
      if (error.seen !== said) waiting(error);
      said = error.seen;
      await sleep(pause);
    }
  }
}
