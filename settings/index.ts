import { z } from "zod";
import { schema, SECRET_KEYS, SETTING_KEYS, type Settings } from "./schema";

export { certificateDetails, isLoopback } from "./gateway";
export { IMAGE_REQUIREMENTS } from "./images";
export { SECRET_KEYS, SETTING_KEYS, type Settings } from "./schema";
export { OWN_JOBS, type ExtraScrapeJob, type RelabelConfig } from "./scrapeJobs";

/** The namespace of the settings: the project's name. */
const NAMESPACE = "llm-metrics";

/**
 * Checks a stack's configuration.
 *
 * @param config every key with its namespace, as `pulumi config` has it; lists and booleans as JSON text or as values
 * @param encrypted the keys whose values are encrypted
 * @throws Error that lists every bad key with its value and what is accepted
 */
export function parseSettings(config: Record<string, unknown>, encrypted: readonly string[] = []): Settings {
  const values = Object.fromEntries(
    Object.entries(config)
      .filter(([key]) => key.startsWith(`${NAMESPACE}:`))
      .map(([key, value]) => [key.slice(NAMESPACE.length + 1), value] as const)
      .map(([key, value]) => [key, decoded(key, value)]),
  );
  const problems = [...wrongNamespaces(config), ...plaintextSecrets(values, encrypted)];
  const result = schema.safeParse(values);
  if (result.success && problems.length === 0) return result.data;
  problems.push(...(result.error?.issues ?? []).flatMap((issue) => describeIssue(issue, values)));
  throw new Error(
    `these settings are refused, and nothing was changed:\n${[...new Set(problems)].map((p) => `  - ${p}`).join("\n")}`,
  );
}

/** Lists and booleans come as JSON text from `pulumi config`. */
function decoded(key: string, value: unknown): unknown {
  const type = (schema.shape as Partial<Record<string, z.ZodType>>)[key];
  if (typeof value !== "string" || !(type instanceof z.ZodArray || type instanceof z.ZodBoolean))
    return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
}

/** Settings under a misspelt namespace, which Pulumi passes on without a word. */
const wrongNamespaces = (config: Record<string, unknown>): string[] =>
  Object.keys(config).flatMap((key) => {
    const [namespace = "", name = ""] = key.split(":");
    return namespace !== NAMESPACE && SETTING_KEYS.includes(name)
      ? [`${key} is not a setting: its namespace must be ${NAMESPACE}, as in ${NAMESPACE}:${name}`]
      : [];
  });

const plaintextSecrets = (values: Record<string, unknown>, encrypted: readonly string[]): string[] =>
  SECRET_KEYS.filter((key) => values[key] && !encrypted.includes(`${NAMESPACE}:${key}`)).map(
    (key) =>
      `${NAMESPACE}:${key} is in plaintext, but must be a secret: set it by \`pulumi config set --secret ${key}\``,
  );

function describeIssue(issue: z.core.$ZodIssue, values: Record<string, unknown>): string[] {
  if (issue.code === "unrecognized_keys")
    return issue.keys.map(
      (key) => `${keyPath([...issue.path, key])} is not a setting: remove it, or correct its spelling`,
    );
  return [`${keyPath(issue.path)} is ${shown(values, issue.path)}, but ${requirement(issue)}`];
}

/** What a value must be, where the schema's own message would be zod's. */
function requirement(issue: z.core.$ZodIssue): string {
  if (issue.message.startsWith("must ") || issue.code === "custom") return issue.message;
  if (issue.code === "invalid_type") return `must be ${TYPES[issue.expected] ?? issue.expected}`;
  if (issue.code === "too_small")
    return issue.origin === "array" ? "must have at least one entry" : "must be above zero";
  return issue.message;
}

const TYPES: Partial<Record<string, string>> = {
  array: 'a list, such as ["a"]',
  boolean: "true or false",
  int: "a whole number",
  number: "a number",
  object: "an object of keys and values",
  record: "an object of keys and values",
  string: "a text",
};

const keyPath = (path: readonly PropertyKey[]) =>
  `${NAMESPACE}:${path.map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`)).join("")}`.replace(
    ":.",
    ":",
  );

/** The value at a path, as the error shows it. */
function shown(values: unknown, path: readonly PropertyKey[]): string {
  const value = path.reduce((at, part) => (at as Record<PropertyKey, unknown> | undefined)?.[part], values);
  if (value === undefined) return "missing";
  if (SECRET_KEYS.includes(String(path[0]))) return value === "" ? '""' : "[secret]";
  const json = JSON.stringify(value);
  return json.length > 200 ? `${json.slice(0, 60)}…` : json;
}
