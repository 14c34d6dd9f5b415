/** Vectors in records: base64 of little-endian 32-bit floats, exact and a quarter of their decimal digits (P1). */
import { Buffer } from "node:buffer";
import { InvalidArgumentError } from "../../contract/errors.js";
import { array, string } from "../arguments.js";
import type { StoredVectors } from "../driver/stored.js";
import { parseVectors } from "../vectors.js";

const BYTES_OF_A_NUMBER = 4;

export function vectorTexts({ dimensions, values }: StoredVectors): string[] {
  const texts: string[] = [];
  for (let from = 0; from < values.length; from += dimensions) {
    const bytes = Buffer.alloc(dimensions * BYTES_OF_A_NUMBER);
    for (let i = 0; i < dimensions; i++) bytes.writeFloatLE(values[from + i] as number, i * BYTES_OF_A_NUMBER);
    texts.push(bytes.toString("base64"));
  }
  return texts;
}

/** @throws InvalidArgumentError */
export function parseVectorTexts(value: unknown, name: string): StoredVectors {
  const vectors = parseVectors(
    Array.from(array(value, name), (each, i) => parseVectorText(each, `${name}[${i}]`)),
    name,
  );
  if (vectors === null) throw new InvalidArgumentError(`${name} must not be empty`);
  return vectors;
}

function parseVectorText(value: unknown, name: string): Float32Array {
  const text = string(value, name);
  const bytes = Buffer.from(text, "base64");
  // Decoding is lenient: the one spelling that is written counts.
  if (bytes.toString("base64") !== text || bytes.length % BYTES_OF_A_NUMBER !== 0) {
    throw new InvalidArgumentError(`${name} must be the base64 text of 32-bit floats`);
  }
  const vector = new Float32Array(bytes.length / BYTES_OF_A_NUMBER);
  for (let i = 0; i < vector.length; i++) vector[i] = bytes.readFloatLE(i * BYTES_OF_A_NUMBER);
  return vector;
}
