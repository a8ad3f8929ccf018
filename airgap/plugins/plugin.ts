import { isDeepStrictEqual } from "node:util";
import { main } from "@pulumi/pulumi/provider";
import { hasSecret, secret, unwrapped, type Values } from "./values";

/** An input that a plugin implements. */
export interface Input {
  /** What a changed value does to the resource, as with the official plugin. */
  on: "update" | "replace";
  /** The keys of the value, or of each item of the list. Others are refused. */
  keys?: readonly string[];
  /** Whether the order of the list does not count. */
  set?: boolean;
}

/** A resource type, with the part of the official inputs that the program uses. */
export interface ResourceType {
  inputs: Readonly<Record<string, Input>>;
  /** Inputs that the official plugin adds where they are missing. */
  defaults?: Values;
  /** Makes the resource. `urn` is for messages to the engine. */
  create(inputs: Values, urn: string): Promise<{ id: string; outputs: Values }>;
  /** The actual inputs and the outputs, or undefined when the resource is gone. */
  read?(id: string, state: Values): Promise<{ inputs: Values; outputs: Values } | undefined>;
  /** Changes it in place; resolves to the new outputs. */
  update(id: string, olds: Values, news: Values, urn: string): Promise<Values>;
  delete(id: string, state: Values, urn: string): Promise<void>;
}

/** A function of the plugin, such as `command:local:run`. */
export type Invoke = (args: Values) => Promise<Values>;

/** Refuses by name what is not implemented, and gives the inputs with the defaults added. */
export function check(
  type: ResourceType,
  news: Values,
): { inputs: Values; failures: { property: string; reason: string }[] } {
  const failures = Object.entries(news).flatMap(([property, value]) => {
    const input = type.inputs[property];
    if (!input) return [refusal(property)];
    const items = (Array.isArray(value) ? value : [value]) as unknown[];
    const nested = items.filter((item) => typeof item === "object" && item !== null).flatMap(Object.keys);
    return input.keys
      ? nested.filter((key) => !input.keys?.includes(key)).map((key) => refusal(`${property}.${key}`))
      : [];
  });
  return { inputs: { ...type.defaults, ...news }, failures };
}

const refusal = (property: string) => ({
  property,
  reason: `the airgap plugin does not implement the input "${property}"; use the official plugin, or add it in airgap/plugins`,
});

/** The inputs whose value changed, and those of them that force a replacement. */
export function diff(
  type: ResourceType,
  olds: Values,
  news: Values,
): { changed: string[]; replaces: string[] } {
  const changed = Object.entries(type.inputs)
    .filter(([key, input]) => !same(input, olds[key], news[key]))
    .map(([key]) => key);
  return { changed, replaces: changed.filter((key) => type.inputs[key]?.on === "replace") };
}

/** Whether two values of an input mean the same. */
export function same(input: Input, a: unknown, b: unknown): boolean {
  const comparable = (value: unknown) => {
    const plain = unwrapped(value);
    return input.set && Array.isArray(plain) ? plain.map((item) => JSON.stringify(item)).sort() : plain;
  };
  return isDeepStrictEqual(comparable(a), comparable(b));
}

/** The declared inputs, with the actual value where it is another one. */
export function drifted(type: ResourceType, declared: Values, actual: Values): Values {
  return Object.fromEntries(
    Object.keys(type.inputs)
      .map(
        (key) =>
          [
            key,
            key in actual && !same(type.inputs[key] as Input, declared[key], actual[key])
              ? actual[key]
              : declared[key],
          ] as const,
      )
      .filter(([, value]) => value !== undefined),
  );
}

/** Serves the plugin to the engine, on a loopback port that it prints. */
export async function serve(
  version: string,
  types: Record<string, ResourceType>,
  invokes: Record<string, Invoke> = {},
): Promise<void> {
  const typeOf = (urn: string): ResourceType => {
    const token = urn.split("::")[2]?.split("$").pop() ?? urn;
    const type = types[token];
    if (!type)
      throw new Error(
        `the airgap plugin does not implement ${token}; it has ${Object.keys(types).join(", ")}`,
      );
    return type;
  };
  const inputsOf = (type: ResourceType, state: Values): Values =>
    Object.fromEntries(Object.entries(state).filter(([key]) => key in type.inputs));

  await main(
    {
      version,
      check: (urn, _olds, news: Values) => settle(() => check(typeOf(urn), withoutInternal(news))),
      diff: (_id, urn, olds: Values, news: Values) =>
        settle(() => {
          const { changed, replaces } = diff(typeOf(urn), olds, news);
          const taken = news["name"] !== undefined && same({ on: "replace" }, olds["name"], news["name"]);
          return { changes: changed.length > 0, replaces, deleteBeforeReplace: replaces.length > 0 && taken };
        }),
      create: async (urn, inputs: Values) => {
        const { id, outputs } = await typeOf(urn).create(unwrapped(inputs) as Values, urn);
        return { id, outs: { ...inputs, ...concealed(outputs, inputs) } };
      },
      read: async (id, urn, props: Values = {}) => {
        const type = typeOf(urn);
        if (!type.read) return { id, props, inputs: inputsOf(type, props) };
        const found = await type.read(id, unwrapped(props) as Values);
        if (!found) return { id: "", props: {} };
        const inputs = drifted(type, inputsOf(type, props), found.inputs);
        return { id, props: { ...inputs, ...found.outputs }, inputs };
      },
      update: async (id, urn, olds: Values, news: Values) => {
        const outputs = await typeOf(urn).update(
          id,
          unwrapped(olds) as Values,
          unwrapped(news) as Values,
          urn,
        );
        return { outs: { ...news, ...concealed(outputs, news) } };
      },
      delete: (id, urn, props: Values) => typeOf(urn).delete(id, unwrapped(props) as Values, urn),
      invoke: async (token, args: Values) => {
        const invoke = invokes[token];
        if (!invoke)
          throw new Error(
            `the airgap plugin does not implement ${token}; it has ${Object.keys(invokes).join(", ")}`,
          );
        const outputs = await invoke(unwrapped(args) as Values);
        return { outputs: { ...args, ...concealed(outputs, args) } };
      },
    },
    process.argv.slice(2),
  );
}

/** What came of secret inputs is secret too. */
const concealed = (outputs: Values, inputs: Values): Values =>
  hasSecret(inputs)
    ? Object.fromEntries(Object.entries(outputs).map(([key, value]) => [key, secret(value)]))
    : outputs;

const withoutInternal = (values: Values): Values =>
  Object.fromEntries(Object.entries(values).filter(([key]) => key !== "__defaults"));

/** A promise of what a function returns, or of its error. */
const settle = async <T>(work: () => T): Promise<T> => Promise.resolve().then(work);
