/** Which units each operation is about: a mapped type over the operations, so that a new one does not compile until it is told here. */
import type { Lease, LeaseSubject } from "../../contract/call.js";
import type { ItemOperation } from "../../contract/item-storage.js";
import type { OperationName } from "../../contract/operations.js";
import type { StorageBackend } from "../../contract/storage-backend.js";
import { array } from "../../domain/arguments.js";
import { identifier } from "../../domain/identifiers.js";
import { type Unit, WHOLE_TENANT } from "./unit.js";

type Args<Name extends OperationName> = StorageBackend[Name] extends (...args: infer A) => unknown ? A : never;

/** Operations that go to the store in charge; the others are the layer's own. */
export type ServedOperation = Exclude<OperationName, "initialize" | "close" | "healthCheck">;

type UnitTable = { readonly [Name in ServedOperation]: (...args: Args<Name>) => readonly Unit[] };

const session = (id: unknown): Unit => ({ kind: "session", id: identifier(id, "sessionId") });
const thread = (id: unknown): Unit => ({ kind: "thread", id: identifier(id, "threadId") });
const item = (namespace: unknown, key: unknown): Unit => ({
  kind: "item",
  namespace: labels(namespace),
  key: identifier(key, "key"),
});
const items = (prefix: unknown): Unit => ({ kind: "items", prefix: labels(prefix) });
const labels = (value: unknown): readonly string[] =>
  array(value, "namespace").map((label) => identifier(label, "label"));
const leased = (subject: LeaseSubject): Unit =>
  "session" in subject && subject.session !== undefined
    ? session(subject.session)
    : thread((subject as { readonly thread?: string }).thread);
const ofLease = (lease: Lease): readonly Unit[] => [leased(lease.subject)];

/** What a call reads or changes. @throws InvalidArgumentError or TypeError for arguments that every store refuses */
export const OPERATION_UNITS: UnitTable = {
  getMetrics: () => [WHOLE_TENANT],
  exportRecords: (filter) =>
    filter?.threadId !== undefined && filter.sessionId === undefined ? [thread(filter.threadId)] : [WHOLE_TENANT],
  importRecords: () => [WHOLE_TENANT],

  createSession: (id) => [session(id)],
  getSession: (id) => [session(id)],
  updateSession: (id) => [session(id)],
  endSession: (id) => [session(id)],
  listSessions: () => [WHOLE_TENANT],
  deleteSession: (id) => [session(id)],
  batchCreateSessions: (list) => list.map(({ sessionId }) => session(sessionId)),
  batchGetSessions: (ids) => ids.map(session),
  cleanupExpiredSessions: () => [WHOLE_TENANT],

  addConversationMessage: (id) => [session(id)],
  addConversationMessages: (id) => [session(id)],
  getConversationHistory: (id) => [session(id)],
  deleteConversationMessages: (id) => [session(id)],

  storeCheckpoint: (id, _checkpointId, _data, options) =>
    options?.sessionId === undefined ? [thread(id)] : [thread(id), session(options.sessionId)],
  getCheckpoint: (id) => [thread(id)],
  listCheckpoints: (id) => [thread(id)],
  putWrites: (id) => [thread(id)],
  getWrites: (id) => [thread(id)],
  listThreads: () => [WHOLE_TENANT],
  copyThread: (from, to) => [thread(from), thread(to)],
  deleteThread: (id) => [thread(id)],
  deleteCheckpoints: (id) => [thread(id)],
  pruneCheckpoints: (policy) => [policy.threadId === undefined ? WHOLE_TENANT : thread(policy.threadId)],

  storeTaskContext: (id) => [session(id)],
  getTaskContext: (id) => [session(id)],
  listTaskContextVersions: (id) => [session(id)],
  shareTaskContext: (from, to) => [session(from), session(to)],

  putItem: (namespace, key) => [item(namespace, key)],
  updateItem: (namespace, key) => [item(namespace, key)],
  getItem: (namespace, key) => [item(namespace, key)],
  deleteItem: (namespace, key) => [item(namespace, key)],
  batchItems: (operations) => operations.map(unitOfStep),
  searchItems: (prefix) => [items(prefix)],
  countItems: (prefix) => [items(prefix)],
  listNamespaces: () => [items([])],
  deleteItems: (prefix) => [items(prefix)],

  acquireLease: (subject) => [leased(subject)],
  renewLease: ofLease,
  releaseLease: ofLease,
};

function unitOfStep(operation: ItemOperation): Unit {
  const { put, update, get, search, count } = operation as Partial<
    Record<"put" | "update" | "get" | "search" | "count" | "listNamespaces" | "delete", Record<string, unknown>>
  >;
  const removal = (operation as { readonly delete?: Record<string, unknown> }).delete;
  const one = put ?? update ?? get ?? removal;
  if (one !== undefined) return item(one.namespace, one.key);
  const prefix = (search ?? count)?.prefix;
  return items(prefix ?? []);
}

/** Operations that change or read a task context, which other sessions may share. */
export const CONTEXT_OPERATIONS: ReadonlySet<ServedOperation> = new Set([
  "storeTaskContext",
  "shareTaskContext",
  "getTaskContext",
  "listTaskContextVersions",
]);

/** Whether a call that the table calls a read changes something: a read that prolongs an item's life does. */
export function refreshes(operation: ServedOperation, args: readonly unknown[]): boolean {
  return operation === "getItem" && (args[2] as { readonly refreshTtl?: unknown } | undefined)?.refreshTtl === true;
}

/** Whether a batch of items only reads. */
export function onlyReads(operation: ServedOperation, args: readonly unknown[]): boolean {
  if (operation !== "batchItems" || !Array.isArray(args[0])) return false;
  return args[0].every((step: unknown) => {
    if (typeof step !== "object" || step === null) return false;
    const { put, update, get } = step as Record<string, { readonly refreshTtl?: unknown } | undefined>;
    return put === undefined && update === undefined && !("delete" in step) && get?.refreshTtl !== true;
  });
}

/**
 * Whether a call says itself that what it writes is not there yet, so that a store which has nothing of it may take it.
 * @param isHeld whether that store is in charge of a session already
 */
export function begins(
  operation: ServedOperation,
  args: readonly unknown[],
  isHeld: (sessionId: string) => boolean,
): boolean {
  const options = (at: number): { readonly [name: string]: unknown } =>
    (args[at] as { readonly [name: string]: unknown } | undefined) ?? {};
  switch (operation) {
    case "createSession":
      return options(2).ifExists !== "return";
    case "batchCreateSessions":
      return true;
    case "storeCheckpoint": {
      const { expectedHead, sessionId } = options(3);
      return expectedHead === null || (typeof sessionId === "string" && isHeld(sessionId));
    }
    case "putItem":
      return options(3).ifAbsent === true || options(3).expectedVersion === 0;
    default:
      return false;
  }
}
