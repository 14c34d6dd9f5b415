/** Identifiers: what is legal, and the one order in which strings are compared (I1, K3). */
import { InvalidArgumentError } from "../contract/errors.js";

/** Most bytes of UTF-8 in an identifier (I1). */
export const MAX_IDENTIFIER_BYTES = 512;

/**
 * Returns the identifier, or refuses it (I1).
 * @throws InvalidArgumentError naming the argument, never quoting a value that is no string
 */
export function identifier(value: unknown, name: string): string {
  if (typeof value !== "string") throw new InvalidArgumentError(`${name} must be a string, not ${kindOf(value)}`);
  if (value.length === 0) throw new InvalidArgumentError(`${name} must not be empty`);
  // At most three bytes a UTF-16 unit: only long ones are measured.
  if (value.length * 3 > MAX_IDENTIFIER_BYTES && Buffer.byteLength(value, "utf8") > MAX_IDENTIFIER_BYTES) {
    throw new InvalidArgumentError(`${name} must have at most ${MAX_IDENTIFIER_BYTES} bytes of UTF-8`);
  }
  if (value.includes("\0")) throw new InvalidArgumentError(`${name} must not contain NUL`);
  if (!value.isWellFormed())
    throw new InvalidArgumentError(`${name} must be well-formed Unicode (it has a lone surrogate)`);
  return value;
}

/** An identifier that may also be empty: a namespace of checkpoints, a task path. */
export function identifierOrEmpty(value: unknown, name: string): string {
  return value === "" ? value : identifier(value, name);
}

/** What a value is, for messages: never the value itself. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (value instanceof Date) return "a Date";
  const kind = typeof value;
  return kind === "undefined" ? "undefined" : kind === "object" ? "an object" : `a ${kind}`;
}

/** Orders strings by Unicode code point, as UTF-8 bytes do; JavaScript's `<` orders by UTF-16 unit. */
export function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return orderUnit(x) - orderUnit(y);
  }
  return a.length - b.length;
}

/** Surrogates stand for code points above every other unit. */
function orderUnit(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x2000 : unit >= 0xe000 ? unit - 0x800 : unit;
}
