import { setTimeout as sleep } from "node:timers/promises";

/** Repeats an assertion until it holds. At the deadline, by default after 90 s, its last failure is thrown. */
export async function eventually(assertion: () => Promise<void>, seconds = 90): Promise<void> {
  for (const end = Date.now() + seconds * 1000; ;) {
    try {
      await assertion();
      return;
    } catch (error) {
      if (Date.now() > end) throw error;
      await sleep(500);
    }
  }
}
