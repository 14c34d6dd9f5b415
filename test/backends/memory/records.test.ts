// Export and import of the memory backend: what its own ways of choosing and of refusing give (P1).
import { describe, expect, it } from "vitest";
import { memoryStorage } from "../../../src/backends/memory/index.js";
import type { StorageRecord } from "../../../src/contract/records.js";
import type { StorageBackend } from "../../../src/contract/storage-backend.js";
import { type ManualClock, manualClock } from "../../../src/testing/manual-clock.js";

async function recordsOf(storage: StorageBackend, filter = {}): Promise<StorageRecord[]> {
  const records: StorageRecord[] = [];
  for await (const record of storage.exportRecords(filter)) records.push(record);
  return records;
}

const kinds = (records: readonly StorageRecord[]): string[] => records.map((record) => record.kind);

/** Something of every kind, with the edges: a shared context, deleted messages, writes without a checkpoint, two namespaces. */
async function fill(storage: StorageBackend, clock: ManualClock): Promise<void> {
  await storage.createSession("a", "u1", { metadata: { plan: "pro" }, ttlMs: 60_000 });
  await storage.createSession("b", "u2");
  clock.advance(5);
  await storage.addConversationMessages("a", [
    { role: "user", content: "one", messageId: "m1" },
    { role: "assistant", content: [{ type: "image", bytes: new Uint8Array([1, 2]) }] },
    { role: "user", content: "three" },
  ]);
  await storage.deleteConversationMessages("a", { before: 2 });
  await storage.updateSession("b", { incrementRequests: 3, addProcessingTime: 0.1, markError: true });
  await storage.storeTaskContext("a", { step: 1n });
  await storage.storeTaskContext("a", { step: 2n }, { metadata: { by: "x" } });
  await storage.shareTaskContext("a", "b");
  await storage.storeCheckpoint("t", "c1", { n: 1 }, { sessionId: "a" });
  await storage.storeCheckpoint("t", "c2", { n: 2 }, { namespace: "sub", parentId: "c1", needsParent: true });
  await storage.storeCheckpoint("t", "c1", { n: 3 }, { metadata: { again: true } });
  await storage.putWrites("t", "c2", "task", [["x", 1]], { namespace: "sub" });
  await storage.putWrites("t", "later", "task", [["y", new Date(0), -1]]);
  clock.advance(1);
  await storage.putWrites("only-writes", "c", "task", [["z", null]]);
  await storage.putItem(["n", "x"], "k", { v: 1 });
  await storage.putItem(["n"], "k", { v: 2 }, { ttlMs: 1000 });
}

describe("a filled store", () => {
  it("exports everything in the order of the stream, and a copy exports the same", async () => {
    const clock = manualClock();
    const source = memoryStorage({ clock });
    await fill(source, clock);
    const records = await recordsOf(source);
    expect(kinds(records)).toEqual([
      ...["session", "message", "message", "session"],
      ...["task_context", "task_context"],
      ...["thread", "checkpoint", "checkpoint", "write", "write", "thread", "write"],
      ...["item", "item"],
    ]);
    const copy = memoryStorage({ clock });
    const report = await copy.importRecords(records);
    expect(report.skipped).toBe(0);
    expect(await recordsOf(copy)).toEqual(records);
    expect(await copy.getSession("a")).toEqual(await source.getSession("a"));
    expect(await copy.getMetrics()).toEqual({ ...(await source.getMetrics()), collectedAt: expect.any(Date) });
    // The shared context is one again, and positions go on where they were.
    await copy.storeTaskContext("b", { step: 3n });
    expect((await copy.getTaskContext("a"))?.version).toBe(3);
    expect((await copy.addConversationMessage("a", "user", "four")).seq).toBe(4);
    expect((await copy.storeCheckpoint("t", "c3", {})).seq).toBe(3);
    expect(await copy.deleteSession("a")).toBe(true);
    expect(await copy.getCheckpoint("t")).toBeUndefined();
  });

  it("exports one session with what is linked to it, one thread, or some kinds", async () => {
    const clock = manualClock();
    const storage = memoryStorage({ clock });
    await fill(storage, clock);
    expect(kinds(await recordsOf(storage, { sessionId: "b" }))).toEqual(["session", "task_context", "task_context"]);
    expect(kinds(await recordsOf(storage, { sessionId: "a", kinds: ["thread", "message"] }))).toEqual([
      "message",
      "message",
      "thread",
    ]);
    expect(kinds(await recordsOf(storage, { threadId: "only-writes" }))).toEqual(["thread", "write"]);
    expect(await recordsOf(storage, { threadId: "absent" })).toEqual([]);
    expect(kinds(await recordsOf(storage, { kinds: ["item"] }))).toEqual(["item", "item"]);
  });

  it("exports nothing that has expired, with all that belongs to it", async () => {
    const clock = manualClock();
    const storage = memoryStorage({ clock });
    await fill(storage, clock);
    clock.advance(60_000);
    const records = await recordsOf(storage);
    // The context lives on in "b"; thread "t" is gone with "a".
    expect(kinds(records)).toEqual(["session", "task_context", "task_context", "thread", "write", "item"]);
  });

  it("exports what was there when it began: later ones are left out, removed ones too", async () => {
    const storage = memoryStorage();
    for (const id of ["a", "b", "c"]) await storage.createSession(id, "u");
    const exported: string[] = [];
    for await (const record of storage.exportRecords()) {
      if (record.kind !== "session") continue;
      if (exported.length === 0) {
        await storage.createSession("d", "u");
        await storage.deleteSession("b");
        await storage.updateSession("c", { metadata: { changed: true } });
      }
      exported.push(`${record.session_id} ${JSON.stringify(record.metadata)}`);
    }
    expect(exported).toEqual(["a {}", 'c {"changed":true}']);
  });
});

