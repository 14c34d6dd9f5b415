/** Records that an import must refuse with their number (P1). */
import type { StorageRecord } from "../../contract/records.js";
import { equal, ok, recordsOf, refused } from "../assertions.js";
import { type ClauseGroup, clauseGroup } from "../clause.js";

const AT = "2024-05-06T07:08:09.123Z";

const SESSION = {
  kind: "session",
  session_id: "s",
  user_id: "u",
  created_at: AT,
  updated_at: AT,
  status: "active",
  metadata: {},
  metrics: { request_count: 0, total_processing_time: 0, error_count: 0 },
  version: 1,
  last_seq: 2,
};
const MESSAGE = {
  kind: "message",
  session_id: "s",
  seq: 1,
  message_id: "m",
  role: "user",
  content: "a",
  timestamp: AT,
  metadata: {},
};
const CONTEXT = { kind: "task_context", context_id: "x", version: 1, context: {}, metadata: {}, created_at: AT };
const THREAD = { kind: "thread", thread_id: "t", created_at: AT, updated_at: AT, last_seq: 2 };
const CHECKPOINT = {
  kind: "checkpoint",
  thread_id: "t",
  namespace: "",
  checkpoint_id: "c",
  seq: 1,
  data: {},
  metadata: {},
  created_at: AT,
};
const WRITE = {
  kind: "write",
  thread_id: "t",
  namespace: "",
  checkpoint_id: "c",
  task_id: "task",
  task_path: "",
  index: 0,
  channel: "a",
  value: 1,
};
const ITEM = { kind: "item", namespace: ["n"], key: "k", value: {}, version: 1, created_at: AT, updated_at: AT };

/** The number of the record at fault, and the records. */
type Case = readonly [fault: string, number: number, records: readonly unknown[]];

const NOT_RECORDS: readonly Case[] = [
  ["null", 1, [null]],
  ["undefined", 2, [SESSION, undefined]],
  ["a string", 1, ["session"]],
  ["a number", 1, [7]],
  ["an array", 1, [[SESSION]]],
  ["no kind", 1, [{ ...SESSION, kind: undefined }]],
  ["an unknown kind", 2, [SESSION, { kind: "sessions" }]],
  ["the kind __proto__", 1, [{ ...SESSION, kind: "__proto__" }]],
];

const BAD_FIELDS: readonly Case[] = [
  ["a session with an unknown field", 1, [{ ...SESSION, extra: 1 }]],
  ["a session without user", 1, [without(SESSION, "user_id")]],
  ["a session without metrics", 1, [without(SESSION, "metrics")]],
  ["a session with an unknown metric", 1, [{ ...SESSION, metrics: { ...SESSION.metrics, other: 1 } }]],
  ["a session with a negative count", 1, [{ ...SESSION, metrics: { ...SESSION.metrics, request_count: -1 } }]],
  [
    "a session with a negative processing time",
    1,
    [{ ...SESSION, metrics: { ...SESSION.metrics, total_processing_time: -0.5 } }],
  ],
  ["a session with an unknown status", 1, [{ ...SESSION, status: "done" }]],
  ["a session with a number for an instant", 1, [{ ...SESSION, created_at: 5 }]],
  ["a session with a day that does not exist", 1, [{ ...SESSION, created_at: "2024-02-30T00:00:00.000Z" }]],
  ["a session with an instant without offset", 1, [{ ...SESSION, updated_at: "2024-05-06T07:08:09" }]],
  ["a session with an instant finer than milliseconds", 1, [{ ...SESSION, updated_at: "2024-05-06T07:08:09.123456Z" }]],
  ["a session with text for metadata", 1, [{ ...SESSION, metadata: "{}" }]],
  ["a session with version 0", 1, [{ ...SESSION, version: 0 }]],
  ["a session with a fraction for last_seq", 1, [{ ...SESSION, last_seq: 1.5 }]],
  ["a session with ttl_ms 0", 1, [{ ...SESSION, ttl_ms: 0 }]],
  ["a message with seq 0", 2, [SESSION, { ...MESSAGE, seq: 0 }]],
  ["a message with a number for content", 2, [SESSION, { ...MESSAGE, content: 5 }]],
  ["a message with parts without type", 2, [SESSION, { ...MESSAGE, content: [{ text: "a" }] }]],
  ["a message without content", 2, [SESSION, without(MESSAGE, "content")]],
  ["a message without metadata", 2, [SESSION, without(MESSAGE, "metadata")]],
  ["a context with version 0", 1, [{ ...CONTEXT, version: 0 }]],
  ["a context without content", 1, [without(CONTEXT, "context")]],
  ["a thread with a negative last_seq", 1, [{ ...THREAD, last_seq: -1 }]],
  ["a checkpoint with seq 0", 2, [THREAD, { ...CHECKPOINT, seq: 0 }]],
  ["a checkpoint without data", 2, [THREAD, without(CHECKPOINT, "data")]],
  ["a checkpoint with a word for needs_parent", 2, [THREAD, { ...CHECKPOINT, needs_parent: "yes" }]],
  ["a write with a fraction for its index", 3, [THREAD, CHECKPOINT, { ...WRITE, index: 0.5 }]],
  ["a write without value", 3, [THREAD, CHECKPOINT, without(WRITE, "value")]],
  ["an item with an empty namespace", 1, [{ ...ITEM, namespace: [] }]],
  ["an item with a list for its value", 1, [{ ...ITEM, value: [] }]],
  ["an item with version 0", 1, [{ ...ITEM, version: 0 }]],
];

