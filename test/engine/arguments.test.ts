// Bad input to the engine is refused with a typed error before any call to the storage.
import { describe, expect, it } from "vitest";
import { memoryStorage } from "../../src/backends/memory/index.js";
import { type ContextEngine, contextEngine, type EngineOptions, type Turn } from "../../src/engine/index.js";
import { interruptedStorage } from "./interrupted-storage.js";

const two = [{ id: "a" }, { id: "b" }];
const truncate = { strategy: "truncate" };
const turn = { turnId: "t", durationSeconds: 1 };

/** Every call is wrong in one thing. The types would refuse most of them: a caller without types would not notice. */
// biome-ignore lint/suspicious/noExplicitAny: arguments that the types forbid are what is tested
const calls: readonly (readonly [name: string, call: (engine: any) => unknown])[] = [
  ["open: empty id", (e) => e.open("", { userId: "u" })],
  ["open: empty user", (e) => e.open("s", { userId: "" })],
  ["open: unknown field", (e) => e.open("s", { userId: "u", user: "u" })],
  ["open: reopen", (e) => e.open("s", { userId: "u", reopen: "yes" })],
  ["open: metadata", (e) => e.open("s", { userId: "u", metadata: new Date() })],
  ["session: id", (e) => e.session("\0")],
  ["session: id with half a character", (e) => e.session("\ud800")],
  ["session: unknown field", (e) => e.session("s", { leese: 1 })],
  ["sessions.start: unknown field", (e) => e.sessions.start("s", "u", { ttl: 1 })],
  ["sessions.resume: id", (e) => e.sessions.resume(7)],
  ["sessions.resume: options", (e) => e.sessions.resume("s", "x")],
  ["sessions.startOrResume: no user", (e) => e.sessions.startOrResume("s", {})],
  ["sessions.touch: unknown field", (e) => e.sessions.touch("s", { status: "active" })],
  ["sessions.touch: metadata", (e) => e.sessions.touch("s", { metadata: [] })],
  ["sessions.list: unknown filter", (e) => e.sessions.list({ user: "u" })],
  ["sessions.list: switch", (e) => e.sessions.list({ conversations: 1 })],
  ["sessions.delete: id", (e) => e.sessions.delete("x".repeat(513))],
  ["sessions.delete: unknown field", (e) => e.sessions.delete("s", { force: true })],
  ["conversations.window: id", (e) => e.conversations.window("")],
  ["conversations.window: unknown field", (e) => e.conversations.window("s", { limit: 5 })],
  ["conversations.window: no budget at all", (e) => e.conversations.window("s", { maxMessages: 0 })],
  ["conversations.window: part of a message", (e) => e.conversations.window("s", { maxMessages: 1.5 })],
  ["conversations.window: bytes", (e) => e.conversations.window("s", { maxBytes: "1kb" })],
  ["conversations.window: tokens without counter", (e) => e.conversations.window("s", { maxTokens: 5 })],
  ["conversations.window: counter", (e) => e.conversations.window("s", { maxTokens: 5, countTokens: 7 })],
  ["conversations.window: roles", (e) => e.conversations.window("s", { roles: "user" })],
  ["conversations.window: a role", (e) => e.conversations.window("s", { roles: [""] })],
  ["conversations.window: switch", (e) => e.conversations.window("s", { keepSystem: "true" })],
  ["conversations.window: scan limit", (e) => e.conversations.window("s", { scanLimit: 0 })],
  ["conversations.compact: no options", (e) => e.conversations.compact("s")],
  ["conversations.compact: strategy", (e) => e.conversations.compact("s", { strategy: "semantic" })],
  ["conversations.compact: no summariser", (e) => e.conversations.compact("s", { strategy: "summarize" })],
  [
    "conversations.compact: needless summariser",
    (e) => e.conversations.compact("s", { ...truncate, summarize: () => "" }),
  ],
  [
    "conversations.compact: two bounds",
    (e) => e.conversations.compact("s", { ...truncate, keepLast: 1, maxMessages: 1 }),
  ],
  ["conversations.compact: negative", (e) => e.conversations.compact("s", { ...truncate, keepLast: -1 })],
  ["conversations.compact: least", (e) => e.conversations.compact("s", { ...truncate, minMessages: 0 })],
  ["conversations.compact: chunk", (e) => e.conversations.compact("s", { ...truncate, chunkMessages: 1 })],
  ["conversations.compact: role", (e) => e.conversations.compact("s", { ...truncate, summaryRole: "" })],
  ["conversations.compact: unknown field", (e) => e.conversations.compact("s", { ...truncate, keep: 3 })],
  ["conversations.dropSummary: id", (e) => e.conversations.dropSummary("")],
  ["conversations.dropSummary: unknown field", (e) => e.conversations.dropSummary("s", { all: true })],
  ["conversations.compactions: id", (e) => e.conversations.compactions("")],
  ["conversations.clear: id", (e) => e.conversations.clear("")],
  ["conversations.clear: unknown field", (e) => e.conversations.clear("s", { before: 3 })],
  ["conversations.follow: id", (e) => e.conversations.follow("")],
  ["conversations.follow: unknown field", (e) => e.conversations.follow("s", { from: 0 })],
  ["conversations.follow: after", (e) => e.conversations.follow("s", { after: -1 })],
  ["conversations.follow: poll", (e) => e.conversations.follow("s", { pollMs: Number.NaN })],
  ["conversations.follow: page", (e) => e.conversations.follow("s", { pageSize: 0 })],
  ["conversations.between: id", (e) => e.conversations.between("", two)],
  ["conversations.between: no list", (e) => e.conversations.between("s", "ab")],
  ["conversations.between: one", (e) => e.conversations.between("s", [{ id: "a" }])],
  ["conversations.between: the same twice", (e) => e.conversations.between("s", [{ id: "a" }, { id: "a" }])],
  ["conversations.between: names", (e) => e.conversations.between("s", ["a", "b"])],
  ["conversations.between: empty role", (e) => e.conversations.between("s", [{ id: "a", role: "" }, { id: "b" }])],
  ["conversations.between: unknown field", (e) => e.conversations.between("s", [{ id: "a", name: "x" }, { id: "b" }])],
  [
    "conversations.between: too many",
    (e) =>
      e.conversations.between(
        "s",
        Array.from({ length: 101 }, (_, i) => ({ id: `${i}` })),
      ),
  ],
  ["conversations.between: kind", (e) => e.conversations.between("s", two, { kind: "" })],
  ["conversations.between: directed", (e) => e.conversations.between("s", two, { directed: 1 })],
  [
    "conversations.between: metadata",
    (e) => e.conversations.between("s", two, { metadata: { "waystone.parent": "x" } }),
  ],
  ["conversations.listBetween: id", (e) => e.conversations.listBetween("")],
  ["conversations.listBetween: unknown field", (e) => e.conversations.listBetween("s", { kind: "x" })],
  ["contexts.update: id", (e) => e.contexts.update("", () => 1)],
  ["contexts.update: no function", (e) => e.contexts.update("s", { a: 1 })],
  ["contexts.update: attempts", (e) => e.contexts.update("s", () => 1, { attempts: 0 })],
  ["contexts.update: unknown field", (e) => e.contexts.update("s", () => 1, { expectedVersion: 1 })],
  ["turn: session id", (e) => e.turn("", { turnId: "t" }, () => 1)],
  ["turn: turn id", (e) => e.turn("s", { turnId: "" }, () => 1)],
  ["turn: long turn id", (e) => e.turn("s", { turnId: "x".repeat(513) }, () => 1)],
  ["turn: unknown field", (e) => e.turn("s", { turn: "t" }, () => 1)],
  ["turn: parts", (e) => e.turn("s", { recordOnError: ["message"] }, () => 1)],
  ["turn: no work", (e) => e.turn("s", { turnId: "t" })],
  ["recordTurn: session id", (e) => e.recordTurn("", turn)],
  ["recordTurn: no turn id", (e) => e.recordTurn("s", { durationSeconds: 1 })],
  ["recordTurn: no duration", (e) => e.recordTurn("s", { turnId: "t" })],
  ["recordTurn: negative duration", (e) => e.recordTurn("s", { turnId: "t", durationSeconds: -1 })],
  [
    "recordTurn: endless duration",
    (e) => e.recordTurn("s", { turnId: "t", durationSeconds: Number.POSITIVE_INFINITY }),
  ],
  ["recordTurn: unknown field", (e) => e.recordTurn("s", { ...turn, seconds: 1 })],
  ["recordTurn: messages", (e) => e.recordTurn("s", { ...turn, messages: "hi" })],
  ["recordTurn: a message", (e) => e.recordTurn("s", { ...turn, messages: [{ role: "user" }] })],
  ["recordTurn: a part", (e) => e.recordTurn("s", { ...turn, messages: [{ role: "user", content: [{ text: "x" }] }] })],
  [
    "recordTurn: a time",
    (e) => e.recordTurn("s", { ...turn, messages: [{ role: "user", content: "", timestamp: new Date(Number.NaN) }] }),
  ],
  ["recordTurn: context", (e) => e.recordTurn("s", { ...turn, context: { value: 1, version: 1 } })],
  ["recordTurn: context version", (e) => e.recordTurn("s", { ...turn, context: { value: 1, expectedVersion: -1 } })],
  ["recordTurn: a checkpoint", (e) => e.recordTurn("s", { ...turn, checkpoints: [{ data: 1, threadId: "" }] })],
  [
    "recordTurn: a checkpoint's field",
    (e) => e.recordTurn("s", { ...turn, checkpoints: [{ data: 1, expectedHead: "x" }] }),
  ],
  [
    "recordTurn: reserved metadata",
    (e) => e.recordTurn("s", { ...turn, context: { value: 1, metadata: { "waystone.turn": "x" } } }),
  ],
  ["findTurn: id", (e) => e.findTurn("s", "")],
  ["findTurn: unknown field", (e) => e.findTurn("s", "t", { attempt: 1 })],
];

