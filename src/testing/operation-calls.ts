/** One legal call of every operation, for clauses that hold for all of them. A new operation does not compile without a row. */
import type { Lease } from "../contract/call.js";
import type { OperationName } from "../contract/operations.js";
import type { StorageBackend } from "../contract/storage-backend.js";
import { recordsOf } from "./assertions.js";
import { sessionRecord } from "./record-samples.js";

/** A session `s`, a thread `t` with the checkpoint `c`, a context, an item `["n"] k`, and a lease on the session. */
export interface PreparedStore {
  readonly lease: Lease;
}

/** Stores what the calls below are about. */
export async function prepareStore(storage: StorageBackend): Promise<PreparedStore> {
  await storage.createSession("s", "u", { metadata: { a: 1 } });
  await storage.createSession("s2", "u");
  await storage.addConversationMessage("s", "user", "hello", { messageId: "m" });
  await storage.storeTaskContext("s", { step: 1 });
  await storage.storeCheckpoint("t", "c", { state: 1 }, { sessionId: "s" });
  await storage.putWrites("t", "c", "task", [["channel", 1]]);
  await storage.putItem(["n"], "k", { v: 1 });
  return { lease: await storage.acquireLease({ session: "s" }, { owner: "me", ttlMs: 60_000 }) };
}

/** A call with further options; `options` may hold what the operation does not know. */
export type OperationCall = (storage: StorageBackend, prepared: PreparedStore, options?: object) => Promise<unknown>;

/** A legal call of each operation on a prepared store; one that writes changes something. */
export const OPERATION_CALLS: { readonly [Name in Exclude<OperationName, "close">]: OperationCall } = {
  initialize: (storage, _prepared, options) => storage.initialize(options),
  healthCheck: (storage, _prepared, options) => storage.healthCheck(options),
  getMetrics: (storage, _prepared, options) => storage.getMetrics(options),
  exportRecords: (storage, _prepared, options) => recordsOf(storage, options),
  importRecords: (storage, _prepared, options) => storage.importRecords([sessionRecord("imported")], options),

  createSession: (storage, _prepared, options) => storage.createSession("new", "u", options),
  getSession: (storage, _prepared, options) => storage.getSession("s", options),
  updateSession: (storage, _prepared, options) => storage.updateSession("s", { incrementRequests: true }, options),
  endSession: (storage, _prepared, options) => storage.endSession("s", "completed", options),
  listSessions: (storage, _prepared, options) => storage.listSessions(options),
  deleteSession: (storage, _prepared, options) => storage.deleteSession("s", options),
  batchCreateSessions: (storage, _prepared, options) =>
    storage.batchCreateSessions([{ sessionId: "new", userId: "u" }], options),
  batchGetSessions: (storage, _prepared, options) => storage.batchGetSessions(["s"], options),
  cleanupExpiredSessions: (storage, _prepared, options) =>
    storage.cleanupExpiredSessions({ maxIdleHours: 0, ...options }),

  addConversationMessage: (storage, _prepared, options) => storage.addConversationMessage("s", "user", "more", options),
  addConversationMessages: (storage, _prepared, options) =>
    storage.addConversationMessages("s", [{ role: "user", content: "more" }], options),
  getConversationHistory: (storage, _prepared, options) => storage.getConversationHistory("s", options),
  deleteConversationMessages: (storage, _prepared, options) => storage.deleteConversationMessages("s", "all", options),

  storeCheckpoint: (storage, _prepared, options) => storage.storeCheckpoint("t", "c2", { state: 2 }, options),
  getCheckpoint: (storage, _prepared, options) => storage.getCheckpoint("t", options),
  listCheckpoints: (storage, _prepared, options) => storage.listCheckpoints("t", options),
  putWrites: (storage, _prepared, options) => storage.putWrites("t", "c", "task2", [["channel", 2]], options),
  getWrites: (storage, _prepared, options) => storage.getWrites("t", "c", options),
  listThreads: (storage, _prepared, options) => storage.listThreads(options),
  copyThread: (storage, _prepared, options) => storage.copyThread("t", "t2", options),
  deleteThread: (storage, _prepared, options) => storage.deleteThread("t", options),
  deleteCheckpoints: (storage, _prepared, options) => storage.deleteCheckpoints("t", ["c"], options),
  pruneCheckpoints: (storage, _prepared, options) => storage.pruneCheckpoints({ keepLast: 1 }, options),

  storeTaskContext: (storage, _prepared, options) => storage.storeTaskContext("s", { step: 2 }, options),
  getTaskContext: (storage, _prepared, options) => storage.getTaskContext("s", options),
  listTaskContextVersions: (storage, _prepared, options) => storage.listTaskContextVersions("s", options),
  shareTaskContext: (storage, _prepared, options) => storage.shareTaskContext("s", "s2", options),

  putItem: (storage, _prepared, options) => storage.putItem(["n"], "k", { v: 2 }, options),
  updateItem: (storage, _prepared, options) => storage.updateItem(["n"], "k", { merge: { w: 1 } }, options),
  getItem: (storage, _prepared, options) => storage.getItem(["n"], "k", options),
  deleteItem: (storage, _prepared, options) => storage.deleteItem(["n"], "k", options),
  batchItems: (storage, _prepared, options) =>
    storage.batchItems([{ put: { namespace: ["n"], key: "k2", value: { v: 3 } } }], options),
  searchItems: (storage, _prepared, options) => storage.searchItems(["n"], options),
  countItems: (storage, _prepared, options) => storage.countItems(["n"], options),
  listNamespaces: (storage, _prepared, options) => storage.listNamespaces(options),
  deleteItems: (storage, _prepared, options) => storage.deleteItems(["n"], options),

  acquireLease: (storage, _prepared, options) =>
    storage.acquireLease({ thread: "t" }, { owner: "me", ttlMs: 60_000, ...options }),
  renewLease: (storage, prepared, options) => storage.renewLease(prepared.lease, options),
  releaseLease: (storage, prepared, options) => storage.releaseLease(prepared.lease, options),
};

/** The calls with their names, in the order of the contract. */
export const OPERATION_CALL_ENTRIES: readonly (readonly [name: keyof typeof OPERATION_CALLS, call: OperationCall])[] =
  Object.entries(OPERATION_CALLS) as [keyof typeof OPERATION_CALLS, OperationCall][];
