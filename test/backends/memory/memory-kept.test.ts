// What is removed takes no memory any more: the inside of the store after each way of removing.
import { describe, expect, it } from "vitest";
import { checkpointVerbs } from "../../../src/backends/memory/checkpoints.js";
import { conversationVerbs } from "../../../src/backends/memory/conversations.js";
import { itemVerbs } from "../../../src/backends/memory/items.js";
import { leaseVerbs } from "../../../src/backends/memory/leases.js";
import { sessionVerbs } from "../../../src/backends/memory/sessions.js";
import type { MemoryStore } from "../../../src/backends/memory/state.js";
import { taskContextVerbs } from "../../../src/backends/memory/task-contexts.js";
import { threadVerbs } from "../../../src/backends/memory/threads.js";
import { EncodedText } from "../../../src/domain/codec/encoded-text.js";
import { driverCall, emptyStore, sizesOf } from "./driver-call.js";

const call = driverCall();
const nothing = Object.fromEntries(Object.keys(sizesOf(emptyStore())).map((name) => [name, 0]));

/** A session with one of everything that can belong to it, and one thread that is not linked. */
async function fill(store: MemoryStore, sessionId: string, ttlMs: number | null = null): Promise<void> {
  const checkpoint = {
    namespace: "",
    checkpointId: "c",
    parentId: null,
    sessionId,
    metadata: "{}",
    needsParent: false,
    data: EncodedText.of('"state"'),
    sizeBytes: 7,
    expectedHead: undefined,
  };
  const write = { taskId: "t", taskPath: "", index: 0, channel: "ch", value: "1" };
  await sessionVerbs(store).createSession(call, { sessionId, userId: "u", metadata: "{}", ttlMs });
  await addMessages(store, sessionId, 3);
  await taskContextVerbs(store).storeContext(
    call,
    sessionId,
    { context: "{}", sizeBytes: 2, metadata: "{}", expectedVersion: null },
    null,
  );
  await checkpointVerbs(store).storeCheckpoint(call, `${sessionId}-thread`, checkpoint, null);
  const target = { namespace: "", checkpointId: "c", overwrite: false };
  await checkpointVerbs(store).putWrites(call, `${sessionId}-thread`, target, [write], null);
  for (const subject of [
    { kind: "session" as const, id: sessionId },
    { kind: "thread" as const, id: `${sessionId}-thread` },
  ]) {
    await leaseVerbs(store).acquireLease(call, subject, { owner: "o", ttlMs: 1000 });
  }
}

async function addMessages(store: MemoryStore, sessionId: string, count: number): Promise<void> {
  const messages = Array.from({ length: count }, (_, i) => ({
    messageId: `m${i}`,
    keyed: true,
    role: i % 2 === 0 ? "user" : "assistant",
    content: '"hello"',
    metadata: "{}",
    timestamp: null,
  }));
  await conversationVerbs(store).addMessages(call, sessionId, messages, null);
}

