/** Where the node cache keeps its entries among the items of a tenant. */

/** The first label of their namespaces. LangGraph allows no label with a colon, so its stores never reach them. */
export const CACHE_ROOT = "waystone:langgraph-cache";

/** The key that every entry's value has, and by which a search of the whole tenant leaves entries out. */
export const CACHE_MARK = "waystone:langgraph-cache";
