import type { Values } from "./values";

/** An input that a plugin implements. */
export interface Input {
  /** What a changed value does to the resource, as with the official plugin. */
  on: "update" | "replace";
  /** The keys of the value, or of each item of the list. Others are refused. */
  keys?: readonly string[];
  /** What the official plugin adds to the value, or to each item, where it is missing. */
  added?: Values;
  /** Whether the order of its lists does not count. */
  set?: boolean;
  /** Whether an empty value is another one than none, and a secret one another than one in the open. */
  exact?: boolean;
  /** Whether the daemon has a value of its own, so that taking the input away changes nothing. */
  computed?: boolean;
  /** Why a value is refused, in the words of the official plugin where it has any; undefined when it is fine. */
  refuse?: (value: unknown) => string | undefined;
}

/** A resource type, with the part of the official inputs that the program uses. */
export interface ResourceType {
  inputs: Readonly<Record<string, Input>>;
  /** Inputs that the official plugin adds where they are missing; they are in the state, so that both plugins can go on from it. */
  added?: Values;
  /** Whether a name is made up where there is none. */
  autonamed?: boolean;
  /** Whether the old one always goes before the new one comes. */
  deleteBeforeReplace?: boolean;
  /**
   * Makes the resource. Its outputs are what comes of the inputs; what the host has of it is read then. `urn` is for
   * messages to the engine.
   *
   * @throws IncompleteError when something is left behind that the state has to know of
   */
  create(inputs: Values, urn: string): Promise<{ id: string; outputs?: Values }>;
  /** The actual inputs and the outputs, or undefined when the resource is gone. Without it, nothing drifts. */
  read?(id: string, state: Values): Promise<{ id?: string; inputs: Values; outputs: Values } | undefined>;
  /** Changes it in place. Without it, only the state changes. */
  update?(id: string, olds: Values, news: Values, urn: string): Promise<Values | undefined>;
  delete(id: string, state: Values, urn: string): Promise<void>;
}

/** The creation failed, but left something behind. The engine keeps it in the state, and the next update replaces it. */
export class IncompleteError extends Error {
  constructor(
    message: string,
    readonly id: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
