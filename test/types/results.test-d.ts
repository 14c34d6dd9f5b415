// What verbs give back: what may be missing is said by the type, and nothing invites to change what is only a copy.
import { expectTypeOf, test } from "vitest";
import type {
  Checkpoint,
  CheckpointInfo,
  CheckpointWrite,
  HealthReport,
  ImportReport,
  Item,
  ItemNamespace,
  Lease,
  ListedCheckpoint,
  Message,
  Page,
  PruneReport,
  Session,
  StorageBackend,
  StorageMetrics,
  StorageRecord,
  TaskContext,
  TaskContextInfo,
  ThreadInfo,
} from "waystone";
import type { TakesUndefined, WritableKeys } from "./type-shape.js";

type Result =
  | Session
  | Message
  | CheckpointInfo
  | Checkpoint
  | ListedCheckpoint
  | CheckpointWrite
  | ThreadInfo
  | PruneReport
  | TaskContextInfo
  | TaskContext
  | Item
  | Lease
  | Page<Session>
  | HealthReport
  | StorageMetrics
  | ImportReport
  | StorageRecord;

declare const storage: StorageBackend;

test("every field of a result is readonly", () => {
  expectTypeOf<WritableKeys<{ readonly a: string; b: string }>>().toEqualTypeOf<"b">();
  expectTypeOf<WritableKeys<Result>>().toBeNever();
});

test("a field of a result is there or absent, never undefined", () => {
  expectTypeOf<TakesUndefined<{ a?: string; b?: string | undefined }>>().toEqualTypeOf<"b">();
  // A state, a context and a content may be `undefined` themselves.
  expectTypeOf<TakesUndefined<Exclude<Result, ListedCheckpoint>>>().toBeNever();
  expectTypeOf<TakesUndefined<ListedCheckpoint>>().toEqualTypeOf<"data">();
});

test("reads of one thing give it or undefined", () => {
  expectTypeOf(storage.getSession("s")).toEqualTypeOf<Promise<Session | undefined>>();
  expectTypeOf(storage.batchGetSessions(["s"])).toEqualTypeOf<Promise<(Session | undefined)[]>>();
  expectTypeOf(storage.getCheckpoint("t")).toEqualTypeOf<Promise<Checkpoint | undefined>>();
  expectTypeOf(storage.getTaskContext("s")).toEqualTypeOf<Promise<TaskContext | undefined>>();
  expectTypeOf(storage.getItem(["n"], "k")).toEqualTypeOf<Promise<Item | undefined>>();
});

test("reads of many give lists and pages that are the caller's own", () => {
  expectTypeOf(storage.getConversationHistory("s")).toEqualTypeOf<Promise<Message[]>>();
  expectTypeOf(storage.listCheckpoints("t")).toEqualTypeOf<Promise<ListedCheckpoint[]>>();
  expectTypeOf(storage.listSessions()).toEqualTypeOf<Promise<Page<Session>>>();
  expectTypeOf(storage.searchItems(["n"])).toEqualTypeOf<Promise<Page<Item>>>();
  expectTypeOf(storage.listNamespaces()).toEqualTypeOf<Promise<Page<string[]>>>();
  expectTypeOf<Page<Session>["nextCursor"]>().toEqualTypeOf<string | undefined>();
});

test("writes give what is stored", () => {
  expectTypeOf(storage.createSession("s", "u")).toEqualTypeOf<Promise<Session>>();
  expectTypeOf(storage.updateSession("s", {})).toEqualTypeOf<Promise<Session>>();
  expectTypeOf(storage.addConversationMessage("s", "user", "hi")).toEqualTypeOf<Promise<Message>>();
  expectTypeOf(storage.addConversationMessages("s", [])).toEqualTypeOf<Promise<Message[]>>();
  expectTypeOf(storage.storeCheckpoint("t", "c", {})).toEqualTypeOf<Promise<CheckpointInfo>>();
  expectTypeOf(storage.putItem(["n"], "k", {})).toEqualTypeOf<Promise<Item>>();
  expectTypeOf(storage.deleteSession("s")).toEqualTypeOf<Promise<boolean>>();
  expectTypeOf(storage.cleanupExpiredSessions()).toEqualTypeOf<Promise<number>>();
});

test("states, contexts and values are unknown until the caller has looked", () => {
  expectTypeOf<Checkpoint["data"]>().toBeUnknown();
  expectTypeOf<TaskContext["context"]>().toBeUnknown();
  expectTypeOf<CheckpointWrite["value"]>().toBeUnknown();
});

test("an item's namespace is a list of labels, and a list that nobody changes may be passed", () => {
  expectTypeOf<Item["namespace"]>().toEqualTypeOf<string[]>();
  expectTypeOf<readonly ["users", "ada"]>().toExtend<ItemNamespace>();
  expectTypeOf<string>().not.toExtend<ItemNamespace>();
});

test("health and metrics say how far they can be trusted", () => {
  expectTypeOf<HealthReport["durability"]>().toEqualTypeOf<"memory" | "process" | "crash" | "replicated" | "unknown">();
  expectTypeOf<StorageMetrics["sessions"]>().toEqualTypeOf<{ readonly value: number; readonly exact: boolean }>();
});
