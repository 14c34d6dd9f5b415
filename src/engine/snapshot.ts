/** Copies what a turn collects, so that what the work changes later does not change what is recorded. */

import { types } from "node:util";
import { isBareView, ownPrototype } from "../domain/realms.js";

/** Deeper values are past what a storage keeps; it refuses them with their path. */
const MAX_DEPTH = 1000;

/**
 * A copy of the plain containers of a value: objects, arrays, Map, Set, Date, typed arrays and buffers. What else a value holds
 * either cannot be changed or is the storage's to judge (V1), so it is kept as it is.
 */
export function snapshot(value: unknown): unknown {
  return copy(value, new Map(), 0);
}

function copy(value: unknown, copies: Map<object, unknown>, depth: number): unknown {
  if (typeof value !== "object" || value === null || depth > MAX_DEPTH) return value;
  // One object in two places stays one, and a circle stays a circle.
  if (copies.has(value)) return copies.get(value);
  const found: object | null = Object.getPrototypeOf(value);
  const prototype = found === null ? null : ownPrototype(found);
  const nested = (item: unknown) => copy(item, copies, depth + 1);
  const known = <T extends object>(empty: T): T => {
    copies.set(value, empty);
    return empty;
  };
  if (Array.isArray(value)) {
    if (prototype !== Array.prototype || !isDense(value)) return value;
    const items: unknown[] = known([]);
    for (const item of value) items.push(nested(item));
    return items;
  }
  if (prototype === Object.prototype || prototype === null) {
    if (!hasPlainFields(value)) return value;
    const fields = known(Object.create(prototype) as object);
    for (const [key, item] of Object.entries(value)) {
      Object.defineProperty(fields, key, { value: nested(item), enumerable: true, writable: true, configurable: true });
    }
    return fields;
  }
  // Further properties are refused by the storage: a copy without them would be accepted.
  if (ArrayBuffer.isView(value)) return copyView(value);
  if (Reflect.ownKeys(value).length > 0) return value;
  if (prototype === Map.prototype) {
    const map = known(new Map<unknown, unknown>());
    for (const [key, item] of value as Map<unknown, unknown>) map.set(nested(key), nested(item));
    return map;
  }
  if (prototype === Set.prototype) {
    const set = known(new Set<unknown>());
    for (const item of value as Set<unknown>) set.add(nested(item));
    return set;
  }
  if (prototype === Date.prototype) return new Date((value as Date).getTime());
  return types.isArrayBuffer(value) && !value.resizable && !value.detached ? value.slice(0) : value;
}

function isDense(array: readonly unknown[]): boolean {
  return Reflect.ownKeys(array).length === array.length + 1 && Object.keys(array).length === array.length;
}

function hasPlainFields(object: object): boolean {
  return (
    Object.values(Object.getOwnPropertyDescriptors(object)).every(
      ({ get, set, enumerable }) => !get && !set && enumerable,
    ) && Object.getOwnPropertySymbols(object).length === 0
  );
}

type ViewConstructor = (new (buffer: ArrayBuffer) => ArrayBufferView) & { readonly prototype: object };

/** The same bytes in memory of their own; a view that is more than its bytes is kept as it is. */
function copyView(view: ArrayBufferView): ArrayBufferView {
  const { buffer, byteOffset, byteLength } = view;
  if (!types.isArrayBuffer(buffer) || buffer.resizable || buffer.detached) return view;
  const bytes = buffer.slice(byteOffset, byteOffset + byteLength);
  const kind = Object.prototype.toString.call(view).slice("[object ".length, -1);
  const View = (globalThis as unknown as Record<string, ViewConstructor | undefined>)[kind];
  if (View === undefined) return view;
  const copied = Buffer.isBuffer(view) ? Buffer.from(bytes) : new View(bytes);
  return isBareView(view, copied) ? copied : view;
}
