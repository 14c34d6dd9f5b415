/**
 * What one call is given, all of it together. A call takes its values at once, since the caller may change them afterwards: what that
 * takes is counted over all of them, as it is for a single one.
 */
import { InvalidArgumentError } from "../contract/errors.js";
import { WORK_AT_ONCE } from "./codec/plain.js";
import { Shapes } from "./codec/shapes.js";
import type { Written } from "./codec/tape-writer.js";
import { MAX_IDENTIFIERS } from "./lists.js";
import { spendTurn } from "./turns.js";

/** Most bytes of the metadata of one call, as JSON text in UTF-8: 4 MiB. Metadata is encoded at once, and so are the operands of filters. */
export const MAX_CALL_METADATA_BYTES: number = 4 * 1024 * 1024;

/** Most arrays and objects in it, and elements and properties of them, for one thing and for all of a call. */
export const MAX_METADATA_PARTS = 100_000;

/** Most numbers of the vectors of one call, and of one item: 16 MiB of 32-bit floats. */
export const MAX_VECTOR_NUMBERS: number = 4 * 1024 * 1024;

/** A value of so little is always encoded at once: to write it on a tape takes longer. */
const LITTLE_WORK = 1_024;

/** From so much on, what comes behind it has a turn of the event loop for itself. */
const WORK_OF_A_TURN: number = WORK_AT_ONCE / 2;

/** So many take some 5 ms. */
const NUMBERS_OF_A_TURN = 1024 * 1024;

export class Intake {
  /** As for one value, whatever the number of values. */
  #workLeft: number = WORK_AT_ONCE;
  #metadataBytes = 0;
  #metadataParts = 0;
  #names = 0;
  #numbers = 0;

  /** What is written on tapes. */
  readonly written: Written = { containers: 0, members: 0, characters: 0, shapes: new Shapes() };

  /** The work that may be done at once for the next value. */
  get mostWork(): number {
    return Math.max(LITTLE_WORK, this.#workLeft);
  }

  /** No work is left: values are only written down, unless they are little. */
  get isSpent(): boolean {
    return this.#workLeft <= 0;
  }

  spend(work: number): void {
    this.#workLeft -= work;
    if (this.#workLeft < WORK_AT_ONCE - WORK_OF_A_TURN) spendTurn();
  }

  /** How much metadata there may still be. */
  get metadataPartsLeft(): number {
    return MAX_METADATA_PARTS - this.#metadataParts;
  }

  get metadataBytesLeft(): number {
    return MAX_CALL_METADATA_BYTES - this.#metadataBytes;
  }

  addMetadata(bytes: number, parts: number): void {
    this.#metadataBytes += bytes;
    this.#metadataParts += parts;
  }

  /** Counts conditions of filters, and keys that are taken by themselves. @throws InvalidArgumentError */
  addNames(count: number, name: string): void {
    this.#names += count;
    if (this.#names > MAX_IDENTIFIERS) throw tooMuch(name, MAX_IDENTIFIERS, "conditions and keys");
  }

  /** Counts the numbers of vectors. @throws InvalidArgumentError */
  addNumbers(count: number, name: string): void {
    this.#numbers += count;
    if (this.#numbers > MAX_VECTOR_NUMBERS) throw tooMuch(name, MAX_VECTOR_NUMBERS, "numbers of vectors");
    if (this.#numbers > NUMBERS_OF_A_TURN) spendTurn();
  }
}

function tooMuch(name: string, most: number, what: string): InvalidArgumentError {
  return new InvalidArgumentError(`${name}: one call may have at most ${most} ${what} together; use several calls`);
}
