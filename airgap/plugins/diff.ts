import { isDeepStrictEqual } from "node:util";
import type { Input, ResourceType } from "./resourceType";
import { hasSecret, isObject, secret, unwrapped, type Values } from "./values";

/** The inputs whose value changed, those of them that force a replacement, and whether the old one goes first then. */
export function diff(
  type: ResourceType,
  olds: Values,
  news: Values,
): { changed: string[]; replaces: string[]; deleteBeforeReplace: boolean } {
  const changed = Object.keys(type.inputs).filter(
    (key) => !sameInput(type.inputs[key], olds[key], news[key]),
  );
  const replaces = changed.filter((key) => type.inputs[key]?.on === "replace");
  const nameIsTaken = news["name"] !== undefined && !changed.includes("name");
  return {
    changed,
    replaces,
    deleteBeforeReplace:
      replaces.length > 0 && (type.deleteBeforeReplace ?? (type.autonamed === true && nameIsTaken)),
  };
}

/**
 * The inputs in the state, each with the actual value where it is another one. An input that was not declared is among
 * them when the actual value is not nothing, unless it is up to the daemon.
 */
export function drifted(type: ResourceType, state: Values, actual: Values): Values {
  const entries = Object.keys({ ...type.inputs, ...type.added }).map((key) => {
    const input = type.inputs[key];
    // What the daemon decides can be in the state as an empty output, for the official plugin's sake.
    const leftToDaemon = input?.computed && meaning(input, state[key]) === undefined;
    const declared = leftToDaemon ? undefined : (state[key] ?? undefined);
    if (!(key in actual) || leftToDaemon || sameInput(input, declared, actual[key])) return [key, declared];
    return [key, hasSecret(declared) ? secret(actual[key]) : actual[key]];
  });
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as Values;
}

/** Whether an input's new value means the same as the old one. */
function sameInput(input: Input | undefined, old: unknown, value: unknown): boolean {
  if (input?.exact) return isDeepStrictEqual(old, value);
  const news = meaning(input, value);
  if (news === undefined && input?.computed) return true;
  return isDeepStrictEqual(meaning(input, old), news);
}

/**
 * What counts of a value. As in a Terraform schema, an empty text or list, zero and false are the same as nothing;
 * and in a set, order does not count.
 */
function meaning(input: Input | undefined, value: unknown): unknown {
  const plain = unwrapped(value);
  if (Array.isArray(plain)) {
    const items = plain.map((item) => meaning(input, item) ?? null);
    if (input?.set) items.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
    return items.length > 0 ? items : undefined;
  }
  if (isObject(plain)) {
    const entries = Object.entries(plain)
      .filter(([key]) => key !== "__defaults")
      .map(([key, item]) => [key, meaning(input, item)] as const)
      .filter(([, item]) => item !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    return entries.length > 0 ? Object.fromEntries(entries) : undefined;
  }
  return plain === null || plain === "" || plain === 0 || plain === false ? undefined : plain;
}
