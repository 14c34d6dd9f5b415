/** The check of `plain.ts`, in steps: of values that nobody changes meanwhile, such as the records of an import. */
import { DEFAULT_MAX_BYTES } from "./format.js";
import { hasFurtherProperties } from "./further-properties.js";
import { isPlainJson, jsonIsOverridden, wasTooMuchWork, workLeftOver } from "./plain.js";

/** Work of one step, some tenths of a millisecond. */
const STEP = 256 * 1024;

/** That of a number among others. */
const NUMBER_WORK = 64;

/** More work than the longest text takes: no character of one takes more. */
const MOST_WORK: number = 256 * DEFAULT_MAX_BYTES;

/** As `isPlainJson`, for a value of any number of arrays and objects. */
export function* isPlainJsonInSteps(value: unknown, maxDepth: number): Generator<void, boolean, void> {
  return !jsonIsOverridden() && (yield* new PlainLook(maxDepth).isPlain(value, 0));
}

class PlainLook {
  readonly #maxDepth: number;
  #workLeft: number = MOST_WORK;
  #untilPause: number = STEP;

  constructor(maxDepth: number) {
    this.#maxDepth = maxDepth;
  }

  *isPlain(value: unknown, depth: number): Generator<void, boolean, void> {
    const isPlain = isPlainJson(value, this.#maxDepth - depth, STEP);
    const work = 1 + STEP - workLeftOver();
    this.#workLeft -= work;
    this.#untilPause -= work;
    if (this.#workLeft < 0) return false;
    if (isPlain || !wasTooMuchWork()) return isPlain;
    if (typeof value === "string") return true;
    if (depth >= this.#maxDepth) return false;
    // To ask for very many keys takes as long as what was done up to here.
    yield;
    return yield* this.#areParts(value as object, depth + 1);
  }

  *#areParts(container: object, depth: number): Generator<void, boolean, void> {
    const isArray = Array.isArray(container);
    if (Object.getPrototypeOf(container) !== (isArray ? Array.prototype : Object.prototype)) return false;
    if (Object.getOwnPropertySymbols(container).length !== 0) return false;
    const parts: Iterable<unknown> = isArray ? container : propertiesOf(container as Readonly<Record<string, unknown>>);
    for (const part of parts) {
      if (typeof part === "number") {
        // What is light needs no generator of its own.
        if (!isPlainJson(part, 0)) return false;
        this.#untilPause -= NUMBER_WORK;
      } else if (!(yield* this.isPlain(part, depth))) return false;
      if (this.#untilPause > 0) continue;
      this.#untilPause = STEP;
      yield;
    }
    return !isArray || !hasFurtherProperties(container);
  }
}

function* propertiesOf(object: Readonly<Record<string, unknown>>): Generator<unknown, void, void> {
  for (const key of Object.keys(object)) yield object[key];
}
