// Records: what is exported parses back to the very same rows, and nothing malformed passes (P1).
import { describe, expect, it } from "vitest";
import { CorruptionError, InvalidArgumentError } from "../../../src/contract/errors.js";
import type { StorageRecord } from "../../../src/contract/records.js";
import { encodeValue } from "../../../src/domain/codec/codec.js";
import { instantText, parseInstant } from "../../../src/domain/records/instants.js";
import { parseRecord } from "../../../src/domain/records/parse-record.js";
import {
  checkpointRecord,
  itemRecord,
  messageRecord,
  sessionRecord,
  taskContextRecord,
  threadRecord,
  writeRecord,
} from "../../../src/domain/records/to-records.js";

const TIME = Date.UTC(2026, 0, 31, 12, 0, 0, 7);

const session = {
  sessionId: "s:1",
  userId: "ann",
  status: "failed",
  metadata: '{"app":"a","__proto__":1}',
  createdAt: TIME,
  updatedAt: TIME + 1,
  version: 3,
  requestCount: 2,
  totalProcessingTime: 0.25,
  errorCount: 1,
  lastSeq: 9,
  ttlMs: 60_000,
} as const;

const message = {
  seq: 4,
  messageId: "m",
  role: "tool",
  content: encodeValue([{ type: "result", at: new Date(TIME), big: 2n ** 70n, missing: undefined }]),
  metadata: "{}",
  timestamp: TIME,
};

const context = {
  version: 2,
  context: encodeValue(new Map([["a", 1]])),
  sizeBytes: 0,
  metadata: "{}",
  createdAt: TIME,
};

const thread = { threadId: "t", sessionId: null, createdAt: TIME, updatedAt: TIME, lastSeq: 5 };

const checkpoint = {
  namespace: "",
  checkpointId: "c",
  parentId: "b",
  sessionId: "s:1",
  metadata: "{}",
  seq: 5,
  createdAt: TIME,
  needsParent: true,
  data: encodeValue({ $waystone: 1, value: "looks like a document" }),
};

const write = { taskId: "k", taskPath: "", index: -4, channel: "ch", value: encodeValue("plain") };

const item = {
  namespace: ["a", "b"],
  key: "k",
  value: '{"v":[1]}',
  version: 7,
  createdAt: TIME,
  updatedAt: TIME,
  ttlMs: 10,
  expiresAt: TIME + 10,
};

const bytes = (text: string) => Buffer.byteLength(text);

const overJson = (record: StorageRecord): unknown => JSON.parse(JSON.stringify(record));

describe("rows and records (P1)", () => {
  it("of a session have the specification's serialised form and come back", () => {
    const record = sessionRecord({ ...session, messageCount: 5 }, "ctx");
    expect(record).toMatchObject({
      session_id: "s:1",
      created_at: "2026-01-31T12:00:00.007Z",
      metrics: { request_count: 2, total_processing_time: 0.25, error_count: 1 },
    });
    expect(parseRecord(overJson(record), 1)).toMatchObject({
      subject: { kind: "session", id: "s:1" },
      row: { kind: "session", session, contextId: "ctx" },
    });
    const bare = parseRecord(overJson(sessionRecord({ ...session, ttlMs: null, messageCount: 0 }, null)), 1);
    expect(bare.row).toEqual({ kind: "session", session: { ...session, ttlMs: null }, contextId: null });
  });

  it("of a message come back with the very same text", () => {
    expect(parseRecord(overJson(messageRecord("s:1", message)), 1)).toEqual({
      subject: { kind: "session", id: "s:1" },
      row: { kind: "message", message },
      sizeBytes: bytes(message.content) + 2,
    });
    expect(messageRecord("s:1", { ...message, content: '"hello"' }).content).toBe("hello");
  });

  it("of a task context come back", () => {
    expect(parseRecord(overJson(taskContextRecord("ctx", context)), 1)).toMatchObject({
      subject: { kind: "task_context", id: "ctx" },
      row: { ...context, kind: "task_context", sizeBytes: bytes(context.context) },
    });
  });

  it("of a thread, its checkpoints and writes come back", () => {
    const subject = { kind: "thread", id: "t" };
    expect(parseRecord(overJson(threadRecord(thread)), 1)).toMatchObject({
      subject,
      row: { kind: "thread", sessionId: null, createdAt: TIME, updatedAt: TIME, lastSeq: 5 },
    });
    expect(parseRecord(overJson(checkpointRecord("t", checkpoint)), 1)).toMatchObject({
      subject,
      row: { ...checkpoint, kind: "checkpoint", sizeBytes: bytes(checkpoint.data) },
    });
    const plain = { ...checkpoint, needsParent: false, parentId: null, sessionId: null };
    expect(checkpointRecord("t", plain)).not.toHaveProperty("needs_parent");
    expect(parseRecord(overJson(checkpointRecord("t", plain)), 1).row).toMatchObject(plain);
    expect(parseRecord(overJson(writeRecord("t", "ns", "c", write)), 1)).toMatchObject({
      subject,
      row: { kind: "write", namespace: "ns", checkpointId: "c", write },
    });
  });

  it("of an item come back", () => {
    expect(parseRecord(overJson(itemRecord(item, null)), 1)).toMatchObject({
      subject: { kind: "item", namespace: ["a", "b"], key: "k" },
      row: { kind: "item", item, vectors: null },
    });
    const lasting = { ...item, ttlMs: null, expiresAt: null };
    expect(parseRecord(overJson(itemRecord(lasting, null)), 1).row).toEqual({
      kind: "item",
      item: lasting,
      vectors: null,
    });
  });

  it("are refused for export when a row is damaged", () => {
    expect(() => messageRecord("s", { ...message, content: '{"broken"' })).toThrow(CorruptionError);
    expect(() => checkpointRecord("t", { ...checkpoint, data: null })).toThrow(CorruptionError);
    expect(() => taskContextRecord("c", { ...context, context: null })).toThrow(CorruptionError);
  });
});

