/**
 * Arguments as they were when the call was made. A storage takes what it needs before it lets its caller go on; a layer that lets
 * a call wait, or sends it again, has to do so for it, because the caller may change an object meanwhile (V1).
 */
import { types } from "node:util";
import { MAX_DEPTH } from "../domain/codec/format.js";
import { isArrayPrototype, ownPrototype } from "../domain/realms.js";

/**
 * Copies of what a store takes by value: plain objects and arrays, dates, maps, sets and bytes, with everything in them. All else
 * (a signal, a prepared value, what no store takes) stays what it is.
 */
export function keptArguments(args: readonly unknown[]): readonly unknown[] {
  const copies: Copies = new Map();
  return args.map((arg) => {
    try {
      return copyOf(arg, copies, 0);
    } catch {
      // A getter or a proxy that throws: the store reads it too, and says what is wrong.
      return arg;
    }
  });
}

/** What is the same object stays the same, a circle too: the store refuses that, and not this. */
type Copies = Map<object, unknown>;

/** Deeper than what a store takes. */
const TOO_DEEP = MAX_DEPTH + 10;

function copyOf(value: unknown, copies: Copies, depth: number): unknown {
  if (typeof value !== "object" || value === null || depth > TOO_DEEP) return value;
  const known = copies.get(value);
  if (known !== undefined) return known;
  if (Array.isArray(value)) return copyOfArray(value, copies, depth);
  const found: object | null = Object.getPrototypeOf(value);
  const prototype = found === null ? null : ownPrototype(found);
  if (prototype === null || prototype === Object.prototype) return copyOfObject(value, copies, depth);
  if (types.isDate(value)) return prototype === Date.prototype ? new Date(value.getTime()) : value;
  if (types.isMap(value)) return prototype === Map.prototype ? copyOfMap(value, copies, depth) : value;
  if (types.isSet(value)) return prototype === Set.prototype ? copyOfSet(value, copies, depth) : value;
  if (types.isArrayBuffer(value)) return value.slice(0);
  if (types.isTypedArray(value)) return types.isSharedArrayBuffer(value.buffer) ? value : copyOfBytes(value);
  return value;
}

function copyOfArray(value: readonly unknown[], copies: Copies, depth: number): unknown {
  // One with further properties is refused for them, and one with holes for those.
  if (!isArrayPrototype(Object.getPrototypeOf(value)) || Reflect.ownKeys(value).length !== value.length + 1)
    return value;
  const copy: unknown[] = new Array(value.length);
  copies.set(value, copy);
  for (let i = 0; i < value.length; i++) copy[i] = copyOf(value[i], copies, depth + 1);
  return copy;
}

function copyOfObject(value: object, copies: Copies, depth: number): unknown {
  const names = Object.keys(value);
  // Symbols and hidden properties are what it is refused for.
  if (Reflect.ownKeys(value).length !== names.length) return value;
  const copy: { [name: string]: unknown } = { ...value };
  if (Object.getPrototypeOf(value) === null) Object.setPrototypeOf(copy, null);
  copies.set(value, copy);
  for (const name of names) {
    const field = copy[name];
    if (typeof field !== "object" || field === null) continue;
    if (name === "__proto__") Object.defineProperty(copy, name, { value: copyOf(field, copies, depth + 1) });
    else copy[name] = copyOf(field, copies, depth + 1);
  }
  return copy;
}

function copyOfMap(value: Map<unknown, unknown>, copies: Copies, depth: number): unknown {
  if (Reflect.ownKeys(value).length > 0) return value;
  const copy = new Map<unknown, unknown>();
  copies.set(value, copy);
  for (const [key, each] of value) copy.set(copyOf(key, copies, depth + 1), copyOf(each, copies, depth + 1));
  return copy;
}

function copyOfSet(value: Set<unknown>, copies: Copies, depth: number): unknown {
  if (Reflect.ownKeys(value).length > 0) return value;
  const copy = new Set<unknown>();
  copies.set(value, copy);
  for (const each of value) copy.add(copyOf(each, copies, depth + 1));
  return copy;
}

function copyOfBytes(value: NodeJS.TypedArray): unknown {
  // A Buffer's own `slice` shares its bytes.
  return Buffer.isBuffer(value) ? Buffer.from(value) : value.slice();
}
