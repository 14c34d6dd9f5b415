/** Searching items (M1, M2): places are walked in their order, in bounded steps; filters are the domain's. */
import type { Call } from "../../domain/driver/call.js";
import type { ItemCount, ItemListing, NamespaceListing } from "../../domain/driver/items.js";
import type { Rows, StoredItem } from "../../domain/driver/stored.js";
import { isAfter, itemOrder } from "../../domain/items.js";
import { compareNamespaces, endsWithLabels } from "../../domain/namespaces.js";
import { Slices } from "../../domain/slices.js";
import { packedText, packedWith } from "./checkpoint-rows.js";
import type { Connection } from "./connection/connection.js";
import { behindNamespace, beyond, boundsOf, type ItemAddress, parseItem, parseItemPlace } from "./item-rows.js";
import { readText, readTexts, whole } from "./long-texts.js";
import { SCAN_ITEMS } from "./lua/items.js";

/** Items that one step looks at: with their values, and by their places alone. */
const VALUES_AT_ONCE = 128;
const PLACES_AT_ONCE = 1_000;

export interface Walk {
  readonly prefix: readonly string[];
  readonly direction: "asc" | "desc";
  /** Exclusive: an item, or the first bound that counts. */
  readonly after: ItemAddress | string | null;
  /** Most that the first step looks at. */
  readonly first: number;
}

/** Items below a prefix that are there for readers, in the order of their places. */
export async function* walkItems(
  connection: Connection,
  call: Call,
  walk: Walk,
): AsyncGenerator<StoredItem, void, void> {
  for await (const [place, text] of walkPlaces(connection, call, walk, true)) yield parseItem(place, text).item;
}

/** An item with its value where that is long. */
export async function withValue(connection: Connection, call: Call, item: StoredItem): Promise<StoredItem> {
  const value = await readText(connection, call, item.value);
  return value === item.value ? item : { ...item, value };
}

/** A page of places with their rows, and what is long in them. */
function pageOfRows(
  connection: Connection,
  call: Call,
  args: readonly (string | number)[],
): Promise<(string | null)[]> {
  return whole(async () => {
    const [, ...found] = await connection.run<(string | null)[]>(call, SCAN_ITEMS, args);
    const isRow = (text: string | null, at: number): boolean => at % 2 === 1 && text !== null && text !== "1";
    return readTexts(
      connection,
      call,
      found,
      (text, at) => (isRow(text, at) ? packedText(text) : null),
      (text, value) => packedWith(text as string, value),
    );
  });
}

async function* walkPlaces(
  connection: Connection,
  call: Call,
  { prefix, direction, after, first }: Walk,
  values: boolean,
): AsyncGenerator<readonly [ItemAddress, string], void, void> {
  let [from, to] = boundsOf(prefix);
  const goOn = (place: ItemAddress): void => {
    if (direction === "asc") from = beyond(place);
    else to = beyond(place);
  };
  if (typeof after === "string") from = after;
  else if (after !== null) goOn(after);
  const most = values ? VALUES_AT_ONCE : PLACES_AT_ONCE;
  for (let step = Math.min(first, most); ; step = most) {
    const args = [from, to, direction, step, values ? "1" : "0"];
    const found = await pageOfRows(connection, call, args);
    for (let i = 0; i < found.length; i += 2) {
      const place = parseItemPlace(found[i] as string);
      const text = found[i + 1];
      if (text != null) yield [place, text];
      goOn(place);
    }
    if (found.length < 2 * step) return;
    if (call.cancelled) throw call.cancellation();
  }
}

export async function searchItems(connection: Connection, call: Call, listing: ItemListing): Promise<Rows<StoredItem>> {
  const { prefix, filter, orderBy, direction, limit, offset, after } = listing;
  const wanted = offset + limit;
  const byKey = orderBy === "key";
  const page = new FirstItems(listing, wanted + 1);
  const walk = {
    prefix,
    direction: byKey ? direction : "asc",
    after: byKey ? after : null,
    first: wanted + 1,
  } as const;
  const slices = new Slices(call);
  for await (const item of walkItems(connection, call, walk)) {
    if (isAfter(item, listing) && (filter === null || filter.matchesText(item.value))) page.add(item);
    if (byKey && page.full) break;
    if (slices.over()) await slices.next();
  }
  return pageOf(page.sorted(), listing);
}

