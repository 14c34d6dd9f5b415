/** The operations of a batch, told apart and checked as LangGraph does it. */
import type {
  GetOperation,
  ListNamespacesOperation,
  Operation,
  PutOperation,
  SearchOperation,
} from "@langchain/langgraph-checkpoint";
import { InvalidArgumentError } from "../../../contract/errors.js";
import { checkNamespace } from "./namespaces.js";

/** LangGraph's put, and what `PostgresStore` adds to it. */
export interface PutOperationWithTtl extends PutOperation {
  readonly options?: { readonly ttl?: number | undefined } | undefined;
}

export type KnownOperation =
  | { readonly kind: "get"; readonly operation: GetOperation }
  | { readonly kind: "put"; readonly operation: PutOperationWithTtl }
  | { readonly kind: "search"; readonly operation: SearchOperation }
  | { readonly kind: "list"; readonly operation: Partial<ListNamespacesOperation> };

/**
 * What kind of operation it is. In a batch the root `langgraph` is allowed, as LangGraph has it: only `put` refuses it.
 * @throws InvalidNamespaceError, InvalidArgumentError
 */
export function knownOperation(operation: Operation, position: number): KnownOperation {
  if (typeof operation !== "object" || operation === null) {
    throw new InvalidArgumentError(`operations[${position}] must be an object`);
  }
  if ("namespacePrefix" in operation) {
    checkNamespace(operation.namespacePrefix, "prefix");
    return { kind: "search", operation };
  }
  if ("namespace" in operation) {
    checkNamespace(operation.namespace, "any");
    return "value" in operation ? { kind: "put", operation } : { kind: "get", operation };
  }
  if (["matchConditions", "maxDepth", "limit", "offset"].some((field) => field in operation)) {
    return { kind: "list", operation };
  }
  throw new InvalidArgumentError(`operations[${position}] must be a get, a put, a search or a listing of namespaces`);
}

/** The puts of a batch, the last of each key. */
export function lastPuts(operations: readonly KnownOperation[]): PutOperationWithTtl[] {
  const puts = new Map<string, PutOperationWithTtl>();
  for (const { kind, operation } of operations) {
    if (kind === "put") puts.set(JSON.stringify([operation.namespace, operation.key]), operation);
  }
  return [...puts.values()];
}

/** The texts that searches of a batch rank by. An empty one is none, as in LangGraph. @throws InvalidArgumentError */
export function queriesOf(operations: readonly KnownOperation[]): string[] {
  return operations.flatMap((each) => (each.kind === "search" ? (queryOf(each.operation.query) ?? []) : []));
}

/** @throws InvalidArgumentError */
export function queryOf(query: unknown): string | undefined {
  if (query === undefined || query === null || query === "") return undefined;
  if (typeof query !== "string") throw new InvalidArgumentError("query must be a string");
  return query;
}
