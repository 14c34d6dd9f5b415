/**
 * Arguments as they were when the call was made. A storage takes what it needs before it lets its caller go on; a layer that lets
 * a call wait, or sends it again, has to do so for it, because the caller may change an object meanwhile (V1).
 */
import { types } from "node:util";

/**
 * Copies of what a store takes by value: plain objects and arrays, dates, maps, sets and bytes, with everything in them. All else
 * (a signal, a prepared value, what no store takes) stays what it is.
 */
export function keptArguments(args: readonly unknown[]): readonly unknown[] {
  const copies = new Map<object, unknown>();
  return args.map((arg) => copyOf(arg, copies));
}

/** `copies` keeps what is the same object the same, a circle too: the store refuses that, and not this. */
function copyOf(value: unknown, copies: Map<object, unknown>): unknown {
  if (typeof value !== "object" || value === null) return value;
  const known = copies.get(value);
  if (known !== undefined) return known;
  if (Array.isArray(value)) return copyOfArray(value, copies);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === null || prototype === Object.prototype) return copyOfObject(value, copies);
  if (types.isDate(value)) return prototype === Date.prototype ? new Date(value.getTime()) : value;
  if (types.isMap(value)) return prototype === Map.prototype ? copyOfMap(value, copies) : value;
  if (types.isSet(value)) return prototype === Set.prototype ? copyOfSet(value, copies) : value;
  if (types.isArrayBuffer(value)) return value.slice(0);
  if (types.isTypedArray(value)) return types.isSharedArrayBuffer(value.buffer) ? value : copyOfBytes(value);
  return value;
}

function copyOfArray(value: readonly unknown[], copies: Map<object, unknown>): unknown {
  // One with further properties is refused for them, and one with holes for those.
  if (Object.getPrototypeOf(value) !== Array.prototype || Reflect.ownKeys(value).length !== value.length + 1)
    return value;
  const copy: unknown[] = new Array(value.length);
  copies.set(value, copy);
  for (let i = 0; i < value.length; i++) copy[i] = copyOf(value[i], copies);
  return copy;
}

function copyOfObject(value: object, copies: Map<object, unknown>): unknown {
  const names = Object.keys(value);
  // Symbols and hidden properties are what it is refused for.
  if (Reflect.ownKeys(value).length !== names.length) return value;
  const copy: { [name: string]: unknown } = { ...value };
  if (Object.getPrototypeOf(value) === null) Object.setPrototypeOf(copy, null);
  copies.set(value, copy);
  for (const name of names) {
    const field = copy[name];
    if (typeof field !== "object" || field === null) continue;
    if (name === "__proto__") Object.defineProperty(copy, name, { value: copyOf(field, copies) });
    else copy[name] = copyOf(field, copies);
  }
  return copy;
}

function copyOfMap(value: Map<unknown, unknown>, copies: Map<object, unknown>): unknown {
  if (Reflect.ownKeys(value).length > 0) return value;
  const copy = new Map<unknown, unknown>();
  copies.set(value, copy);
  for (const [key, each] of value) copy.set(copyOf(key, copies), copyOf(each, copies));
  return copy;
}

function copyOfSet(value: Set<unknown>, copies: Map<object, unknown>): unknown {
  if (Reflect.ownKeys(value).length > 0) return value;
  const copy = new Set<unknown>();
  copies.set(value, copy);
  for (const each of value) copy.add(copyOf(each, copies));
  return copy;
}

function copyOfBytes(value: NodeJS.TypedArray): unknown {
  // A Buffer's own `slice` shares its bytes.
  return Buffer.isBuffer(value) ? Buffer.from(value) : value.slice();
}