describe("the engine refuses, before it calls the storage,", () => {
  it.each(calls)("%s", async (_name, call) => {
    const storage = interruptedStorage(memoryStorage());
    const refused = async () => call(contextEngine(storage));
    await expect(refused()).rejects.toMatchObject({ code: "INVALID_ARGUMENT", outcome: "not-applied" });
    expect(storage.calls).toEqual([]);
  });

  it.each<[string, object]>([
    ["an unknown field", { timer: () => 0 }],
    ["a clock without now", { clock: {} }],
    ["a clock that is a number", { monotonic: 7 }],
    ["a wait that is a number", { wait: 5 }],
    ["a recognition that is no function", { toolReferences: [] }],
    ["a listener that is no function", { onTurnNotRecorded: "log" }],
  ])("options with %s", (_name, options) => {
    expect(() => contextEngine(memoryStorage(), options as EngineOptions)).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  });
});

describe("a turn refuses where it is told", () => {
  // biome-ignore lint/suspicious/noExplicitAny: arguments that the types forbid are what is tested
  it.each<[string, (turn: any) => void]>([
    ["a role", (each) => each.message("", "x")],
    ["a content", (each) => each.message("user", 7)],
    ["a part", (each) => each.message("user", [null])],
    ["a message's field", (each) => each.message("user", "x", { id: "m" })],
    ["a message's metadata", (each) => each.message("user", "x", { metadata: "m" })],
    ["a message's reserved metadata", (each) => each.message("user", "x", { metadata: { "waystone.turn": "m" } })],
    ["a message's id", (each) => each.message("user", "x", { messageId: "" })],
    ["a message's time", (each) => each.message("user", "x", { timestamp: 7 })],
    ["a context's field", (each) => each.context(1, { version: 1 })],
    ["a checkpoint's field", (each) => each.checkpoint(1, { id: "c" })],
    ["a checkpoint's thread", (each) => each.checkpoint(1, { threadId: "" })],
    ["a checkpoint's namespace", (each) => each.checkpoint(1, { namespace: 7 })],
    ["a checkpoint's parent", (each) => each.checkpoint(1, { parentId: "\0" })],
    ["a checkpoint's switch", (each) => each.checkpoint(1, { needsParent: "no" })],
  ])("%s", async (_name, call) => {
    const engine: ContextEngine = contextEngine(memoryStorage());
    const session = await engine.open("s", { userId: "u" });
    const caught: unknown[] = [];
    await session.turn({ turnId: "t" }, (each: Turn) => {
      try {
        call(each);
      } catch (error) {
        caught.push(error);
      }
    });
    expect(caught).toMatchObject([{ code: "INVALID_ARGUMENT" }]);
    expect(await session.get()).toMatchObject({ messageCount: 0, requestCount: 1 });
  });
});
