// Checkpoints take any state; a write is a channel, a value and perhaps an index.
import { expectTypeOf, test } from "vitest";
import type { CheckpointDeletion, CheckpointStorage, StorageBackend, WriteInput } from "waystone";

declare const storage: StorageBackend;

test("a write is a pair, or a triple with a number", () => {
  expectTypeOf<["channel", { any: "value" }]>().toExtend<WriteInput>();
  expectTypeOf<["channel", undefined, -1]>().toExtend<WriteInput>();
  expectTypeOf<readonly [string, Date]>().toExtend<WriteInput>();
  expectTypeOf<[string]>().not.toExtend<WriteInput>();
  expectTypeOf<[string, unknown, string]>().not.toExtend<WriteInput>();
  expectTypeOf<[number, unknown]>().not.toExtend<WriteInput>();
  expectTypeOf<[string, unknown, number, number]>().not.toExtend<WriteInput>();
});

test("writes are written down where they are passed", () => {
  storage.putWrites("t", "c", "task", [
    ["messages", ["hi"]],
    ["__interrupt__", { ask: "ok?" }, -3],
  ]);
  // @ts-expect-error: a write has a channel and a value
  storage.putWrites("t", "c", "task", [["messages"]]);
});

test("checkpoints are deleted by a list of ids, under a lease or none", () => {
  storage.deleteCheckpoints("t", ["c"] as readonly string[], { namespace: "n", lease: undefined, timeoutMs: 1 });
  expectTypeOf<Awaited<ReturnType<StorageBackend["deleteCheckpoints"]>>>().toEqualTypeOf<CheckpointDeletion>();
  // @ts-expect-error: one id is a list of one
  storage.deleteCheckpoints("t", "c");
  // @ts-expect-error: ids are named
  storage.deleteCheckpoints("t");
});

test("a state may be anything", () => {
  expectTypeOf<Parameters<CheckpointStorage["storeCheckpoint"]>[2]>().toBeUnknown();
});

test("a checkpointer is a part of every storage", () => {
  expectTypeOf<StorageBackend>().toExtend<CheckpointStorage>();
});
