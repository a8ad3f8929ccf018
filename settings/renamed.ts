import { readFileSync } from "node:fs";
import { load } from "js-yaml";

/** The previous keys of settings that were renamed, by their present ones. A stack can still have the previous ones. */
export const PREVIOUS_KEYS: Readonly<Record<string, string>> = {
  exporterImage: "gpuExporterImage",
  exporterMemory: "gpuExporterMemory",
};

/**
 * Moves values from previous keys to present ones.
 *
 * @param values by key; Pulumi adds the defaults of present keys
 * @returns the values by present keys, and the pairs of keys that have different values
 */
export function withPresentKeys(values: Record<string, unknown>): {
  values: Record<string, unknown>;
  conflicts: { key: string; previous: string }[];
} {
  const previousKeys = Object.values(PREVIOUS_KEYS);
  const moved = Object.fromEntries(Object.entries(values).filter(([key]) => !previousKeys.includes(key)));
  const conflicts: { key: string; previous: string }[] = [];
  for (const [key, previous] of Object.entries(PREVIOUS_KEYS)) {
    if (!(previous in values)) continue;
    const isSet = key in values && values[key] !== defaultOf(key);
    if (!isSet) moved[key] = values[previous];
    else if (values[key] !== values[previous]) conflicts.push({ key, previous });
  }
  return { values: moved, conflicts };
}

/** The program runs in the project's folder. */
function defaultOf(key: string): unknown {
  const { config } = load(readFileSync("Pulumi.yaml", "utf8")) as {
    config: Record<string, { default: unknown } | undefined>;
  };
  return config[key]?.default;
}
