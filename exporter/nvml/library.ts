import koffi, { type IKoffiLib, type KoffiFunction } from "koffi";
import { CONSTANTS, RETURN, STRUCTS } from "./types";

/** A function of NVML returned something else than success. */
export class NvmlError extends Error {
  constructor(
    readonly code: number,
    call: string,
  ) {
    const [name] = Object.entries(RETURN).find(([, value]) => value === code) ?? [];
    super(`${call}: ${name ?? `error ${code}`}`);
  }
}

/** The library returned what no driver returns. */
export class GarbageError extends Error {}

/** NVML's handle of a GPU or a MIG device. */
export type Handle = bigint;

/** A field of nvmlDeviceGetFieldValues. */
export interface Field {
  id: number;
  /** Such as the number of a link. */
  scope?: number;
}

/** The values of a structure. A 64-bit value above 2^53 is a bigint. */
export type Struct = Record<string, number | bigint | string>;

/** The name that NVIDIA's toolkit and the driver's packages give the library. */
const NAME = "libnvidia-ml.so.1";

/** Where it is on hosts whose driver has a folder of its own, as in GKE and in WSL, if the loader does not find it. */
const FOLDERS = ["/usr/local/nvidia/lib64", "/usr/lib64", "/usr/lib/wsl/lib"];

const MAX_ELEMENTS = 65_536;
const MAX_TEXT_LENGTH = 96;

/** NVIDIA's management library. Each method throws {@link NvmlError} where the library returns an error. */
export class Nvml {
  private readonly functions = new Map<string, KoffiFunction>();

  private constructor(private readonly sharedLibrary: IKoffiLib) {}

  /** @throws Error where the library does not exist or cannot be loaded */
  static load(): Nvml {
    let failure: unknown;
    for (const file of [NAME, ...FOLDERS.map((folder) => `${folder}/${NAME}`)])
      try {
        return new Nvml(koffi.load(file));
      } catch (error) {
        failure ??= error;
      }
    throw failure as Error;
  }

  /** Calls a function that has no outputs. */
  call(name: string, ...inputs: (Handle | number)[]): void {
    this.invoke(name, inputs, []);
  }

  uint(name: string, ...inputs: (Handle | number)[]): number {
    const out = Buffer.alloc(4);
    this.invoke(name, inputs, [out]);
    return out.readUInt32LE();
  }

  /** For a function with several outputs. */
  uints(name: string, count: number, ...inputs: (Handle | number)[]): number[] {
    const outs = Array.from({ length: count }, () => Buffer.alloc(4));
    this.invoke(name, inputs, outs);
    return outs.map((out) => out.readUInt32LE());
  }

  /** @returns undefined for the value that stands for an unavailable one */
  ulong(name: string, ...inputs: (Handle | number)[]): number | undefined {
    const out = Buffer.alloc(8);
    this.invoke(name, inputs, [out]);
    return available(out.readBigUInt64LE());
  }

  handle(name: string, ...inputs: (Handle | number)[]): Handle {
    const out = Buffer.alloc(8);
    this.invoke(name, inputs, [out]);
    return out.readBigUInt64LE();
  }

  text(name: string, ...inputs: Handle[]): string {
    const out = Buffer.alloc(MAX_TEXT_LENGTH);
    this.invoke(name, inputs, [out], [out.length]);
    const end = out.indexOf(0);
    const text = out.toString("utf8", 0, end < 0 ? out.length : end);
    if (!/^[\x20-\x7e]*$/.test(text)) throw new GarbageError(`${name}: ${JSON.stringify(text)}`);
    return text;
  }

  /**
   * @param first the value of the first field, as the input of the function
   * @param last arguments after the output
   */
  struct(
    name: string,
    type: keyof typeof STRUCTS,
    inputs: (Handle | number)[],
    first = 0,
    last: number[] = [],
  ): Struct {
    const out = Buffer.alloc(koffi.sizeof(STRUCTS[type]));
    out.writeUInt32LE(first);
    this.invoke(name, inputs, [out], last);
    return koffi.decode(out, STRUCTS[type]) as Struct;
  }

  /**
   * Reads several fields in one call.
   *
   * @returns their values; undefined for one that the driver does not report
   */
  fields(handle: Handle, fields: readonly Field[]): (number | undefined)[] {
    const out = Buffer.alloc(fields.length * FIELD.size);
    for (const [i, { id, scope = 0 }] of fields.entries()) {
      out.writeUInt32LE(id, i * FIELD.size + FIELD.id);
      out.writeUInt32LE(scope, i * FIELD.size + FIELD.scope);
    }
    this.invoke("nvmlDeviceGetFieldValues", [handle, fields.length], [out]);
    return fields.map((_, i) => fieldValue(out, i * FIELD.size));
  }