describe("nothing stays", () => {
  it("after deleteSession (S10)", async () => {
    const store = emptyStore();
    await fill(store, "s");
    expect(Object.values(sizesOf(store)).filter((size) => size === 0)).toHaveLength(1); // items
    expect(await sessionVerbs(store).deleteSession(call, "s")).toBe(true);
    expect(sizesOf(store)).toEqual(nothing);
  });

  it("after cleanup of expired and idle sessions (S8)", async () => {
    const store = emptyStore();
    await fill(store, "expiring", 1000);
    await fill(store, "idle");
    store.clock.advance(1000);
    const idleBefore = store.clock.now() - 1000;
    await fill(store, "busy");
    const sessions = sessionVerbs(store);
    expect(await sessions.cleanupSessions(call, { idleBefore, batchSize: 1, dryRun: true })).toBe(2);
    expect(await sessions.cleanupSessions(call, { idleBefore, batchSize: 1, dryRun: false })).toBe(2);
    await sessions.deleteSession(call, "busy");
    expect(sizesOf(store)).toEqual(nothing);
  });

  it("of an expired session whose id, thread or lease is taken anew", async () => {
    const session = { userId: "u", metadata: "{}", ttlMs: null };
    const target = { namespace: "", checkpointId: "c", overwrite: false };
    const store = emptyStore();
    for (const id of ["a", "b", "c"]) await fill(store, id, 1000);
    store.clock.advance(1000);
    await sessionVerbs(store).createSession(call, { ...session, sessionId: "a" });
    await checkpointVerbs(store).putWrites(call, "b-thread", target, [], null);
    await leaseVerbs(store).acquireLease(call, { kind: "thread", id: "c-thread" }, { owner: "p", ttlMs: 1 });
    expect(sizesOf(store)).toMatchObject({ threads: 1, threadLeases: 1 });
    // The sessions of the threads wait for a cleanup, as other expired ones do.
    await sessionVerbs(store).cleanupSessions(call, { idleBefore: 0, batchSize: 10, dryRun: false });
    expect(sizesOf(store)).toMatchObject({ sessions: 1, threads: 1, contexts: 0, sessionLeases: 0, threadLeases: 1 });
  });

  it("of a context when its last session goes (T3)", async () => {
    const store = emptyStore();
    await fill(store, "a");
    await fill(store, "b");
    await taskContextVerbs(store).shareContext(call, "a", "b");
    expect(sizesOf(store).contexts).toBe(1);
    await sessionVerbs(store).deleteSession(call, "a");
    expect(sizesOf(store).contexts).toBe(1);
    expect((await taskContextVerbs(store).getContext(call, "b", null))?.version).toBe(1);
    await sessionVerbs(store).deleteSession(call, "b");
    expect(sizesOf(store).contexts).toBe(0);
  });

  it("of deleted messages: their ids are forgotten and may be used again", async () => {
    const store = emptyStore();
    await fill(store, "s");
    const range = { after: null, before: 3 };
    expect(await conversationVerbs(store).deleteMessages(call, "s", range, null)).toBe(2);
    const conversation = store.tenants.get("default")?.sessions.get("s")?.conversation;
    expect([...(conversation?.seqs.keys() ?? [])]).toEqual(["m2"]);
    await addMessages(store, "s", 3);
    const history = await conversationVerbs(store).getHistory(call, "s", {
      limit: 9,
      before: null,
      after: null,
      roles: null,
    });
    expect(history.map((message) => [message.seq, message.messageId])).toEqual([
      [3, "m2"],
      [4, "m0"],
      [5, "m1"],
    ]);
  });

  it("of pruned checkpoints and their writes (K6)", async () => {
    const store = emptyStore();
    await fill(store, "s");
    const thread = store.tenants.get("default")?.threads.get("s-thread");
    const checkpoint = {
      namespace: "",
      checkpointId: "d",
      parentId: "c",
      sessionId: null,
      metadata: "{}",
      needsParent: false,
      data: EncodedText.of("1"),
      sizeBytes: 1,
      expectedHead: "c",
    };
    await checkpointVerbs(store).storeCheckpoint(call, "s-thread", checkpoint, null);
    const prune = { keepLast: 1, maxAgeMs: null, threadId: null, dryRun: false };
    expect(await threadVerbs(store).pruneCheckpoints(call, prune)).toEqual({
      threads: 1,
      removedCheckpoints: 1,
      removedWrites: 1,
      keptCheckpoints: 1,
      removedBytes: 8,
    });
    expect(thread?.checkpoints.length).toBe(1);
    expect([...(thread?.namespaces.get("")?.seqs.keys() ?? [])]).toEqual(["d"]);
    expect(thread?.namespaces.get("")?.writes.size).toBe(0);
  });

  it("of expired items, while others are put", async () => {
    const store = emptyStore();
    const items = itemVerbs(store);
    const put = (key: string, ttlMs: number | null): Promise<unknown> =>
      items.runItemSteps(call, [
        { kind: "put", namespace: ["n"], key, value: "{}", ttlMs, expectedVersion: null, vectors: null },
      ]);
    for (let i = 0; i < 50; i++) await put(`old${i}`, 1000);
    store.clock.advance(1000);
    for (let i = 0; i < 60; i++) await put(`new${i}`, null);
    expect(sizesOf(store).items).toBe(60);
  });

  it("of a tenant's lease but its token goes on (L1)", async () => {
    const store = emptyStore();
    await fill(store, "s");
    await sessionVerbs(store).deleteSession(call, "s");
    const taken = await leaseVerbs(store).acquireLease(call, { kind: "session", id: "s" }, { owner: "o", ttlMs: 1 });
    expect(taken).toMatchObject({ acquired: { token: 3 } });
  });
});