const BAD_ORDER: readonly Case[] = [
  ["a message without its session", 1, [MESSAGE]],
  ["a message of another session than the one before", 2, [SESSION, { ...MESSAGE, session_id: "other" }]],
  ["a message after a record of something else", 3, [SESSION, ITEM, MESSAGE]],
  ["two messages of one seq", 3, [SESSION, MESSAGE, { ...MESSAGE, message_id: "m2" }]],
  ["messages out of order", 3, [SESSION, { ...MESSAGE, seq: 2 }, { ...MESSAGE, message_id: "m2" }]],
  ["a message above the session's last_seq", 2, [SESSION, { ...MESSAGE, seq: 3 }]],
  ["a checkpoint without its thread", 1, [CHECKPOINT]],
  ["a write without its thread", 1, [WRITE]],
  ["two checkpoints of one seq", 3, [THREAD, CHECKPOINT, { ...CHECKPOINT, checkpoint_id: "c2" }]],
  ["a checkpoint above the thread's last_seq", 2, [THREAD, { ...CHECKPOINT, seq: 3 }]],
  ["a session that stands twice", 2, [SESSION, SESSION]],
  ["versions of a context out of order", 2, [{ ...CONTEXT, version: 2 }, CONTEXT]],
];

export const malformedRecordClauses: ClauseGroup = clauseGroup("malformed records", (clause) => {
  for (const [fault, number, records] of [...NOT_RECORDS, ...BAD_FIELDS, ...BAD_ORDER]) {
    clause(
      `P1 importRecords refuses ${fault}, says which record it is, and stores nothing of it`,
      async ({ storage }) => {
        const before = [{ ...SESSION, session_id: "before" }, ...records];
        const error = await refused(storage.importRecords(before as StorageRecord[]));
        ok(
          new RegExp(`\\brecord ${number + 1}\\b`).test(error.message),
          `the message names record ${number + 1}: ${error.message}`,
        );
        equal(error.operation, "importRecords");
        equal(await recordsOf(storage), []);
      },
    );
  }

  clause("P1 the records that the faulty ones are made from are imported", async ({ storage }) => {
    const session = { ...SESSION, context_id: "x" };
    const records = [
      session,
      MESSAGE,
      { ...MESSAGE, seq: 2, message_id: "m2" },
      CONTEXT,
      { ...CONTEXT, version: 2 },
      THREAD,
      CHECKPOINT,
      WRITE,
      ITEM,
    ];
    await storage.importRecords(records as StorageRecord[]);
    equal(await recordsOf(storage), records);
  });

  clause("P1 instants with another offset mean the same moment", async ({ storage }) => {
    await storage.importRecords([
      { ...SESSION, created_at: "2024-05-06T09:08:09.123+02:00", updated_at: "2024-05-06T07:08:09Z" } as StorageRecord,
    ]);
    const session = await storage.getSession("s");
    equal([session?.createdAt, session?.updatedAt], [new Date(AT), new Date("2024-05-06T07:08:09.000Z")]);
  });
});

function without(record: object, field: string): object {
  return Object.fromEntries(Object.entries(record).filter(([name]) => name !== field));
}
