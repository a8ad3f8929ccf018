import { readFileSync } from "node:fs";
import { load } from "js-yaml";
import { parseSettings, type Settings } from "../../settings";

/** The settings that Pulumi.yaml gives by default, with the named ones changed. */
export function settings(changes: Partial<Record<keyof Settings, unknown>> = {}): Settings {
  const { config } = load(readFileSync("Pulumi.yaml", "utf8")) as {
    config: Record<string, { default: unknown }>;
  };
  const defaults = Object.fromEntries(Object.entries(config).map(([key, entry]) => [key, entry.default]));
  return parseSettings({ ...defaults, ...changes });
}
