// Turns: what they record, what they give back, and who wins when two run at once.
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import type { StorageBackend } from "../../src/contract/storage-backend.js";
import { contextEngine, type Turn, type UnrecordedTurn } from "../../src/engine/index.js";
import { interruptedStorage } from "./interrupted-storage.js";
import { storages } from "./storages.js";

describe.each(storages)("a turn over $name", ({ open }) => {
  const opened = async (storage: StorageBackend = open()) => {
    const engine = contextEngine(storage);
    return { storage, engine, session: await engine.open("s", { userId: "u" }) };
  };

  it("records messages, context, checkpoints and counters, and returns the result", async () => {
    const { storage, engine, session } = await opened();
    const outcome = await session.turn({ turnId: "t" }, async (turn) => {
      turn.message("user", "question", { metadata: { lang: "en" } });
      turn.message("assistant", [{ type: "text", text: "answer" }], { messageId: "own" });
      turn.context({ step: 1 }, { metadata: { by: "planner" } });
      turn.checkpoint({ at: 1 });
      turn.checkpoint(
        { at: 2 },
        { threadId: "other", checkpointId: "c", namespace: "n", parentId: "p", needsParent: true },
      );
      return { answer: 42 };
    });
    expect(outcome).toMatchObject({
      turnId: "t",
      attempt: 1,
      replayed: false,
      result: { answer: 42 },
      contextVersion: 1,
    });
    expect(outcome.messages.map(({ seq }) => seq)).toEqual([1, 2]);
    expect(await session.history()).toMatchObject([
      { role: "user", content: "question", metadata: { lang: "en", "waystone.turn": "t" } },
      { role: "assistant", content: [{ type: "text", text: "answer" }], messageId: "own" },
    ]);
    expect(await session.context()).toMatchObject({ context: { step: 1 }, metadata: { by: "planner" } });
    expect(await session.latest()).toMatchObject({
      data: { at: 1 },
      sessionId: "s",
      metadata: { "waystone.turn": "t" },
    });
    expect(await storage.getCheckpoint("other", { namespace: "n" })).toMatchObject({
      checkpointId: "c",
      data: { at: 2 },
      parentId: "p",
      needsParent: true,
      sessionId: "s",
    });
    expect(await engine.sessions.get("s")).toMatchObject({
      requestCount: 1,
      errorCount: 0,
      messageCount: 2,
      version: 2,
    });
  });

  it("records more messages than one call of the storage takes", { timeout: 60_000 }, async () => {
    const { session } = await opened();
    const { messages } = await session.turn({ turnId: "t" }, async (turn) => {
      for (let i = 0; i < 5_001; i++) turn.message("user", `${i}`);
    });
    expect(messages.map(({ seq }) => seq)).toEqual(Array.from({ length: 5_001 }, (_, i) => i + 1));
    expect((await session.history({ limit: 2 })).map(({ content }) => content)).toEqual(["4999", "5000"]);
  });

  it("is not run again once it is recorded: the stored result comes back", async () => {
    const { engine, session } = await opened();
    const result = { at: new Date(5), bytes: new Uint8Array([1]), none: undefined };
    const first = await session.turn({ turnId: "t" }, (turn) => {
      turn.message("user", "once");
      return result;
    });
    const work = vi.fn();
    const again = await engine.turn("s", { turnId: "t" }, work);
    expect(work).not.toHaveBeenCalled();
    expect(again).toEqual({ ...first, replayed: true });
    expect(await engine.findTurn("s", "t")).toEqual(again);
    expect(await session.get()).toMatchObject({ requestCount: 1, messageCount: 1 });
  });

  it("keeps turns of different ids, and of different sessions, apart", async () => {
    const { engine, session } = await opened();
    await engine.open("s2", { userId: "u" });
    const ids = ["t", "t/1", "t~1", "t/1/0", "__proto__", "x".repeat(512), `${"x".repeat(511)}y`];
    for (const turnId of ids) {
      await session.turn({ turnId }, (turn) => turn.message("user", turnId));
      await engine.turn("s2", { turnId }, (turn) => turn.message("user", turnId));
    }
    for (const sessionId of ["s", "s2"]) {
      expect((await engine.conversations.history(sessionId)).map(({ content }) => content)).toEqual(ids);
    }
    expect(await engine.findTurn("s", "t/2")).toBeUndefined();
  });

  it("gives every turn without an id an id of its own", async () => {
    const { session } = await opened();
    const one = await session.turn({}, () => 1);
    const two = await session.turn({}, () => 2);
    expect([one.result, two.result]).toEqual([1, 2]);
    expect(one.turnId).not.toBe(two.turnId);
  });

  it("times the work with the monotonic clock that it is given, whatever the wall clock does", async () => {
    let ms = 1000;
    const engine = contextEngine(open(), { monotonic: () => ms, clock: { now: () => 5_000_000 - ms } });
    const session = await engine.open("s", { userId: "u" });
    const outcome = await session.turn({ turnId: "t" }, (turn) => {
      ms += 1500;
      turn.message("user", "x");
    });
    expect(outcome.durationSeconds).toBe(1.5);
    await session.turn({ turnId: "back" }, () => {
      ms -= 10;
    });
    expect(await engine.sessions.metrics("s")).toMatchObject({
      requestCount: 2,
      totalProcessingTime: 1.5,
      meanProcessingTime: 0.75,
    });
    expect((await session.history())[0]?.timestamp.getTime()).toBe(5_000_000 - 2500);
  });

  it("records what was collected as it was then, not as it became", async () => {
    const { session } = await opened();
    const state = { steps: ["one"] };
    const metadata = { tags: ["a"] };
    await session.turn({ turnId: "t" }, (turn) => {
      turn.message("assistant", [{ type: "data", state }], { metadata });
      turn.context(state);
      turn.checkpoint(state);
      state.steps.push("two");
      metadata.tags.push("b");
      turn.checkpoint(state, { namespace: "later" });
    });
    const [message] = await session.history();
    expect(message).toMatchObject({
      content: [{ type: "data", state: { steps: ["one"] } }],
      metadata: { tags: ["a"] },
    });
    expect((await session.context())?.context).toEqual({ steps: ["one"] });
    expect((await session.latest())?.data).toEqual({ steps: ["one"] });
    expect((await session.latest({ namespace: "later" }))?.data).toEqual({ steps: ["one", "two"] });
  });

  it("collects nothing after its work has ended", async () => {
    const { session } = await opened();
    let kept: Turn | undefined;
    await session.turn({ turnId: "t" }, (turn) => {
      kept = turn;
    });
    expect(() => kept?.message("user", "late")).toThrow(/the turn is over/);
    expect(() => kept?.context(1)).toThrow(/the turn is over/);
    expect(() => kept?.checkpoint(1)).toThrow(/the turn is over/);
    expect(await session.history()).toEqual([]);
  });

  it("refuses an absent session, and an ended one, before the work runs", async () => {
    const { engine, session } = await opened();
    const work = vi.fn();
    await expect(engine.turn("absent", { turnId: "t" }, work)).rejects.toMatchObject({ code: "SESSION_NOT_FOUND" });
    await session.turn({ turnId: "before" }, () => "kept");
    await session.end();
    await expect(session.turn({ turnId: "t" }, work)).rejects.toMatchObject({ code: "CONFLICT" });
    expect(work).not.toHaveBeenCalled();
    expect(await session.turn({ turnId: "before" }, work)).toMatchObject({ replayed: true, result: "kept" });
  });

  it("stores nothing when something of it cannot be stored", async () => {
    const { storage, session } = await opened();
    const unstorable: readonly (readonly [string, (turn: Turn) => unknown])[] = [
      ["SERIALIZATION", () => ({ f: () => 1 })],
      ["SERIALIZATION", (turn) => turn.context({ f: () => 1 })],
      ["SERIALIZATION", (turn) => turn.checkpoint(Symbol("s"))],
      ["SERIALIZATION", (turn) => turn.message("user", [{ type: "x", f: () => 1 }])],
      ["INVALID_ARGUMENT", (turn) => turn.message("user", "x", { metadata: { at: Number.NaN } })],
      ["INVALID_ARGUMENT", (turn) => turn.checkpoint(1, { metadata: { text: "\0" } })],
      ["INVALID_ARGUMENT", (turn) => turn.context(1, { metadata: { at: new Date() as never } })],
      ["INVALID_ARGUMENT", (turn) => turn.context(1, { metadata: { big: "x".repeat(1024 * 1024) } })],
    ];
    const before = await session.get();
    for (const [code, leave] of unstorable) {
      const turn = session.turn({ turnId: "t" }, (each) => {
        each.message("user", "fine");
        return leave(each);
      });
      await expect(turn).rejects.toMatchObject({ code });
    }
    expect(await session.get()).toEqual(before);
    expect((await storage.listThreads()).items).toEqual([]);
    expect(await session.turn({ turnId: "t" }, () => "now")).toMatchObject({ attempt: 1, result: "now" });
  });

  it("marks an error, records what is asked and throws the very same error", async () => {
    const { session } = await opened();
    const failure = new Error("model is down");
    const fail = async (turn: Turn) => {
      turn.message("user", "question");
      turn.context("context");
      turn.checkpoint("checkpoint");
      throw failure;
    };
    await expect(session.turn({ turnId: "a" }, fail)).rejects.toBe(failure);
    expect(await session.get()).toMatchObject({ requestCount: 1, errorCount: 1, messageCount: 0 });
    await expect(session.turn({ turnId: "b", recordOnError: ["messages"] }, fail)).rejects.toBe(failure);
    expect(await session.get()).toMatchObject({ requestCount: 2, errorCount: 2, messageCount: 1 });
    expect([await session.context(), await session.latest()]).toEqual([undefined, undefined]);
    await expect(session.turn({ turnId: "c", recordOnError: true }, fail)).rejects.toBe(failure);
    expect(await session.get()).toMatchObject({ requestCount: 3, errorCount: 3, messageCount: 2 });
    expect(await session.context()).toMatchObject({ context: "context" });
    expect(await session.latest()).toMatchObject({ data: "checkpoint" });
  });

  it("rethrows what is no Error as it is, and what is thrown without waiting", async () => {
    const { engine, session } = await opened();
    const thrown: readonly unknown[] = ["text", undefined, null, 7, { code: 1 }];
    for (const [index, value] of thrown.entries()) {
      const turn = session.turn({ turnId: `t${index}` }, () => {
        throw value;
      });
      await expect(turn).rejects.toBe(value);
    }
    expect(await engine.findTurn("s", "t0")).toMatchObject({ error: { name: "Error", message: "text" } });
    expect(await session.get()).toMatchObject({ errorCount: 5, requestCount: 5 });
  });

  it("runs a failed turn again under its id, as the next attempt", async () => {
    const { engine, session } = await opened();
    const attempts: number[] = [];
    const work = (turn: Turn) => {
      attempts.push(turn.attempt);
      turn.message("user", `attempt ${turn.attempt}`);
      if (turn.attempt < 3) throw new RangeError("not yet");
      return "done";
    };
    await expect(session.turn({ turnId: "t" }, work)).rejects.toThrow("not yet");
    expect(await engine.findTurn("s", "t")).toMatchObject({
      attempt: 1,
      error: { name: "RangeError", message: "not yet" },
    });
    await expect(session.turn({ turnId: "t", recordOnError: true }, work)).rejects.toThrow("not yet");
    expect(await session.turn({ turnId: "t" }, work)).toMatchObject({ attempt: 3, result: "done" });
    expect(await session.turn({ turnId: "t" }, work)).toMatchObject({ attempt: 3, replayed: true });
    expect(attempts).toEqual([1, 2, 3]);
    expect((await session.history()).map(({ content }) => content)).toEqual(["attempt 2", "attempt 3"]);
    expect(await session.get()).toMatchObject({ requestCount: 3, errorCount: 2 });
  });

  it("throws the work's error also when it cannot be recorded, and reports that", async () => {
    const storage = open();
    await storage.createSession("s", "u");
    const reports: UnrecordedTurn[] = [];
    const engine = contextEngine(interruptedStorage(storage, { at: 1, applied: false }), {
      onTurnNotRecorded: (report) => reports.push(report),
    });
    const failure = new Error("work");
    const turn = engine.turn("s", { turnId: "t" }, () => Promise.reject(failure));
    await expect(turn).rejects.toBe(failure);
    expect(reports).toMatchObject([{ sessionId: "s", turnId: "t", workError: failure }]);
    expect(String(reports[0]?.recordingError)).toContain("died before storeCheckpoint");
  });

  it("warns of it when nobody listens", async () => {
    const storage = open();
    await storage.createSession("s", "u");
    const warning = new Promise<Error>((resolve) => void process.once("warning", resolve));
    const engine = contextEngine(interruptedStorage(storage, { at: 1, applied: false }));
    await expect(engine.turn("s", { turnId: "t" }, () => Promise.reject(new Error("work")))).rejects.toThrow("work");
    expect(await warning).toMatchObject({ code: "WAYSTONE_TURN_NOT_RECORDED" });
  });

  it("records once when many run it at the same time, and gives all of them the same outcome", async () => {
    const { engine, session } = await opened();
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        engine.turn("s", { turnId: "t" }, async (turn) => {
          await sleep(index % 3);
          turn.message("user", `from ${index}`);
          turn.message("assistant", `to ${index}`);
          turn.context({ index });
          turn.checkpoint({ index });
          return index;
        }),
      ),
    );
    const [winner] = outcomes.filter(({ replayed }) => !replayed);
    expect(outcomes.filter(({ replayed }) => !replayed)).toHaveLength(1);
    for (const outcome of outcomes) expect({ ...outcome, replayed: false }).toEqual(winner);
    const index = winner?.result;
    expect((await session.history()).map(({ content }) => content)).toEqual([`from ${index}`, `to ${index}`]);
    expect(await session.context()).toMatchObject({ version: 1, context: { index } });
    expect(await session.latest()).toMatchObject({ data: { index } });
    expect(await session.get()).toMatchObject({ requestCount: 1 });
  });

  it("counts the success of one and the failure of another run of the same turn", async () => {
    const { session } = await opened();
    const { promise: failed, resolve: fail } = Promise.withResolvers<void>();
    const slow = session.turn({ turnId: "t" }, async () => {
      await failed;
      return "late success";
    });
    await expect(session.turn({ turnId: "t" }, () => Promise.reject(new Error("early")))).rejects.toThrow("early");
    fail();
    expect(await slow).toMatchObject({ replayed: false, attempt: 2, result: "late success" });
    expect(await session.get()).toMatchObject({ requestCount: 2, errorCount: 1 });
  });

  it("stores a context on top of whatever is the newest, unless a version is expected", async () => {
    const { session } = await opened();
    await session.turn({ turnId: "a" }, async (turn) => {
      turn.context("mine");
      await session.saveContext("somebody else's");
    });
    expect(await session.context()).toMatchObject({ version: 2, context: "mine" });
  });

  it("records nothing at all when the context is not at the expected version, and runs again under its id", async () => {
    const { storage, session } = await opened();
    await session.saveContext(1);
    const before = await session.get();
    const work = async (turn: Turn) => {
      const current = await session.context();
      turn.message("user", `from ${current?.version}`);
      turn.context("next", { expectedVersion: current?.version });
      if (turn.attempt === 1 && current?.version === 1) await session.saveContext(2);
    };
    await expect(session.turn({ turnId: "t" }, work)).rejects.toMatchObject({ code: "CONFLICT" });
    expect(await session.get()).toEqual({ ...before, updatedAt: expect.any(Date) });
    expect((await storage.listThreads()).items).toEqual([]);
    expect(await session.turn({ turnId: "t" }, work)).toMatchObject({ contextVersion: 3 });
    expect((await session.history()).map(({ content }) => content)).toEqual(["from 2"]);
  });

  it("also when another writer comes between the journal and the context", async () => {
    const { storage, session } = await opened();
    const meddling = new Proxy(storage, {
      get: (target, name) =>
        name !== "storeTaskContext"
          ? Reflect.get(target, name)
          : async (...args: Parameters<StorageBackend["storeTaskContext"]>) => {
              if (args[1] === "next") await target.storeTaskContext("s", "other");
              return target.storeTaskContext(...args);
            },
    });
    const turn = contextEngine(meddling).turn("s", { turnId: "t" }, (each) => {
      each.message("user", "x");
      each.context("next", { expectedVersion: 0 });
    });
    await expect(turn).rejects.toMatchObject({ code: "CONFLICT" });
    expect(await session.get()).toMatchObject({ requestCount: 0, messageCount: 0 });
    expect(await session.turn({ turnId: "t" }, () => "again")).toMatchObject({ attempt: 2, result: "again" });
  });

  it("writes everything under its lease: a superseded one leaves no trace", async () => {
    const { engine, storage, session } = await opened();
    const old = await storage.acquireLease({ session: "s" }, { owner: "one", ttlMs: 60_000 });
    await storage.releaseLease(old);
    const lease = await storage.acquireLease({ session: "s" }, { owner: "two", ttlMs: 60_000 });
    const work = (turn: Turn) => {
      turn.message("user", "x");
      turn.context(1);
      turn.checkpoint(1);
      return "done";
    };
    const before = await session.get();
    await expect(engine.turn("s", { turnId: "t", lease: old }, work)).rejects.toMatchObject({ code: "FENCED" });
    expect(await session.get()).toEqual(before);
    expect((await storage.listThreads()).items).toEqual([]);
    expect(await engine.session("s", { lease }).turn({ turnId: "t" }, work)).toMatchObject({ result: "done" });
  });

  it("gives its signal to the work, and records what the work left although it has fired", async () => {
    const { session } = await opened();
    const abort = new AbortController();
    const turn = session.turn({ turnId: "t", recordOnError: true, signal: abort.signal }, async (each) => {
      each.message("assistant", "half an ans");
      abort.abort(new Error("stop"));
      each.signal?.throwIfAborted();
    });
    await expect(turn).rejects.toThrow("stop");
    expect(await session.get()).toMatchObject({ requestCount: 1, errorCount: 1, messageCount: 1 });
    const work = vi.fn();
    await expect(session.turn({ turnId: "u", signal: abort.signal }, work)).rejects.toMatchObject({ code: "ABORTED" });
    expect(work).not.toHaveBeenCalled();
  });

  it("goes with its session", async () => {
    const { engine, storage, session } = await opened();
    await session.turn({ turnId: "t" }, (turn) => turn.checkpoint(1));
    await engine.sessions.delete("s");
    expect((await storage.listThreads()).items).toEqual([]);
    const anew = await engine.open("s", { userId: "u" });
    expect(await anew.turn({ turnId: "t" }, () => "new")).toMatchObject({ replayed: false, result: "new" });
  });

  it("keeps its result when checkpoints are pruned, and no copy of what it stored", async () => {
    const { storage, session } = await opened();
    for (const turnId of ["a", "b"]) {
      await session.turn({ turnId }, (turn) => {
        turn.message("user", "m".repeat(10_000));
        turn.checkpoint({ c: "c".repeat(10_000) });
        return turnId;
      });
    }
    await storage.pruneCheckpoints({ keepLast: 1 });
    const journal = await storage.listCheckpoints("waystone.turns/s", { limit: 10 });
    expect(journal).toHaveLength(2);
    for (const { sizeBytes } of journal) expect(sizeBytes).toBeLessThan(1000);
    expect(await session.turn({ turnId: "a" }, () => "again")).toMatchObject({ replayed: true, result: "a" });
  });

  it("reports a journal that is damaged, or that a newer release has written", async () => {
    const { storage, session } = await opened();
    for (const data of [
      { format: 2 },
      null,
      "x",
      { format: 1, entry: { turnId: "other", sessionId: "s" } },
      { format: 1, entry: { turnId: "t", sessionId: "other" } },
    ]) {
      await storage.storeCheckpoint("waystone.turns/s", "attempt-1", data, {
        namespace: "waystone.turn/t",
        sessionId: "s",
      });
      await expect(session.turn({ turnId: "t" }, () => 1)).rejects.toMatchObject({ code: "CORRUPTION" });
    }
  });
});

