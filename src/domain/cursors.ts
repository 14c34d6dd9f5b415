/**
 * Keyset cursors: where a page ended, as opaque text. A cursor belongs to one query (all of it but `limit` and `cursor`); one
 * of another query, of another listing or changed on its way is refused, so that a listing never skips rows unnoticed (S7).
 */
import { createHash } from "node:crypto";
import type { Page } from "../contract/call.js";
import { InvalidArgumentError } from "../contract/errors.js";
import { integer, string } from "./arguments.js";
import type { Call } from "./driver/call.js";
import type { TimePosition } from "./driver/storage-driver.js";
import type { Rows } from "./driver/stored.js";
import { EACH_STEP, Slices } from "./slices.js";

const FORMAT = 1;

/** Longer than any cursor that is written here: 33 labels of 512 bytes, escaped. */
const MAX_CURSOR_LENGTH = 262_144;

/** What tells queries apart: the name of the listing and all that chooses and orders its rows. */
export function queryDigest(listing: string, query: object): string {
  return digest(canonicalJson([listing, query]));
}

/** The cursor of a position, which is a JSON value. */
export function encodeCursor(position: unknown, query: string): string {
  const text = JSON.stringify(position);
  return Buffer.from(JSON.stringify([FORMAT, query, digest(query + text), text])).toString("base64url");
}

/**
 * The position of a cursor of this query. Its shape is for the caller to check.
 * @throws InvalidArgumentError
 */
export function decodeCursor(cursor: unknown, query: string): unknown {
  const text = string(cursor, "cursor");
  const [format, of, check, position] = fieldsOf(text);
  if (typeof format === "number" && format !== FORMAT) {
    throw new InvalidArgumentError("cursor was made by another version of this product; start the listing anew");
  }
  if (typeof of !== "string" || typeof position !== "string" || check !== digest(of + position)) throw notACursor();
  if (of !== query) throw new InvalidArgumentError("cursor belongs to another query: only the limit may change");
  return JSON.parse(position);
}

/** Where a page ordered by time and id ended; `null` without a cursor. */
export function decodeTimeCursor(cursor: unknown, query: string): TimePosition | null {
  if (cursor === undefined) return null;
  const position = decodeCursor(cursor, query);
  if (!Array.isArray(position) || position.length !== 2) throw notACursor();
  return { time: integer(position[0], "cursor"), id: string(position[1], "cursor") };
}

/** A cursor for a position that `decodeTimeCursor` reads. */
export function timePosition(time: number, id: string): readonly [number, string] {
  return [time, id];
}

/** The page that a driver's rows make, with the position of its last row when there are more. */
export async function pageOf<Row, T>(
  call: Call,
  { rows, more }: Rows<Row>,
  query: string,
  present: (row: Row) => T | Promise<T>,
  position: (row: Row) => unknown,
): Promise<Page<T>> {
  const last = rows.at(-1);
  const slices = new Slices(call, EACH_STEP, true);
  const items: T[] = [];
  for (const row of rows) {
    const item = present(row);
    items.push(item instanceof Promise ? await item : item);
    if (slices.over()) await slices.next();
  }
  return more && last !== undefined ? { items, nextCursor: encodeCursor(position(last), query) } : { items };
}

/** The refusal of a text that is no cursor. */
export function notACursor(): InvalidArgumentError {
  return new InvalidArgumentError("cursor is not one that a listing returned");
}

function fieldsOf(cursor: string): readonly unknown[] {
  if (cursor.length > MAX_CURSOR_LENGTH || !/^[\w-]+$/.test(cursor)) throw notACursor();
  const bytes = Buffer.from(cursor, "base64url");
  // Decoding is lenient about the unused last bits: the one spelling that is written counts.
  if (bytes.toString("base64url") !== cursor) throw notACursor();
  try {
    const fields: unknown = JSON.parse(bytes.toString("utf8"));
    if (Array.isArray(fields) && fields.length === 4) return fields;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw notACursor();
}

/** 96 bits tell queries and damaged positions apart; this is no secret and no signature. */
function digest(text: string): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, 16);
}

/** JSON that does not depend on the order in which an object's keys were written. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) =>
    each !== null && typeof each === "object" && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}