/** The page of a listing out of items in its order, one more of them if there are more. */
function pageOf(items: readonly StoredItem[], { offset, limit }: ItemListing): Rows<StoredItem> {
  return { rows: items.slice(offset, offset + limit), more: items.length > offset + limit };
}

/** The page of a listing out of all items that it may show. */
export function searchAmong(items: readonly StoredItem[], listing: ItemListing): Rows<StoredItem> {
  const { filter } = listing;
  const listed = items.filter((item) => isAfter(item, listing) && (filter === null || filter.matchesText(item.value)));
  return pageOf(listed.sort(itemOrder(listing)), listing);
}

/** The first of any number of items in the order of a listing. */
class FirstItems {
  readonly #order: (a: StoredItem, b: StoredItem) => number;
  readonly #count: number;
  #items: StoredItem[] = [];

  constructor(listing: ItemListing, count: number) {
    this.#order = itemOrder(listing);
    this.#count = count;
  }

  get full(): boolean {
    return this.#items.length >= this.#count;
  }

  add(item: StoredItem): void {
    this.#items.push(item);
    if (this.#items.length >= 2 * this.#count + 256) this.#items = this.sorted();
  }

  sorted(): StoredItem[] {
    return [...this.#items].sort(this.#order).slice(0, this.#count);
  }
}

export async function countItems(connection: Connection, call: Call, { prefix, filter }: ItemCount): Promise<number> {
  const walk = { prefix, direction: "asc", after: null, first: PLACES_AT_ONCE } as const;
  let count = 0;
  const slices = new Slices(call);
  for await (const [, text] of walkPlaces(connection, call, walk, filter !== null)) {
    if (filter === null || filter.matchesText(text.slice(text.indexOf("\n") + 1))) count += 1;
    if (slices.over()) await slices.next();
  }
  return count;
}

/** All items below a prefix: for a batch that has changed some of them. */
export async function itemsBelow(connection: Connection, call: Call, prefix: readonly string[]): Promise<StoredItem[]> {
  const items: StoredItem[] = [];
  const walk = { prefix, direction: "asc", after: null, first: VALUES_AT_ONCE } as const;
  for await (const item of walkItems(connection, call, walk)) items.push(item);
  return items;
}

/** Namespaces come in their order, cut ones too, so that equal ones follow each other. */
export async function listNamespaces(
  connection: Connection,
  call: Call,
  listing: NamespaceListing,
): Promise<Rows<string[]>> {
  const { prefix, after, maxDepth } = listing;
  const start = after === null ? null : behindNamespace(after, after.length === maxDepth);
  const walk = { prefix, direction: "asc", after: start, first: PLACES_AT_ONCE } as const;
  const found = new Namespaces(listing);
  for await (const [{ namespace }] of walkPlaces(connection, call, walk, false)) {
    if (!found.add(namespace)) break;
  }
  return found.page;
}

/** Distinct namespaces of a listing out of those that come in order. */
export class Namespaces {
  readonly #listing: NamespaceListing;
  readonly page: { readonly rows: string[][]; more: boolean } = { rows: [], more: false };

  constructor(listing: NamespaceListing) {
    this.#listing = listing;
  }

  /** `false` when the page is full. */
  add(namespace: readonly string[]): boolean {
    const { suffix, maxDepth, limit, after } = this.#listing;
    if (!endsWithLabels(namespace, suffix)) return true;
    const cut = namespace.slice(0, maxDepth ?? namespace.length);
    const last = this.page.rows.at(-1) ?? after;
    if (last !== null && compareNamespaces(cut, last) <= 0) return true;
    if (this.page.rows.length === limit) {
      this.page.more = true;
      return false;
    }
    this.page.rows.push(cut);
    return true;
  }
}
