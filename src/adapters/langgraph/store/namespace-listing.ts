/** Listings of namespaces: what the storage matches, and what of LangGraph's conditions is left to match here. */
import type { ListNamespacesOperation, MatchCondition } from "@langchain/langgraph-checkpoint";
import { InvalidArgumentError } from "../../../contract/errors.js";
import type { NamespaceQuery } from "../../../contract/item-storage.js";
import { CACHE_ROOT } from "../cache-root.js";
import { MAX_PAGE, wholeNumber } from "./arguments.js";
import { checkNamespace } from "./namespaces.js";

/** Most labels of a namespace: a cut beyond it cuts nothing. */
const MAX_LABELS = 32;

/** What a listing asks the storage for, and what it makes of the namespaces that come. */
export interface NamespaceListing {
  readonly query: NamespaceQuery;
  /** How many to pass over, and how many to give, of those that `select` leaves. */
  readonly offset: number;
  readonly limit: number;
  /** Those of the namespaces that match, cut and each once, in order. Namespaces come in the order of the storage. */
  readonly select: (namespaces: readonly string[][]) => string[][];
}

/** @throws InvalidNamespaceError, InvalidArgumentError */
export function namespaceListingOf(operation: Partial<ListNamespacesOperation>): NamespaceListing {
  const conditions = (operation.matchConditions ?? []).map(checkedCondition);
  const maxDepth =
    operation.maxDepth === undefined ? MAX_LABELS : wholeNumber(operation.maxDepth, "maxDepth", { min: 1 });
  const prefix = longest(conditions.filter(({ matchType }) => matchType === "prefix").map(labelsBeforeWildcard));
  const suffix = longest(conditions.filter(({ matchType }) => matchType === "suffix").map(labelsAfterWildcard));
  const bounds = {
    offset: wholeNumber(operation.offset ?? 0, "offset"),
    limit: wholeNumber(operation.limit ?? 100, "limit"),
  };
  const query = { ...(prefix.length > 0 ? { prefix } : {}), ...(suffix.length > 0 ? { suffix } : {}) };
  // Without a prefix the storage would also list what the node cache keeps.
  const isWhole =
    prefix.length > 0 &&
    conditions.every(({ matchType, path }) => isSame(path, matchType === "prefix" ? prefix : suffix));
  if (isWhole) {
    const cut = maxDepth < MAX_LABELS ? { maxDepth } : {};
    const limit = Math.max(1, Math.min(MAX_PAGE, bounds.offset + bounds.limit));
    return { ...bounds, query: { ...query, ...cut, limit }, select: (namespaces) => [...namespaces] };
  }
  const matches = (namespace: readonly string[]) =>
    namespace[0] !== CACHE_ROOT && conditions.every((condition) => isMatch(condition, namespace));
  const select = (namespaces: readonly string[][]) => cutOnce(namespaces.filter(matches), maxDepth);
  return { ...bounds, query: { ...query, limit: MAX_PAGE }, select };
}

function checkedCondition(condition: MatchCondition): MatchCondition {
  const { matchType, path } = condition;
  if (matchType !== "prefix" && matchType !== "suffix") {
    throw new InvalidArgumentError("matchType must be prefix or suffix");
  }
  if (!Array.isArray(path)) throw new InvalidArgumentError("path of a match condition must be an array");
  checkNamespace(path, "prefix");
  return { matchType, path: [...path] };
}

function labelsBeforeWildcard({ path }: MatchCondition): string[] {
  const wildcard = path.indexOf("*");
  return wildcard === -1 ? path : path.slice(0, wildcard);
}

function labelsAfterWildcard({ path }: MatchCondition): string[] {
  return path.slice(path.lastIndexOf("*") + 1);
}

function longest(paths: readonly string[][]): string[] {
  return paths.reduce((best, path) => (path.length > best.length ? path : best), []);
}

function isSame(path: readonly string[], labels: readonly string[]): boolean {
  return path.length === labels.length && path.every((label, i) => label === labels[i]);
}

function isMatch({ matchType, path }: MatchCondition, namespace: readonly string[]): boolean {
  const start = matchType === "prefix" ? 0 : namespace.length - path.length;
  return (
    start >= 0 &&
    path.length <= namespace.length &&
    path.every((label, i) => label === "*" || label === namespace[start + i])
  );
}

/** Namespaces that begin alike stand together, so only neighbours can become the same. */
function cutOnce(namespaces: readonly string[][], maxDepth: number): string[][] {
  const cut: string[][] = [];
  for (const namespace of namespaces) {
    const head = namespace.slice(0, maxDepth);
    const before = cut.at(-1);
    if (before === undefined || !isSame(before, head)) cut.push(head);
  }
  return cut;
}
