/** The properties of a resource, as the engine hands them over. */
export type Values = Record<string, unknown>;

// The marks by which the engine tells secrets and what is not known yet. Source: sdk/go/common/resource in pulumi/pulumi.
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** Marks a value as secret, so that the engine encrypts it in the state and hides it in its output. */
export const secret = (value: unknown): Values => ({ [SIGNATURE]: SECRET, value });

export const isObject = (value: unknown): value is Values =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Whether a preview does not know the value yet. */
export const isUnknown = (value: unknown): boolean => value === UNKNOWN;

const isSecret = (value: unknown): value is Values & { value: unknown } =>
  isObject(value) && value[SIGNATURE] === SECRET;

/** Changes a value, be it secret or not; a secret stays one. */
export const inSecret = (value: unknown, change: (plain: unknown) => unknown): unknown =>
  isSecret(value) ? secret(change(value.value)) : change(value);

/** The value without the marks of secrets, at any depth. */
export function unwrapped(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unwrapped);
  if (isSecret(value)) return unwrapped(value.value);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unwrapped(item)]));
}

/** Whether there is a secret in the value, at any depth. */
export function hasSecret(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(hasSecret);
  return isSecret(value) || (isObject(value) && Object.values(value).some(hasSecret));
}
