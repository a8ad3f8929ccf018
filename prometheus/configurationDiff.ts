import { structuredPatch } from "diff";

/** Unchanged lines before and after a change. */
const CONTEXT = 2;

/** The changed lines between two texts of a configuration, as a unified diff without headers; "" for none. */
export function configurationDiff(before: string, after: string): string {
  const { hunks } = structuredPatch("", "", before, after, "", "", { context: CONTEXT });
  return hunks.map(({ lines }) => lines.join("\n")).join("\n...\n");
}