  /**
   * @param order of the outputs; the type is that of the values in the list
   * @param last arguments after the outputs
   */
  list(
    name: string,
    type: keyof typeof STRUCTS,
    inputs: (Handle | number)[],
    order: readonly ("count" | "list" | "type")[] = ["count", "list"],
    last: bigint[] = [],
  ): Struct[] {
    const size = koffi.sizeof(STRUCTS[type]);
    for (let capacity = 64; capacity <= MAX_ELEMENTS;) {
      const outputs = { count: Buffer.alloc(4), list: Buffer.alloc(capacity * size), type: Buffer.alloc(4) };
      outputs.count.writeUInt32LE(capacity);
      try {
        this.invoke(
          name,
          inputs,
          order.map((one) => outputs[one]),
          last,
        );
      } catch (error) {
        if (!(error instanceof NvmlError) || error.code !== RETURN.NVML_ERROR_INSUFFICIENT_SIZE) throw error;
        // Processes can start between two calls.
        capacity = Math.max(2 * capacity, outputs.count.readUInt32LE() + 16);
        continue;
      }
      const found = outputs.count.readUInt32LE();
      if (found > capacity) break;
      return Array.from(
        { length: found },
        (_, i) => koffi.decode(outputs.list, i * size, STRUCTS[type]) as Struct,
      );
    }
    throw new GarbageError(`${name}: more than ${MAX_ELEMENTS} elements`);
  }

  /** Every output is a pointer. A handle is passed as an integer, which has the same place among a function's arguments. */
  private invoke(
    name: string,
    inputs: (Handle | number)[],
    outputs: Buffer[],
    last: (number | bigint)[] = [],
  ): void {
    const typeOf = (value: number | bigint) => (typeof value === "bigint" ? "uint64_t" : "uint32_t");
    let call = this.functions.get(name);
    if (!call) {
      const types = [...inputs.map(typeOf), ...outputs.map(() => "void *"), ...last.map(typeOf)];
      try {
        call = this.sharedLibrary.func(name, "uint32_t", types);
      } catch {
        // A driver that is older than the function.
        throw new NvmlError(RETURN.NVML_ERROR_FUNCTION_NOT_FOUND, name);
      }
      this.functions.set(name, call);
    }
    const code = call(...inputs, ...outputs, ...last) as number;
    if (code !== RETURN.NVML_SUCCESS) throw new NvmlError(code, name);
  }
}

/** The size of a field value, and where its members are. Of 8 GPUs, 160 are read; to decode the structures took a seventh of the time. */
const FIELD = {
  size: koffi.sizeof(STRUCTS.nvmlFieldValue_t),
  id: koffi.offsetof(STRUCTS.nvmlFieldValue_t, "fieldId"),
  scope: koffi.offsetof(STRUCTS.nvmlFieldValue_t, "scopeId"),
  type: koffi.offsetof(STRUCTS.nvmlFieldValue_t, "valueType"),
  result: koffi.offsetof(STRUCTS.nvmlFieldValue_t, "nvmlReturn"),
  value: koffi.offsetof(STRUCTS.nvmlFieldValue_t, "value"),
};

/** Reads the union of a field value, of which only the part that the type names is defined. */
function fieldValue(from: Buffer, at: number): number | undefined {
  if (from.readUInt32LE(at + FIELD.result) !== RETURN.NVML_SUCCESS) return undefined;
  const value = at + FIELD.value;
  switch (from.readUInt32LE(at + FIELD.type)) {
    case CONSTANTS.NVML_VALUE_TYPE_DOUBLE:
      return from.readDoubleLE(value);
    case CONSTANTS.NVML_VALUE_TYPE_UNSIGNED_INT:
      return from.readUInt32LE(value);
    case CONSTANTS.NVML_VALUE_TYPE_UNSIGNED_LONG:
    case CONSTANTS.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG:
      return available(from.readBigUInt64LE(value));
    case CONSTANTS.NVML_VALUE_TYPE_SIGNED_LONG_LONG:
      return Number(from.readBigInt64LE(value));
    case CONSTANTS.NVML_VALUE_TYPE_SIGNED_INT:
      return from.readInt32LE(value);
    case CONSTANTS.NVML_VALUE_TYPE_UNSIGNED_SHORT:
      return from.readUInt16LE(value);
    default:
      return undefined;
  }
}

const NOT_AVAILABLE = 0xffff_ffff_ffff_ffffn;

/** @returns undefined for NVML_VALUE_NOT_AVAILABLE */
export const available = (value: number | bigint): number | undefined =>
  BigInt(value) === NOT_AVAILABLE ? undefined : Number(value);
