/** Keyset pages in the reference model: a cursor is the place of the last row, so that writes between pages shift nothing (S7). */
import type { Page } from "../../../contract/call.js";

/** `Place` is what of a row decides where it stands; it is all that a cursor holds. */
export interface PageRequest<Place, Row extends Place, Shown> {
  readonly compare: (a: Place, b: Place) => number;
  readonly place: (row: Row) => Place;
  readonly present: (row: Row) => Shown;
  readonly limit: number;
  readonly offset?: number;
  readonly cursor: string | undefined;
}

export function pageAfter<Place, Row extends Place, Shown>(
  rows: readonly Row[],
  request: PageRequest<Place, Row, Shown>,
): Page<Shown> {
  const { compare, place, present, limit, offset = 0, cursor } = request;
  const after = cursor === undefined ? undefined : (JSON.parse(cursor) as Place);
  const rest = rows.filter((row) => after === undefined || compare(row, after) > 0).sort(compare);
  const page = rest.slice(offset, offset + limit);
  const last = page.at(-1);
  const items = page.map(present);
  return last !== undefined && rest.length > offset + limit
    ? { items, nextCursor: JSON.stringify(place(last)) }
    : { items };
}
