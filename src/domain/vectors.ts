/** Vectors of items: what may be kept, and how one has to fit the others (M4). */
import { InvalidArgumentError, quoteIdentifier } from "../contract/errors.js";
import { array } from "./arguments.js";
import type { ItemStep } from "./driver/items.js";
import type { StoredVectors } from "./driver/stored.js";
import { kindOf } from "./identifiers.js";
import { Intake } from "./intake.js";

/** Most dimensions of a vector, the most that pgvector keeps. */
export const MAX_DIMENSIONS = 16_000;

/** Most vectors of an item. */
export const MAX_ITEM_VECTORS = 1_000;

/**
 * A copy of a vector in 32-bit floats: what the caller does to its array afterwards changes nothing.
 * @throws InvalidArgumentError unless it is 1 to 16,000 numbers, each finite as a 32-bit float
 */
export function parseVector(value: unknown, name: string, intake: Intake = new Intake()): Float32Array {
  const numbers = numbersOf(value, name, intake);
  const vector = new Float32Array(numbers.length);
  copyNumbers(numbers, name, vector);
  return vector;
}

type Numbers = Float32Array | readonly unknown[];

function numbersOf(value: unknown, name: string, intake: Intake): Numbers {
  if (!(value instanceof Float32Array)) {
    if (ArrayBuffer.isView(value)) {
      throw new InvalidArgumentError(
        `${name} must be an array of numbers or a Float32Array, not another view of bytes`,
      );
    }
    array(value, name);
  }
  const numbers = value as Numbers;
  const { length } = numbers;
  if (length < 1 || length > MAX_DIMENSIONS) {
    throw new InvalidArgumentError(`${name} must have 1 to ${MAX_DIMENSIONS} dimensions, not ${length}`);
  }
  intake.addNumbers(length, name);
  return numbers;
}

/** Number by number: `Float32Array.from` takes ten times as long. */
function copyNumbers(numbers: Numbers, name: string, vector: Float32Array): void {
  for (let i = 0; i < vector.length; i++) {
    const each = numbers[i];
    if (typeof each !== "number") {
      throw new InvalidArgumentError(`${name}[${i}] must be a number, not ${kindOf(each)}`);
    }
    vector[i] = each;
    if (!Number.isFinite(vector[i])) {
      throw new InvalidArgumentError(`${name}[${i}] must be a finite number that a 32-bit float can hold`);
    }
  }
}

/**
 * The vectors of an item, all of one dimension; `null` for an empty list.
 * @throws InvalidArgumentError
 */
export function parseVectors(value: unknown, name: string, intake: Intake = new Intake()): StoredVectors | null {
  const given = array(value, name);
  if (given.length > MAX_ITEM_VECTORS) {
    throw new InvalidArgumentError(`${name} must be at most ${MAX_ITEM_VECTORS} vectors`);
  }
  const vectors = Array.from(given, (each, i) => numbersOf(each, `${name}[${i}]`, intake));
  const dimensions = vectors[0]?.length;
  if (dimensions === undefined) return null;
  const values = new Float32Array(vectors.length * dimensions);
  for (const [i, vector] of vectors.entries()) {
    if (vector.length !== dimensions) {
      throw new InvalidArgumentError(`${name}[${i}] has ${vector.length} dimensions, and ${name}[0] has ${dimensions}`);
    }
    copyNumbers(vector, `${name}[${i}]`, values.subarray(i * dimensions, (i + 1) * dimensions));
  }
  return { dimensions, values };
}

/** Whether a step needs a store that keeps vectors. To remove those of an item that can have none is no fault. */
export function bringsVectors(
  step: ItemStep,
): step is Extract<ItemStep, { readonly kind: "put" | "update" }> & { readonly vectors: StoredVectors } {
  if (step.kind !== "put" && step.kind !== "update") return false;
  return step.vectors !== null && step.vectors !== "keep";
}

/**
 * Vectors below one first label have one dimension, that of the first of them (M4).
 * @param fixed the dimension of the vectors below the label, `undefined` before there were any
 * @throws InvalidArgumentError
 */
export function assertDimensions(root: string, fixed: number | undefined, dimensions: number): void {
  if (fixed === undefined || fixed === dimensions) return;
  throw new InvalidArgumentError(
    `a vector of ${dimensions} dimensions does not fit: those below ${quoteIdentifier(root)} have ${fixed}`,
  );
}
