/**
 * What is left to do with a value on its tape before its text is made, in steps: to look for what no program stores often. To ask each array
 * and object for it takes as long as to write it down.
 */
import { SerializationError } from "../../contract/errors.js";
import { hasFurtherProperties } from "./further-properties.js";
import { renderPath } from "./path.js";
import type { Tape } from "./tape.js";
import { pathOnTape } from "./tape-path.js";

/** How many are asked between two yields: some tenths of a millisecond. */
const ASKED_AT_ONCE = 1_000;

/**
 * Looks for symbols, and for further properties of arrays, in the arrays and objects as they are by now.
 * @throws SerializationError with the path of what cannot be kept
 */
export function* checkOriginals(tape: Tape): Generator<void, void, void> {
  const { originals } = tape;
  for (let i = 0; i < originals.length; i++) {
    const original = originals.at(i);
    if (Array.isArray(original)) {
      if (hasFurtherProperties(original)) refuse(tape, i, "an array with further properties");
    } else if (hasSymbols(original)) refuse(tape, i, "an object with symbol keys");
    if (i % ASKED_AT_ONCE === ASKED_AT_ONCE - 1) yield;
  }
  tape.forgetOriginals();
}

function refuse(tape: Tape, original: number, what: string): never {
  throw new SerializationError(renderPath(pathOnTape(tape, { original })), `${what} cannot be stored`);
}

function hasSymbols(object: object): boolean {
  return Object.getOwnPropertySymbols(object).length !== 0;
}
