/** The properties of a resource, as the engine hands them over. */
export type Values = Record<string, unknown>;

// The keys by which the engine marks a secret. Source: sdk/go/common/resource/sig in pulumi/pulumi.
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";

/** Marks a value as secret, so that the engine encrypts it in the state and hides it in its output. */
export const secret = (value: unknown): Values => ({ [SIGNATURE]: SECRET, value });

const isObject = (value: unknown): value is Values =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The value without the marks of secrets, at any depth. */
export function unwrapped(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unwrapped);
  if (!isObject(value)) return value;
  if (value[SIGNATURE] === SECRET) return unwrapped(value["value"]);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unwrapped(item)]));
}

/** Whether there is a secret in the value, at any depth. */
export function hasSecret(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(hasSecret);
  return isObject(value) && (value[SIGNATURE] === SECRET || Object.values(value).some(hasSecret));
}
