/** Searches in the terms of the storage. */
import type { SearchOperation } from "@langchain/langgraph-checkpoint";
import type { ItemNamespace, ItemQuery, Similarity } from "../../../contract/item-storage.js";
import { MAX_PAGE, wholeNumber } from "./arguments.js";
import { itemFilterOf, visibleBelow } from "./store-filter.js";

/** What a search asks the storage for, and how many items it gives. */
export interface SearchListing {
  readonly prefix: ItemNamespace;
  readonly query: ItemQuery;
  readonly limit: number;
}

/**
 * `rank` is what the search ranks by. Items without vectors come last, as in LangGraph's own store.
 * @throws InvalidArgumentError
 */
export function searchListingOf(operation: SearchOperation, rank: Similarity | undefined): SearchListing {
  const { namespacePrefix: prefix } = operation;
  const offset = wholeNumber(operation.offset ?? 0, "offset");
  const limit = wholeNumber(operation.limit ?? 10, "limit");
  const filter = visibleBelow(prefix, itemFilterOf(operation.filter));
  const similarTo: Similarity | undefined = rank && { ...rank, withoutVectors: "last" };
  return { prefix, query: { filter, similarTo, offset, limit: Math.max(1, Math.min(MAX_PAGE, limit)) }, limit };
}