describe("parseRecord refuses", () => {
  const sessionFields = sessionRecord({ ...session, messageCount: 0 }, null);
  const messageFields = messageRecord("s", message);
  const checkpointFields = checkpointRecord("t", checkpoint);
  const itemFields = itemRecord(item, null);
  const without = (record: object, field: string) =>
    Object.fromEntries(Object.entries(record).filter(([key]) => key !== field));

  it.each<[string, unknown, string]>([
    ["no object", "session", "kind must be one of session, message, task_context, thread, checkpoint, write, item"],
    ["null", null, "kind must be one of"],
    ["an unknown kind", { kind: "lease" }, 'not "lease"'],
    ["an unknown field", { ...sessionFields, extra: 1 }, 'no field "extra"'],
    [
      "an unknown metric",
      { ...sessionFields, metrics: { ...sessionFields.metrics, x: 1 } },
      'metrics has no field "x"',
    ],
    ["a missing field", without(sessionFields, "version"), "version must be an integer, not undefined"],
    ["a missing metrics", without(sessionFields, "metrics"), "metrics must be an object"],
    ["a bad id", { ...sessionFields, session_id: "" }, "session_id must not be empty"],
    [
      "a negative counter",
      { ...sessionFields, metrics: { ...sessionFields.metrics, error_count: -1 } },
      "metrics.error_count must be at least 0",
    ],
    [
      "negative processing time",
      { ...sessionFields, metrics: { ...sessionFields.metrics, total_processing_time: -0.1 } },
      "metrics.total_processing_time must be at least 0",
    ],
    ["version 0", { ...sessionFields, version: 0 }, "version must be at least 1"],
    ["a bad date", { ...sessionFields, created_at: "yesterday" }, "created_at must be an ISO 8601 instant"],
    ["an unknown status", { ...sessionFields, status: "paused" }, "status must be one of"],
    ["metadata that is no object", { ...sessionFields, metadata: [] }, "metadata: must be a plain object"],
    ["an explicit null", { ...sessionFields, ttl_ms: null }, "ttl_ms must be an integer, not null"],
    [
      "content of another shape",
      { ...messageFields, content: { type: "text" } },
      "content must be a string or an array of parts",
    ],
    [
      "a part without type",
      { ...messageFields, content: [{ text: "x" }] },
      "content[0] must be an object whose type is a string",
    ],
    [
      "tagged content of another shape",
      { ...messageFields, content: { $waystone: 1, value: { $: "bigint", value: "1" } } },
      "content",
    ],
    ["content that is not JSON", { ...messageFields, content: [{ type: "x", at: new Date() }] }, "content: "],
    [
      "a tag that the codec does not write",
      { ...checkpointFields, data: { $waystone: 1, value: { $: "Evil" } } },
      "data: the stored value is damaged",
    ],
    ["a value of a newer format", { ...checkpointFields, data: { $waystone: 99, value: 1 } }, "data: "],
    ["seq 0", { ...messageFields, seq: 0 }, "seq must be at least 1"],
    ["needs_parent that is no boolean", { ...checkpointFields, needs_parent: 1 }, "needs_parent must be a boolean"],
    ["an item without namespace", { ...itemFields, namespace: [] }, "namespace must have at least one label"],
    ["an item whose value is no object", { ...itemFields, value: 1 }, "value: must be a plain object"],
    ["half a time to live", without(itemFields, "expires_at"), "ttl_ms and expires_at must be given together"],
  ])("%s", (_what, record, message) => {
    const parse = () => parseRecord(record, 42);
    expect(parse).toThrow(InvalidArgumentError);
    expect(parse).toThrow("record 42: ");
    expect(parse).toThrow(message);
  });
});

describe("instants", () => {
  it.each<[string, number]>([
    ["2026-01-31T12:00:00.007Z", TIME],
    ["2026-01-31T13:30:00.007+01:30", TIME],
    ["2026-01-31T11:00:00.007-01:00", TIME],
    ["2026-01-31T12:00:00Z", TIME - 7],
    ["2026-01-31T12:00:00.01Z", TIME + 3],
    ["-000001-01-01T00:00:00.000Z", Date.UTC(-1, 0, 1)],
    ["+275760-09-13T00:00:00.000Z", 8.64e15],
  ])("%s is read", (text, time) => {
    expect(parseInstant(text, "at")).toBe(time);
  });

  it.each([-8.64e15, -1, 0, TIME, 253_402_300_800_000, 8.64e15])("%d is written and read back", (time) => {
    expect(parseInstant(instantText(time), "at")).toBe(time);
  });

  it.each([
    "2026-01-31",
    "2026-01-31T12:00:00",
    "2026-01-31 12:00:00Z",
    "2026-02-30T12:00:00Z",
    "2026-01-31T24:00:00Z",
    "2026-01-31T12:00:60Z",
    "2026-01-31T12:00:00.0001Z",
    "2026-01-31T12:00:00+25:00",
    "+275760-09-13T00:00:00.001Z",
    "+275760-09-13T00:00:00.000-00:01",
    "2026-01-31T12:00:00Z\n",
    "",
    0,
    null,
    new Date(0),
  ])("%j is refused", (value) => {
    expect(() => parseInstant(value, "at")).toThrow(InvalidArgumentError);
  });
});
