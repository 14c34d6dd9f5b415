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
 * - `keyed`: only if these arguments carry a key that makes the second one harmless. Asked also before a store has looked at them.
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
  /** Position of the argument that holds `signal` and `timeoutMs` (a stream's has no `timeoutMs`); `null` if there is none. */
  readonly optionsAt: number | null;
}

type OperationArgs<K extends OperationName> = StorageBackend[K] extends (...args: infer Args) => unknown ? Args : never;

/** The options are the last argument. */
type OptionsPosition<Args extends readonly unknown[]> =
  Required<Args> extends readonly [...infer Before, unknown] ? Before["length"] : null;

type OperationTable = {
  readonly [K in OperationName]: OperationTraits<OperationArgs<K>> & {
    readonly optionsAt: OptionsPosition<OperationArgs<K>>;
  };
};

const read = <S extends OperationSubject, At extends number>(subject: S, optionsAt: At) =>
  ({ access: "read", subject, retry: "idempotent", settles: "deadline", optionsAt }) as const;

const write = <S extends OperationSubject, At extends number, R>(subject: S, optionsAt: At, retry: R) =>
  ({ access: "write", subject, retry, settles: "deadline", optionsAt }) as const;

/** Every operation with its traits. */
export const OPERATIONS: OperationTable = {
  initialize: { access: "lifecycle", subject: "store", retry: "idempotent", settles: "deadline", optionsAt: 0 },
  close: { access: "lifecycle", subject: "store", retry: "idempotent", settles: "deadline", optionsAt: null },
  healthCheck: read("store", 0),
  getMetrics: read("store", 0),
  exportRecords: { access: "read", subject: "store", retry: "idempotent", settles: "stream", optionsAt: 0 },
  importRecords: { access: "write", subject: "store", retry: "never", settles: "stream", optionsAt: 1 },

  createSession: write("session", 2, {
    keyed: (_sessionId: string, _userId: string, options?: CreateSessionOptions) => options?.ifExists === "return",
  }),
  getSession: read("session", 1),
  updateSession: write("session", 2, {
    keyed: (_sessionId: string, update: SessionUpdate) => update?.idempotencyKey !== undefined,
  }),
  endSession: write("session", 2, "idempotent"),
  listSessions: read("sessions", 0),
  deleteSession: write("session", 1, "idempotent"),
  batchCreateSessions: write("sessions", 1, "never"),
  batchGetSessions: read("sessions", 1),
  cleanupExpiredSessions: write("sessions", 0, "idempotent"),

  addConversationMessage: write("session", 3, {
    keyed: (_sessionId: string, _role: string, _content: unknown, options?: MessageOptions) =>
      options?.messageId !== undefined,
  }),
  addConversationMessages: write("session", 2, {
    keyed: (_sessionId: string, messages: readonly NewMessage[]) =>
      Array.isArray(messages) && messages.every((message) => message?.messageId !== undefined),
  }),
  getConversationHistory: read("session", 1),
  deleteConversationMessages: write("session", 2, "idempotent"),

  storeCheckpoint: write("thread", 3, {
    keyed: (
      _threadId: string,
      _checkpointId: string,
      _data: unknown,
      options?: { expectedHead?: string | null | undefined },
    ) => options?.expectedHead === undefined,
  }),
  getCheckpoint: read("thread", 1),
  listCheckpoints: read("thread", 1),
  putWrites: write("thread", 4, "idempotent"),
  getWrites: read("thread", 2),
  listThreads: read("threads", 0),
  copyThread: write("thread", 2, "never"),
  deleteThread: write("thread", 1, "idempotent"),
  deleteCheckpoints: write("thread", 2, "idempotent"),
  pruneCheckpoints: write("threads", 1, "idempotent"),

  storeTaskContext: write("session", 2, "never"),
  getTaskContext: read("session", 1),
  listTaskContextVersions: read("session", 1),
  shareTaskContext: write("sessions", 2, "idempotent"),

  putItem: write("item", 3, "never"),
  updateItem: write("item", 3, "never"),
  getItem: read("item", 2),
  deleteItem: write("item", 2, {
    keyed: (_namespace: readonly string[], _key: string, options?: DeleteItemOptions) =>
      options?.expectedVersion === undefined,
  }),
  batchItems: write("items", 1, "never"),
  searchItems: read("items", 1),
  countItems: read("items", 1),
  listNamespaces: read("items", 0),
  deleteItems: write("items", 1, "idempotent"),

  acquireLease: write("lease", 1, "idempotent"),
  renewLease: write("lease", 1, "idempotent"),
  releaseLease: write("lease", 1, "idempotent"),
};

/** All the names, for layers and tests that walk the contract. */
export const OPERATION_NAMES: readonly OperationName[] = Object.keys(OPERATIONS) as OperationName[];
