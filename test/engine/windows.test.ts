// Windows: the newest that fits, exactly, with whole pairs of tool call and result.
import { describe, expect, it } from "vitest";
import type { NewMessage } from "../../src/contract/conversation-storage.js";
import type { StorageBackend } from "../../src/contract/storage-backend.js";
import { contentBytes, contextEngine, type WindowOptions } from "../../src/engine/index.js";
import { interruptedStorage } from "./interrupted-storage.js";
import { conversation } from "./sample-conversations.js";
import { storages } from "./storages.js";

describe.each(storages)("a window over $name", ({ open }) => {
  const filled = async (messages: readonly NewMessage[], storage: StorageBackend = open()) => {
    const session = await contextEngine(storage).open("s", { userId: "u" });
    for (let at = 0; at < messages.length; at += 1000) await session.appendAll(messages.slice(at, at + 1000));
    return session;
  };
  const seqs = async (line: string, options?: WindowOptions) => {
    const window = await (await filled(conversation(line))).window(options);
    return window.messages.map(({ seq }) => seq);
  };

  it.each<[what: string, line: string, options: WindowOptions | undefined, expected: number[]]>([
    ["nothing of an empty conversation", "", undefined, []],
    ["the newest, oldest first", "u a u a", { maxMessages: 3 }, [2, 3, 4]],
    ["everything when it fits", "u a", { maxMessages: 2 }, [1, 2]],
    ["whole messages only", "u*5 a*5 u*5", { maxBytes: 46 }, [2, 3]],
    ["nothing when the newest does not fit", "u a*100", { maxBytes: 20 }, []],
    ["no older one that would fit beside one that does not", "u a*100 u", { maxBytes: 60 }, [3]],
    ["call and result together", "u a>1 t<1 a", { maxMessages: 3 }, [2, 3, 4]],
    ["neither call nor result when both do not fit", "u a>1 t<1 a", { maxMessages: 2 }, [4]],
    ["nothing when the newest pair does not fit", "u a>1 t<1", { maxMessages: 1 }, []],
    ["several calls of one message with all results", "u a>1>2 t<1 t<2 a", { maxMessages: 3 }, [5]],
    ["several calls with their results in any order", "u a>1>2 t<2 t<1 a", { maxMessages: 4 }, [2, 3, 4, 5]],
    ["a call that is not answered yet", "u a a>1", { maxMessages: 2 }, [2, 3]],
    ["a call of which one result is missing, with the other", "u a>1>2 t<1", { maxMessages: 2 }, [2, 3]],
    [
      "what lies between call and result, without the result when the call does not fit",
      "a>1 u t<1 a",
      { maxMessages: 3 },
      [2, 4],
    ],
    ["of pairs that cross each other the one that fits", "a>1 a>2 t<1 t<2 u", { maxMessages: 4 }, [2, 4, 5]],
    ["ids that are used anew: the nearest call counts", "a>1 t<1 u a>1 t<1", { maxMessages: 3 }, [3, 4, 5]],
    ["ids that are used anew: the older pair stays whole too", "u a>1 t<1 u a>1 t<1", { maxMessages: 4 }, [4, 5, 6]],
    ["no result without any call", "u t<9 a", { maxMessages: 3 }, [1, 3]],
    ["call and result in one message", "u a>1<1 u", { maxMessages: 2 }, [2, 3]],
    ["a result and a new call of the same id in one message", "a>1 t<1>1 t<1", { maxMessages: 2 }, []],
    ["roles that are wanted", "u a u a", { roles: ["user"], maxMessages: 2 }, [1, 3]],
    ["nothing for no roles", "u a", { roles: [] }, []],
    ["no call whose result's role is not wanted", "u a a>1 t<1 a", { roles: ["user", "assistant"] }, [1, 2, 5]],
    ["no result whose call's role is not wanted", "u a>1 t<1", { roles: ["user", "tool"] }, [1]],
    ["pairs of wanted roles", "u s a>1 t<1", { roles: ["assistant", "tool"], maxMessages: 2 }, [3, 4]],
    ["opening system messages", "s s u a u a", { keepSystem: true, maxMessages: 4 }, [1, 2, 5, 6]],
    ["opening system messages once", "s u", { keepSystem: true }, [1, 2]],
    ["no system message in the middle for that", "s u s a", { keepSystem: true, maxMessages: 2 }, [1, 4]],
    ["opening system messages whatever roles are wanted", "s u a", { keepSystem: true, roles: ["user"] }, [1, 2]],
    ["nothing when opening and newest do not fit together", "s u", { keepSystem: true, maxMessages: 1 }, []],
    ["only system messages", "s s", { keepSystem: true, maxMessages: 2 }, [1, 2]],
    [
      "no more than 16 of them",
      `${"s ".repeat(20)}u`,
      { keepSystem: true, maxMessages: 17 },
      [...Array(16).keys()].map((i) => i + 1).concat(21),
    ],
    ["at least one, too large or not", "u a*100", { maxBytes: 20, atLeastOne: true }, [2]],
    ["at least one pair", "u a>1 t<1", { maxMessages: 1, atLeastOne: true }, [2, 3]],
    ["at least one pair and what lies in it", "u a>1 u t<1", { maxMessages: 1, atLeastOne: true }, [2, 3, 4]],
    ["at least one pair without half of another", "a>1 a>2 t<1 t<2", { maxMessages: 1, atLeastOne: true }, [2, 4]],
    ["at least one that is whole", "u a t<9", { maxMessages: 1, maxBytes: 1, atLeastOne: true }, [2]],
    ["at least one of the roles", "u a a", { roles: ["user"], maxBytes: 1, atLeastOne: true }, [1]],
    ["nothing, when there is not one", "t<9", { maxBytes: 1, atLeastOne: true }, []],
    [
      "opening system messages with at least one",
      "s u a*9",
      { keepSystem: true, maxBytes: 1, atLeastOne: true },
      [1, 3],
    ],
  ])("shows %s", async (_what, line, options, expected) => {
    expect(await seqs(line, options)).toEqual(expected);
  });

  it("shows the newest 50 when no budget is given", async () => {
    const window = await (await filled(conversation("u ".repeat(60)))).window();
    expect(window.messages.map(({ seq }) => seq)).toEqual(Array.from({ length: 50 }, (_, index) => index + 11));
    expect(window).toMatchObject({ complete: false, withheld: 0, cost: { messages: 50 } });
  });

  it("says what it takes, whether it is all, and what was left out without being too large", async () => {
    const session = await filled([
      { role: "user", content: "é" },
      { role: "tool", content: "orphan", metadata: { tool_call_id: "9" } },
      { role: "user", content: "abc" },
    ]);
    const countTokens = async ({ content }: { content: unknown }) => String(content).length;
    expect(await session.window({ maxTokens: 100, countTokens })).toMatchObject({
      cost: { messages: 2, bytes: 5, tokens: 4 },
      complete: true,
      withheld: 1,
    });
    expect(await session.window({ maxMessages: 1 })).toMatchObject({
      cost: { messages: 1, bytes: 3, tokens: 0 },
      complete: false,
    });
  });

  it("keeps every bound exactly, alone and together", async () => {
    const session = await filled([1, 2, 3, 4].map((size) => ({ role: "user", content: "x".repeat(size) })));
    const countTokens = ({ content }: { content: unknown }) => 10 * String(content).length;
    const shown = async (options: WindowOptions) => (await session.window({ countTokens, ...options })).messages.length;
    expect(await Promise.all([7, 8, 9, 10].map((maxBytes) => shown({ maxBytes })))).toEqual([2, 2, 3, 4]);
    expect(await Promise.all([39, 40, 70, 100].map((maxTokens) => shown({ maxTokens })))).toEqual([0, 1, 2, 4]);
    expect(await shown({ maxBytes: 9, maxTokens: 70, maxMessages: 4 })).toBe(2);
    expect(await shown({ maxBytes: 9, maxTokens: 100, maxMessages: 1 })).toBe(1);
  });

  it("counts the bytes of text, keys and binary data", () => {
    expect(contentBytes("né💡")).toBe(7);
    expect(contentBytes([{ type: "image", data: new Uint8Array(100), n: 1 }])).toBe(4 + 5 + 4 + 100 + 1 + 8);
    const parts = {
      type: "x",
      m: new Map([["k", "v"]]),
      s: new Set(["ab"]),
      d: new Date(),
      u: new URL("http://a/"),
      b: null,
    };
    expect(contentBytes([parts])).toBe(4 + 1 + (1 + 2) + (1 + 2) + (1 + 8) + (1 + 9) + (1 + 8));
    expect(contentBytes([{ type: "e", error: Object.assign(new Error("m"), { stack: "s" }) }])).toBe(4 + 1 + 5 + 7);
  });

  it("finds calls by a recognition of one's own", async () => {
    const storage = open();
    const engine = contextEngine(storage, {
      toolReferences: ({ content }) => {
        const [, kind, id = ""] = /^(call|result) (\w+)$/.exec(String(content)) ?? [];
        return kind === undefined ? [] : [{ kind: kind as "call" | "result", id }];
      },
    });
    const session = await engine.open("s", { userId: "u" });
    await session.appendAll(["hi", "call 1", "result 1"].map((content) => ({ role: "x", content })));
    expect((await session.window({ maxMessages: 1 })).messages).toEqual([]);
    expect((await session.window({ maxMessages: 2 })).messages).toHaveLength(2);
  });

  it("reads back in pages, and not further than it must", async () => {
    const storage = open();
    await filled(conversation("u ".repeat(5000)), storage);
    const read = async (options: WindowOptions) => {
      const counting = interruptedStorage(storage);
      const window = await contextEngine(counting).conversations.window("s", options);
      return { shown: window.messages.length, calls: counting.calls.length };
    };
    expect(await read({ maxMessages: 20 })).toEqual({ shown: 20, calls: 2 });
    expect(await read({ maxMessages: 600 })).toEqual({ shown: 600, calls: 4 });
    expect((await read({ maxMessages: 5000 })).shown).toBe(5000);
    expect(await read({ maxMessages: 5000, scanLimit: 100 })).toMatchObject({ shown: 100 });
    expect(await read({ roles: ["system"], scanLimit: 300 })).toMatchObject({ shown: 0 });
  });

  it("does not search the whole conversation for a call that is nowhere", async () => {
    const storage = open();
    const session = await filled(conversation(`${"u ".repeat(3000)}t<9`), storage);
    const counting = interruptedStorage(storage);
    const window = await contextEngine(counting).conversations.window("s", { maxBytes: 1, atLeastOne: true });
    expect(window.messages.map(({ seq }) => seq)).toEqual([3000]);
    expect(counting.calls.length).toBeLessThan(8);
    expect((await session.window({ maxMessages: 10 })).withheld).toBe(1);
  });

  it("of an absent session is empty", async () => {
    const engine = contextEngine(open());
    expect(await engine.conversations.window("absent")).toEqual({
      messages: [],
      cost: { messages: 0, bytes: 0, tokens: 0 },
      complete: true,
      withheld: 0,
    });
  });

  it("shows what stands after messages were deleted", async () => {
    const storage = open();
    const session = await filled(conversation("s u a>1 t<1 u a"), storage);
    await storage.deleteConversationMessages("s", { after: 2, before: 4 });
    expect((await session.window({ keepSystem: true })).messages.map(({ seq }) => seq)).toEqual([1, 2, 5, 6]);
    await storage.deleteConversationMessages("s", { before: 5 });
    expect(await session.window({ maxMessages: 2 })).toMatchObject({
      complete: true,
      messages: [{ seq: 5 }, { seq: 6 }],
    });
  });

  it.each([Number.NaN, -1, Number.POSITIVE_INFINITY, "3"])("refuses a counter that says %s", async (tokens) => {
    const session = await filled(conversation("u"));
    const window = session.window({ maxTokens: 5, countTokens: () => tokens as number });
    await expect(window).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});
