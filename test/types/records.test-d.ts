// Records are told apart by their kind and are nothing but JSON.
import { expectTypeOf, test } from "vitest";
import type { JsonValue, MessageRecord, RecordKind, SessionRecord, StorageBackend, StorageRecord } from "waystone";

declare const storage: StorageBackend;

test("the kinds are closed, and a kind narrows to its record", () => {
  expectTypeOf<RecordKind>().toEqualTypeOf<
    "session" | "message" | "task_context" | "thread" | "checkpoint" | "write" | "item"
  >();
  expectTypeOf<Extract<StorageRecord, { kind: "message" }>>().toEqualTypeOf<MessageRecord>();
});

test("what is exported can be imported, as it streams or from a list", () => {
  storage.importRecords(storage.exportRecords());
  storage.importRecords([] as StorageRecord[], { onConflict: "skip" });
  // @ts-expect-error: text is no record
  storage.importRecords(["{}"]);
});

test("encoded values are JSON", () => {
  expectTypeOf<MessageRecord["content"]>().toEqualTypeOf<JsonValue>();
});

test("a session has the specification's serialised form", () => {
  expectTypeOf<SessionRecord["created_at"]>().toBeString();
  expectTypeOf<keyof SessionRecord["metrics"]>().toEqualTypeOf<
    "request_count" | "total_processing_time" | "error_count"
  >();
});
