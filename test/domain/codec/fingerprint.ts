// Says all that a value is, for comparison: kinds, prototypes, order, own keys and whether they can be enumerated.
// Stricter than `assert.deepStrictEqual`, which takes no note of the order of a Map or of an error's stack.
import { types } from "node:util";

/** Equal values have equal fingerprints, and values with any difference that the codec keeps have different ones. */
export function fingerprint(value: unknown): string {
  if (Object.is(value, -0)) return "-0";
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value !== "object" || value === null) return String(value);
  return `${kindOf(value)}(${inside(value)}){${ownProperties(value)}}`;
}

function kindOf(object: object): string {
  const prototype: unknown = Object.getPrototypeOf(object);
  if (prototype === null) return "null";
  const isNative = types.isNativeError(object) ? "native " : "";
  return `${isNative}${Object.prototype.toString.call(object)} of ${(prototype as object).constructor.name}`;
}

function inside(object: object): string {
  if (object instanceof Date) return String(object.getTime());
  if (object instanceof RegExp) return `${object.source}/${object.flags}`;
  if (object instanceof URL) return object.href;
  if (object instanceof Map) return [...object].map(([k, v]) => `${fingerprint(k)}=>${fingerprint(v)}`).join();
  if (object instanceof Set) return [...object].map(fingerprint).join();
  if (object instanceof ArrayBuffer) return Buffer.from(object).toString("hex");
  if (ArrayBuffer.isView(object)) {
    return Buffer.from(object.buffer, object.byteOffset, object.byteLength).toString("hex");
  }
  return "";
}

function ownProperties(object: object): string {
  if (ArrayBuffer.isView(object)) return "";
  return Object.getOwnPropertyNames(object)
    .filter((name) => !(types.isNativeError(object) && name === "stack"))
    .map((name) => {
      const { enumerable, value } = Object.getOwnPropertyDescriptor(object, name) ?? {};
      return `${enumerable ? "" : "hidden "}${JSON.stringify(name)}:${fingerprint(value)}`;
    })
    .concat(types.isNativeError(object) ? [`stack:${JSON.stringify(object.stack)}`] : [])
    .join();
}
