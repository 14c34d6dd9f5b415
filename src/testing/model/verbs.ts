/** The verbs that programs are made of, and their form in the reference model: the same arguments, answered at once. */
import type { StorageBackend } from "../../contract/storage-backend.js";

/** Every verb of the contract but those of a store's life, health, metrics, tenants and record stream. */
export type Verb =
  | "createSession"
  | "getSession"
  | "updateSession"
  | "endSession"
  | "listSessions"
  | "deleteSession"
  | "batchCreateSessions"
  | "batchGetSessions"
  | "cleanupExpiredSessions"
  | "addConversationMessage"
  | "addConversationMessages"
  | "getConversationHistory"
  | "deleteConversationMessages"
  | "storeCheckpoint"
  | "getCheckpoint"
  | "listCheckpoints"
  | "putWrites"
  | "getWrites"
  | "listThreads"
  | "copyThread"
  | "deleteThread"
  | "deleteCheckpoints"
  | "pruneCheckpoints"
  | "storeTaskContext"
  | "getTaskContext"
  | "listTaskContextVersions"
  | "shareTaskContext"
  | "putItem"
  | "updateItem"
  | "getItem"
  | "deleteItem"
  | "batchItems"
  | "searchItems"
  | "countItems"
  | "listNamespaces"
  | "deleteItems"
  | "acquireLease"
  | "renewLease"
  | "releaseLease";

/** Arguments of a verb. */
export type VerbArgs<V extends Verb> = Parameters<StorageBackend[V]>;

/** What a verb of the model gives back, without a promise. */
export type VerbResult<V extends Verb> = Awaited<ReturnType<StorageBackend[V]>>;

/** Some verbs of the model; it refuses with `Refusal` where a backend rejects. */
export type ModelVerbs<V extends Verb = Verb> = {
  readonly [Each in V]: (...args: VerbArgs<Each>) => VerbResult<Each>;
};

/** Verbs of a backend or of the model, for code that reads either. */
export type ReadableStore = {
  readonly [Each in Verb]: (...args: VerbArgs<Each>) => VerbResult<Each> | Promise<VerbResult<Each>>;
};
