/** What the layers take of lru-cache. The build puts its code here, so that nobody has to install it. */
export { LRUCache } from "lru-cache";
