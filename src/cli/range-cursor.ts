/**
 * Pages of a listing that is bounded by an age. `--since 2h` names another instant each time it is typed, and a cursor belongs
 * to one query: so the cursor that the command hands out carries the instants of its first page.
 */

import type { TimeRange } from "../contract/call.js";
import { InvalidArgumentError } from "../contract/errors.js";
import type { InstantOption } from "./option-values.js";

export interface BoundRange {
  readonly range: TimeRange | undefined;
  /** The storage's own cursor. */
  readonly cursor: string | undefined;
  /** A bound was given by its age, so the next cursor has to carry the range. */
  readonly frozen: boolean;
}

/** The range and the cursor that the options mean: the instants of the cursor count more than the ages that are typed with it. */
export function boundRange(
  since: InstantOption | undefined,
  until: InstantOption | undefined,
  cursor: string | undefined,
): BoundRange {
  const frozen = since?.relative === true || until?.relative === true;
  const [own, from, to, ...rest] = cursor?.split(".") ?? [];
  const isBound = from !== undefined;
  if (isBound && (to === undefined || rest.length > 0 || !frozen)) throw foreign();
  const range = {
    from: isBound && since?.relative === true ? instantOf(from) : since?.at,
    to: isBound && until?.relative === true ? instantOf(to ?? "") : until?.at,
  };
  return { range: range.from === undefined && range.to === undefined ? undefined : range, cursor: own, frozen };
}

/** The cursor to hand out: with the instants of the range when they were given as ages. */
export function boundCursor(
  cursor: string | undefined,
  range: TimeRange | undefined,
  frozen: boolean,
): string | undefined {
  if (cursor === undefined || !frozen) return cursor;
  return `${cursor}.${textOf(range?.from)}.${textOf(range?.to)}`;
}

function textOf(instant: Date | undefined): string {
  return instant === undefined ? "" : String(instant.getTime());
}

function instantOf(text: string): Date {
  const at = new Date(Number(text));
  if (!/^-?\d+$/.test(text) || Number.isNaN(at.getTime())) throw foreign();
  return at;
}

function foreign(): InvalidArgumentError {
  return new InvalidArgumentError("cursor belongs to another query: repeat the command with the same options");
}
