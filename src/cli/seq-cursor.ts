/** Pages of listings that are bounded by a `seq`: conversations and checkpoints. */
import { InvalidArgumentError } from "../contract/errors.js";

/** Bounds of a page, both exclusive. */
export interface SeqBounds {
  readonly before?: number | undefined;
  readonly after?: number | undefined;
}

/** The bounds of the options; a cursor takes the place of the bound that it continues. */
export function seqBounds(given: SeqBounds, cursor: string | undefined): SeqBounds {
  if (cursor === undefined) return given;
  const [, bound, seq] = /^(before|after)-(\d{1,15})$/.exec(cursor) ?? [];
  if (bound === undefined || (bound === "before") !== (given.after === undefined)) {
    throw new InvalidArgumentError("cursor belongs to another query: repeat the command with the same options");
  }
  return { ...given, [bound]: Number(seq) };
}

/** The cursor of a row: `before-41`, `after-41`. */
export function seqCursor(bound: "before" | "after", seq: number): string {
  return `${bound}-${seq}`;
}
