/** As much of a listing as LangGraph asks for, which may be more than a page of the storage. */
import type { Page } from "../../../contract/call.js";
import type { Item, ItemStorage } from "../../../contract/item-storage.js";
import { MAX_PAGE } from "./arguments.js";
import type { NamespaceListing } from "./namespace-listing.js";
import type { SearchListing } from "./search-listing.js";

export async function gatherItems(
  storage: ItemStorage,
  { prefix, query: { offset: _, ...query }, limit }: SearchListing,
  first: Page<Item>,
): Promise<Item[]> {
  const items = [...first.items];
  for (let cursor = first.nextCursor; cursor !== undefined && items.length < limit; ) {
    const page = await storage.searchItems(prefix, { ...query, limit: MAX_PAGE, cursor });
    items.push(...page.items);
    cursor = page.nextCursor;
  }
  return items.slice(0, limit);
}

export async function gatherNamespaces(
  storage: ItemStorage,
  { query, offset, limit, select }: NamespaceListing,
  first: Page<string[]>,
): Promise<string[][]> {
  const found = [...first.items];
  let selected = select(found);
  for (let cursor = first.nextCursor; cursor !== undefined && selected.length < offset + limit; ) {
    const page = await storage.listNamespaces({ ...query, limit: MAX_PAGE, cursor });
    found.push(...page.items);
    selected = select(found);
    cursor = page.nextCursor;
  }
  return selected.slice(offset, offset + limit);
}