describe("an import", () => {
  const filled = async (): Promise<{ storage: StorageBackend; records: StorageRecord[] }> => {
    const clock = manualClock();
    const storage = memoryStorage({ clock });
    await fill(storage, clock);
    return { storage, records: await recordsOf(storage) };
  };

  it("undoes the whole batch on a conflict", async () => {
    const { records } = await filled();
    for (const id of ["t", "b"]) {
      const target = memoryStorage({ clock: manualClock() });
      if (id === "t") await target.storeCheckpoint("t", "mine", {});
      else await target.createSession("b", "mine");
      const before = await recordsOf(target);
      await expect(target.importRecords(records)).rejects.toMatchObject({ code: "CONFLICT", outcome: "not-applied" });
      expect(await recordsOf(target)).toEqual(before);
    }
  });

  it("takes a subject that stands twice for a conflict, for the stored one, or for its replacement", async () => {
    const { records } = await filled();
    const items = records.filter((record) => record.kind === "item");
    const twice = [...items, ...items.map((item) => ({ ...item, value: { v: 9 } }))];
    const values = async (onConflict: "skip" | "replace"): Promise<unknown[]> => {
      const target = memoryStorage({ clock: manualClock() });
      const report = await target.importRecords(twice, { onConflict });
      expect(report).toMatchObject(
        onConflict === "skip"
          ? { imported: { item: 2 }, skipped: 2, replaced: 0 }
          : { imported: { item: 4 }, skipped: 0, replaced: 2 },
      );
      return (await target.searchItems([])).items.map((item) => item.value);
    };
    await expect(memoryStorage().importRecords(twice)).rejects.toMatchObject({ code: "CONFLICT" });
    expect(await values("skip")).toEqual(expect.arrayContaining([{ v: 1 }, { v: 2 }]));
    expect(await values("replace")).toEqual([{ v: 9 }, { v: 9 }]);
  });

  it("skips what is there, whole", async () => {
    const { storage, records } = await filled();
    const report = await storage.importRecords(records, { onConflict: "skip" });
    expect(report).toMatchObject({ skipped: records.length, replaced: 0 });
    expect(await recordsOf(storage)).toEqual(records);
  });

  it("replaces what is there, whole", async () => {
    const { storage, records } = await filled();
    await storage.addConversationMessage("a", "user", "goes");
    await storage.storeCheckpoint("t", "goes", {});
    await storage.storeTaskContext("b", "goes");
    await storage.importRecords(records, { onConflict: "replace" });
    expect(await recordsOf(storage)).toEqual(expect.arrayContaining(records));
    expect(await recordsOf(storage)).toHaveLength(records.length);
  });

  it("skips a context that no session names, and leaves out a link to a session that is not there", async () => {
    const { records } = await filled();
    const target = memoryStorage({ clock: manualClock() });
    const report = await target.importRecords(records.filter(({ kind }) => kind !== "session" && kind !== "message"));
    expect(report).toMatchObject({ imported: { task_context: 0, thread: 2 }, skipped: 2 });
    expect((await target.listThreads()).items.map((thread) => thread.sessionId)).toEqual([undefined, undefined]);
  });

  it("does not wake the context of an expired session", async () => {
    const { records } = await filled();
    const clock = manualClock();
    const target = memoryStorage({ clock });
    await target.importRecords(records);
    await target.deleteSession("b");
    clock.advance(120_000);
    const again = records
      .filter((record) => record.kind === "session" && record.session_id === "b")
      .concat(records.filter(({ kind }) => kind === "task_context"));
    const report = await target.importRecords(again);
    expect(report).toMatchObject({ imported: { session: 1, task_context: 2 }, skipped: 0 });
    expect((await target.getTaskContext("b"))?.context).toEqual({ step: 2n });
  });

  it("refuses an id that stands twice in a subject, also across batches, and stores nothing of that batch", async () => {
    const { records } = await filled();
    const [session] = records;
    if (session?.kind !== "session") throw new Error("the first record is a session");
    const message = (seq: number, messageId: string): StorageRecord => ({
      kind: "message",
      session_id: session.session_id,
      seq,
      message_id: messageId,
      role: "user",
      content: "x",
      timestamp: session.created_at,
      metadata: {},
    });
    const many = Array.from({ length: 700 }, (_, i) => message(i + 1, `m${i}`));
    const long = { ...session, last_seq: 701 };
    for (const stream of [
      [long, message(1, "m"), message(2, "m")],
      [long, ...many, message(701, "m0")],
    ]) {
      const target = memoryStorage({ clock: manualClock() });
      await expect(target.importRecords(stream)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
      expect((await target.getSession("a"))?.messageCount).toBe(stream.length > 500 ? 499 : undefined);
    }
    const target = memoryStorage({ clock: manualClock() });
    await target.importRecords([long, ...many]);
    expect((await target.getSession("a"))?.messageCount).toBe(700);
  });
});
