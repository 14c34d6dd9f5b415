/** Items as LangGraph has them. */
import type { Item as LangGraphItem } from "@langchain/langgraph-checkpoint";
import type { Item } from "../../../contract/item-storage.js";

/** An item of LangGraph, and what the storage knows beside it. */
export interface StoreItem extends LangGraphItem {
  /** From 1, one more for each put: what `putItem` compares. */
  version: number;
  /** Gone for readers from this instant. */
  expiresAt?: Date;
}

/** A found item; `score` says how near it is to the query, the higher the nearer. */
export interface StoreSearchItem extends StoreItem {
  score?: number;
}

export function storeItemOf(item: Item): StoreItem {
  return { ...item };
}
