/** What a store has of a unit, as something that another store can be made the same with. */
import type { Item } from "../../contract/item-storage.js";
import type { ExportFilter, ItemRecord, StorageRecord, ThreadRecord } from "../../contract/records.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { CopyFailure, type CopyWatch } from "./copy-watch.js";
import type { HeldSession } from "./idempotency.js";
import { otherSide, type Side } from "./side.js";
import type { Unit } from "./unit.js";

/** One subject: what there is of it, or that it is gone. */
export interface Piece {
  readonly records: readonly StorageRecord[];
  /** Removes it, where there are no records. */
  readonly remove: (target: StorageBackend, options: object) => Promise<unknown>;
  /** Told when the target has it. */
  readonly copied?: () => void;
  /** What a store has of it now, to be compared with. */
  readonly read: (store: StorageBackend, side: Side, watch: CopyWatch) => Promise<readonly StorageRecord[]>;
}

/** The views of one tenant of both stores, and which one is copied from. */
export interface CopyRoute {
  readonly from: Side;
  readonly source: StorageBackend;
  readonly target: StorageBackend;
  /** Whether items of the tenant may have vectors, which only an export shows. */
  readonly hasVectors: boolean;
  /** Holds back writes with an idempotency key for a session while it is read. */
  readonly hold: (sessionId: string) => Promise<HeldSession>;
  /** Told which sessions and threads the target has now, if that is of use. */
  readonly learn?: (records: readonly StorageRecord[], isTail: boolean) => void;
}

/** Items that are asked for at once. */
export const ITEMS_AT_ONCE = 100;

/**
 * The pieces that make a unit of the target the same as the source's, in their order.
 * @param seen names of subjects that are left out, because they were read before; those that are read now are added
 */
export async function piecesOf(
  route: CopyRoute,
  unit: Unit,
  watch: CopyWatch,
  seen: Set<string> = new Set(),
): Promise<Piece[]> {
  switch (unit.kind) {
    case "session":
      return sessionPieces(route, [unit.id], watch, seen);
    case "context":
      return sessionPieces(route, [unit.sessionId], watch, seen);
    case "thread":
      return threadPieces(route, unit.id, watch, seen);
    case "item":
      return itemPieces(route, [unit], watch);
    case "items":
      return prefixPieces(route, unit.prefix, watch);
    case "tenant":
      throw new TypeError("a tenant is copied in parts");
  }
}

async function sessionPieces(
  route: CopyRoute,
  ids: readonly (string | undefined)[],
  watch: CopyWatch,
  seen: Set<string>,
): Promise<Piece[]> {
  const pieces: Piece[] = [];
  for (const id of new Set(ids)) {
    if (id === undefined || seen.has(`session ${id}`)) continue;
    seen.add(`session ${id}`);
    pieces.push(await sessionPiece(route, id, watch));
  }
  return pieces;
}

async function sessionPiece(route: CopyRoute, sessionId: string, watch: CopyWatch): Promise<Piece> {
  const { from, source, hold, learn } = route;
  const held = await hold(sessionId).catch((error: unknown) => {
    throw new CopyFailure(from, error);
  });
  try {
    const records = await exported(source, from, { sessionId }, watch);
    return {
      records,
      remove: (target, options) => target.deleteSession(sessionId, options),
      copied: () => {
        held.copied();
        learn?.(records, false);
      },
      read: (store, side, reading) => exported(store, side, { sessionId }, reading),
    };
  } finally {
    held.release();
  }
}

/** A thread that is linked goes with its session: storing a checkpoint moves that too, and an import of one takes along the other. */
async function threadPieces(route: CopyRoute, threadId: string, watch: CopyWatch, seen: Set<string>): Promise<Piece[]> {
  const { from, source, target, learn } = route;
  const known = await threadRecord(source, from, threadId, watch);
  const old = await threadRecord(target, otherSide(from), threadId, watch);
  const pieces = await sessionPieces(route, [old?.session_id, known?.session_id], watch, seen);
  if (known?.session_id === undefined) {
    const records = await exported(source, from, { threadId }, watch);
    pieces.push({
      records,
      remove: (store, options) => store.deleteThread(threadId, options),
      copied: () => learn?.(records, false),
      read: (store, side, reading) => exported(store, side, { threadId }, reading),
    });
  }
  return pieces;
}

