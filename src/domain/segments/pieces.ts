/** The pieces of each part of a text. */
import { Buffer } from "node:buffer";
import { blockName } from "./block.js";
import { commonRuns } from "./common-runs.js";
import { cutPoints, nextCuts } from "./cut.js";
import type { Child } from "./items.js";

/** A prepared value of so many bytes is a piece of its own; a longer one is cut, a shorter one stands between pieces. */
const MIN_VALUE = 128;
const MAX_VALUE = 16 * 1024;

/** Loose text up to so many bytes stands between pieces: it changes with each state. Longer text is cut. */
export const MAX_LOOSE = 2048;

/** Parts, and for each its pieces. Loose texts and prepared values stand in turn. */
export interface CutParts {
  readonly parts: readonly string[];
  readonly pieces: readonly (readonly Child[])[];
}

/** The pieces of the parts. With those of another text the result is the same, and parts that it has are not looked at. Contents of others go into `contents`. */
export function piecesOf(
  parts: readonly string[],
  before: CutParts | null,
  contents: Map<string, Uint8Array>,
): (readonly Child[])[] {
  const pieces: (readonly Child[])[] = new Array(parts.length);
  let next = 0;
  for (const { at, oldAt, count } of before === null ? [] : commonRuns(parts, before.parts)) {
    for (; next < at; next++) pieces[next] = cutPart(parts[next] as string, isValue(next), contents);
    for (let i = 0; i < count; i++, next++) {
      // A loose text and a prepared value may be the same letters.
      pieces[next] =
        isValue(at) === isValue(oldAt)
          ? (before?.pieces[oldAt + i] as readonly Child[])
          : cutPart(parts[next] as string, isValue(next), contents);
    }
  }
  for (; next < parts.length; next++) pieces[next] = cutPart(parts[next] as string, isValue(next), contents);
  return pieces;
}

function isValue(position: number): boolean {
  return position % 2 === 1;
}

/** Whether a loose text stands between pieces. */
export function isUncut(loose: string): boolean {
  // A letter has three bytes at most: only long ones are measured.
  return loose.length * 3 < MAX_LOOSE || Buffer.byteLength(loose) <= MAX_LOOSE;
}

/** The pieces of one part of a text. */
export function cutPart(part: string, isPrepared: boolean, contents: Map<string, Uint8Array>): readonly Child[] {
  if (isPrepared ? part.length * 3 < MIN_VALUE : isUncut(part)) return NONE;
  const bytes = Buffer.from(part);
  if (isPrepared && bytes.length < MIN_VALUE) return NONE;
  if (isPrepared && bytes.length <= MAX_VALUE) return [keep(bytes, contents)];
  let start = 0;
  return cutPoints(bytes).map((end) => {
    const piece = keep(bytes.subarray(start, end), contents);
    start = end;
    return piece;
  });
}

/** The pieces of a long loose text that comes in texts; yields between them. */
export function* cutInSteps(
  texts: readonly string[],
  length: number,
  contents: Map<string, Uint8Array>,
): Generator<void, readonly Child[], void> {
  const bytes = Buffer.allocUnsafeSlow(length);
  let filled = 0;
  for (const text of texts) {
    filled += bytes.write(text, filled);
    yield;
  }
  const pieces: Child[] = [];
  let start = 0;
  for (const end of nextCuts(bytes)) {
    pieces.push(keep(bytes.subarray(start, end), contents));
    start = end;
    yield;
  }
  return pieces;
}

function keep(content: Uint8Array, contents: Map<string, Uint8Array>): Child {
  const name = blockName(content);
  contents.set(name, content);
  return { name, isNode: false, comma: true };
}

const NONE: readonly Child[] = [];
