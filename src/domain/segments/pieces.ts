/** The pieces of each part of a text. */
import { Buffer } from "node:buffer";
import { blockName } from "./block.js";
import { commonRuns } from "./common-runs.js";
import { cutPoints } from "./cut.js";
import type { Child } from "./items.js";
import type { Outline } from "./outline.js";

/** A prepared value of so many bytes is a piece of its own; a longer one is cut, a shorter one stands between pieces. */
const MIN_VALUE = 128;
const MAX_VALUE = 16 * 1024;

/** Loose text up to so many bytes stands between pieces: it changes with each state. Longer text is cut. */
export const MAX_LOOSE = 2048;

/** Pieces of the parts, and the contents of those that were not taken over. */
export interface Pieces {
  /** For each part, see `Outline`. */
  readonly pieces: readonly (readonly Child[])[];
  readonly contents: ReadonlyMap<string, Uint8Array>;
}

/** With the outline of another text the result is the same, and parts that it has are not looked at. */
export function piecesOf(parts: readonly string[], before: Outline | null): Pieces {
  const pieces: (readonly Child[])[] = new Array(parts.length);
  const contents = new Map<string, Uint8Array>();
  let next = 0;
  for (const { at, oldAt, count } of before === null ? [] : commonRuns(parts, before.parts)) {
    for (; next < at; next++) pieces[next] = cutPart(parts, next, contents);
    for (let i = 0; i < count; i++, next++) {
      // A loose text and a prepared value may be the same letters.
      pieces[next] =
        (at - oldAt) % 2 === 0 ? (before?.pieces[oldAt + i] as readonly Child[]) : cutPart(parts, next, contents);
    }
  }
  for (; next < parts.length; next++) pieces[next] = cutPart(parts, next, contents);
  return { pieces, contents };
}

/** The pieces of one part of a text. */
export function cutPart(parts: readonly string[], at: number, contents: Map<string, Uint8Array>): readonly Child[] {
  const part = parts[at] as string;
  const isValue = at % 2 === 1;
  // A letter has three bytes at most: only long ones are measured.
  if (part.length * 3 < (isValue ? MIN_VALUE : MAX_LOOSE)) return NONE;
  const bytes = Buffer.from(part);
  if (isValue ? bytes.length < MIN_VALUE : bytes.length <= MAX_LOOSE) return NONE;
  const ends = isValue && bytes.length <= MAX_VALUE ? [bytes.length] : cutPoints(bytes);
  let start = 0;
  return ends.map((end) => {
    const content = bytes.subarray(start, end);
    const name = blockName(content);
    contents.set(name, content);
    start = end;
    return { name, isNode: false, comma: true };
  });
}

const NONE: readonly Child[] = [];
