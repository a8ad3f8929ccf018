import { randomBytes } from "node:crypto";
import type { Input, ResourceType } from "./resourceType";
import { inSecret, isObject, isUnknown, unwrapped, type Values } from "./values";

/** Why an input is refused. */
export interface Failure {
  property: string;
  reason: string;
}

/**
 * Refuses by name what is not implemented and what is wrong, and completes the rest as the official plugin does.
 *
 * @param olds the inputs of before, from which a made-up name is kept
 * @param resource the resource's name in the program
 */
export function check(
  type: ResourceType,
  resource: string,
  olds: Values,
  news: Values,
): { inputs: Values; failures: Failure[] } {
  const given = Object.entries(news).filter(([key, value]) => key !== "__defaults" && value != null);
  const name =
    type.autonamed && news["name"] === undefined
      ? { name: olds["name"] ?? `${resource}-${randomBytes(4).toString("hex").slice(0, 7)}` }
      : {};
  const inputs = given.map(([key, value]) => [key, completed(type.inputs[key], value)] as const);
  return {
    inputs: { ...type.added, ...name, ...Object.fromEntries(inputs) },
    failures: given.flatMap(([key, value]) => failures(key, type.inputs[key], unwrapped(value))),
  };
}

/** The value with what the official plugin adds to it, or to each of its items. */
function completed(input: Input | undefined, value: unknown): unknown {
  const { added } = input ?? {};
  if (!added) return value;
  return inSecret(value, (plain) => {
    if (Array.isArray(plain)) return plain.map((item) => completed(input, item));
    return isObject(plain) ? { ...added, ...plain } : plain;
  });
}

function failures(property: string, input: Input | undefined, value: unknown): Failure[] {
  if (!input) return [unknownInput(property)];
  if (isUnknown(value)) return [];
  const { keys } = input;
  const strange = (Array.isArray(value) ? value : [value])
    .filter(isObject)
    .flatMap(Object.keys)
    .filter((key) => keys && !keys.includes(key) && key !== "__defaults")
    .map((key) => unknownInput(`${property}.${key}`));
  const reason = input.refuse?.(value);
  return reason === undefined ? strange : [...strange, { property, reason }];
}

const unknownInput = (property: string): Failure => ({
  property,
  reason: `the airgap plugin does not implement the input "${property}"; use the official plugin, or add it in airgap/plugins`,
});

/** A number that is not below `least`. */
export const atLeast =
  (least: number) =>
  (value: unknown): string | undefined =>
    Number(value) >= least ? undefined : `'${String(value)}' cannot be lower than ${least}`;

/** A text that matches. */
export const matching =
  (pattern: RegExp) =>
  (value: unknown): string | undefined =>
    pattern.test(String(value))
      ? undefined
      : `'${String(value)}' doesn't match the pattern '${pattern.source}'`;
