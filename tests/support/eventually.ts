import { setTimeout as sleep } from "node:timers/promises";

/** Repeats an assertion until it holds. After 90 s, its last failure is thrown. */
export async function eventually(assertion: () => Promise<void>): Promise<void> {
  for (const end = Date.now() + 90_000; ;) {
    try {
      await assertion();
      return;
    } catch (error) {
      if (Date.now() > end) throw error;
      await sleep(500);
    }
  }
}
