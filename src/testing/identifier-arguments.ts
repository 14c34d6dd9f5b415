/** Every argument that is an identifier, for every operation (I1). A new operation does not compile without a row. */
import type { Lease } from "../contract/call.js";
import type { OperationName } from "../contract/operations.js";
import type { StorageRecord } from "../contract/records.js";
import type { StorageBackend } from "../contract/storage-backend.js";
import { recordsOf } from "./assertions.js";
import { sessionRecord } from "./record-samples.js";

/** A call whose argument `argument` is `id`, all else being legal on a prepared store. */
export interface IdentifierArgument {
  readonly argument: string;
  readonly call: (storage: StorageBackend, id: string) => Promise<unknown>;
  /** The empty string is legal here: it is the root, or no path. */
  readonly emptyIsLegal?: true;
  /** `undefined` means that the argument is left out. */
  readonly optional?: true;
  /** `null` has a meaning of its own. */
  readonly nullIsLegal?: true;
}

type Call = IdentifierArgument["call"];

const given = (argument: string, call: Call): IdentifierArgument => ({ argument, call });
const optional = (argument: string, call: Call): IdentifierArgument => ({ argument, call, optional: true });
const rooted = (argument: string, call: Call): IdentifierArgument => ({
  argument,
  call,
  optional: true,
  emptyIsLegal: true,
});

const lease = (subject: Lease["subject"], owner = "me"): Lease => ({
  subject,
  token: 1,
  owner,
  acquiredAt: new Date(0),
  expiresAt: new Date(60_000),
});

const importing =
  (...records: object[]): Call =>
  (storage) =>
    storage.importRecords(records as StorageRecord[]);

