/** Searches in the terms of the storage. */
import type { SearchOperation } from "@langchain/langgraph-checkpoint";
import type { ItemNamespace, ItemQuery } from "../../../contract/item-storage.js";
import { MAX_PAGE, wholeNumber } from "./arguments.js";
import { itemFilterOf, visibleBelow } from "./store-filter.js";

/** What a search asks the storage for, and how many of the found items it passes over and gives. */
export interface SearchListing {
  readonly prefix: ItemNamespace;
  readonly query: ItemQuery;
  readonly offset: number;
  readonly limit: number;
}

/** @throws InvalidArgumentError */
export function searchListingOf(operation: SearchOperation): SearchListing {
  const { namespacePrefix: prefix } = operation;
  const offset = wholeNumber(operation.offset ?? 0, "offset");
  const limit = wholeNumber(operation.limit ?? 10, "limit");
  const filter = visibleBelow(prefix, itemFilterOf(operation.filter));
  return { prefix, query: { filter, limit: Math.max(1, Math.min(MAX_PAGE, offset + limit)) }, offset, limit };
}
