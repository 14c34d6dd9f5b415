// Compaction: summaries stand beside the messages, stack, can be taken back, and survive races.
import { describe, expect, it, vi } from "vitest";
import type { MessageContent } from "../../src/contract/conversation-storage.js";
import { contentBytes, contextEngine, type SessionHandle, type Summarize } from "../../src/engine/index.js";
import { Interrupted, interruptedStorage } from "./interrupted-storage.js";
import { conversation } from "./sample-conversations.js";
import { storages } from "./storages.js";

const seqRange: Summarize = (messages, { previous }) =>
  [previous, ...messages.map(({ seq }) => seq)].filter((each) => each !== undefined).join(",");

describe.each(storages)("compaction over $name", ({ open }) => {
  const filled = async (line: string, storage = open()) => {
    const engine = contextEngine(storage);
    const session = await engine.open("s", { userId: "u" });
    await session.appendAll(conversation(line));
    return { storage, engine, session };
  };
  const summarize = (session: SessionHandle, keepLast: number) =>
    session.compact({ strategy: "summarize", keepLast, summarize: seqRange });
  const shown = async (session: SessionHandle, useSummary?: boolean) =>
    (await session.window({ maxMessages: 100, useSummary })).messages.map(
      ({ seq, content }): MessageContent | number => (typeof content === "string" ? content : seq),
    );

  it("shows a summary in the place of what it stands for, and leaves the messages as they are", async () => {
    const { storage, session } = await filled("u a u a u");
    const before = await session.history();
    const { compaction, ...result } = await summarize(session, 2);
    expect(result).toEqual({ compacted: true, messages: 3 });
    expect(compaction).toMatchObject({
      strategy: "summarize",
      throughSeq: 3,
      summary: { role: "system", content: "1,2,3" },
    });
    const { messages, ...window } = await session.window();
    expect(window).toMatchObject({ compaction, complete: true, cost: { messages: 3 } });
    expect(messages).toMatchObject([
      {
        role: "system",
        content: "1,2,3",
        seq: 3,
        sessionId: "s",
        metadata: { "waystone.summary": compaction?.compactionId },
      },
      { seq: 4 },
      { seq: 5 },
    ]);
    expect(await session.history()).toEqual(before);
    expect(await shown(session, false)).toEqual([1, 2, 3, 4, 5]);
    expect(await shown(contextEngine(storage).session("s"))).toEqual(["1,2,3", 4, 5]);
  });

  it("shows nothing in its place when it truncates", async () => {
    const { session } = await filled("u a u a u");
    const { compaction } = await session.compact({ strategy: "truncate", keepLast: 2 });
    expect(compaction).not.toHaveProperty("summary");
    expect(await shown(session)).toEqual([4, 5]);
    expect((await session.window()).compaction).toEqual(compaction);
    expect(await session.history()).toHaveLength(5);
  });

  it("stacks, and each can be taken back", async () => {
    const { engine, session } = await filled("u a u a u");
    await summarize(session, 3);
    await session.appendAll(conversation("u a"));
    await summarize(session, 2);
    await session.compact({ strategy: "truncate", keepLast: 1 });
    expect(await shown(session)).toEqual([7]);
    expect((await engine.conversations.compactions("s")).map(({ throughSeq }) => throughSeq)).toEqual([6, 5, 2]);
    expect(await session.dropSummary()).toMatchObject({ strategy: "truncate", throughSeq: 6 });
    expect(await shown(session)).toEqual(["1,2,3,4,5", 6, 7]);
    expect(await session.dropSummary()).toMatchObject({ throughSeq: 5 });
    expect(await shown(session)).toEqual(["1,2", 3, 4, 5, 6, 7]);
    expect(await summarize(session, 4)).toMatchObject({ compaction: { summary: { content: "1,2,3" } } });
    await session.dropSummary();
    await session.dropSummary();
    expect(await session.dropSummary()).toBeUndefined();
    expect(await shown(session)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(await engine.conversations.compactions("s")).toEqual([]);
    await summarize(session, 6);
    expect(await shown(session)).toEqual(["1", 2, 3, 4, 5, 6, 7]);
  });

  it("does nothing a second time, and nothing for too little", async () => {
    const { session } = await filled("u a u a u");
    const { compaction } = await summarize(session, 2);
    const never = vi.fn();
    const again = await session.compact({ strategy: "summarize", keepLast: 2, summarize: never });
    expect(again).toEqual({ compacted: false, messages: 0, compaction });
    await session.appendAll(conversation("u a"));
    expect(await session.compact({ strategy: "summarize", keepLast: 2, minMessages: 3, summarize: never })).toEqual(
      again,
    );
    expect(never).not.toHaveBeenCalled();
    expect(
      await session.compact({ strategy: "summarize", keepLast: 2, minMessages: 2, summarize: seqRange }),
    ).toMatchObject({
      messages: 2,
    });
    expect(await (await filled("")).session.compact({ strategy: "truncate", keepLast: 0 })).toEqual({
      compacted: false,
      messages: 0,
    });
  });

  it("keeps 20 messages unless told otherwise, or what fits a budget", async () => {
    const through = async (options: object) =>
      (await (await filled("u ".repeat(50))).session.compact({ strategy: "truncate", ...options })).compaction
        ?.throughSeq;
    expect(await through({})).toBe(30);
    expect(await through({ keepLast: 0 })).toBe(50);
    expect(await through({ keepLast: 50 })).toBeUndefined();
    expect(await through({ maxMessages: 7 })).toBe(43);
    expect(await through({ maxTokens: 30, countTokens: () => 3 })).toBe(40);
    expect(await through({ maxBytes: 10 * contentBytes([{ type: "text", text: "50" }]) })).toBe(40);
  });

  it("never splits a tool call from its result", async () => {
    const through = async (line: string, options: object) =>
      (await (await filled(line)).session.compact({ strategy: "truncate", ...options })).compaction?.throughSeq;
    expect(await through("u a>1 t<1 a", { keepLast: 2 })).toBe(1);
    expect(await through("u a>1 t<1 a", { maxMessages: 2 })).toBe(3);
    expect(await through("u a>1>2 t<2 u t<1 a", { keepLast: 1 })).toBe(5);
    expect(await through("u a>1>2 t<2 u t<1 a", { keepLast: 2 })).toBe(1);
    expect(await through("u t<9 a>1 t<1 a", { keepLast: 4 })).toBe(1);
  });

  it("puts the summary behind the opening system messages", async () => {
    const { session } = await filled("s u a u");
    await summarize(session, 1);
    expect(await shown(session)).toEqual(["1,2,3", 4]);
    const opening = (await session.window({ keepSystem: true })).messages;
    expect(opening.map(({ seq, content }) => (typeof content === "string" ? content : seq))).toEqual([1, "1,2,3", 4]);
  });

  it("gives up the summary before the newest message when both do not fit", async () => {
    const { session } = await filled("u a u a");
    await summarize(session, 2);
    const window = async (maxMessages: number) => {
      const { messages, complete } = await session.window({ maxMessages });
      return [messages.map(({ content }) => (typeof content === "string" ? "summary" : "message")), complete];
    };
    expect(await window(3)).toEqual([["summary", "message", "message"], true]);
    expect(await window(2)).toEqual([["summary", "message"], false]);
    expect(await window(1)).toEqual([["message"], false]);
  });

  it("summarises long conversations step by step, with whole pairs in each step", async () => {
    const { session } = await filled("u a>1 t<1 u a>1>2 t<1 t<2 u u");
    const steps: [unknown, number[]][] = [];
    const summarized = await session.compact({
      strategy: "summarize",
      keepLast: 1,
      chunkMessages: 3,
      summarize: (messages, { previous }) => {
        steps.push([previous, messages.map(({ seq }) => seq)]);
        return [{ type: "text", text: `through ${messages.at(-1)?.seq}` }];
      },
    });
    const text = (seq: number) => [{ type: "text", text: `through ${seq}` }];
    expect(steps).toEqual([
      [undefined, [1, 2, 3]],
      [text(3), [4]],
      [text(4), [5, 6, 7]],
      [text(7), [8]],
    ]);
    expect(summarized.compaction?.summary?.content).toEqual(text(8));
  });

  it("stores nothing when the summariser fails or gives no content", async () => {
    const { storage, session } = await filled("u a u");
    const failing = session.compact({
      strategy: "summarize",
      keepLast: 1,
      summarize: () => Promise.reject(new Error("down")),
    });
    await expect(failing).rejects.toThrow("down");
    for (const content of [undefined, 7, [{ text: "no type" }]]) {
      const bad = session.compact({ strategy: "summarize", keepLast: 1, summarize: () => content as never });
      await expect(bad).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    }
    expect((await storage.listThreads()).items).toEqual([]);
    expect(await shown(session)).toEqual([1, 2, 3]);
  });

  it("gives its signal to the summariser", async () => {
    const { session } = await filled("u a u");
    const { signal } = new AbortController();
    const summarizer = vi.fn<Summarize>(() => "x");
    await session.compact({ strategy: "summarize", keepLast: 1, summarize: summarizer, signal, summaryRole: "user" });
    expect(summarizer.mock.calls[0]?.[1]).toEqual({ sessionId: "s", signal });
    expect((await session.window()).messages[0]?.role).toBe("user");
  });

  it("of many at the same time keeps one that reaches furthest", async () => {
    const { engine, session } = await filled("u ".repeat(30));
    const results = await Promise.all([5, 25, 15, 5, 20, 10].map((keepLast) => summarize(session, keepLast)));
    const stack = await engine.conversations.compactions("s");
    expect(stack[0]?.throughSeq).toBe(25);
    expect(results.filter(({ compacted }) => compacted)).toHaveLength(stack.length);
    const through = stack.map(({ throughSeq }) => throughSeq);
    expect(through).toEqual([...through].sort((a, b) => b - a));
    expect(new Set(through).size).toBe(through.length);
    expect(await shown(session)).toEqual([
      Array.from({ length: 25 }, (_, index) => index + 1).join(","),
      26,
      27,
      28,
      29,
      30,
    ]);
  });

  it("drops a compaction once, however many drop it at the same time", async () => {
    const { engine, session } = await filled("u ".repeat(10));
    for (const keepLast of [8, 6, 4]) await summarize(session, keepLast);
    const dropped = await Promise.all([1, 2, 3, 4].map(() => session.dropSummary()));
    expect(dropped.filter((each) => each !== undefined)).toHaveLength(1);
    expect((await engine.conversations.compactions("s")).map(({ throughSeq }) => throughSeq)).toEqual([4, 2]);
  });

  it("drops a named compaction only when it is the newest", async () => {
    const { session } = await filled("u ".repeat(10));
    const older = (await summarize(session, 8)).compaction;
    const newer = (await summarize(session, 6)).compaction;
    expect(await session.dropSummary({ compactionId: older?.compactionId })).toBeUndefined();
    expect(await session.dropSummary({ compactionId: newer?.compactionId })).toEqual(newer);
    expect(await session.dropSummary({ compactionId: newer?.compactionId })).toBeUndefined();
  });

  it("leaves the conversation whole when the process dies at its write", async () => {
    for (const applied of [false, true]) {
      const { storage, session } = await filled("u a u a");
      const dying = contextEngine(interruptedStorage(storage, { at: 1, applied }));
      await expect(dying.conversations.compact("s", { strategy: "truncate", keepLast: 1 })).rejects.toThrow(
        Interrupted,
      );
      expect(await shown(session)).toEqual(applied ? [4] : [1, 2, 3, 4]);
      expect(await session.compact({ strategy: "truncate", keepLast: 1 })).toMatchObject({ compacted: !applied });
      expect(await shown(session)).toEqual([4]);
    }
  });

  it("is refused under a superseded lease, and for an absent session", async () => {
    const { engine, storage, session } = await filled("u a u");
    const lease = await storage.acquireLease({ session: "s" }, { owner: "one", ttlMs: 1000 });
    await storage.acquireLease({ session: "s" }, { owner: "one", ttlMs: 1000 });
    const fenced = { code: "FENCED" };
    await expect(session.compact({ strategy: "truncate", keepLast: 1, lease })).rejects.toMatchObject(fenced);
    await summarize(session, 1);
    await expect(session.dropSummary({ lease })).rejects.toMatchObject(fenced);
    await expect(engine.conversations.clear("s", { lease })).rejects.toMatchObject(fenced);
    expect(await shown(session)).toEqual(["1,2", 3]);
    const absent = engine.conversations.compact("absent", { strategy: "truncate" });
    await expect(absent).rejects.toMatchObject({ code: "SESSION_NOT_FOUND" });
  });

  it("survives pruning, and goes with the session", async () => {
    const { engine, storage, session } = await filled("u a u a");
    await summarize(session, 3);
    await summarize(session, 2);
    await storage.pruneCheckpoints({ keepLast: 1 });
    expect(await shown(session)).toEqual(["1,2", 3, 4]);
    await session.dropSummary();
    await storage.pruneCheckpoints({ keepLast: 1 });
    expect(await shown(session)).toEqual(["1", 2, 3, 4]);
    await engine.sessions.delete("s");
    expect((await storage.listThreads()).items).toEqual([]);
  });

  it("is cleared with the messages", async () => {
    const { engine, storage, session } = await filled("u a u a");
    await summarize(session, 1);
    expect(await engine.conversations.clear("s")).toBe(4);
    expect(await session.window()).toMatchObject({ messages: [], complete: true });
    expect((await storage.listThreads()).items).toEqual([]);
    await session.append("user", "new");
    expect(await shown(session)).toEqual(["new"]);
  });

  it("is not brought back by a summary that was being made while the conversation was cleared", async () => {
    const { engine, storage, session } = await filled("u a u a");
    await summarize(session, 3);
    const compacting = session.compact({
      strategy: "summarize",
      keepLast: 1,
      summarize: async () => {
        await engine.conversations.clear("s");
        return "what was deleted";
      },
    });
    expect(await compacting).toEqual({ compacted: false, messages: 0 });
    expect((await storage.listThreads()).items).toEqual([]);
  });

  it("reports a log that is damaged, or that a newer release has written", async () => {
    const { storage, session } = await filled("u a");
    for (const data of [null, { format: 2, top: null }, { format: 1 }]) {
      await storage.storeCheckpoint("waystone.compactions/s", "1", data, { sessionId: "s" });
      await expect(session.window()).rejects.toMatchObject({ code: "CORRUPTION" });
    }
  });
});