/** Identifier arguments of each operation; an empty list says that it takes none. */
export const IDENTIFIER_ARGUMENTS: { readonly [Name in OperationName]: readonly IdentifierArgument[] } = {
  initialize: [],
  close: [],
  healthCheck: [],
  getMetrics: [],
  exportRecords: [
    optional("sessionId", (storage, id) => recordsOf(storage, { sessionId: id })),
    optional("threadId", (storage, id) => recordsOf(storage, { threadId: id })),
  ],
  importRecords: [
    given("session_id", (storage, id) => importing({ ...sessionRecord("x"), session_id: id })(storage, id)),
    given("user_id", (storage, id) => importing({ ...sessionRecord("x"), user_id: id })(storage, id)),
    optional("context_id", (storage, id) => importing({ ...sessionRecord("x"), context_id: id })(storage, id)),
    given("message_id", (storage, id) => importing(sessionRecord("x"), messageRecord({ message_id: id }))(storage, id)),
    given("role", (storage, id) => importing(sessionRecord("x"), messageRecord({ role: id }))(storage, id)),
    given("thread_id", (storage, id) => importing({ ...THREAD_RECORD, thread_id: id })(storage, id)),
    given("checkpoint_id", (storage, id) =>
      importing(THREAD_RECORD, checkpointRecord({ checkpoint_id: id }))(storage, id),
    ),
    optional("parent_id", (storage, id) => importing(THREAD_RECORD, checkpointRecord({ parent_id: id }))(storage, id)),
    {
      ...given("namespace", (storage, id) =>
        importing(THREAD_RECORD, checkpointRecord({ namespace: id }))(storage, id),
      ),
      emptyIsLegal: true,
    },
    given("task_id", (storage, id) => importing(THREAD_RECORD, writeRecord({ task_id: id }))(storage, id)),
    given("namespace label", (storage, id) => importing({ ...ITEM_RECORD, namespace: ["a", id] })(storage, id)),
    given("key", (storage, id) => importing({ ...ITEM_RECORD, key: id })(storage, id)),
  ],

  createSession: [
    given("sessionId", (storage, id) => storage.createSession(id, "u")),
    given("userId", (storage, id) => storage.createSession("new", id)),
  ],
  getSession: [given("sessionId", (storage, id) => storage.getSession(id))],
  updateSession: [
    given("sessionId", (storage, id) => storage.updateSession(id, { markError: true })),
    optional("idempotencyKey", (storage, id) => storage.updateSession("s", { idempotencyKey: id, markError: true })),
    given("lease.subject", (storage, id) =>
      storage.updateSession("s", { markError: true }, { lease: lease({ session: id }) }),
    ),
  ],
  endSession: [given("sessionId", (storage, id) => storage.endSession(id))],
  listSessions: [optional("userId", (storage, id) => storage.listSessions({ userId: id }))],
  deleteSession: [given("sessionId", (storage, id) => storage.deleteSession(id))],
  batchCreateSessions: [
    given("sessionId", (storage, id) =>
      storage.batchCreateSessions([
        { sessionId: "new", userId: "u" },
        { sessionId: id, userId: "u" },
      ]),
    ),
    given("userId", (storage, id) => storage.batchCreateSessions([{ sessionId: "new", userId: id }])),
  ],
  batchGetSessions: [given("sessionIds", (storage, id) => storage.batchGetSessions(["s", id]))],
  cleanupExpiredSessions: [],

  addConversationMessage: [
    given("sessionId", (storage, id) => storage.addConversationMessage(id, "user", "a")),
    given("role", (storage, id) => storage.addConversationMessage("s", id, "a")),
    optional("messageId", (storage, id) => storage.addConversationMessage("s", "user", "a", { messageId: id })),
  ],
  addConversationMessages: [
    given("sessionId", (storage, id) => storage.addConversationMessages(id, [{ role: "user", content: "a" }])),
    given("role", (storage, id) =>
      storage.addConversationMessages("s", [
        { role: "user", content: "a" },
        { role: id, content: "b" },
      ]),
    ),
    optional("messageId", (storage, id) =>
      storage.addConversationMessages("s", [
        { role: "user", content: "a" },
        { role: "user", content: "b", messageId: id },
      ]),
    ),
  ],
  getConversationHistory: [
    given("sessionId", (storage, id) => storage.getConversationHistory(id)),
    given("roles", (storage, id) => storage.getConversationHistory("s", { roles: ["user", id] })),
  ],
  deleteConversationMessages: [given("sessionId", (storage, id) => storage.deleteConversationMessages(id, "all"))],

  storeCheckpoint: [
    given("threadId", (storage, id) => storage.storeCheckpoint(id, "c2", 1)),
    given("checkpointId", (storage, id) => storage.storeCheckpoint("t", id, 1)),
    rooted("namespace", (storage, id) => storage.storeCheckpoint("t", "c2", 1, { namespace: id })),
    optional("parentId", (storage, id) => storage.storeCheckpoint("t", "c2", 1, { parentId: id })),
    optional("sessionId", (storage, id) => storage.storeCheckpoint("t", "c2", 1, { sessionId: id })),
    {
      ...optional("expectedHead", (storage, id) => storage.storeCheckpoint("t", "c2", 1, { expectedHead: id })),
      nullIsLegal: true,
    },
  ],
  getCheckpoint: [
    given("threadId", (storage, id) => storage.getCheckpoint(id)),
    optional("checkpointId", (storage, id) => storage.getCheckpoint("t", { checkpointId: id })),
    rooted("namespace", (storage, id) => storage.getCheckpoint("t", { namespace: id })),
  ],
  listCheckpoints: [
    given("threadId", (storage, id) => storage.listCheckpoints(id)),
    rooted("namespace", (storage, id) => storage.listCheckpoints("t", { namespace: id })),
  ],
  putWrites: [
    given("threadId", (storage, id) => storage.putWrites(id, "c", "task", [["channel", 1]])),
    given("checkpointId", (storage, id) => storage.putWrites("t", id, "task", [["channel", 1]])),
    given("taskId", (storage, id) => storage.putWrites("t", "c", id, [["channel", 1]])),
    given("channel", (storage, id) =>
      storage.putWrites("t", "c", "task2", [
        ["channel", 1],
        [id, 1],
      ]),
    ),
    rooted("namespace", (storage, id) => storage.putWrites("t", "c", "task", [["channel", 1]], { namespace: id })),
    rooted("taskPath", (storage, id) => storage.putWrites("t", "c", "task2", [["channel", 1]], { taskPath: id })),
  ],
  getWrites: [
    given("threadId", (storage, id) => storage.getWrites(id, "c")),
    given("checkpointId", (storage, id) => storage.getWrites("t", id)),
    rooted("namespace", (storage, id) => storage.getWrites("t", "c", { namespace: id })),
  ],
  listThreads: [optional("sessionId", (storage, id) => storage.listThreads({ sessionId: id }))],
  copyThread: [
    given("fromThreadId", (storage, id) => storage.copyThread(id, "t2")),
    given("toThreadId", (storage, id) => storage.copyThread("t", id)),
  ],
  deleteThread: [given("threadId", (storage, id) => storage.deleteThread(id))],
  deleteCheckpoints: [
    given("threadId", (storage, id) => storage.deleteCheckpoints(id, ["c"])),
    given("checkpointId", (storage, id) => storage.deleteCheckpoints("t", ["c", id])),
    rooted("namespace", (storage, id) => storage.deleteCheckpoints("t", ["c"], { namespace: id })),
  ],
  pruneCheckpoints: [optional("threadId", (storage, id) => storage.pruneCheckpoints({ keepLast: 1, threadId: id }))],

  storeTaskContext: [given("sessionId", (storage, id) => storage.storeTaskContext(id, 1))],
  getTaskContext: [given("sessionId", (storage, id) => storage.getTaskContext(id))],
  listTaskContextVersions: [given("sessionId", (storage, id) => storage.listTaskContextVersions(id))],
  shareTaskContext: [
    given("fromSessionId", (storage, id) => storage.shareTaskContext(id, "s2")),
    given("withSessionId", (storage, id) => storage.shareTaskContext("s", id)),
  ],

  putItem: [
    given("namespace label", (storage, id) => storage.putItem(["n", id], "k", {})),
    given("key", (storage, id) => storage.putItem(["n"], id, {})),
  ],
  updateItem: [
    given("namespace label", (storage, id) => storage.updateItem(["n", id], "k", { merge: { a: 1 } })),
    given("key", (storage, id) => storage.updateItem(["n"], id, { merge: { a: 1 } })),
  ],
  getItem: [
    given("namespace label", (storage, id) => storage.getItem([id, "n"], "k")),
    given("key", (storage, id) => storage.getItem(["n"], id)),
  ],
  deleteItem: [
    given("namespace label", (storage, id) => storage.deleteItem(["n", id], "k")),
    given("key", (storage, id) => storage.deleteItem(["n"], id)),
  ],
  batchItems: [
    given("put.key", (storage, id) => storage.batchItems([putK2, { put: { namespace: ["n"], key: id, value: {} } }])),
    given("put.namespace label", (storage, id) =>
      storage.batchItems([putK2, { put: { namespace: [id], key: "k", value: {} } }]),
    ),
    given("update.key", (storage, id) =>
      storage.batchItems([putK2, { update: { namespace: ["n"], key: id, merge: { a: 1 } } }]),
    ),
    given("update.namespace label", (storage, id) =>
      storage.batchItems([putK2, { update: { namespace: [id], key: "k", merge: { a: 1 } } }]),
    ),
    given("count.prefix label", (storage, id) => storage.batchItems([putK2, { count: { prefix: [id] } }])),
    given("get.key", (storage, id) => storage.batchItems([putK2, { get: { namespace: ["n"], key: id } }])),
    given("get.namespace label", (storage, id) => storage.batchItems([putK2, { get: { namespace: [id], key: "k" } }])),
    given("delete.key", (storage, id) => storage.batchItems([putK2, { delete: { namespace: ["n"], key: id } }])),
    given("delete.namespace label", (storage, id) =>
      storage.batchItems([putK2, { delete: { namespace: [id], key: "k" } }]),
    ),
    given("search.prefix label", (storage, id) => storage.batchItems([putK2, { search: { prefix: [id] } }])),
    given("listNamespaces.prefix label", (storage, id) =>
      storage.batchItems([putK2, { listNamespaces: { prefix: [id] } }]),
    ),
  ],
  searchItems: [given("prefix label", (storage, id) => storage.searchItems(["n", id]))],
  listNamespaces: [
    given("prefix label", (storage, id) => storage.listNamespaces({ prefix: [id] })),
    given("suffix label", (storage, id) => storage.listNamespaces({ suffix: [id] })),
  ],
  countItems: [given("prefix label", (storage, id) => storage.countItems(["n", id]))],
  deleteItems: [given("prefix label", (storage, id) => storage.deleteItems(["n", id]))],

  acquireLease: [
    given("session", (storage, id) => storage.acquireLease({ session: id }, { owner: "me", ttlMs: 1_000 })),
    given("thread", (storage, id) => storage.acquireLease({ thread: id }, { owner: "me", ttlMs: 1_000 })),
    given("owner", (storage, id) => storage.acquireLease({ thread: "t" }, { owner: id, ttlMs: 1_000 })),
  ],
  renewLease: [given("lease.subject", (storage, id) => storage.renewLease(lease({ session: id })))],
  releaseLease: [given("lease.subject", (storage, id) => storage.releaseLease(lease({ thread: id })))],
};

