import * as z from "zod";
import { nearest } from "./formats";
import { SECRET_PARENTS, type Path } from "./httpClient";
import { isPublicField, receiverSecrets } from "./notify";
import { withPresentKeys } from "./renamed";
import { schema, SECRET_KEYS, SETTING_KEYS, type Settings } from "./schema";
import { secretPaths, whyNoDiscovery } from "./scrapeJobs";

export { ALERT_DEFAULTS, ALERT_NAMES, alertSettings, type AlertName, type AlertSettings } from "./alerts";
export { certificateDetails, isLoopback } from "./gateway";
export { IMAGE_REQUIREMENTS } from "./images";
export { PREVIOUS_KEYS } from "./renamed";
export { kindOf, type Receiver } from "./notify";
export { needsLlmForwarder, SECRET_KEYS, SETTING_KEYS, type Settings } from "./schema";
export { OWN_JOBS } from "../lib/names";
export { moveJobSecrets, type ExtraScrapeJob, type RelabelConfig } from "./scrapeJobs";

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
  const given = Object.fromEntries(
    Object.entries(config)
      .filter(([key]) => key.startsWith(`${NAMESPACE}:`))
      .map(([key, value]) => [key.slice(NAMESPACE.length + 1), value] as const)
      .map(([key, value]) => [key, decoded(key, value)]),
  );
  const { values, conflicts } = withPresentKeys(given);
  const problems = [
    ...wrongNamespaces(config),
    ...plaintextSecrets(values, encrypted),
    ...conflicts.map(
      ({ key, previous }) =>
        `${NAMESPACE}:${previous} is ${JSON.stringify(given[previous])}, but ${NAMESPACE}:${key}, the present name of that setting, ` +
        `is ${JSON.stringify(given[key])}: remove ${previous} by \`pulumi config rm ${previous}\``,
    ),
  ];
  const result = schema.safeParse(values);
  if (result.success) {
    const { scrapeJobs, notify } = result.data;
    problems.push(...plaintextParts("scrapeJobs", scrapeJobs.map(secretPaths), encrypted));
    problems.push(...plaintextParts("notify", notify.map(receiverSecrets), encrypted));
  }
  if (result.success && problems.length === 0) return result.data;
  const hidden = encrypted.map((key) => key.slice(NAMESPACE.length + 1));
  problems.push(...(result.error?.issues ?? []).flatMap((issue) => describeIssue(issue, values, hidden)));
  throw new Error(
    `these settings are refused, and nothing was changed:\n${[...new Set(problems)].map((p) => `  - ${p}`).join("\n")}`,
  );
}

/** Lists, objects and booleans come as JSON text from `pulumi config`. */
function decoded(key: string, value: unknown): unknown {
  const type = (schema.shape as Partial<Record<string, z.ZodType>>)[key];
  const isJson = [z.ZodArray, z.ZodObject, z.ZodRecord, z.ZodBoolean].some((json) => type instanceof json);
  if (typeof value !== "string" || !isJson) return value;
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
  SECRET_KEYS.filter((key) => isSet(values[key]) && !encrypted.includes(`${NAMESPACE}:${key}`)).map(
    (key) =>
      `${NAMESPACE}:${key} is in plaintext, but must be a secret: set it by \`pulumi config set --secret ${
        typeof values[key] === "string" ? key : `--path '${key}.NAME'`
      }\``,
  );

const isSet = (value: unknown): boolean =>
  typeof value === "object" && value !== null ? Object.keys(value).length > 0 : Boolean(value);

/** Pulumi reports which settings have an encrypted part, and not which part of them is encrypted. */
const plaintextParts = (setting: string, secrets: Path[][], encrypted: readonly string[]): string[] => {
  if (encrypted.includes(`${NAMESPACE}:${setting}`)) return [];
  return secrets
    .flatMap((paths, index) => paths.map((path) => keyPath([setting, index, ...path])))
    .map(
      (path) =>
        `${path} is in plaintext, but must be a secret: set it by \`pulumi config set --secret --path '${path.slice(NAMESPACE.length + 1)}'\``,
    );
};

function describeIssue(
  issue: z.core.$ZodIssue,
  values: Record<string, unknown>,
  hidden: readonly string[],
): string[] {
  if (issue.code === "unrecognized_keys") {
    const known = keysAt(schema, issue.path);
    return issue.keys.map(
      (key) => `${keyPath([...issue.path, key])} is not a setting: ${whyUnknown(key, known)}`,
    );
  }
  return [`${keyPath(issue.path)} is ${shown(values, issue.path, hidden)}, but ${requirement(issue)}`];
}

/** The known key that an unknown one resembles most, or why there is no such key. */
function whyUnknown(key: string, known: string[]): string {
  const reason = whyNoDiscovery(key);
  const near = nearest(key, known, reason ? 1 : undefined);
  return near ? `did you mean ${near}?` : (reason ?? "remove it, or correct its spelling");
}

/** The keys that the schema has at a path. */
function keysAt(type: unknown, [part, ...rest]: readonly PropertyKey[]): string[] {
  if (type instanceof z.ZodOptional) return keysAt(type.unwrap(), part === undefined ? [] : [part, ...rest]);
  if (type instanceof z.ZodArray) return keysAt(type.element, rest);
  if (type instanceof z.ZodRecord) return keysAt(type.valueType, rest);
  if (!(type instanceof z.ZodObject)) return [];
  return part === undefined ? Object.keys(type.shape) : keysAt(type.shape[String(part)], rest);
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

/** The value at a path, as the error shows it; never what is a secret or can have one in it. */
function shown(values: unknown, path: readonly PropertyKey[], hidden: readonly string[]): string {
  const value = path.reduce((at, part) => (at as Record<PropertyKey, unknown> | undefined)?.[part], values);
  if (value === undefined) return "missing";
  const isHidden =
    [...hidden, ...SECRET_KEYS].includes(String(path[0])) || (path[0] === "notify" && !isPublicField(path));
  if (isHidden || path.some((part) => SECRET_PARENTS.includes(String(part))))
    return value === "" ? '""' : "[secret]";
  const json = JSON.stringify(value, (key, part: unknown) =>
    SECRET_PARENTS.includes(key) ? "[secret]" : part,
  );
  return json.length > 200 ? `${json.slice(0, 60)}…` : json;
}