export async function threadRecord(
  store: StorageBackend,
  side: Side,
  threadId: string,
  watch: CopyWatch,
): Promise<ThreadRecord | undefined> {
  const [record] = await exported(store, side, { threadId, kinds: ["thread"] }, watch);
  return record?.kind === "thread" ? record : undefined;
}

/** Where an item is. */
export interface ItemPlace {
  readonly namespace: readonly string[];
  readonly key: string;
}

export async function itemPieces(
  { from, source, hasVectors }: CopyRoute,
  places: readonly ItemPlace[],
  watch: CopyWatch,
): Promise<Piece[]> {
  const records = await itemRecords(source, from, places, hasVectors, watch);
  return places.map((place, i) => itemPiece(place, records[i], hasVectors));
}

export function itemPiece(place: ItemPlace, record: ItemRecord | undefined, hasVectors: boolean): Piece {
  return {
    records: record === undefined ? [] : [record],
    remove: (target, options) => target.deleteItem(place.namespace, place.key, options),
    read: async (store, side, reading) =>
      (await itemRecords(store, side, [place], hasVectors, reading)).filter((found) => found !== undefined),
  };
}

/** A piece of an item that an export has given. */
export function exportedItemPiece(record: ItemRecord): Piece {
  return itemPiece(record, record, record.vectors !== undefined);
}

/** Items below a prefix: those of the target go, those of the source come. */
async function prefixPieces(
  { from, source }: CopyRoute,
  prefix: readonly string[],
  watch: CopyWatch,
): Promise<Piece[]> {
  const removal: Piece = {
    records: [],
    remove: (target, options) => target.deleteItems(prefix, options),
    read: async () => [],
  };
  const count = await watch.at(from, () => source.countItems(prefix, watch.options));
  if (count === 0) return [removal];
  const pieces = [removal];
  for await (const record of watch.each(from, () => source.exportRecords({ kinds: ["item"], signal: watch.signal }))) {
    if (record.kind !== "item" || !prefix.every((label, i) => record.namespace[i] === label)) continue;
    pieces.push(exportedItemPiece(record));
  }
  return pieces;
}

/** Items as records. What a read does not tell (vectors, and how long an item lives) is in an export of all items alone. */
async function itemRecords(
  store: StorageBackend,
  side: Side,
  places: readonly ItemPlace[],
  hasVectors: boolean,
  watch: CopyWatch,
): Promise<(ItemRecord | undefined)[]> {
  const records = new Map<string, ItemRecord>();
  const hidden = new Set<string>();
  for (let at = 0; at < places.length; at += ITEMS_AT_ONCE) {
    const some = places.slice(at, at + ITEMS_AT_ONCE);
    const gets = some.map(({ namespace, key }) => ({ get: { namespace, key } }));
    const found = (await watch.at(side, () => store.batchItems(gets, watch.options))) as (Item | undefined)[];
    for (const item of found) {
      if (item === undefined) continue;
      if (hasVectors || item.expiresAt !== undefined) hidden.add(placeName(item));
      else records.set(placeName(item), recordOf(item));
    }
  }
  if (hidden.size > 0) {
    for await (const record of watch.each(side, () => store.exportRecords({ kinds: ["item"], signal: watch.signal }))) {
      if (record.kind === "item" && hidden.delete(placeName(record))) records.set(placeName(record), record);
      if (hidden.size === 0) break;
    }
  }
  return places.map((place) => records.get(placeName(place)));
}

function recordOf({ namespace, key, value, version, createdAt, updatedAt }: Item): ItemRecord {
  return {
    kind: "item",
    namespace,
    key,
    value,
    version,
    created_at: createdAt.toISOString(),
    updated_at: updatedAt.toISOString(),
  };
}

function placeName({ namespace, key }: ItemPlace): string {
  return JSON.stringify([namespace, key]);
}

export function exported(
  store: StorageBackend,
  side: Side,
  filter: ExportFilter,
  watch: CopyWatch,
): Promise<StorageRecord[]> {
  return watch.all(side, () => store.exportRecords({ ...filter, signal: watch.signal }));
}