const putK2 = { put: { namespace: ["n"], key: "k2", value: {} } };

const THREAD_RECORD = {
  kind: "thread",
  thread_id: "x",
  created_at: "2024-05-06T07:08:09.123Z",
  updated_at: "2024-05-06T07:08:09.123Z",
  last_seq: 1,
};

const ITEM_RECORD = {
  kind: "item",
  namespace: ["a"],
  key: "x",
  value: {},
  version: 1,
  created_at: "2024-05-06T07:08:09.123Z",
  updated_at: "2024-05-06T07:08:09.123Z",
};

function messageRecord(fields: object): object {
  return {
    kind: "message",
    session_id: "x",
    seq: 1,
    message_id: "m",
    role: "user",
    content: "a",
    timestamp: "2024-05-06T07:08:09.123Z",
    metadata: {},
    ...fields,
  };
}

function checkpointRecord(fields: object): object {
  return {
    kind: "checkpoint",
    thread_id: "x",
    namespace: "",
    checkpoint_id: "c",
    seq: 1,
    data: 1,
    metadata: {},
    created_at: "2024-05-06T07:08:09.123Z",
    ...fields,
  };
}

function writeRecord(fields: object): object {
  return {
    kind: "write",
    thread_id: "x",
    namespace: "",
    checkpoint_id: "c",
    task_id: "task",
    task_path: "",
    index: 0,
    channel: "channel",
    value: 1,
    ...fields,
  };
}
