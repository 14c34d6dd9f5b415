/** A whole tenant in parts: first what the source has, then what the target has too much. */
import type { StorageRecord } from "../../contract/records.js";
import type { CopyWatch } from "./copy-watch.js";
import {
  type CopyRoute,
  exportedItemPiece,
  ITEMS_AT_ONCE,
  type ItemPlace,
  itemPiece,
  type Piece,
  piecesOf,
} from "./pieces.js";
import { otherSide } from "./side.js";

const PAGE = 100;

/** The pieces of everything, some at a time. What is written meanwhile is marked by itself. */
export async function* piecesOfTenant(route: CopyRoute, watch: CopyWatch): AsyncGenerator<Piece[]> {
  const { from, source, target } = route;
  const to = otherSide(from);
  const oldestFirst = { orderBy: "createdAt", direction: "asc", limit: PAGE } as const;

  for (let cursor: string | undefined; ; ) {
    const page = await watch.at(from, () => source.listSessions({ ...watch.options, ...oldestFirst, cursor }));
    for (const { sessionId } of page.items) yield piecesOf(route, { kind: "session", id: sessionId }, watch);
    cursor = page.nextCursor;
    if (cursor === undefined) break;
  }
  for (let cursor: string | undefined; ; ) {
    const page = await watch.at(from, () => source.listThreads({ ...watch.options, ...oldestFirst, cursor }));
    for (const { threadId, sessionId } of page.items) {
      if (sessionId === undefined) yield piecesOf(route, { kind: "thread", id: threadId }, watch);
    }
    cursor = page.nextCursor;
    if (cursor === undefined) break;
  }
  yield* inParts(watch.each(from, () => source.exportRecords({ kinds: ["item"], signal: watch.signal })));

  for (let cursor: string | undefined; ; ) {
    const page = await watch.at(to, () => target.listSessions({ ...watch.options, ...oldestFirst, cursor }));
    const ids = page.items.map(({ sessionId }) => sessionId);
    const known = await watch.at(from, () => source.batchGetSessions(ids, watch.options));
    for (const [i, id] of ids.entries()) {
      if (known[i] === undefined) yield piecesOf(route, { kind: "session", id }, watch);
    }
    cursor = page.nextCursor;
    if (cursor === undefined) break;
  }
  for (let cursor: string | undefined; ; ) {
    const page = await watch.at(to, () => target.listThreads({ ...watch.options, ...oldestFirst, cursor }));
    for (const { threadId } of page.items) {
      const filter = { threadId, kinds: ["thread"], signal: watch.signal } as const;
      const known = await watch.all(from, () => source.exportRecords(filter));
      if (known.length === 0) yield piecesOf(route, { kind: "thread", id: threadId }, watch);
    }
    cursor = page.nextCursor;
    if (cursor === undefined) break;
  }
  let places: ItemPlace[] = [];
  for await (const record of watch.each(to, () => target.exportRecords({ kinds: ["item"], signal: watch.signal }))) {
    if (record.kind === "item") places.push(record);
    if (places.length < ITEMS_AT_ONCE) continue;
    yield itemsTooMuch(route, places, watch);
    places = [];
  }
  if (places.length > 0) yield itemsTooMuch(route, places, watch);
}

async function itemsTooMuch(
  { from, source }: CopyRoute,
  places: readonly ItemPlace[],
  watch: CopyWatch,
): Promise<Piece[]> {
  const gets = places.map(({ namespace, key }) => ({ get: { namespace, key } }));
  const found = await watch.at(from, () => source.batchItems(gets, watch.options));
  return places.filter((_place, i) => found[i] === undefined).map((place) => itemPiece(place, undefined, false));
}

async function* inParts(records: AsyncIterable<StorageRecord>): AsyncGenerator<Piece[]> {
  let pieces: Piece[] = [];
  for await (const record of records) {
    if (record.kind !== "item") continue;
    pieces.push(exportedItemPiece(record));
    if (pieces.length < ITEMS_AT_ONCE) continue;
    yield pieces;
    pieces = [];
  }
  if (pieces.length > 0) yield pieces;
}
