/**
 * The table of operations. Layers read it: what only reads, what it is about, what may be sent again. It is a mapped type
 * over `StorageBackend`, so that a new operation does not compile until it is classified here.
 */

import type { MessageOptions, NewMessage } from "./conversation-storage.js";
import type { DeleteItemOptions } from "./item-storage.js";
import type { CreateSessionOptions, SessionUpdate } from "./session-storage.js";
import type { StorageBackend } from "./storage-backend.js";

/** Members of the backend that are calls upon the store. */
export type OperationName = {
  [K in keyof StorageBackend]: StorageBackend[K] extends (...args: never[]) => Promise<unknown> | AsyncIterable<unknown>
    ? K extends string
      ? K
      : never
    : never;
}[keyof StorageBackend];

/** Whether an operation changes what is stored. */
export type OperationAccess = "read" | "write" | "lifecycle";

/** What an operation is about: the unit of atomicity and placement. */
export type OperationSubject = "session" | "sessions" | "thread" | "threads" | "item" | "items" | "lease" | "store";

/**
 * Whether a call whose outcome is unknown may be sent again. (One that was `not-applied` always may.)
 *
 * - `idempotent`: twice leaves the same state as once.
 * - `keyed`: only if these arguments carry a key that makes the second one harmless.
 * - `never`: a second one could take effect twice.
 */
export type RetrySafety<Args extends readonly unknown[]> =
  | "idempotent"
  | "never"
  | { readonly keyed: (...args: Args) => boolean };

export interface OperationTraits<Args extends readonly unknown[]> {
  readonly access: OperationAccess;
  readonly subject: OperationSubject;
  readonly retry: RetrySafety<Args>;
  /** Settles within the call's deadline (F2). Streams take as long as they are read. */
  readonly settles: "deadline" | "stream";
}

type OperationArgs<K extends OperationName> = StorageBackend[K] extends (...args: infer Args) => unknown ? Args : never;

type OperationTable = { readonly [K in OperationName]: OperationTraits<OperationArgs<K>> };

const read = <S extends OperationSubject>(subject: S) =>
  ({ access: "read", subject, retry: "idempotent", settles: "deadline" }) as const;

const write = <S extends OperationSubject, R>(subject: S, retry: R) =>
  ({ access: "write", subject, retry, settles: "deadline" }) as const;

/** Every operation with its traits. */
export const OPERATIONS: OperationTable = {
  initialize: { access: "lifecycle", subject: "store", retry: "idempotent", settles: "deadline" },
  close: { access: "lifecycle", subject: "store", retry: "idempotent", settles: "deadline" },
  healthCheck: read("store"),
  getMetrics: read("store"),
  exportRecords: { access: "read", subject: "store", retry: "idempotent", settles: "stream" },
  importRecords: { access: "write", subject: "store", retry: "never", settles: "stream" },

  createSession: write("session", {
    keyed: (_sessionId: string, _userId: string, options?: CreateSessionOptions) => options?.ifExists === "return",
  }),
  getSession: read("session"),
  updateSession: write("session", {
    keyed: (_sessionId: string, update: SessionUpdate) => update.idempotencyKey !== undefined,
  }),
  endSession: write("session", "idempotent"),
  listSessions: read("sessions"),
  deleteSession: write("session", "idempotent"),
  batchCreateSessions: write("sessions", "never"),
  batchGetSessions: read("sessions"),
  cleanupExpiredSessions: write("sessions", "idempotent"),

  addConversationMessage: write("session", {
    keyed: (_sessionId: string, _role: string, _content: unknown, options?: MessageOptions) =>
      options?.messageId !== undefined,
  }),
  addConversationMessages: write("session", {
    keyed: (_sessionId: string, messages: readonly NewMessage[]) =>
      messages.every((message) => message.messageId !== undefined),
  }),
  getConversationHistory: read("session"),
  deleteConversationMessages: write("session", "idempotent"),

  storeCheckpoint: write("thread", {
    keyed: (
      _threadId: string,
      _checkpointId: string,
      _data: unknown,
      options?: { expectedHead?: string | null | undefined },
    ) => options?.expectedHead === undefined,
  }),
  getCheckpoint: read("thread"),
  listCheckpoints: read("thread"),
  putWrites: write("thread", "idempotent"),
  getWrites: read("thread"),
  listThreads: read("threads"),
  copyThread: write("thread", "never"),
  deleteThread: write("thread", "idempotent"),
  deleteCheckpoints: write("thread", "idempotent"),
  pruneCheckpoints: write("threads", "idempotent"),

  storeTaskContext: write("session", "never"),
  getTaskContext: read("session"),
  listTaskContextVersions: read("session"),
  shareTaskContext: write("sessions", "idempotent"),

  putItem: write("item", "never"),
  updateItem: write("item", "never"),
  getItem: read("item"),
  deleteItem: write("item", {
    keyed: (_namespace: readonly string[], _key: string, options?: DeleteItemOptions) =>
      options?.expectedVersion === undefined,
  }),
  batchItems: write("items", "never"),
  searchItems: read("items"),
  countItems: read("items"),
  listNamespaces: read("items"),
  deleteItems: write("items", "idempotent"),

  acquireLease: write("lease", "idempotent"),
  renewLease: write("lease", "idempotent"),
  releaseLease: write("lease", "idempotent"),
};

/** All the names, for layers and tests that walk the contract. */
export const OPERATION_NAMES: readonly OperationName[] = Object.keys(OPERATIONS) as OperationName[];