describe.each(storages)("a record of a turn over $name", ({ open }) => {
  const record = {
    turnId: "t",
    durationSeconds: 1.5,
    result: "r",
    messages: [{ role: "user", content: "x", metadata: { a: 1 }, timestamp: new Date(7) }],
    context: { value: 1, expectedVersion: 0 },
    checkpoints: [{ data: 1, threadId: "th" }],
  };

  it("is stored once; the first one counts", async () => {
    const session = await contextEngine(open()).open("s", { userId: "u" });
    const first = await session.recordTurn(record);
    expect(first).toMatchObject({ replayed: false, result: "r", durationSeconds: 1.5, contextVersion: 1 });
    expect(await session.recordTurn({ turnId: "t", durationSeconds: 9, result: "other" })).toEqual({
      ...first,
      replayed: true,
    });
    expect(await session.turn({ turnId: "t" }, () => "work")).toEqual({ ...first, replayed: true });
    expect(await session.history()).toMatchObject([{ content: "x", timestamp: new Date(7) }]);
    expect(await session.get()).toMatchObject({ requestCount: 1, totalProcessingTime: 1.5, errorCount: 0 });
  });

  it("of a failure marks an error with all that it holds, and counts too", async () => {
    const session = await contextEngine(open()).open("s", { userId: "u" });
    const first = await session.recordTurn({ ...record, error: new TypeError("bad") });
    expect(first).toMatchObject({ replayed: false, error: { name: "TypeError", message: "bad" } });
    expect(await session.recordTurn(record)).toEqual({ ...first, replayed: true });
    expect(await session.get()).toMatchObject({ requestCount: 1, errorCount: 1, messageCount: 1 });
  });

  it("is taken by an ended session, and refused by an absent one", async () => {
    const engine = contextEngine(open());
    const session = await engine.open("s", { userId: "u" });
    await session.end("failed");
    expect(await session.recordTurn(record)).toMatchObject({ replayed: false });
    await expect(engine.recordTurn("absent", record)).rejects.toMatchObject({ code: "SESSION_NOT_FOUND" });
  });
});
